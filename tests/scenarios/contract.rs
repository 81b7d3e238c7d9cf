//! What clients, operators and scripts may rely on.

use serde_json::json;
use tests::test_appliance::{known_answer, nonce};
use tests::{Chat, FakeCloud, TestAppliance};

#[tokio::test]
async fn every_answer_names_who_made_it_in_headers_and_body() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let nonce = nonce();

    let reply = appliance.client().ask(&Chat::new("assistant", &format!("Please repeat {nonce}"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.said().starts_with("cloud: ") && reply.said().contains(&nonce), "{}", reply.text());
    assert_eq!(reply.served_by(), "cloud/large");
    assert_eq!(reply.route(), "cloud");
    assert!(!reply.header("x-genset-reason").is_empty());
    assert_eq!(reply.header("x-genset-site-state"), "connected");
    let body = reply.json();
    assert_eq!(body["genset"]["served_by"], "cloud/large");
    assert_eq!(body["genset"]["route"], "cloud");
    assert_eq!(body["genset"]["site_state"], "connected");
    assert!(body["genset"]["reason"].is_string());
    assert_eq!(body["model"], "large");
    assert!(body["usage"]["completion_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_stream_names_who_made_it_in_its_first_and_last_chunk() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let nonce = nonce();

    let chat = Chat::new("assistant", &format!("Please repeat {nonce}"));
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole(), "{streamed:?}");
    assert!(streamed.said().contains(&nonce));
    assert_eq!(streamed.header("x-genset-served-by"), "cloud/large");
    assert!(streamed.header("content-type").starts_with("text/event-stream"));
    for chunk in [streamed.chunks.first(), streamed.chunks.last()] {
        assert_eq!(chunk.unwrap()["genset"]["served_by"], "cloud/large", "{streamed:?}");
        assert_eq!(chunk.unwrap()["genset"].get("seam"), None, "no seam where nothing was taken over");
    }

    let with_usage = chat.with("stream_options", json!({ "include_usage": true }));
    let streamed = appliance.client().stream_whole(&with_usage).await;
    let last = streamed.chunks.last().unwrap();
    assert!(last["usage"]["completion_tokens"].as_u64().unwrap() > 0, "{last}");
}

#[tokio::test]
async fn the_pilot_light_says_word_for_word_what_it_knows_in_both_languages() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    for known in [known_answer(false), known_answer(true)] {
        let chat = Chat::new("local-only", &known.question);
        let reply = appliance.client().ask(&chat).await;
        assert_eq!(reply.said(), known.answer);
        assert_eq!(reply.served_by(), "local/pilot-light");
        assert_eq!(reply.json()["model"], "pilot-light");
        assert_eq!(reply.json()["choices"][0]["finish_reason"], "stop");
        assert!(reply.json()["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
        let streamed = appliance.client().stream_whole(&chat).await;
        assert_eq!(streamed.said(), known.answer);
        assert!(streamed.is_whole());
        assert!(streamed.chunks.len() > 3, "it streams: {} chunks", streamed.chunks.len());
    }
    assert!(cloud.chats().is_empty(), "an alias without cloud routes sends nothing out");
}

#[tokio::test]
async fn a_request_marked_local_only_never_leaves_the_building() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);

    let chat = Chat::new("assistant", &known.question).header("x-genset-policy", "local-only");
    let reply = appliance.client().ask(&chat).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer));
    assert_eq!(reply.header("x-genset-reason"), "local-only");
    assert!(cloud.chats().is_empty());

    let unknown = Chat::new("assistant", &known.question).header("x-genset-policy", "whatever");
    assert_eq!(
        appliance.client().ask(&unknown).await.status,
        400,
        "a policy that is not known is not ignored"
    );
}

#[tokio::test]
async fn the_request_goes_to_the_cloud_as_it_came_with_the_key_of_the_box() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let chat = Chat::new("assistant", "Please keep the fields").with("seed", 7).with("user", "ward-3");

    assert_eq!(appliance.client().ask(&chat).await.status, 200);
    let seen = cloud.chats().pop().expect("one request");
    assert!(seen.authorized, "the upstream's key replaces the client's");
    assert_eq!(seen.body["model"], "large");
    assert_eq!(seen.body["seed"], 7);
    assert_eq!(seen.body["user"], "ward-3");
    let key = appliance.key();
    assert!(!format!("{seen:?}").contains(key), "the client's key stays in the building");
    assert!(seen.headers.iter().all(|(name, _)| !name.starts_with("x-genset")), "{:?}", seen.headers);
}

#[tokio::test]
async fn the_models_are_the_aliases() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let models = appliance.client().get("/v1/models").await.json();
    let names: Vec<_> = models["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(names, ["assistant", "local-only"]);
}

#[tokio::test]
async fn operators_find_liveness_readiness_numbers_and_state() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let anonymous = appliance.anonymous();
    assert_eq!(anonymous.get("/livez").await.status, 200);

    let ready = anonymous.get("/readyz?verbose").await;
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("pilot-light"), "{}", ready.text());

    appliance.client().ask(&Chat::new("local-only", "Are you ready?")).await;
    let metrics = anonymous.get("/metrics").await.text();
    assert!(metrics.lines().any(|line| line.starts_with("genset_")), "{metrics}");
    let foreign = metrics.lines().find(|line| !line.starts_with("genset_") && !line.starts_with('#'));
    assert_eq!(foreign, None, "every number has the box's prefix");

    let status = appliance.status().await;
    assert_eq!(status["name"], "Test Hospital");
    assert_eq!(status["state"], "connected");
    assert_eq!(status["upstreams"][0]["breaker"], "closed");
    assert_eq!(status["locals"][0]["status"], "ready");
    assert_eq!(status["locals"][0]["proven"], true);
}

#[tokio::test]
async fn sampling_limits_and_stop_strings_hold_for_the_local_model() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    let chat = Chat::new("local-only", &known.question);

    let short = appliance.client().ask(&chat.clone().with("max_tokens", 3)).await.json();
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["usage"]["completion_tokens"], 3);

    let word = known.answer.split(' ').nth(4).unwrap();
    let stopped = appliance.client().ask(&chat.clone().with("stop", word)).await;
    assert_eq!(stopped.said(), known.answer[..known.answer.find(word).unwrap()]);

    let sampled = chat.with("temperature", 1.5).with("seed", 42);
    let (first, second) = (appliance.client().ask(&sampled).await, appliance.client().ask(&sampled).await);
    assert_eq!(first.said(), second.said(), "the same seed says the same");
}

#[tokio::test]
async fn a_korean_answer_is_cut_between_syllables_never_inside() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(true);
    for limit in 1..24 {
        let chat = Chat::new("local-only", &known.question).with("max_tokens", limit);
        let streamed = appliance.client().stream_whole(&chat).await;
        assert!(known.answer.starts_with(&streamed.said()), "{limit} tokens: {}", streamed.said());
        assert!(!streamed.said().contains('\u{fffd}'));
    }
}

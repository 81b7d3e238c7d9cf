//! Answers that break while they are being said: whole in the end, or clearly not.

use std::time::Duration;

use serde_json::json;
use tests::test_appliance::known_answer;
use tests::{Chat, Ended, FakeCloud, TestAppliance};

/// A box whose cloud says the pilot light's own answer, so that a continuation can be compared word for word.
async fn box_and_cloud(korean: bool) -> (TestAppliance, FakeCloud, tests::test_appliance::Known) {
    let cloud = FakeCloud::start();
    let known = known_answer(korean);
    cloud.say(&known.answer);
    cloud.pace(Duration::from_millis(10));
    (TestAppliance::with_cloud(&cloud).await, cloud, known)
}

#[tokio::test]
async fn a_cut_stream_is_finished_word_for_word_by_the_pilot_light() {
    for korean in [false, true] {
        let (appliance, cloud, known) = box_and_cloud(korean).await;
        let words = known.answer.split(' ').count();
        for after in [1, words / 3, words - 2] {
            cloud.cut_streams(after);
            let streamed = appliance.client().stream_whole(&Chat::new("assistant", &known.question)).await;
            assert!(streamed.is_whole(), "cut after {after}: {streamed:?}");
            assert_eq!(streamed.said(), known.answer, "cut after {after} words");
            let before: String = known.answer.split_inclusive(' ').take(after).collect();
            assert_eq!(streamed.seam(), Some(before.chars().count() as u64), "the seam counts characters");
            let genset = streamed.genset();
            assert_eq!(genset.first().unwrap()["served_by"], "cloud/large");
            assert_eq!(genset.last().unwrap()["served_by"], "local/pilot-light");
            assert_eq!(streamed.finish_reason().as_deref(), Some("stop"));
            cloud.restore();
            appliance.until_state("connected").await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_stalls_is_taken_over() {
    let (appliance, cloud, known) = box_and_cloud(false).await;
    cloud.pace(Duration::from_millis(30));
    let mut stream = appliance.client().stream(&Chat::new("assistant", &known.question)).await;
    assert!(stream.until(20).await);
    cloud.go_silent();
    let streamed = stream.finish().await;
    assert!(streamed.is_whole(), "{streamed:?}");
    assert_eq!(streamed.said(), known.answer);
    assert!(streamed.seam().unwrap() >= 20);
}

#[tokio::test]
async fn a_refused_cloud_breaks_no_running_stream() {
    let (appliance, cloud, known) = box_and_cloud(false).await;
    cloud.pace(Duration::from_millis(30));
    let chat = Chat::new("assistant", &known.question);
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(appliance.client().stream(&chat).await);
    }
    for stream in &mut streams {
        assert!(stream.until(5).await);
    }
    cloud.refuse();
    for stream in streams {
        let streamed = stream.finish().await;
        assert!(streamed.is_whole(), "{streamed:?}");
        assert_eq!(streamed.said(), known.answer);
    }
}

#[tokio::test]
async fn committed_mode_shows_no_seam() {
    let (appliance, cloud, known) = box_and_cloud(false).await;
    cloud.cut_streams(4);
    let chat = Chat::new("assistant", &known.question).header("x-genset-mode", "committed");
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole(), "{streamed:?}");
    assert_eq!(streamed.said(), known.answer);
    let models: Vec<_> = streamed.genset().iter().map(|genset| genset["served_by"].clone()).collect();
    assert!(models.iter().all(|model| model == "local/pilot-light"), "from one model: {models:?}");
}

#[tokio::test]
async fn a_cut_stream_of_json_ends_in_a_clear_error() {
    let (appliance, cloud, _) = box_and_cloud(false).await;
    cloud.say(r#"{ "diagnosis" : "none" , "plan" : "rest and observe until morning" }"#);
    cloud.cut_streams(4);
    let chat = Chat::new("assistant", "Please answer in JSON")
        .with("response_format", json!({ "type": "json_object" }));
    let streamed = appliance.client().stream_whole(&chat).await;
    let Ended::Error(error) = &streamed.ended else { panic!("a cut answer is no success: {streamed:?}") };
    assert!(error["message"].as_str().unwrap().len() > 20, "{error}");
    assert_eq!(streamed.finish_reason(), None);
}

#[tokio::test]
async fn without_a_standby_a_cut_stream_ends_in_a_clear_error_and_never_looks_finished() {
    let cloud = FakeCloud::start();
    let lines = "[[alias]]\nname = \"cloud-only\"\ncloud = [\"cloud/large\"]\nstandby = []\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(lines).start().await;
    cloud.cut_streams(3);
    let streamed =
        appliance.client().stream_whole(&Chat::new("cloud-only", "Please say a long sentence")).await;
    let Ended::Error(error) = &streamed.ended else { panic!("a cut answer is no success: {streamed:?}") };
    assert!(error["message"].is_string() && error["code"].is_string(), "{error}");
    assert_eq!(streamed.finish_reason(), None);
    assert_eq!(streamed.said(), "cloud: here is ", "what came is shown");

    let whole = appliance.client().ask(&Chat::new("cloud-only", "Please say a long sentence")).await;
    assert!(whole.status.is_server_error(), "{}", whole.text());
    assert!(!whole.error_message().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_at_once() {
    let (appliance, _cloud, known) = box_and_cloud(false).await;
    for _ in 0..4 {
        let mut stream = appliance.client().stream(&Chat::new("local-only", &known.question)).await;
        assert!(stream.until(1).await);
        drop(stream);
    }
    let started = std::time::Instant::now();
    while appliance.status().await["locals"][0]["in_flight"] != 0 {
        assert!(started.elapsed() < Duration::from_secs(5), "abandoned answers still run");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stream_that_only_seems_to_end_is_finished_by_the_pilot_light() {
    let (appliance, cloud, known) = box_and_cloud(false).await;
    let chat = Chat::new("assistant", &known.question);
    cloud.end_early(4);
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    assert!(streamed.seam().is_some());
    cloud.err_inside(4);
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    assert!(streamed.seam().is_some());
}

#[tokio::test]
async fn a_stream_that_is_whole_but_never_done_ends_at_once() {
    let (cloud, known) = (FakeCloud::start(), known_answer(false));
    cloud.say(&known.answer);
    let builder = TestAppliance::builder().cloud(&cloud).tune("between_tokens_timeout_ms", 25_000);
    let appliance = builder.start().await;
    cloud.never_be_done();
    let started = std::time::Instant::now();
    let streamed = appliance.client().stream_whole(&Chat::new("assistant", &known.question)).await;
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    assert_eq!(streamed.seam(), None, "nothing was missing");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "nothing more is waited for: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_chunk_that_lost_bytes_is_a_hole_that_a_local_model_fills() {
    let (appliance, cloud, known) = box_and_cloud(true).await;
    cloud.garble();
    let streamed = appliance.client().stream_whole(&Chat::new("assistant", &known.question)).await;
    assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
    assert_eq!(streamed.header("x-genset-route"), "local", "what was lost may have been a word");
}

#[tokio::test]
async fn many_clients_see_no_failure_while_the_cloud_flaps() {
    let (appliance, cloud, known) = box_and_cloud(false).await;
    cloud.pace(Duration::from_millis(2));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..12)
        .map(|number| {
            let (client, stop) = (appliance.client(), stop.clone());
            let (chat, answer) = (Chat::new("assistant", &known.question), known.answer.clone());
            tokio::spawn(async move {
                let mut answers = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    if number % 2 == 0 {
                        let streamed = client.stream_whole(&chat).await;
                        assert!(streamed.is_whole(), "{streamed:?}");
                        assert_eq!(streamed.said(), answer);
                    } else {
                        assert_eq!(client.ask(&chat).await.said(), answer);
                    }
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for _ in 0..3 {
        for trouble in [FakeCloud::refuse, FakeCloud::reset, FakeCloud::answer_500, FakeCloud::go_silent] {
            trouble(&cloud);
            tokio::time::sleep(Duration::from_millis(300)).await;
            cloud.restore();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        cloud.cut_streams(2);
        tokio::time::sleep(Duration::from_millis(300)).await;
        cloud.restore();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_whole_answer_comes_from_a_stream_and_is_what_the_cloud_would_have_sent_whole() {
    let (appliance, cloud, known) = box_and_cloud(true).await;
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    let sent = cloud.chats().pop().unwrap().body;
    assert_eq!(sent["stream"], true, "a stream shows when it stops: {sent}");
    let mut body = reply.json();
    assert_eq!(body["genset"]["served_by"], "cloud/large");
    let usage = body["usage"].take();
    assert_eq!(usage["prompt_tokens"], 7, "the cloud's own count: {usage}");
    let message = json!({ "role": "assistant", "content": known.answer, "refusal": null });
    let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" });
    assert_eq!((&body["object"], &body["choices"]), (&json!("chat.completion"), &json!([choice])));
}

#[tokio::test]
async fn a_usage_that_the_client_did_not_ask_for_is_not_told() {
    let (appliance, _cloud, known) = box_and_cloud(false).await;
    let chat = Chat::new("assistant", &known.question);
    let told = |streamed: &tests::Streamed| streamed.chunks.iter().any(|chunk| chunk["usage"].is_object());
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole() && !told(&streamed), "{streamed:?}");
    let chat = chat.with("stream_options", json!({ "include_usage": true }));
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole() && told(&streamed), "{streamed:?}");
}

#[tokio::test]
async fn a_whole_answer_that_stops_on_its_way_is_started_over_by_the_second_cloud() {
    let (first, second) = (FakeCloud::named("first"), FakeCloud::named("second"));
    let appliance = TestAppliance::builder().upstream("one", &first).upstream("two", &second).start().await;
    first.cut_streams(4);
    let chat = Chat::new("assistant", "Please say a long sentence");
    let reply = appliance.client().ask(&chat).await;
    assert_eq!(reply.served_by(), "two/large", "{}", reply.text());
    assert!(reply.said().starts_with("second: here is what"), "{}", reply.said());
    let committed = chat.header("x-genset-mode", "committed");
    let streamed = appliance.client().stream_whole(&committed).await;
    assert!(streamed.is_whole() && streamed.said().starts_with("second: here is what"), "{streamed:?}");
    assert!(streamed.genset().iter().all(|genset| genset["served_by"] == "two/large"));
}

#[tokio::test]
async fn the_usage_of_an_answer_with_a_seam_counts_all_of_it() {
    let (appliance, cloud, known) = box_and_cloud(false).await;
    let chat =
        Chat::new("assistant", &known.question).with("stream_options", json!({ "include_usage": true }));
    let usage_of = |streamed: tests::Streamed| {
        let chunk = streamed.chunks.into_iter().find(|chunk| chunk["usage"].is_object()).unwrap();
        (chunk["usage"]["prompt_tokens"].as_u64(), chunk["usage"]["completion_tokens"].as_u64())
    };
    let mut local = chat.clone();
    local = local.with("model", "local-only");
    let whole = usage_of(appliance.client().stream_whole(&local).await);
    cloud.cut_streams(5);
    let with_a_seam = appliance.client().stream_whole(&chat).await;
    assert!(with_a_seam.seam().is_some(), "{with_a_seam:?}");
    let with_a_seam = usage_of(with_a_seam);
    assert_eq!(with_a_seam.0, whole.0, "the prompt is the question alone");
    assert!(with_a_seam.1.unwrap().abs_diff(whole.1.unwrap()) <= 2, "{with_a_seam:?} and {whole:?}");
}

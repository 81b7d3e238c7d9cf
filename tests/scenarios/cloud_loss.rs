//! Loss of the cloud before an answer has begun: nobody notices but by the name of who answers.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::test_appliance::{known_answer, nonce};
use tests::{Chat, FakeCloud, TestAppliance};

/// From loss to the next local answer, by the first promise; here it takes far less.
const PROMISE: Duration = Duration::from_secs(10);

/// Asks in each way that a client may ask; all must be answered by the pilot light, word for word.
async fn assert_answered_locally(appliance: &TestAppliance) {
    for known in [known_answer(false), known_answer(true)] {
        let chat = Chat::new("assistant", &known.question);
        let started = Instant::now();
        let reply = appliance.client().ask(&chat).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer.clone()));
        assert_ne!(reply.header("x-genset-reason"), "first-route", "it says why not the first route");
        let streamed = appliance.client().stream_whole(&chat).await;
        assert!(streamed.is_whole(), "{streamed:?}");
        assert_eq!(streamed.said(), known.answer);
        assert_eq!(streamed.header("x-genset-route"), "local");
        assert!(started.elapsed() < PROMISE, "the answers took {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_refused_cloud_is_replaced_before_the_first_byte() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.refuse();
    assert_answered_locally(&appliance).await;
    appliance.until_state("offline").await;
    assert_eq!(appliance.status().await["upstreams"][0]["breaker"], "open");
}

#[tokio::test]
async fn a_silent_cloud_is_replaced_within_the_promise() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    appliance.client().ask(&Chat::new("assistant", "Please warm up the connection")).await;
    cloud.go_silent();
    assert_answered_locally(&appliance).await;
    appliance.until_state("offline").await;
}

#[tokio::test]
async fn a_cloud_that_falls_silent_is_found_out_without_any_traffic() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.go_silent();
    assert!(appliance.until_state("offline").await < PROMISE);
    assert!(cloud.chats().is_empty(), "probes alone found it, and they cost nothing");
}

#[tokio::test]
async fn a_cloud_that_resets_connections_is_replaced() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.reset();
    assert_answered_locally(&appliance).await;
    appliance.until_state("offline").await;
}

#[tokio::test]
async fn a_cloud_that_answers_500_is_replaced_and_not_hammered() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.answer_500();
    assert_answered_locally(&appliance).await;
    appliance.until_state("offline").await;
    let attempts = cloud.chats().len();
    for _ in 0..10 {
        appliance.client().ask(&Chat::new("assistant", "Are you ready?")).await;
    }
    assert_eq!(cloud.chats().len(), attempts, "an open breaker sends no requests");
}

#[tokio::test]
async fn a_rejected_key_is_named_as_such_and_replaced() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.reject_key();
    assert_answered_locally(&appliance).await;
    appliance.until_state("offline").await;
    let status = appliance.status().await;
    assert_eq!(status["upstreams"][0]["verdict"], "key-rejected", "{status}");
    assert!(!status.to_string().contains(tests::fake_cloud::KEY));
}

#[tokio::test]
async fn a_captive_portal_is_no_answer() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.speak_html();
    assert_answered_locally(&appliance).await;
    appliance.until_state("offline").await;
    assert_eq!(appliance.status().await["upstreams"][0]["verdict"], "intercepted");
}

#[tokio::test]
async fn a_throttled_request_goes_on_elsewhere_and_the_route_is_held_while_the_breaker_stays_closed() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    cloud.throttle(Duration::from_secs(60));
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer));
    assert_eq!(reply.header("x-genset-reason"), "throttled");
    let attempts = cloud.chats().len();
    let reply = appliance.client().ask(&Chat::new("assistant", "Are you ready?")).await;
    assert_eq!((reply.route().as_str(), reply.header("x-genset-reason").as_str()), ("local", "throttled"));
    assert_eq!(cloud.chats().len(), attempts, "what the upstream asks for is kept");
    appliance.until_state("degraded").await;
    let status = appliance.status().await;
    let upstream = &status["upstreams"][0];
    assert_eq!((&upstream["breaker"], &upstream["verdict"]), (&json!("closed"), &json!("throttled")));
}

#[tokio::test]
async fn a_short_throttle_is_waited_for() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.throttle(Duration::from_secs(1));
    let client = appliance.client();
    let waiting =
        tokio::spawn(async move { client.ask(&Chat::new("assistant", "Please wait for me")).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    cloud.restore();
    assert_eq!(waiting.await.unwrap().route(), "cloud", "a short Retry-After is waited for");
}

#[tokio::test]
async fn a_first_token_that_does_not_come_is_not_waited_for() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    cloud.slow_first_token(Duration::from_secs(30));
    let started = Instant::now();
    let streamed = appliance.client().stream_whole(&Chat::new("assistant", &known.question)).await;
    assert_eq!(streamed.said(), known.answer, "signs of life are no tokens");
    assert!(
        started.elapsed() < Duration::from_secs(25),
        "first_token_timeout_ms is 1500, the cloud's first token takes 30 s: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_cloud_that_is_late_is_raced_by_a_local_answer() {
    let cloud = FakeCloud::start();
    let builder = TestAppliance::builder().cloud(&cloud).tune("first_token_timeout_ms", 20_000);
    let appliance = builder.tune("hedge_min_ms", 200).tune("hedge_unknown_ms", 400).start().await;
    let known = known_answer(true);
    cloud.slow_first_token(Duration::from_secs(20));
    let chat = Chat::new("assistant", &known.question);
    for chat in [chat.clone(), chat.header("x-genset-mode", "committed")] {
        let started = Instant::now();
        let streamed = appliance.client().stream_whole(&chat).await;
        assert!(streamed.is_whole() && streamed.said() == known.answer, "{streamed:?}");
        assert_eq!(streamed.header("x-genset-reason"), "slow");
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
    let image = json!([{ "role": "user", "content": [
        { "type": "text", "text": "Please look at this picture" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
    ] }]);
    cloud.slow_first_token(Duration::from_millis(900));
    let reply = appliance.client().ask(&Chat::new("assistant", "").with("messages", image)).await;
    assert_eq!(reply.route(), "cloud", "a standby that cannot see is not raced: {}", reply.text());
}

#[tokio::test]
async fn a_request_that_the_cloud_refuses_as_wrong_is_refused_and_is_no_outage() {
    let cloud = FakeCloud::start();
    let lines = "[[alias]]\nname = \"gone\"\ncloud = [\"cloud/withdrawn\"]\nstandby = []\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(lines).start().await;
    for _ in 0..8 {
        let reply = appliance.client().ask(&Chat::new("gone", "Is this model still there?")).await;
        assert!(reply.status.is_client_error() || reply.status.is_server_error(), "{}", reply.text());
        assert!(!reply.error_message().is_empty());
    }
    let status = appliance.status().await;
    assert_eq!(status["upstreams"][0]["breaker"], "closed");
    let withdrawn = &status["upstreams"][0]["models"][1];
    assert_eq!((&withdrawn["breaker"], &withdrawn["verdict"]), (&json!("open"), &json!("model-withdrawn")));
    let reply = appliance.client().ask(&Chat::new("assistant", "Please go on")).await;
    assert_eq!(reply.route(), "cloud");
}

#[tokio::test]
async fn the_second_cloud_answers_while_the_first_is_out() {
    let (first, second) = (FakeCloud::named("first"), FakeCloud::named("second"));
    let appliance = TestAppliance::builder().upstream("one", &first).upstream("two", &second).start().await;
    first.answer_500();
    let nonce = nonce();
    let reply = appliance.client().ask(&Chat::new("assistant", &format!("Please repeat {nonce}"))).await;
    assert_eq!(reply.served_by(), "two/large", "{}", reply.text());
    assert!(reply.said().starts_with("second: ") && reply.said().contains(&nonce));
    appliance.until_state("degraded").await;
    second.answer_500();
    assert_answered_locally(&appliance).await;
    appliance.until_state("offline").await;
}

#[tokio::test]
async fn two_unrelated_clouds_lost_at_once_are_one_event() {
    let (first, second) = (FakeCloud::named("first"), FakeCloud::named("second"));
    let appliance = TestAppliance::builder().upstream("one", &first).upstream("two", &second).start().await;
    first.refuse();
    second.refuse();
    let known = known_answer(false);
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer));
    assert_eq!(appliance.site_state().await, "offline", "one request through both was evidence enough");
}

#[tokio::test]
async fn many_requests_in_flight_all_survive_the_loss() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let known = known_answer(false);
    cloud.slow_first_token(Duration::from_millis(800));
    let running: Vec<_> = (0..16)
        .map(|number| {
            let (client, chat) = (appliance.client(), Chat::new("assistant", &known.question));
            tokio::spawn(async move {
                match number % 2 {
                    0 => client.ask(&chat).await.said(),
                    _ => client.stream_whole(&chat).await.said(),
                }
            })
        })
        .collect();
    while cloud.chats().len() < 16 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cloud.refuse();
    for answer in running {
        assert_eq!(answer.await.unwrap(), known.answer);
    }
}

#[tokio::test]
async fn without_any_cloud_the_box_starts_cold_and_serves() {
    let appliance = TestAppliance::builder().start().await;
    let known = known_answer(true);
    let lines = appliance.client().ask(&Chat::new("local-only", &known.question)).await;
    assert_eq!(lines.said(), known.answer);
    assert_eq!(appliance.site_state().await, "offline");
}

#[tokio::test]
async fn a_content_filter_is_not_routed_around() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.answer_400("content_filter");
    for _ in 0..6 {
        let reply = appliance.client().ask(&Chat::new("assistant", "Please say what you must not")).await;
        assert_eq!((reply.status.as_u16(), reply.error_code().as_str()), (400, "content_filter"));
        let streamed =
            appliance.client().stream(&Chat::new("assistant", "Please say what you must not")).await;
        assert_eq!(streamed.status, 400);
    }
    assert_eq!(cloud.chats().len(), 12, "and never tried twice");
    assert_eq!(appliance.status().await["upstreams"][0]["breaker"], "closed");
}

#[tokio::test]
async fn what_the_pilot_light_cannot_do_is_refused_and_never_faked() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    cloud.refuse();
    appliance.until_state("offline").await;
    let tool =
        json!([{ "type": "function", "function": { "name": "order", "parameters": { "type": "object" } } }]);
    let image = json!([{ "role": "user", "content": [
        { "type": "text", "text": "Please look at this picture" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
    ] }]);
    let chat = Chat::new("assistant", "Please do what you can");
    for chat in [chat.clone().with("tools", tool), chat.with("messages", image)] {
        let reply = appliance.client().ask(&chat).await;
        assert!(reply.status.as_u16() >= 400, "{}", reply.text());
        assert!(reply.error_message().len() > 20, "{}", reply.text());
    }
}

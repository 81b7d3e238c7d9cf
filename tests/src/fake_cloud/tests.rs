//! The fake cloud fails as it says it does.

use std::time::Duration;

use super::*;
use crate::Chat;
use crate::client::{Client, Door, Ended, Sent};

fn client(cloud: &FakeCloud) -> Client {
    let door = match cloud.ca_file() {
        Some(file) => Door::Https(cloud.address, file.clone()),
        None => Door::Http(cloud.address),
    };
    Client::new(door, Sent::default()).with_key(KEY)
}

fn chat() -> Chat {
    Chat::new(MODEL, "please say nonce-1")
}

#[tokio::test]
async fn it_answers_whole_and_streamed_and_says_who_it_is() {
    let cloud = FakeCloud::start();
    let reply = client(&cloud).ask(&chat()).await;
    assert!(reply.said().starts_with("cloud: here is"), "{reply:?}");
    assert!(reply.said().contains("nonce-1"));
    let streamed = client(&cloud).stream_whole(&chat()).await;
    assert!(streamed.is_whole(), "{streamed:?}");
    assert_eq!(streamed.said(), reply.said());
    assert_eq!(cloud.chats().len(), 2);
    assert!(cloud.chats()[0].authorized);
    assert!(cloud.chats()[0].headers.iter().all(|(name, _)| name != "authorization"));
}

#[tokio::test]
async fn it_refuses_until_it_is_restored() {
    let cloud = FakeCloud::start();
    cloud.refuse();
    let refused = client(&cloud).try_ask(&chat()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    cloud.restore();
    assert!(client(&cloud).ask(&chat()).await.status.is_success());
}

#[tokio::test]
async fn refusing_resets_the_streams_that_run() {
    let cloud = FakeCloud::start();
    cloud.pace(Duration::from_millis(20));
    let mut stream = client(&cloud).stream(&chat()).await;
    assert!(stream.until(5).await);
    cloud.refuse();
    assert_eq!(stream.finish().await.ended, Ended::Broken);
}

#[tokio::test]
async fn silence_neither_answers_nor_closes() {
    let cloud = FakeCloud::start();
    cloud.go_silent();
    let client = client(&cloud);
    assert!(tokio::time::timeout(Duration::from_millis(200), client.ask(&chat())).await.is_err());
    assert_eq!(cloud.chats().len(), 1, "the request was read");
    cloud.restore();
    assert!(client.ask(&chat()).await.status.is_success());
}

#[tokio::test]
async fn it_resets_before_any_header() {
    let cloud = FakeCloud::start();
    cloud.reset();
    assert!(client(&cloud).try_ask(&chat()).await.is_err());
    assert_eq!(cloud.attempts(), 1);
}

#[tokio::test]
async fn it_cuts_streams_after_the_given_pieces() {
    let cloud = FakeCloud::start();
    cloud.cut_streams(3);
    let streamed = client(&cloud).stream_whole(&chat()).await;
    assert_eq!(streamed.ended, Ended::Broken);
    assert_eq!(streamed.said(), "cloud: here is ");
}

#[tokio::test]
async fn it_answers_with_the_statuses_of_a_troubled_cloud() {
    let cloud = FakeCloud::start();
    cloud.answer_500();
    assert_eq!(client(&cloud).ask(&chat()).await.status, 500);
    cloud.throttle(Duration::from_secs(2));
    let throttled = client(&cloud).ask(&chat()).await;
    assert_eq!((throttled.status.as_u16(), throttled.header("retry-after")), (429, "2".to_owned()));
    cloud.reject_key();
    assert_eq!(client(&cloud).ask(&chat()).await.status, 401);
    cloud.speak_html();
    assert_eq!(client(&cloud).ask(&chat()).await.header("content-type"), "text/html");
    cloud.restore();
    assert_eq!(client(&cloud).with_key("wrong").ask(&chat()).await.status, 401);
}

#[tokio::test]
async fn a_slow_first_token_is_preceded_by_signs_of_life() {
    let cloud = FakeCloud::start();
    cloud.slow_first_token(Duration::from_millis(300));
    let started = Instant::now();
    let streamed = client(&cloud).stream_whole(&chat()).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(streamed.is_whole());
}

#[tokio::test]
async fn it_speaks_tls_under_its_own_authority() {
    let cloud = FakeCloud::with_tls();
    assert!(client(&cloud).ask(&chat()).await.said().contains("nonce-1"));
    assert!(cloud.base_url().starts_with("https://127."));
}

#[tokio::test]
async fn a_scripted_model_fails_by_its_name_and_the_others_are_well() {
    let cloud = FakeCloud::start();
    let trouble = Trouble::Status { status: 503, code: "overloaded", retry_after: None };
    cloud.model("once", Script { trouble, lasts: Lasts::Once, ..Script::new("all is well", 1) });
    let probe = Chat::new("once", "").with("messages", serde_json::json!([]));
    assert_eq!(client(&cloud).ask(&probe).await.status, 400, "a probe is no request");
    assert_eq!(client(&cloud).ask(&Chat::new("once", "Are you well?")).await.status, 503);
    assert_eq!(client(&cloud).ask(&Chat::new("once", "Are you well?")).await.said(), "all is well");
    assert_eq!(cloud.attempts_on("once").len(), 2);
    assert!(client(&cloud).ask(&chat()).await.status.is_success());
}

#[tokio::test]
async fn a_scripted_stream_is_cut_at_the_letter() {
    let cloud = FakeCloud::start();
    let trouble = Trouble::Cut { after: 11 };
    let script =
        Script { trouble, frame_bytes: 1, ..Script::new("파일럿 라이트는 작은 모델입니다", 3) };
    cloud.model("cut", script);
    let streamed = client(&cloud).stream_whole(&Chat::new("cut", "누구세요?")).await;
    assert_eq!(streamed.ended, Ended::Broken);
    assert!("파일럿 라이트는 작은".starts_with(&streamed.said()), "{streamed:?}");
}

#[tokio::test]
async fn a_scripted_model_treats_a_begun_answer_as_it_was_told() {
    let cloud = FakeCloud::start();
    let messages = serde_json::json!([
        { "role": "user", "content": "Count" }, { "role": "assistant", "content": "one two" }
    ]);
    let chat = Chat::new("model", "Count").with("messages", messages);
    let mut said = Vec::new();
    for prefill in [Prefill::Continues, Prefill::StartsAnew, Prefill::Rejected] {
        cloud.model("model", Script { prefill, ..Script::new("one two three", 1) });
        let reply = client(&cloud).ask(&chat).await;
        said.push(format!("{} {}", reply.status.as_u16(), reply.said()));
    }
    assert_eq!(said, ["200  three", "200 one two three", "400 "]);
}

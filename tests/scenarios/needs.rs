//! What a request needs is held against what can serve it: chosen, shortened by a stated rule, or refused with reason.

use serde_json::{Value, json};
use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

/// More than the pilot light can hold, in bytes and in tokens.
fn long_story() -> String {
    "a very long story about a patient and a nurse ".repeat(2_000)
}

#[tokio::test]
async fn a_question_in_a_language_that_the_standby_does_not_speak_is_refused_as_such() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let chat = Chat::new("assistant", "この薬の用量は何ですか");
    assert_eq!(appliance.client().ask(&chat).await.route(), "cloud");
    cloud.refuse();
    appliance.until_state("offline").await;
    let reply = appliance.client().ask(&chat).await;
    assert_eq!((reply.status.as_u16(), reply.error_code().as_str()), (503, "standby_lacks"));
    assert!(reply.error_message().contains("Japanese"), "{}", reply.text());
    let known = known_answer(true);
    assert_eq!(appliance.client().ask(&Chat::new("assistant", &known.question)).await.said(), known.answer);
}

#[tokio::test]
async fn a_cloud_that_is_known_not_to_see_is_not_sent_an_image() {
    let (first, second) = (FakeCloud::named("first"), FakeCloud::named("second"));
    // The facts belong to the upstream that was given last.
    let facts = "\n[[upstream.model]]\nname = \"large\"\nimages = false\n";
    let builder = TestAppliance::builder().upstream("one", &first).upstream("two", &second).extra(facts);
    let appliance = builder.start().await;
    first.answer_500();
    let image = json!([{ "role": "user", "content": [
        { "type": "text", "text": "Please look at this picture" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
    ] }]);
    let reply = appliance.client().ask(&Chat::new("assistant", "").with("messages", image)).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(second.chats().is_empty(), "an image is not dropped on its way either");
}

#[tokio::test]
async fn a_conversation_too_long_for_one_cloud_goes_to_the_next_and_never_twice_to_the_same() {
    let (first, second) = (FakeCloud::named("first"), FakeCloud::named("second"));
    let appliance = TestAppliance::builder().upstream("one", &first).upstream("two", &second).start().await;
    first.answer_400("context_length_exceeded");
    let reply = appliance.client().ask(&Chat::new("assistant", "Please read all of this")).await;
    assert_eq!(reply.served_by(), "two/large", "{}", reply.text());
    assert_eq!(reply.header("x-genset-reason"), "context");
    assert_eq!((first.chats().len(), second.chats().len()), (1, 1));
    assert_eq!(appliance.status().await["upstreams"][0]["breaker"], "closed");

    second.answer_400("context_length_exceeded");
    let reply = appliance.client().ask(&Chat::new("assistant", &long_story())).await;
    assert_eq!((reply.status.as_u16(), reply.error_code().as_str()), (400, "context_length_exceeded"));
    let said = reply.error_message();
    assert_eq!(said, "the fake cloud refuses this request", "the first upstream's own words");
    assert_eq!((first.chats().len(), second.chats().len()), (2, 2));
}

#[tokio::test]
async fn without_leave_to_shorten_a_long_conversation_is_refused_with_both_lengths() {
    let cloud = FakeCloud::start();
    let facts = "\n[[upstream.model]]\nname = \"large\"\ncontext = 1024\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(facts).start().await;
    let reply = appliance.client().ask(&Chat::new("assistant", &long_story())).await;
    assert_eq!((reply.status.as_u16(), reply.error_code().as_str()), (400, "context_length_exceeded"));
    assert!(reply.error_message().contains("tokens"), "{}", reply.text());
    assert!(cloud.chats().is_empty(), "it is not even sent");
}

#[tokio::test]
async fn with_leave_the_oldest_turns_are_left_out_and_it_is_told() {
    let cloud = FakeCloud::start();
    let alias = "\n[[alias]]\nname = \"short\"\ncloud = [\"cloud/large\"]\nstandby = [\"pilot-light\"]\nshorten = \"oldest-turns\"\n";
    let appliance = TestAppliance::builder().cloud(&cloud).extra(alias).start().await;
    cloud.refuse();
    appliance.until_state("offline").await;
    let known = known_answer(false);
    let mut messages: Vec<Value> = Vec::new();
    for number in 0..8 {
        messages
            .push(json!({ "role": "user", "content": format!("part {number}: {}", "story ".repeat(900)) }));
        messages.push(json!({ "role": "assistant", "content": "I have read it." }));
    }
    messages.push(json!({ "role": "user", "content": known.question }));
    let chat = Chat::new("short", "").with("messages", messages.clone());
    let streamed = appliance.client().stream_whole(&chat).await;
    assert!(streamed.is_whole(), "{streamed:?}");
    let left_out: u64 = streamed.header("x-genset-shortened").parse().expect("it is told in a header");
    assert!((2..=16).contains(&left_out) && left_out.is_multiple_of(2), "whole turns: {left_out}");
    assert_eq!(streamed.genset()[0]["shortened"], left_out);
    let refused = appliance.client().ask(&Chat::new("assistant", "").with("messages", messages)).await;
    assert_eq!(refused.error_code(), "context_length_exceeded", "only an alias that allows it");
}

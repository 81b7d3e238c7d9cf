use serde_json::{Value, json};

use super::*;

fn parse(body: &Value) -> Result<ChatRequest, ApiError> {
    ChatRequest::parse(body.to_string().as_bytes())
}

fn refusal(body: &Value) -> (u16, String, Option<String>) {
    let error = parse(body).expect_err("must be refused");
    (error.status, error.code.into_owned(), error.param)
}

#[test]
fn nothing_of_the_body_is_lost_on_its_way_to_the_upstream() {
    let body =
        json!({"model": "assistant", "messages": [{"role": "user", "content": "안녕"}], "x": {"y": [1.5]}});
    let sent: Value =
        serde_json::from_slice(&parse(&body).expect("good").body_for("gpt-4o", Delivery::Whole))
            .expect("JSON");
    let mut expected = body;
    expected["model"] = json!("gpt-4o");
    assert_eq!(sent, expected);
}

#[test]
fn an_upstream_is_asked_for_a_stream_whatever_the_caller_asked_for() {
    let sent = |body: &Value, delivery| -> Value {
        serde_json::from_slice(&parse(body).expect("good").body_for("m", delivery)).expect("JSON")
    };
    let whole = json!({"model": "a", "messages": [{"role": "user", "content": "x"}], "stream": false});
    let with_usage = sent(&whole, Delivery::StreamWithUsage);
    assert_eq!(with_usage["stream"], true);
    assert_eq!(with_usage["stream_options"], json!({"include_usage": true}));
    let mut own_options = whole;
    own_options["stream_options"] = json!({"include_usage": false, "include_obfuscation": false});
    let both = json!({"include_usage": true, "include_obfuscation": false});
    assert_eq!(sent(&own_options, Delivery::StreamWithUsage)["stream_options"], both);
    assert_eq!(sent(&own_options, Delivery::Stream).get("stream_options"), None);
}

#[test]
fn sound_cannot_be_put_together_from_chunks() {
    let mut body = json!({"model": "a", "messages": [{"role": "user", "content": "x"}]});
    assert!(parse(&body).expect("good").can_be_streamed());
    body["modalities"] = json!(["text", "audio"]);
    assert!(!parse(&body).expect("good").can_be_streamed());
}

#[test]
fn text_parts_are_joined_and_other_parts_are_needs() {
    let request = parse(&json!({"model": "a", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "look "}, {"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "here"}]}]}))
    .expect("good");
    assert_eq!(request.messages[0].text, "look here");
    assert!(request.needs.images && !request.needs.tools);
}

#[test]
fn each_bad_field_is_refused_by_its_name() {
    let with = |key: &str, value: Value| {
        let mut body = json!({"model": "a", "messages": [{"role": "user", "content": "x"}]});
        body[key] = value;
        body
    };
    for (key, value) in [
        ("temperature", json!(2.5)),
        ("temperature", json!("hot")),
        ("top_p", json!(-0.1)),
        ("max_tokens", json!(0)),
        ("n", json!(0)),
        ("presence_penalty", json!(2.1)),
        ("frequency_penalty", json!("much")),
        ("stream", json!("yes")),
        ("stop", json!([""])),
        ("stop", json!(["1", "2", "3", "4", "5"])),
        ("seed", json!("x")),
    ] {
        assert_eq!(
            refusal(&with(key, value.clone())),
            (400, "invalid_value".into(), Some(key.into())),
            "{key}: {value}"
        );
    }
    assert_eq!(refusal(&with("model", json!(""))).1, "model_missing");
    assert_eq!(refusal(&with("messages", json!([]))).1, "invalid_messages");
    let wrong_role = with("messages", json!([{"role": "ghost", "content": "x"}]));
    assert_eq!(refusal(&wrong_role).2.as_deref(), Some("messages[0].role"));
}

#[test]
fn a_body_that_is_no_json_is_refused_with_its_place() {
    for (body, words) in
        [("hello", "not JSON"), ("{\"model\":", "ends in the middle"), ("[1]", "not an object")]
    {
        let error = ChatRequest::parse(body.as_bytes()).expect_err("must be refused");
        assert_eq!((error.status, error.code.as_ref()), (400, "invalid_json"));
        assert!(error.message.contains(words), "{}", error.message);
    }
}

#[test]
fn no_text_of_a_message_is_in_the_debug_output() {
    let request = parse(&json!({"model": "a", "messages": [{"role": "user", "content": "secret words"}]}));
    assert!(!format!("{request:?}").contains("secret"));
}

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
fn sound_and_a_search_of_the_web_are_needs_and_sound_cannot_be_put_together_from_chunks() {
    for (fields, sound, web_search) in [
        (json!({"modalities": ["text"], "audio": null, "web_search_options": null}), false, false),
        (json!({"modalities": ["text", "audio"]}), true, false),
        (json!({"audio": {"voice": "alloy", "format": "mp3"}}), true, false),
        (json!({"web_search_options": {}}), false, true),
    ] {
        let mut body = json!({"model": "a", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request = parse(&body).expect("good");
        assert_eq!((request.needs.sound, request.needs.web_search), (sound, web_search), "{fields}");
        assert_eq!(request.can_be_streamed(), !sound, "{fields}");
    }
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
        ("seed", json!(1.5)),
        ("n", json!(129)),
        ("n", json!("two")),
        ("top_k", json!(-1)),
        ("min_p", json!(1.5)),
        ("repetition_penalty", json!(0)),
        ("repetition_penalty", json!(2.1)),
        ("stream_options", json!("usage")),
        ("stream_options", json!([])),
        ("logprobs", json!(3)),
        ("top_logprobs", json!(5)),
        ("logit_bias", json!([1])),
        ("logit_bias", json!({"hello": 1})),
        ("logit_bias", json!({"01": 1})),
        ("logit_bias", json!({"-1": 1})),
        ("logit_bias", json!({"1": 100.5})),
        ("logit_bias", json!({"1": "much"})),
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
fn what_is_said_over_and_over_is_few_tokens() {
    let least = |text: &str| {
        let body = serde_json::json!({"model": "a", "messages": [{"role": "user", "content": text}]});
        ChatRequest::parse(body.to_string().as_bytes()).unwrap().least_tokens()
    };
    assert_eq!(least(&"-".repeat(100_000)), 1, "a vocabulary may have a token for many of them");
    let lines = format!("{}\n", "-".repeat(79)).repeat(1000);
    assert!((200..400).contains(&least(&lines)), "{}", least(&lines));
    let empty = serde_json::json!({"role": "user", "content": ""});
    let many = serde_json::json!({"model": "a", "messages": vec![empty; 3000]});
    assert_eq!(ChatRequest::parse(many.to_string().as_bytes()).unwrap().least_tokens(), 3000);
    assert!((3900..=4100).contains(&least(&"a ward, and whoever is there. ".repeat(1070))));
}

#[test]
fn a_body_that_is_no_json_is_refused_with_its_place() {
    let deep = format!("{{\"model\": {}{}}}", "[".repeat(127), "]".repeat(127));
    for (body, words) in [
        ("hello", "not JSON"),
        ("{\"model\":", "ends in the middle"),
        ("[1]", "not an object"),
        (&deep, "nested more than 127 levels"),
    ] {
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

#[test]
fn what_is_asked_about_tokens_is_read_whole_and_a_wrong_number_is_told_its_range() {
    let with = |fields: Value| {
        let mut body = json!({"model": "a", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let plain =
        parse(&with(json!({"logprobs": null, "logit_bias": {}, "top_logprobs": null}))).expect("good");
    assert_eq!((plain.logprobs, plain.logit_bias.len(), plain.needs.logprobs), (None, 0, false));
    let all = json!({"logprobs": true, "top_logprobs": 20, "logit_bias": {"7": -100, "50256": 0.5}, "n": 3,
        "repetition_penalty": 1.1, "min_p": 0.1, "top_k": 40, "seed": -7});
    let all = parse(&with(all)).expect("good");
    assert_eq!((all.logprobs, all.choices, all.top_k), (Some(20), 3, Some(40)));
    assert_eq!(all.logit_bias.iter().map(|(token, _)| *token).max(), Some(50256));
    assert!(all.logit_bias.contains(&(7, -100.0)) && all.needs.token_numbers && all.needs.logprobs);
    assert_eq!(
        (all.repetition_penalty, all.min_p, all.seed),
        (Some(1.1), Some(0.1), Some((-7_i64).cast_unsigned()))
    );
    for (fields, words) in [
        (json!({"logprobs": true, "top_logprobs": 21}), "a whole number from 0 to 20"),
        (json!({"logprobs": false, "top_logprobs": 1}), "needs \"logprobs\": true"),
        (json!({"n": 129}), "a whole number from 1 to 128"),
        (json!({"repetition_penalty": 0}), "a number from 0.01 to 2"),
        (json!({"logit_bias": {"1": 101}}), "from -100 to 100"),
    ] {
        let error = parse(&with(fields)).expect_err("out of range");
        assert!(error.message.contains(words), "{}", error.message);
    }
}

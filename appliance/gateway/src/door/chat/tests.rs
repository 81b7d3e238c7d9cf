use bytes::Bytes;
use continuity::SiteState;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{Shape, Wire, check_stop, whole};
use crate::answer::{Answer, AnswerEvent, Refusal, Route, Served};
use crate::reason::Reason;
use dialect::openai::{ChatRequest, LikelyToken, TokenOdds, Usage};

fn served(by: &str, route: Route, reason: Reason) -> Served {
    Served { by: by.into(), route, reason, site_state: SiteState::Connected, shortened: None, brown_out: 0 }
}

fn upstream_chunk(text: &str, finish_reason: Option<&str>) -> AnswerEvent {
    let raw = json!({"id": "up-1", "created": 7, "model": "gpt", "x": 1,
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]});
    AnswerEvent::Delta {
        text: text.into(),
        raw: Some(Bytes::from(raw.to_string())),
        closing: finish_reason.is_some(),
    }
}

fn local_text(text: &str) -> AnswerEvent {
    AnswerEvent::Delta { text: text.into(), raw: None, closing: false }
}

fn finished() -> AnswerEvent {
    AnswerEvent::Finished {
        reason: "stop".into(),
        usage: Usage { prompt_tokens: 3, completion_tokens: 2, cached_tokens: 0 },
        usage_is_estimated: false,
        body: None,
    }
}

/// The data of each event that the events of one answer become; `[DONE]` as a text.
fn wire(first: Served, include_usage: bool, events: Vec<AnswerEvent>) -> Vec<Value> {
    let events_of_answer = futures_util::stream::empty().boxed();
    let answer = Answer { request_id: "r".into(), served: first, events: events_of_answer };
    wired(&answer, Shape { include_usage, logprobs: false, choices: 1 }, events)
}

fn wired(answer: &Answer, shape: Shape, events: Vec<AnswerEvent>) -> Vec<Value> {
    let mut wire = Wire::new(answer, shape);
    let bytes: Vec<u8> = events.into_iter().flat_map(|event| wire.encode(event)).collect();
    let (mut decoder, mut data) = (dialect::sse::Decoder::new(1 << 20), Vec::new());
    decoder.push(&bytes, &mut data).expect("within the limit");
    data.into_iter()
        .map(|data| serde_json::from_slice(&data).unwrap_or_else(|_| String::from_utf8_lossy(&data).into()))
        .collect()
}

#[test]
fn the_first_and_the_last_chunk_of_an_upstream_are_stamped_and_the_middle_is_its_own() {
    let cloud = served("openai/gpt", Route::Cloud, Reason::FirstRoute);
    let events = vec![
        upstream_chunk("one ", None),
        upstream_chunk("two ", None),
        upstream_chunk("", Some("stop")),
        finished(),
    ];
    let data = wire(cloud, false, events);
    assert_eq!(data.len(), 4);
    assert_eq!(data[0]["genset"]["served_by"], "openai/gpt");
    assert_eq!(data[1].get("genset"), None);
    assert_eq!((&data[1]["x"], &data[2]["x"]), (&json!(1), &json!(1)));
    assert_eq!(data[2]["genset"]["route"], "cloud");
    assert_eq!(data[3], "[DONE]");
}

#[test]
fn after_the_seam_another_model_speaks_under_the_same_identity() {
    let cloud = served("openai/gpt", Route::Cloud, Reason::FirstRoute);
    let local = served("local/pilot-light", Route::Local, Reason::Cut);
    let events = vec![
        upstream_chunk("one ", None),
        AnswerEvent::Seam { served: local, chars: 4 },
        local_text("two"),
        finished(),
    ];
    let data = wire(cloud, true, events);
    let text: String = data.iter().filter_map(|d| d["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "one two");
    assert!(data[..data.len() - 1].iter().all(|chunk| chunk["id"] == "up-1"));
    let last = &data[data.len() - 3];
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!((&last["genset"]["seam"], &last["model"]), (&json!(4), &json!("pilot-light")));
    assert_eq!(data[data.len() - 2]["usage"]["total_tokens"], 5);
}

#[test]
fn a_failed_answer_ends_in_an_error_and_never_in_done() {
    let local = served("local/pilot-light", Route::Local, Reason::CircuitOpen);
    let cut = Refusal::new(502, "upstream_error", "answer_cut", "cut");
    let data = wire(local, false, vec![local_text("half"), AnswerEvent::Failed(cut)]);
    assert_eq!(data[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "half"}));
    assert_eq!(data[1]["error"]["code"], "answer_cut");
    assert_eq!(data.len(), 2);
}

#[test]
fn calls_and_thoughts_of_a_local_model_are_told_as_the_dialect_has_them() {
    let local = served("local/with-tools", Route::Local, Reason::Refused);
    let call =
        |index, name: &str| AnswerEvent::Call { index, id: format!("call_{index}"), name: name.into() };
    let arguments = |index, text: &str| AnswerEvent::Arguments { index, text: text.into() };
    let AnswerEvent::Finished { usage, usage_is_estimated, body, .. } = finished() else { unreachable!() };
    let events = vec![
        AnswerEvent::Reasoning("hm".into()),
        local_text("잠깐만요."),
        call(0, "dose"),
        arguments(0, "{\"mg\""),
        arguments(0, ": 5}"),
        call(1, "clock"),
        arguments(1, "{}"),
        AnswerEvent::Finished { reason: "tool_calls".into(), usage, usage_is_estimated, body },
    ];
    let data = wire(local, false, events);
    let delta = |at: usize| data[at]["choices"][0]["delta"].clone();
    assert_eq!(delta(0), json!({"role": "assistant", "content": null, "reasoning_content": "hm"}));
    assert_eq!(data[0]["genset"]["served_by"], "local/with-tools");
    assert_eq!(delta(1), json!({"content": "잠깐만요."}));
    let begins = |index, name| {
        json!({"tool_calls": [{"index": index, "id": format!("call_{index}"), "type": "function",
        "function": {"name": name, "arguments": ""}}]})
    };
    let goes_on = |index, text| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    assert_eq!(delta(2), begins(0, "dose"));
    assert_eq!((delta(3), delta(4)), (goes_on(0, "{\"mg\""), goes_on(0, ": 5}")));
    assert_eq!((delta(5), delta(6)), (begins(1, "clock"), goes_on(1, "{}")));
    assert_eq!(data[7]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(data[8], "[DONE]");
}

fn odds(text: &str) -> AnswerEvent {
    let said = LikelyToken { bytes: text.into(), logprob: -0.5 };
    AnswerEvent::Odds(vec![TokenOdds { top: vec![said.clone()], said }])
}

/// Two answers side by side, each with how likely its tokens were, as they come from a local model.
fn two_answers() -> (Answer, Shape, Vec<AnswerEvent>) {
    let of = |choice, event| AnswerEvent::Of { choice, event: Box::new(event) };
    let ended = |reason: &str| AnswerEvent::Ended { reason: reason.into() };
    let events = vec![
        of(1, odds("b1")),
        of(0, odds("a1")),
        of(1, local_text("b1")),
        of(0, local_text("a1")),
        of(0, odds("a2")),
        of(0, local_text("a2")),
        of(0, ended("length")),
        of(1, ended("stop")),
        finished(),
    ];
    let local = served("local/pilot-light", Route::Local, Reason::FirstRoute);
    let stream = futures_util::stream::iter(events.clone()).boxed();
    let answer = Answer { request_id: "r".into(), served: local, events: stream };
    (answer, Shape { include_usage: true, logprobs: true, choices: 2 }, events)
}

#[test]
fn several_answers_of_a_local_model_are_told_apart_by_their_number() {
    let (answer, shape, events) = two_answers();
    let data = wired(&answer, shape, events);
    let of = |index: u32| {
        let own = data.iter().filter(move |chunk| chunk["choices"][0]["index"] == index);
        own.map(|chunk| chunk["choices"][0].clone()).collect::<Vec<Value>>()
    };
    for (index, text, end) in [(0, "a1a2", "length"), (1, "b1", "stop")] {
        let chunks = of(index);
        let said: String = chunks.iter().filter_map(|chunk| chunk["delta"]["content"].as_str()).collect();
        let tokens = chunks.iter().filter_map(|chunk| chunk["logprobs"]["content"].as_array()).flatten();
        let tokens: String = tokens.filter_map(|token| token["token"].as_str()).collect();
        assert_eq!((said.as_str(), tokens.as_str()), (text, text));
        assert_eq!(chunks[0]["delta"]["role"], "assistant");
        assert_eq!(chunks.last().unwrap()["finish_reason"], end);
        assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["finish_reason"].is_null()));
    }
    assert_eq!(data[data.len() - 2]["usage"]["completion_tokens"], 2);
    assert_eq!(data.last().unwrap(), "[DONE]");
    assert_eq!(data.len(), 7, "three texts, two ends, the usage and the end");
}

#[tokio::test]
async fn several_answers_in_one_piece_are_as_many_choices() {
    let (answer, shape, _) = two_answers();
    let body = whole::response(answer, shape).await.unwrap().into_body();
    let body: Value = serde_json::from_slice(&axum::body::to_bytes(body, 1 << 20).await.unwrap()).unwrap();
    let choices = body["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2);
    for (choice, index, text) in [(&choices[0], 0, "a1a2"), (&choices[1], 1, "b1")] {
        assert_eq!((&choice["index"], &choice["message"]["content"]), (&json!(index), &json!(text)));
        let tokens = choice["logprobs"]["content"].as_array().unwrap();
        assert_eq!(tokens.iter().map(|token| token["token"].as_str().unwrap()).collect::<String>(), text);
        assert_eq!(tokens[0]["top_logprobs"][0]["logprob"], -0.5);
    }
    assert_eq!(choices[1]["finish_reason"], "stop");
}

#[test]
fn a_stop_text_that_is_too_long_is_refused_by_its_field() {
    let checked = |stop: Value| {
        let body = json!({"model": "a", "messages": [{"role": "user", "content": "hello"}], "stop": stop});
        check_stop(&ChatRequest::parse(body.to_string().as_bytes()).unwrap())
    };
    assert_eq!(checked(json!(["x".repeat(1024), "y"])), Ok(()));
    for stop in [json!("x".repeat(1025)), json!(["y", "한".repeat(342)])] {
        let refusal = checked(stop).unwrap_err();
        assert_eq!((refusal.status, refusal.param.as_deref()), (400, Some("stop")));
        assert!(refusal.message.contains("1024 bytes"), "{}", refusal.message);
    }
}

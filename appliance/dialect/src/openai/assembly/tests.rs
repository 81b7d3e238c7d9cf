use serde_json::{Value, json};

use super::Assembly;
use crate::openai::Completion;

/// The answer that chunks with these fields become, as JSON.
fn assembled(chunks: &[Value]) -> Value {
    let mut assembly = Assembly::default();
    for fields in chunks {
        let mut chunk = json!({"id": "c-1", "object": "chat.completion.chunk", "created": 7, "model": "gpt"});
        for (name, value) in fields.as_object().expect("fields") {
            chunk[name] = value.clone();
        }
        assembly.push(chunk.to_string().as_bytes());
    }
    json(assembly.completion().expect("an answer"))
}

fn json(completion: Completion) -> Value {
    serde_json::to_value(completion.into_body()).expect("JSON")
}

fn delta(delta: &Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]})
}

fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]})
}

#[test]
fn a_streamed_answer_becomes_what_the_whole_one_would_have_been() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
        "completion_tokens_details": {"reasoning_tokens": 1}});
    let answer = assembled(&[
        json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": null}}],
            "service_tier": "default", "system_fingerprint": "fp_1", "usage": null}),
        delta(&json!({"content": "안녕"})),
        delta(&json!({"content": ", you"})),
        end("stop"),
        json!({"choices": [], "usage": usage}),
    ]);
    assert_eq!(
        answer,
        json!({
            "id": "c-1", "object": "chat.completion", "created": 7, "model": "gpt",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "안녕, you", "refusal": null},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "service_tier": "default", "system_fingerprint": "fp_1", "usage": usage,
        })
    );
}

#[test]
fn tool_calls_grow_by_their_index_and_lose_it() {
    let piece = |index: u64, call: Value| {
        let mut call = call;
        call["index"] = index.into();
        delta(&json!({"tool_calls": [call]}))
    };
    let answer = assembled(&[
        delta(&json!({"role": "assistant", "content": null})),
        piece(0, json!({"id": "a", "type": "function", "function": {"name": "dose", "arguments": ""}})),
        piece(1, json!({"id": "b", "type": "function", "function": {"name": "ward", "arguments": "{"}})),
        piece(0, json!({"function": {"arguments": "{\"mg\":"}})),
        piece(1, json!({"function": {"arguments": "}"}})),
        piece(0, json!({"function": {"arguments": "5}"}})),
        end("tool_calls"),
    ]);
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], Value::Null);
    assert_eq!(
        message["tool_calls"],
        json!([
            {"id": "a", "type": "function", "function": {"name": "dose", "arguments": "{\"mg\":5}"}},
            {"id": "b", "type": "function", "function": {"name": "ward", "arguments": "{}"}},
        ])
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn calls_without_an_index_are_told_apart_by_their_identifiers() {
    let call = |id: &str, name: &str| {
        delta(&json!({"tool_calls": [{"id": id, "type": "function",
            "function": {"name": name, "arguments": "{}"}}]}))
    };
    let answer = assembled(&[call("a", "one"), call("b", "two"), end("tool_calls")]);
    let calls = answer["choices"][0]["message"]["tool_calls"].as_array().expect("calls");
    assert_eq!(calls.len(), 2);
    assert_eq!((&calls[0]["function"]["name"], &calls[1]["id"]), (&json!("one"), &json!("b")));
}

#[test]
fn refusals_reasoning_and_what_is_not_known_here_are_kept() {
    let answer = assembled(&[
        delta(&json!({"role": "assistant", "reasoning_content": "Let me "})),
        delta(&json!({"reasoning_content": "think."})),
        delta(&json!({"refusal": "I can"})),
        delta(&json!({"refusal": "not."})),
        delta(&json!({"annotations": [{"n": 1}]})),
        delta(&json!({"annotations": [{"n": 2}], "mood": "calm"})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop",
            "content_filter_results": {"hate": {"filtered": false}}}], "x_new": {"a": 1}}),
    ]);
    let message = &answer["choices"][0]["message"];
    assert_eq!(
        (&message["reasoning_content"], &message["refusal"]),
        (&json!("Let me think."), &json!("I cannot."))
    );
    assert_eq!((&message["annotations"], &message["mood"]), (&json!([{"n": 1}, {"n": 2}]), &json!("calm")));
    assert_eq!(answer["choices"][0]["content_filter_results"]["hate"]["filtered"], false);
    assert_eq!(answer["x_new"], json!({"a": 1}));
}

#[test]
fn the_probabilities_of_tokens_follow_each_other() {
    let with = |token: &str| {
        json!({"choices": [{"index": 0, "delta": {"content": token}, "finish_reason": null,
            "logprobs": {"content": [{"token": token, "logprob": -0.5}], "refusal": null}}]})
    };
    let answer = assembled(&[with("a"), with("b"), end("stop")]);
    let logprobs = &answer["choices"][0]["logprobs"];
    assert_eq!(logprobs["content"].as_array().map(Vec::len), Some(2));
    assert_eq!((&logprobs["content"][1]["token"], &logprobs["refusal"]), (&json!("b"), &Value::Null));
}

#[test]
fn several_choices_are_kept_apart_and_in_order() {
    let of = |index: u64, text: &str, reason: Value| json!({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": reason}]});
    let answer = assembled(&[
        of(1, "second ", Value::Null),
        of(0, "first ", Value::Null),
        of(1, "one", json!("length")),
        of(0, "one", json!("stop")),
    ]);
    let said: Vec<_> = answer["choices"]
        .as_array()
        .expect("choices")
        .iter()
        .map(|choice| (choice["index"].clone(), choice["message"]["content"].clone()))
        .collect();
    assert_eq!(said, [(json!(0), json!("first one")), (json!(1), json!("second one"))]);
    assert_eq!(answer["choices"][1]["finish_reason"], "length");
}

#[test]
fn what_is_no_chunk_adds_nothing() {
    let mut assembly = Assembly::default();
    assembly.push(b"{\"choices\": [");
    assembly.push(b"[DONE]");
    assert!(assembly.completion().is_none());
}

#[test]
fn a_whole_answer_and_its_chunks_are_the_same() {
    let body = json!({
        "id": "c-2", "object": "chat.completion", "created": 8, "model": "gpt",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": null,
            "message": {"role": "assistant", "content": "so", "refusal": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    });
    let completion = Completion::read(body.to_string().as_bytes()).expect("an answer");
    let mut assembly = Assembly::default();
    completion.into_chunks().iter().for_each(|chunk| assembly.push(chunk));
    assert_eq!(json(assembly.completion().expect("an answer")), body);
}

//! A whole answer: what the box adds to an upstream's, and its own.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// The extension field `genset`: who answered, and why.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Extension {
    /// `upstream/model` or `local/model`.
    pub served_by: String,
    /// `cloud` or `local`.
    pub route: &'static str,
    /// Why not the first route; a short fixed word.
    pub reason: &'static str,
    pub site_state: &'static str,
    /// Characters that were sent before a local model took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seam: Option<u64>,
}

/// Tokens of a request and of its answer.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

impl Usage {
    pub fn to_json(self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        })
    }

    /// The usage that an upstream reports in an answer or a chunk.
    pub fn from_json(value: &Value) -> Option<Self> {
        let count = |name| value.get(name).and_then(Value::as_u64);
        Some(Usage { prompt_tokens: count("prompt_tokens")?, completion_tokens: count("completion_tokens")? })
    }
}

/// A chat completion made by the box itself.
pub fn completion(
    id: &str,
    created_s: i64,
    model: &str,
    text: &str,
    finish_reason: &str,
    usage: Usage,
    extension: &Extension,
) -> Value {
    json!({
        "id": id,
        "object": "chat.completion",
        "created": created_s,
        "model": model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": null,
            "finish_reason": finish_reason,
        }],
        "usage": usage.to_json(),
        "genset": extension,
    })
}

/// An upstream's whole answer with the extension added, or `None` when it is not a chat completion.
pub fn stamp_completion(body: &[u8], extension: &Extension) -> Option<(Vec<u8>, Option<Usage>)> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let choices = answer.get("choices")?.as_array()?;
    if choices.is_empty() || !choices.iter().all(|choice| choice.get("message").is_some_and(Value::is_object)) {
        return None;
    }
    let usage = answer.get("usage").and_then(Usage::from_json);
    answer.insert("genset".into(), serde_json::to_value(extension).ok()?);
    Some((serde_json::to_vec(&answer).ok()?, usage))
}

/// The list of `/v1/models`: one entry for each alias.
pub fn model_list<'a>(aliases: impl Iterator<Item = &'a str>, created_s: i64) -> Value {
    let data: Vec<Value> = aliases
        .map(|name| json!({"id": name, "object": "model", "created": created_s, "owned_by": "genset"}))
        .collect();
    json!({"object": "list", "data": data})
}

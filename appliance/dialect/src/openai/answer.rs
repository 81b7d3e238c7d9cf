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

/// An upstream's whole answer, known to be a chat completion.
#[derive(Clone)]
pub struct Completion(Map<String, Value>);

impl Completion {
    /// Reads a body; `None` when it is no chat completion with one choice at least.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let choices = answer.get("choices")?.as_array()?;
        let good =
            !choices.is_empty() && choices.iter().all(|c| c.get("message").is_some_and(Value::is_object));
        good.then_some(Completion(answer))
    }

    /// The text of the first choice.
    pub fn text(&self) -> &str {
        self.first_choice().and_then(|c| c["message"]["content"].as_str()).unwrap_or_default()
    }

    pub fn finish_reason(&self) -> &str {
        self.first_choice().and_then(|c| c["finish_reason"].as_str()).unwrap_or("stop")
    }

    pub fn usage(&self) -> Option<Usage> {
        self.0.get("usage").and_then(Usage::from_json)
    }

    /// The body as it came, with the extension added.
    pub fn stamped(mut self, extension: &Extension) -> Vec<u8> {
        self.0.insert("genset".into(), json!(extension));
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    fn first_choice(&self) -> Option<&Value> {
        self.0.get("choices")?.as_array()?.first()
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Completion({} characters)", self.text().chars().count())
    }
}

/// The list of `/v1/models`: one entry for each alias.
pub fn model_list<'a>(aliases: impl Iterator<Item = &'a str>, created_s: i64) -> Value {
    let data: Vec<Value> = aliases
        .map(|name| json!({"id": name, "object": "model", "created": created_s, "owned_by": "genset"}))
        .collect();
    json!({"object": "list", "data": data})
}

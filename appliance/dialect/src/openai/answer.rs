//! A whole answer: what the box adds to an upstream's, and its own.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::odds::logprobs;
use super::{TokenOdds, ToolCall};

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
    /// `estimated`, where the upstream told no usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<&'static str>,
    /// How many of the oldest messages were left out, because the conversation was too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortened: Option<usize>,
    /// The step of the ladder of scarcity that touched the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brown_out: Option<u8>,
}

impl Extension {
    /// The same, saying whether the usage beside it is an estimate.
    #[must_use]
    pub fn with_usage(mut self, is_estimated: bool) -> Self {
        self.usage = is_estimated.then_some("estimated");
        self
    }
}

/// Tokens of a request and of its answer.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// How many of the prompt's had been read before by a local model; an upstream's own count goes through as it is.
    pub cached_tokens: u64,
}

impl Usage {
    pub fn to_json(self) -> Value {
        let mut usage = json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        });
        if self.cached_tokens > 0 {
            usage["prompt_tokens_details"] = json!({ "cached_tokens": self.cached_tokens });
        }
        usage
    }

    /// The usage that an upstream reports in an answer or a chunk.
    pub fn from_json(value: &Value) -> Option<Self> {
        let count = |name| value.get(name).and_then(Value::as_u64);
        Some(Usage {
            prompt_tokens: count("prompt_tokens")?,
            completion_tokens: count("completion_tokens")?,
            cached_tokens: 0,
        })
    }
}

/// What a local model said in one answer.
#[derive(Default)]
pub struct Saying {
    pub text: String,
    /// What it thought before.
    pub reasoning: String,
    pub calls: Vec<ToolCall>,
    /// How likely its tokens were, where that is wanted.
    pub odds: Option<Vec<TokenOdds>>,
    pub finish_reason: String,
}

impl Saying {
    fn message(&self) -> Value {
        let content = if self.text.is_empty() && !self.calls.is_empty() { None } else { Some(&self.text) };
        let mut message = json!({"role": "assistant", "content": content, "refusal": null});
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = self.reasoning.as_str().into();
        }
        let call = |ToolCall { id, name, arguments }: &ToolCall| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.iter().map(call).collect();
        }
        message
    }
}

/// A chat completion made by the box itself, with one choice for each saying.
pub fn completion(
    id: &str,
    created_s: i64,
    model: &str,
    sayings: &[Saying],
    usage: Usage,
    extension: &Extension,
) -> Value {
    let choice = |(index, saying): (usize, &Saying)| {
        json!({
            "index": index,
            "message": saying.message(),
            "logprobs": logprobs(saying.odds.as_deref()),
            "finish_reason": saying.finish_reason,
        })
    };
    json!({
        "id": id,
        "object": "chat.completion",
        "created": created_s,
        "model": model,
        "choices": sayings.iter().enumerate().map(choice).collect::<Vec<_>>(),
        "usage": usage.to_json(),
        "genset": extension,
    })
}

/// A whole answer of an upstream, known to be a chat completion.
#[derive(Clone)]
pub struct Completion(Map<String, Value>);

impl Completion {
    /// Reads a body; `None` when it is no chat completion with one choice at least.
    pub fn read(body: &[u8]) -> Option<Self> {
        Completion::of(serde_json::from_slice(body).ok()?)
    }

    pub(super) fn of(answer: Map<String, Value>) -> Option<Self> {
        let choices = answer.get("choices")?.as_array()?;
        let good =
            !choices.is_empty() && choices.iter().all(|c| c.get("message").is_some_and(Value::is_object));
        good.then_some(Completion(answer))
    }

    /// The answer's own fields.
    pub fn into_body(self) -> Map<String, Value> {
        self.0
    }

    /// The data of the events that would have told the same answer as a stream.
    pub fn into_chunks(mut self) -> Vec<Vec<u8>> {
        let choices = self.0.remove("choices").unwrap_or_default();
        let usage = self.0.remove("usage");
        self.0.insert("object".into(), "chat.completion.chunk".into());
        let said = choices.as_array().into_iter().flatten().map(|choice| self.chunk(choice, true));
        let ends = choices.as_array().into_iter().flatten().map(|choice| self.chunk(choice, false));
        let mut chunks: Vec<Vec<u8>> = said.chain(ends).collect();
        if let Some(usage) = usage {
            let mut last = self.0;
            last.insert("choices".into(), json!([]));
            last.insert("usage".into(), usage);
            chunks.push(serde_json::to_vec(&last).unwrap_or_default());
        }
        chunks
    }

    /// One choice as a chunk: what it says, or how it ends.
    fn chunk(&self, choice: &Value, says: bool) -> Vec<u8> {
        let mut fields = choice.as_object().cloned().unwrap_or_default();
        let mut message = fields.remove("message").unwrap_or_default();
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for (index, call) in calls.into_iter().flatten().enumerate() {
            if let Some(call) = call.as_object_mut() {
                call.insert("index".into(), index.into());
            }
        }
        if says {
            fields.insert("finish_reason".into(), Value::Null);
            fields.insert("delta".into(), message);
        } else {
            fields.insert("delta".into(), json!({}));
            fields.insert("logprobs".into(), Value::Null);
        }
        let mut chunk = self.0.clone();
        chunk.insert("choices".into(), json!([fields]));
        serde_json::to_vec(&chunk).unwrap_or_default()
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

    /// The body as it came, with the extension added, and with a usage where the upstream gave none.
    pub fn stamped(mut self, usage: Usage, extension: &Extension) -> Vec<u8> {
        if self.0.get("usage").is_none_or(Value::is_null) {
            self.0.insert("usage".into(), usage.to_json());
        }
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

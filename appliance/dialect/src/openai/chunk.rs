//! One chunk of a streamed answer.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Extension, Usage};

/// What the box must know of an upstream's chunk; the rest passes through unread.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChunkFacts {
    /// The text of the first choice.
    pub text: String,
    /// The chunk carries something of an answer: text, a tool call, a refusal, reasoning.
    pub has_token: bool,
    /// The chunk carries part of a tool call, which no other model can go on with.
    pub has_tool_call: bool,
    pub finish_reason: Option<String>,
    pub usage: Option<Usage>,
    /// The upstream reports an error inside the stream.
    pub is_error: bool,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    choices: Vec<WireChoice>,
    usage: Option<WireUsage>,
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: WireDelta,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct WireDelta {
    content: Option<String>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<serde::de::IgnoredAny>>,
    function_call: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl ChunkFacts {
    /// Reads the data of one event; `None` when it is no chunk at all.
    pub fn read(data: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(data).ok()?;
        let mut facts = ChunkFacts {
            usage: wire
                .usage
                .map(|u| Usage { prompt_tokens: u.prompt_tokens, completion_tokens: u.completion_tokens }),
            is_error: wire.error.is_some(),
            ..ChunkFacts::default()
        };
        for choice in wire.choices {
            let delta = choice.delta;
            let some_text = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
            facts.has_tool_call |=
                delta.tool_calls.is_some_and(|c| !c.is_empty()) || delta.function_call.is_some();
            facts.has_token |= facts.has_tool_call
                || some_text(&delta.content)
                || some_text(&delta.refusal)
                || some_text(&delta.reasoning_content);
            if choice.index == 0 {
                facts.text = delta.content.unwrap_or_default();
                facts.finish_reason = choice.finish_reason;
            }
        }
        Some(facts)
    }
}

/// What all chunks of one answer have in common.
#[derive(Debug, Clone)]
pub struct ChunkHead {
    pub id: String,
    pub created_s: i64,
    pub model: String,
}

impl ChunkHead {
    fn chunk(&self, choices: &Value, extension: Option<&Extension>) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created_s,
            "model": self.model,
            "choices": choices,
        });
        if let Some(extension) = extension {
            chunk["genset"] = json!(extension);
        }
        chunk
    }
}

/// A chunk with text; the first one of an answer names the role and carries the extension.
pub fn text_chunk(head: &ChunkHead, text: &str, extension: Option<&Extension>) -> Value {
    let delta = match extension {
        Some(_) => json!({"role": "assistant", "content": text}),
        None => json!({"content": text}),
    };
    head.chunk(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]), extension)
}

/// The last chunk of an answer.
pub fn finish_chunk(head: &ChunkHead, finish_reason: &str, extension: &Extension) -> Value {
    let choices = json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": finish_reason}]);
    head.chunk(&choices, Some(extension))
}

/// The chunk with the usage, for clients that asked for it; it comes after the last one and has no choices.
pub fn usage_chunk(head: &ChunkHead, usage: Usage, extension: &Extension) -> Value {
    let mut chunk = head.chunk(&json!([]), Some(extension));
    chunk["usage"] = usage.to_json();
    chunk
}

/// An error inside a stream that has begun: the official clients raise it.
pub fn error_chunk(error: &crate::ApiError, extension: &Extension) -> Value {
    let mut chunk = error.to_json();
    chunk["genset"] = json!(extension);
    chunk
}

/// An upstream's chunk with the extension added; the data as it came when it is no object.
pub fn stamp_chunk(data: &[u8], extension: &Extension) -> Vec<u8> {
    let stamped = serde_json::from_slice::<Map<String, Value>>(data).ok().and_then(|mut chunk| {
        chunk.insert("genset".into(), serde_json::to_value(extension).ok()?);
        serde_json::to_vec(&chunk).ok()
    });
    stamped.unwrap_or_else(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(chunk: &Value) -> ChunkFacts {
        ChunkFacts::read(chunk.to_string().as_bytes()).expect("a chunk")
    }

    #[test]
    fn an_empty_delta_is_no_token() {
        assert!(
            !facts(&json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}))
                .has_token
        );
        assert!(!facts(&json!({"choices": []})).has_token);
    }

    #[test]
    fn text_tool_calls_finish_and_errors_are_seen() {
        let text =
            facts(&json!({"choices": [{"index": 0, "delta": {"content": "네"}, "finish_reason": "stop"}]}));
        assert_eq!(
            (text.text.as_str(), text.finish_reason.as_deref(), text.has_token),
            ("네", Some("stop"), true)
        );
        let call = facts(&json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]}));
        assert!(call.has_tool_call && call.has_token);
        assert!(facts(&json!({"error": {"message": "overloaded"}})).is_error);
        assert_eq!(ChunkFacts::read(b"{\"choices\": ["), None);
    }

    #[test]
    fn a_stamped_chunk_keeps_everything_that_it_had() {
        let extension = Extension {
            served_by: "openai/gpt-4o".into(),
            route: "cloud",
            reason: "first-route",
            site_state: "connected",
            seam: None,
        };
        let stamped: Value =
            serde_json::from_slice(&stamp_chunk(b"{\"id\":\"x\",\"choices\":[],\"p\":1}", &extension))
                .expect("JSON");
        assert_eq!(stamped["p"], 1);
        assert_eq!(stamped["genset"]["served_by"], "openai/gpt-4o");
        assert_eq!(stamped["genset"].get("seam"), None);
    }
}

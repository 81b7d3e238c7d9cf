//! One chunk of a streamed answer.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::odds::logprobs;
use super::{Extension, TokenOdds, Usage};

/// What the box must know of an upstream's chunk; the rest passes through unread.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ChunkFacts {
    /// The text of the first choice.
    pub text: String,
    /// The chunk carries something of an answer: text, a tool call, a refusal, reasoning.
    pub has_token: bool,
    /// The chunk carries what no other model can go on with: part of a tool call or of a refusal, content that is
    /// no text, another choice than the first.
    pub is_bound: bool,
    /// How the first choice ends.
    pub finish_reason: Option<String>,
    /// The choices that this chunk has something of, each with whether it ends here.
    pub choices: Vec<(u32, bool)>,
    pub usage: Option<Usage>,
    /// The chunk tells the usage and nothing else.
    pub is_usage_alone: bool,
    /// The upstream reports an error inside the stream, be it as the reason of the end.
    pub is_error: bool,
}

// OpenRouter, vLLM, SGLang, Zhipu and DeepSeek have words of their own.
/// Reasons of an end that is none: the upstream itself could not say more.
const NO_ENDS: [&str; 5] = ["error", "abort", "aborted", "network_error", "insufficient_system_resource"];

#[derive(Deserialize)]
struct Wire {
    object: Option<Loose>,
    choices: Option<Vec<WireChoice>>,
    usage: Option<WireUsage>,
    error: Option<Loose>,
}

#[derive(Deserialize)]
struct WireChoice {
    index: Option<u32>,
    delta: Option<WireDelta>,
    finish_reason: Option<Loose>,
}

#[derive(Deserialize, Default)]
struct WireDelta {
    content: Option<Loose>,
    refusal: Option<Loose>,
    reasoning_content: Option<Loose>,
    reasoning: Option<Loose>,
    tool_calls: Option<Loose>,
    function_call: Option<Loose>,
}

/// A field that should have one shape and has others at some upstreams: that is no reason to lose the chunk.
#[derive(Deserialize)]
#[serde(untagged)]
enum Loose {
    Text(String),
    Flag(bool),
    List(Vec<IgnoredAny>),
    Other(IgnoredAny),
}

impl Loose {
    fn is_something(&self) -> bool {
        match self {
            Loose::Text(text) => !text.is_empty(),
            Loose::Flag(flag) => *flag,
            Loose::List(list) => !list.is_empty(),
            Loose::Other(_) => true,
        }
    }
}

fn is_something(field: Option<&Loose>) -> bool {
    field.is_some_and(Loose::is_something)
}

/// The text of a field, where it is one and not empty.
fn text_of(field: Option<Loose>) -> Option<String> {
    match field {
        Some(Loose::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireUsage {
    Counted { prompt_tokens: u64, completion_tokens: u64 },
    Other(IgnoredAny),
}

impl WireUsage {
    fn whole(&self) -> Option<Usage> {
        match *self {
            WireUsage::Counted { prompt_tokens, completion_tokens } => {
                Some(Usage { prompt_tokens, completion_tokens, cached_tokens: 0 })
            }
            WireUsage::Other(_) => None,
        }
    }
}

impl ChunkFacts {
    /// Whether data that [`ChunkFacts::read`] could not read began as a chunk does. What it lost may have been a part
    /// of the answer; noise of any other shape never was one.
    pub fn may_have_been(data: &[u8]) -> bool {
        data.trim_ascii_start().first() == Some(&b'{')
    }

    /// Reads the data of one event; `None` when it is no chunk at all.
    pub fn read(data: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(data).ok()?;
        let choices = wire.choices.unwrap_or_default();
        let usage = wire.usage.as_ref().and_then(WireUsage::whole);
        let mut facts = ChunkFacts {
            usage,
            is_usage_alone: usage.is_some() && choices.is_empty(),
            is_error: is_something(wire.error.as_ref()) || text_of(wire.object).as_deref() == Some("error"),
            ..ChunkFacts::default()
        };
        choices.into_iter().for_each(|choice| facts.add(choice));
        Some(facts)
    }

    fn add(&mut self, choice: WireChoice) {
        let (index, delta) = (choice.index.unwrap_or_default(), choice.delta.unwrap_or_default());
        let calls = is_something(delta.tool_calls.as_ref()) || is_something(delta.function_call.as_ref());
        let thinks = is_something(delta.reasoning_content.as_ref()) || is_something(delta.reasoning.as_ref());
        let refuses = is_something(delta.refusal.as_ref());
        let says = is_something(delta.content.as_ref());
        let text = text_of(delta.content).unwrap_or_default();
        let is_bound = calls || refuses || says && (text.is_empty() || index != 0);
        self.is_bound |= is_bound;
        self.has_token |= is_bound || thinks || says;
        let ends = text_of(choice.finish_reason);
        self.is_error |= ends.as_deref().is_some_and(|reason| NO_ENDS.contains(&reason));
        self.choices.push((index, ends.is_some()));
        if index == 0 {
            self.text.push_str(&text);
            self.finish_reason = ends.or(self.finish_reason.take());
        }
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
    delta_chunk(head, &json!({"content": text}), extension)
}

/// The same with what a model thinks before its answer.
pub fn reasoning_chunk(head: &ChunkHead, text: &str, extension: Option<&Extension>) -> Value {
    delta_chunk(head, &json!({"reasoning_content": text}), extension)
}

/// The same with the beginning of a call.
pub fn call_chunk(
    head: &ChunkHead,
    index: u32,
    id: &str,
    name: &str,
    extension: Option<&Extension>,
) -> Value {
    let function = json!({"name": name, "arguments": ""});
    let call = json!({"index": index, "id": id, "type": "function", "function": function});
    delta_chunk(head, &json!({"tool_calls": [call]}), extension)
}

/// The same with a part of a call's arguments.
pub fn arguments_chunk(head: &ChunkHead, index: u32, text: &str, extension: Option<&Extension>) -> Value {
    let call = json!({"index": index, "function": {"arguments": text}});
    delta_chunk(head, &json!({"tool_calls": [call]}), extension)
}

fn delta_chunk(head: &ChunkHead, said: &Value, extension: Option<&Extension>) -> Value {
    let mut delta = json!({});
    if extension.is_some() {
        delta = json!({"role": "assistant", "content": null});
    }
    if let (Some(delta), Some(said)) = (delta.as_object_mut(), said.as_object()) {
        delta.extend(said.clone());
    }
    head.chunk(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]), extension)
}

/// The chunk as one of the choice with this number, with how likely its tokens were.
#[must_use]
pub fn of_choice(mut chunk: Value, index: u32, odds: Option<&[TokenOdds]>) -> Value {
    chunk["choices"][0]["index"] = index.into();
    chunk["choices"][0]["logprobs"] = logprobs(odds);
    chunk
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

/// An upstream's chunk under the identity of the answer that it goes on with, with the extension added.
pub fn adopt_chunk(data: &[u8], head: &ChunkHead, extension: &Extension) -> Vec<u8> {
    let adopted = serde_json::from_slice::<Map<String, Value>>(data).ok().and_then(|mut chunk| {
        chunk.insert("id".into(), head.id.as_str().into());
        chunk.insert("created".into(), head.created_s.into());
        chunk.insert("genset".into(), serde_json::to_value(extension).ok()?);
        serde_json::to_vec(&chunk).ok()
    });
    adopted.unwrap_or_else(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(chunk: &Value) -> ChunkFacts {
        ChunkFacts::read(chunk.to_string().as_bytes()).expect("a chunk")
    }

    #[test]
    fn only_what_began_as_a_chunk_may_have_held_a_part_of_the_answer() {
        let table: [(&[u8], bool); 8] = [
            (b"{\"choices\": [", true),
            (b"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half a wo", true),
            (b" {", true),
            (b"", false),
            (b"ping", false),
            (b"not json at all", false),
            (b"[1, 2", false),
            (b"\xff\xfe\xfd", false),
        ];
        for (data, expected) in table {
            assert_eq!(ChunkFacts::read(data), None);
            assert_eq!(ChunkFacts::may_have_been(data), expected, "{}", String::from_utf8_lossy(data));
        }
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
        assert!(call.is_bound && call.has_token);
        assert!(facts(&json!({"error": {"message": "overloaded"}})).is_error);
        assert_eq!(ChunkFacts::read(b"{\"choices\": ["), None);
    }

    #[test]
    fn an_upstream_that_could_not_say_more_has_not_ended_its_answer() {
        for reason in ["error", "abort", "network_error", "insufficient_system_resource"] {
            let chunk =
                json!({"choices": [{"index": 0, "delta": {"content": "so"}, "finish_reason": reason}]});
            assert!(facts(&chunk).is_error, "{reason}");
        }
        for reason in ["stop", "length", "tool_calls", "content_filter", "eos"] {
            assert!(
                !facts(&json!({"choices": [{"index": 0, "finish_reason": reason}]})).is_error,
                "{reason}"
            );
        }
        let bare =
            json!({"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500});
        assert!(facts(&bare).is_error, "as vLLM said it");
    }

    #[test]
    fn what_no_other_model_can_go_on_with_is_told_apart_from_prose() {
        let bound = |choice: &Value| facts(&json!({"choices": [choice]})).is_bound;
        assert!(!bound(&json!({"index": 0, "delta": {"content": "prose"}})));
        assert!(!bound(&json!({"index": 0, "delta": {"reasoning_content": "hm"}})));
        assert!(bound(&json!({"index": 0, "delta": {"refusal": "I can"}})));
        assert!(bound(&json!({"index": 0, "delta": {"content": [{"type": "text"}]}})));
        assert!(bound(&json!({"index": 1, "delta": {"content": "another"}})));
    }

    #[test]
    fn odd_chunks_of_real_upstreams_are_chunks() {
        let null = facts(&json!({"choices": null, "usage": null}));
        assert_eq!(null, ChunkFacts::default());
        let unfinished =
            facts(&json!({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": ""}]}));
        assert_eq!((unfinished.finish_reason, unfinished.choices), (None, vec![(0, false)]));
        assert_eq!(facts(&json!({"choices": [{"index": 0, "delta": null}], "usage": {}})).usage, None);
        let odd = facts(
            &json!({"choices": [{"index": null, "finish_reason": 0, "delta": {"content": "a", "refusal": false,
            "tool_calls": [], "reasoning": {"x": 1}}}], "usage": {"prompt_tokens": 1.5}, "error": null}),
        );
        assert_eq!((odd.text.as_str(), odd.is_bound, odd.is_error, odd.usage), ("a", false, false, None));
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 2});
        assert!(facts(&json!({"choices": [], "usage": usage})).is_usage_alone);
    }

    #[test]
    fn a_stamped_chunk_keeps_everything_that_it_had() {
        let extension = Extension {
            served_by: "openai/gpt-4o".into(),
            route: "cloud",
            reason: "first-route",
            site_state: "connected",
            seam: None,
            usage: None,
            shortened: None,
            brown_out: None,
        };
        let stamped: Value =
            serde_json::from_slice(&stamp_chunk(b"{\"id\":\"x\",\"choices\":[],\"p\":1}", &extension))
                .expect("JSON");
        assert_eq!(stamped["p"], 1);
        assert_eq!(stamped["genset"]["served_by"], "openai/gpt-4o");
        assert_eq!(stamped["genset"].get("seam"), None);
    }
}

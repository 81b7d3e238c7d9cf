//! How a model calls tools and how it thinks, as its chat template shows it.

use serde_json::{Map, Value, json};

use super::conversation::Conversation;
use super::template::Template;

/// What of an answer is not its words, and how it is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// `None` for a template that has no tools, or writes calls in a way that is not known here.
    pub(super) family: Option<Family>,
    pub(super) thinking: Option<Thinking>,
    /// The template wants the arguments of earlier calls as text, not as an object.
    pub(super) text_arguments: bool,
}

/// A way to write calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Llama 3: `{"name": …, "parameters": …}` in the place of an answer, also after a token of its own.
    Llama,
    /// Hermes, Qwen 2.5 and Qwen 3: `{"name": …, "arguments": …}` between two marks.
    Hermes,
    /// Mistral until 2024: one mark, and a list of such objects.
    MistralList,
    /// Mistral since: a mark, the name, another mark, and the arguments, for each call.
    MistralNamed { with_id: bool },
    /// Gemma: `call:name{key:value}` between two marks, with marks for quotes.
    Gemma(Gemma),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gemma {
    pub(super) open: &'static str,
    pub(super) close: &'static str,
    pub(super) quote: &'static str,
}

/// The marks around what a model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thinking {
    pub(super) open: &'static str,
    pub(super) close: &'static str,
}

pub(super) const HERMES: [&str; 2] = ["<tool_call>", "</tool_call>"];
pub(super) const MISTRAL: &str = "[TOOL_CALLS]";
pub(super) const MISTRAL_ID: &str = "[CALL_ID]";
pub(super) const MISTRAL_ARGUMENTS: &str = "[ARGS]";
pub(super) const LLAMA: &str = "<|python_tag|>";

const GEMMA: Gemma = Gemma { open: "<|tool_call>", close: "<tool_call|>", quote: "<|\"|>" };
const FUNCTION_GEMMA: Gemma =
    Gemma { open: "<start_function_call>", close: "<end_function_call>", quote: "<escape>" };

const THINKING: [Thinking; 3] = [
    Thinking { open: "<think>", close: "</think>" },
    Thinking { open: "[THINK]", close: "[/THINK]" },
    Thinking { open: "<|channel>thought\n", close: "<channel|>" },
];

/// What the template is asked to write, and by which its way of writing is known.
const PROBE: &str = "genset_probe";
const KEY: &str = "genset_key";
const ID: &str = "probe0001";

impl Manner {
    pub(super) fn of(template: &Template) -> Manner {
        let source = template.source();
        let marks = |thinking: &Thinking| source.contains(thinking.close.trim_end());
        let thinking = THINKING.into_iter().find(marks);
        let (family, text_arguments) = match shows_tools(template).then(|| calls(template)).flatten() {
            Some((family, text_arguments)) => (Some(family), text_arguments),
            None => (None, false),
        };
        Manner { family, thinking, text_arguments }
    }

    /// The marks that may be single tokens; where such a token is hidden, its text is a mark all the same.
    pub(super) fn marks(&self) -> Vec<&'static str> {
        let mut marks = match self.family {
            None => Vec::new(),
            Some(Family::Llama) => vec![LLAMA],
            Some(Family::Hermes) => HERMES.to_vec(),
            Some(Family::MistralList) => vec![MISTRAL],
            Some(Family::MistralNamed { .. }) => vec![MISTRAL, MISTRAL_ID, MISTRAL_ARGUMENTS],
            Some(Family::Gemma(gemma)) => vec![gemma.open, gemma.close, gemma.quote],
        };
        marks.extend(self.thinking_marks());
        marks
    }

    /// Those of them that also an answer without tools may have.
    pub(super) fn thinking_marks(&self) -> impl Iterator<Item = &'static str> {
        let marks = self.thinking.into_iter().flat_map(|thinking| [thinking.open, thinking.close]);
        marks.map(|mark| mark.trim_end_matches("thought\n"))
    }
}

impl Family {
    /// What begins a call wherever it stands in an answer.
    pub(super) fn opening(self) -> &'static str {
        match self {
            Family::Llama => LLAMA,
            Family::Hermes => HERMES[0],
            Family::MistralList | Family::MistralNamed { .. } => MISTRAL,
            Family::Gemma(gemma) => gemma.open,
        }
    }

    /// The key of the arguments, where a call is JSON.
    pub(super) fn arguments_key(self) -> &'static str {
        if self == Family::Llama { "parameters" } else { "arguments" }
    }
}

fn shows_tools(template: &Template) -> bool {
    let function = json!({"name": PROBE, "description": PROBE, "parameters": {"type": "object",
        "properties": {KEY: {"type": "string", "description": KEY}}, "required": [KEY]}});
    let conversation = Conversation {
        messages: vec![json!({"role": "user", "content": "x"})],
        tools: vec![json!({"type": "function", "function": function})],
        arguments: Map::new(),
    };
    template.render(&conversation).is_ok_and(|rendered| rendered.contains(PROBE))
}

/// How the template writes an earlier call, and whether it wants the arguments as text.
fn calls(template: &Template) -> Option<(Family, bool)> {
    let with = |arguments: Value| {
        let call = json!({"id": ID, "type": "function", "function": {"name": PROBE, "arguments": arguments}});
        let messages = vec![
            json!({"role": "user", "content": "x"}),
            json!({"role": "assistant", "content": "", "tool_calls": [call]}),
            json!({"role": "tool", "content": "x", "tool_call_id": ID, "name": PROBE}),
        ];
        let conversation = Conversation { messages, tools: Vec::new(), arguments: Map::new() };
        let rendered = template.render(&conversation).ok()?;
        // A template that quotes what it got quotes it once more.
        let is_plain = rendered.contains(KEY) && !rendered.contains(&format!("\\\"{KEY}"));
        if is_plain { family(&rendered) } else { None }
    };
    let object = with(json!({KEY: "x"})).map(|family| (family, false));
    object.or_else(|| Some((with(json!({KEY: "x"}).to_string().into())?, true)))
}

fn family(rendered: &str) -> Option<Family> {
    // Instructions may speak of the marks too: those right before the call count.
    let (before, _) = rendered.split_once(PROBE)?;
    let after = |mark: &str| before.rfind(mark).map(|at| rendered[at + mark.len()..].trim_start());
    let named = |text: &str| text.strip_prefix(PROBE).map(str::to_owned);
    if let Some(call) = after(HERMES[0]) {
        return (call.starts_with('{') && call.contains("\"arguments\"")).then_some(Family::Hermes);
    }
    if let Some(call) = after(MISTRAL) {
        let rest = named(call);
        return match rest.as_deref() {
            None if call.starts_with('[') => Some(Family::MistralList),
            Some(rest) if rest.starts_with(MISTRAL_ID) => Some(Family::MistralNamed { with_id: true }),
            Some(rest) if rest.starts_with(MISTRAL_ARGUMENTS) => {
                Some(Family::MistralNamed { with_id: false })
            }
            _ => None,
        };
    }
    let writes = |gemma: &Gemma| rendered.contains(&format!("{}call:{PROBE}{{", gemma.open));
    if let Some(gemma) = [GEMMA, FUNCTION_GEMMA].into_iter().find(writes) {
        return Some(Family::Gemma(gemma));
    }
    let llama = format!("{{\"name\": \"{PROBE}\", \"parameters\": {{");
    rendered.contains(&llama).then_some(Family::Llama)
}

#[cfg(test)]
mod tests;

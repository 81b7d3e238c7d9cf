//! A whole answer, put together again from the chunks of a streamed one.
//!
//! Upstreams are always asked for a stream, so that an answer which stops coming is noticed while it stops. Who asked
//! for the answer in one piece gets what the upstream would have sent in one piece.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Completion;

type Object = Map<String, Value>;

/// Fields of a message whose pieces follow each other; of all other texts the last one holds.
const TEXTS: [&str; 4] = ["content", "refusal", "reasoning_content", "reasoning"];

/// The chunks of one answer so far.
#[derive(Default)]
pub struct Assembly {
    /// What all chunks have in common: `id`, `model`, `usage`, `system_fingerprint`, and what is not known here.
    head: Object,
    choices: BTreeMap<u64, Choice>,
}

#[derive(Default)]
struct Choice {
    message: Object,
    tool_calls: Vec<ToolCall>,
    /// `finish_reason`, `logprobs`, and what is not known here.
    rest: Object,
}

struct ToolCall {
    index: u64,
    call: Object,
}

impl Assembly {
    /// Adds the data of one event; what is no chunk adds nothing.
    pub fn push(&mut self, data: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<Object>(data) else { return };
        for (name, value) in chunk {
            match (name.as_str(), value) {
                ("choices", Value::Array(choices)) => {
                    choices.into_iter().for_each(|choice| self.push_choice(choice));
                }
                ("choices" | "object", _) | (_, Value::Null) => {}
                (_, value) => drop(self.head.insert(name, value)),
            }
        }
    }

    fn push_choice(&mut self, choice: Value) {
        let Value::Object(fields) = choice else { return };
        let index = fields.get("index").and_then(Value::as_u64).unwrap_or_default();
        let choice = self.choices.entry(index).or_default();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("delta", Value::Object(delta)) => choice.push_delta(delta),
                ("index" | "delta", _) | (_, Value::Null) => {}
                ("logprobs", value) => append(choice.rest.entry(name).or_insert(Value::Null), value),
                (_, value) => drop(choice.rest.insert(name, value)),
            }
        }
    }

    /// The whole answer; `None` when no chunk had anything of one.
    pub fn completion(self) -> Option<Completion> {
        let Assembly { mut head, choices } = self;
        let mut answer = Object::new();
        answer.extend(head.remove_entry("id"));
        answer.insert("object".into(), "chat.completion".into());
        answer.extend(head.remove_entry("created"));
        answer.extend(head.remove_entry("model"));
        let choices: Vec<Value> = choices.into_iter().map(|(index, choice)| choice.whole(index)).collect();
        answer.insert("choices".into(), choices.into());
        answer.extend(head);
        Completion::of(answer)
    }
}

impl Choice {
    fn push_delta(&mut self, delta: Object) {
        for (name, value) in delta {
            match (name.as_str(), value) {
                ("tool_calls", Value::Array(calls)) => {
                    calls.into_iter().for_each(|call| self.push_call(call));
                }
                ("function_call", Value::Object(piece)) => {
                    let call = self.message.entry(name).or_insert_with(|| json!({}));
                    if let Value::Object(call) = call {
                        push_function(call, piece);
                    }
                }
                (text, Value::String(more)) if TEXTS.contains(&text) => {
                    push_text(&mut self.message, name, &more);
                }
                (_, Value::Null) => {}
                (_, value @ Value::Array(_)) => {
                    append(self.message.entry(name).or_insert(Value::Null), value);
                }
                (_, value) => drop(self.message.insert(name, value)),
            }
        }
    }

    /// Pieces of one call have its index; where an upstream leaves that out, a new identifier begins a new call.
    fn push_call(&mut self, piece: Value) {
        let Value::Object(mut piece) = piece else { return };
        let last = self.tool_calls.last();
        let index = piece.remove("index").and_then(|index| index.as_u64()).unwrap_or_else(|| {
            let is_new = |call: &ToolCall| piece.contains_key("id") && piece.get("id") != call.call.get("id");
            last.map_or(0, |last| last.index + u64::from(is_new(last)))
        });
        let at = self.tool_calls.iter().position(|call| call.index == index).unwrap_or_else(|| {
            self.tool_calls.push(ToolCall { index, call: Object::new() });
            self.tool_calls.len() - 1
        });
        let call = &mut self.tool_calls[at].call;
        for (name, value) in piece {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("function" | "custom", Value::Object(more)) => {
                    if let Value::Object(function) = call.entry(name).or_insert_with(|| json!({})) {
                        push_function(function, more);
                    }
                }
                (_, value) => drop(call.insert(name, value)),
            }
        }
    }

    fn whole(mut self, index: u64) -> Value {
        let mut message = Object::new();
        message.insert("role".into(), self.message.remove("role").unwrap_or_else(|| "assistant".into()));
        message.insert("content".into(), self.message.remove("content").unwrap_or(Value::Null));
        message.insert("refusal".into(), self.message.remove("refusal").unwrap_or(Value::Null));
        message.extend(self.message);
        if !self.tool_calls.is_empty() {
            self.tool_calls.sort_by_key(|call| call.index);
            let calls = self.tool_calls.into_iter().map(|call| Value::Object(call.call));
            message.insert("tool_calls".into(), calls.collect());
        }
        let mut choice = Object::new();
        choice.insert("index".into(), index.into());
        choice.insert("message".into(), message.into());
        choice.insert("logprobs".into(), self.rest.remove("logprobs").unwrap_or(Value::Null));
        choice.insert("finish_reason".into(), self.rest.remove("finish_reason").unwrap_or(Value::Null));
        choice.extend(self.rest);
        choice.into()
    }
}

/// The name of a function comes once, and its arguments in pieces.
fn push_function(function: &mut Object, piece: Object) {
    for (name, value) in piece {
        match (name.as_str(), value) {
            ("arguments" | "input", Value::String(more)) => push_text(function, name, &more),
            (_, Value::Null) => {}
            (_, value) => drop(function.insert(name, value)),
        }
    }
}

fn push_text(object: &mut Object, name: String, more: &str) {
    if let Value::String(text) = object.entry(name).or_insert_with(|| "".into()) {
        text.push_str(more);
    }
}

/// Lists grow, objects grow field by field, and of anything else the last one holds.
fn append(to: &mut Value, more: Value) {
    match (to, more) {
        (Value::Array(list), Value::Array(more)) => list.extend(more),
        (Value::Object(object), Value::Object(more)) => {
            for (name, value) in more {
                append(object.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (to, more) => *to = more,
    }
}

#[cfg(test)]
mod tests;

//! A conversation as chat templates read it, with nothing in it that could speak a control token.

use serde_json::{Map, Value, json};

use super::guard::Guard;
use super::manner::{Family, Manner};
use crate::job::{Call, Job, JobError, Message, Must};

/// What a template is given.
pub(super) struct Conversation {
    pub(super) messages: Vec<Value>,
    pub(super) tools: Vec<Value>,
    /// What else the template may know, such as `enable_thinking`.
    pub(super) arguments: Map<String, Value>,
}

/// Mistral's templates take no other identifiers than those of nine letters and digits.
const ID_LENGTH: usize = 9;

impl Conversation {
    /// The conversation of a job, and whether something in it had to be kept from speaking.
    ///
    /// # Errors
    /// Calls or tools that the template does not know.
    pub(super) fn of(job: &Job, manner: &Manner, guard: &Guard) -> Result<(Conversation, bool), JobError> {
        let tools = job.tools.as_ref();
        let knows_calls = |message: &Message| !message.calls.is_empty() || message.role == "tool";
        let needs_tools = tools.is_some_and(|tools| tools.callable().next().is_some());
        if manner.family.is_none() && (needs_tools || job.messages.iter().any(knows_calls)) {
            return Err(JobError::NoTools);
        }
        // Who may not call is not tempted.
        let shown = tools.filter(|tools| tools.must != Must::Not).map(|tools| &tools.list);
        let entries = shown.into_iter().flatten().map(|tool| serde_json::from_str(&tool.entry));
        let arguments = job.template_arguments.as_deref().map(serde_json::from_str).transpose();
        let mut conversation = Conversation {
            messages: messages(&job.messages, manner),
            tools: entries.collect::<Result<_, _>>().map_err(|_| JobError::Internal)?,
            arguments: arguments.map_err(|_| JobError::Internal)?.unwrap_or_default(),
        };
        let Conversation { messages, tools, arguments } = &mut conversation;
        let mut guarded = false;
        messages.iter_mut().chain(tools).chain(arguments.values_mut()).for_each(|value| {
            guarded |= guard.silence(value);
        });
        Ok((conversation, guarded))
    }
}

fn messages(messages: &[Message], manner: &Manner) -> Vec<Value> {
    let mut ids = Ids {
        are_short: matches!(manner.family, Some(Family::MistralList | Family::MistralNamed { .. })),
        known: Vec::new(),
    };
    let mut written = Vec::with_capacity(messages.len());
    let mut messages = messages.iter().peekable();
    while let Some(message) = messages.next() {
        let calls: Vec<Value> = message.calls.iter().map(|call| ids.call(call, manner)).collect();
        let mut results = Vec::new();
        while let Some(result) = messages.next_if(|next| next.role == "tool") {
            results.push((result.call_id.clone(), ids.message(result)));
        }
        let mut said = ids.message(message);
        if calls.len() > 1 && manner.family == Some(Family::Llama) {
            // Its templates take one call in a message, so each is followed by its result.
            for (at, (call, value)) in message.calls.iter().zip(calls).enumerate() {
                if at > 0 {
                    said = json!({"role": message.role, "content": ""});
                }
                said["tool_calls"] = json!([value]);
                written.push(said.take());
                let of_this = |(id, _): &mut (Option<String>, Value)| id.as_deref() == Some(call.id.as_str());
                written.extend(results.extract_if(.., of_this).map(|(_, result)| result));
            }
        } else {
            if !calls.is_empty() {
                said["tool_calls"] = calls.into();
            }
            written.push(said);
        }
        written.extend(results.into_iter().map(|(_, result)| result));
    }
    written
}

/// The identifiers of calls, as the template takes them, with the names that they stand for.
struct Ids {
    are_short: bool,
    known: Vec<(String, String)>,
}

impl Ids {
    fn call(&mut self, call: &Call, manner: &Manner) -> Value {
        self.known.push((call.id.clone(), call.name.clone()));
        // What is no object is shown as it was written.
        let object = serde_json::from_str::<Map<String, Value>>(&call.arguments).ok();
        let arguments = match object.filter(|_| !manner.text_arguments) {
            Some(object) => Value::Object(object),
            None => call.arguments.as_str().into(),
        };
        json!({"id": self.written(&call.id), "type": "function",
            "function": {"name": call.name, "arguments": arguments}})
    }

    fn message(&self, message: &Message) -> Value {
        let mut said = json!({"role": message.role, "content": message.content});
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                said[name] = value.into();
            }
        };
        add("reasoning_content", message.reasoning.as_deref());
        add("tool_call_id", message.call_id.as_deref().map(|id| self.written(id)).as_deref());
        let id = message.call_id.as_ref();
        let called = id.and_then(|id| self.known.iter().rfind(|(known, _)| known == id));
        let name = message.name.as_deref().or(called.map(|(_, name)| name.as_str()));
        add("name", name);
        said
    }

    fn written(&self, id: &str) -> String {
        let is_short = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !self.are_short || is_short {
            return id.to_owned();
        }
        let number = self.known.iter().position(|(known, _)| known == id).unwrap_or(self.known.len());
        format!("call{number:05}")
    }
}

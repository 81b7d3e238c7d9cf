//! A request as a local model is asked it.

use dialect::openai::{self, ChatRequest, Message, ResponseFormat};
use inference::{Call, Format, Job, Must, Penalties, Sampling, Scope, Tool, Tools};

use crate::answer::{Ask, Caller, CallerKind};

/// `begun` is the text that the answer has already.
pub(super) fn job(ask: &Ask, begun: &str, max_tokens: u32) -> Job {
    let request = &ask.request;
    Job {
        messages: request.messages.iter().map(message).collect(),
        answer_prefix: begun.to_owned(),
        max_tokens: request.max_tokens.unwrap_or(max_tokens),
        sampling: Sampling {
            // An emergency model says its likeliest words unless it is asked to vary them.
            temperature: request.temperature.unwrap_or(0.0),
            top_p: request.top_p.unwrap_or(1.0),
            top_k: request.top_k.unwrap_or(0),
            min_p: request.min_p.unwrap_or(0.0),
            seed: request.seed,
            penalties: Penalties {
                presence: request.presence_penalty.unwrap_or(0.0),
                frequency: request.frequency_penalty.unwrap_or(0.0),
                ..Penalties::default()
            },
        },
        stop: request.stop.clone(),
        format: request.response_format.as_ref().and_then(format),
        tools: tools(request),
        template_arguments: request
            .template_arguments
            .clone()
            .map(|arguments| serde_json::Value::Object(arguments).to_string()),
        lane: ask.lane,
        scope: Some(scope(&ask.caller)),
    }
}

/// A key and an account of the same name are two.
fn scope(caller: &Caller) -> Scope {
    let kind = match caller.kind {
        CallerKind::Key => "key",
        CallerKind::Person => "person",
    };
    Scope::of(&format!("{kind}:{}", caller.who))
}

fn message(message: &Message) -> inference::Message {
    let role = if message.role == "developer" { "system" } else { &message.role };
    let call = |call: &openai::ToolCall| Call {
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments.clone(),
    };
    inference::Message {
        role: role.to_owned(),
        content: message.text.clone(),
        reasoning: message.reasoning.clone(),
        calls: message.calls.iter().map(call).collect(),
        call_id: message.call_id.clone(),
        name: message.name.clone(),
    }
}

/// `None` for a form that no local model knows: such a request is sent to none.
fn format(wanted: &ResponseFormat) -> Option<Format> {
    match wanted {
        ResponseFormat::JsonObject => Some(Format::JsonObject),
        ResponseFormat::JsonSchema(schema) => Some(Format::JsonSchema(schema.to_string())),
        ResponseFormat::Regex(pattern) => Some(Format::Regex(pattern.clone())),
        ResponseFormat::Other => None,
    }
}

/// A conversation that has calls in it and offers no tools any more gets an answer in words.
fn tools(request: &ChatRequest) -> Option<Tools> {
    if request.tools.is_empty() && !request.needs.tools {
        return None;
    }
    let only = &request.tool_choice.only;
    let tool = |tool: &openai::Tool| Tool {
        name: tool.name.clone(),
        entry: tool.entry.to_string(),
        parameters: tool.parameters.as_ref().map(ToString::to_string),
        strict: tool.strict,
        callable: only.as_ref().is_none_or(|names| names.contains(&tool.name)),
    };
    let must = match request.tool_choice.must {
        _ if request.tools.is_empty() => Must::Not,
        openai::Must::Not => Must::Not,
        openai::Must::May => Must::May,
        openai::Must::Call => Must::Call,
    };
    Some(Tools {
        list: request.tools.iter().map(tool).collect(),
        must,
        parallel: request.parallel_tool_calls,
    })
}

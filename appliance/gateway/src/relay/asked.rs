//! A request as a local model is asked it.

use dialect::openai::{self, ChatRequest, Message, ResponseFormat};
use inference::{Call, Format, Job, Must, Penalties, Sampling, Scope, Tool, Tools};

use crate::answer::Ask;

/// One job for each answer that is wanted. Several from one seed are as many draws, and come out the same again.
pub(super) fn jobs(ask: &Ask, begun: &str, max_tokens: u32) -> Vec<Job> {
    let job = job(ask, begun, max_tokens);
    let nth = |number: u64| {
        let seed = job.sampling.seed.map(|seed| seed.wrapping_add(number));
        Job { sampling: Sampling { seed, ..job.sampling.clone() }, ..job.clone() }
    };
    (0..u64::from(ask.request.choices.max(1))).map(nth).collect()
}

/// `begun` is the text that the answer has already.
fn job(ask: &Ask, begun: &str, max_tokens: u32) -> Job {
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
                repeat: request.repetition_penalty.unwrap_or(1.0),
            },
            logit_bias: request.logit_bias.iter().map(|(token, bias)| (number(*token), *bias)).collect(),
            logprobs: request.logprobs,
        },
        stop: request.stop.clone(),
        format: request.response_format.as_ref().and_then(format),
        tools: tools(request),
        template_arguments: request
            .template_arguments
            .clone()
            .map(|arguments| serde_json::Value::Object(arguments).to_string()),
        lane: ask.lane,
        scope: Some(Scope::of(&ask.caller.id())),
    }
}

/// No model has a token of the number that stands for all beyond its own.
fn number(token: u32) -> i32 {
    i32::try_from(token).unwrap_or(i32::MAX)
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

//! A request as a local model is asked it.

use dialect::openai::{self, ChatRequest, Message, ResponseFormat};
use inference::{Call, Format, Job, Must, Penalties, Sampling, Scope, Tool, Tools};
use serde_json::Value;

use crate::answer::{Ask, Refusal};

/// Why no local model can be asked this, whichever it is. A cloud may take it.
pub(super) fn refusal(request: &ChatRequest) -> Option<Refusal> {
    too_high_token(request).or_else(|| no_function(request)).or_else(|| no_object(request))
}

fn too_high_token(request: &ChatRequest) -> Option<Refusal> {
    let (token, _) = request.logit_bias.iter().find(|(token, _)| i32::try_from(*token).is_err())?;
    let most = i32::MAX;
    let message = format!("\"logit_bias\" names the token {token}; no local model has one beyond {most}.");
    Some(Refusal::invalid("invalid_value", "logit_bias", message))
}

/// A call must be made, and none may be: the answer would have no end.
fn no_function(request: &ChatRequest) -> Option<Refusal> {
    let choice = &request.tool_choice;
    let is_empty = choice.only.as_ref().is_some_and(Vec::is_empty);
    (choice.must == openai::Must::Call && is_empty).then(|| {
        let message = "\"tool_choice\" asks for a call, and its list of \"tools\" names no function.";
        Refusal::invalid("invalid_tools", "tool_choice.allowed_tools.tools", message)
    })
}

/// Arguments are an object, whatever a schema says.
fn no_object(request: &ChatRequest) -> Option<Refusal> {
    let is_used =
        |tool: &&openai::Tool| request.tool_choice.must != openai::Must::Not && is_callable(request, tool);
    let tool = request.tools.iter().filter(is_used).find(|tool| !takes_an_object(tool))?;
    let message = format!(
        "The \"parameters\" of the function \"{}\" must be a schema with the \"type\" \"object\".",
        tool.name
    );
    Some(Refusal::invalid("invalid_tools", "tools", message))
}

/// A schema without a type is taken for one of an object.
fn takes_an_object(tool: &openai::Tool) -> bool {
    match tool.parameters.as_ref().and_then(|schema| schema.get("type")) {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().all(|kind| kind == "object"),
        _ => true,
    }
}

fn is_callable(request: &ChatRequest, tool: &openai::Tool) -> bool {
    request.tool_choice.only.as_ref().is_none_or(|names| names.contains(&tool.name))
}

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
            .map(|arguments| Value::Object(arguments).to_string()),
        lane: ask.lane,
        scope: Some(Scope::of(&ask.caller.id())),
    }
}

/// What does not fit is refused before any job is made.
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
    let tool = |tool: &openai::Tool| Tool {
        name: tool.name.clone(),
        entry: tool.entry.to_string(),
        parameters: tool.parameters.as_ref().map(ToString::to_string),
        strict: tool.strict,
        callable: is_callable(request, tool),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(fields: &Value) -> Option<Refusal> {
        let mut body = json!({"model": "a", "messages": [{"role": "user", "content": "hello"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        refusal(&ChatRequest::parse(body.to_string().as_bytes()).expect("a cloud may take it"))
    }

    fn function(name: &str, parameters: &Value) -> Value {
        json!({"type": "function", "function": {"name": name, "parameters": parameters}})
    }

    #[test]
    fn a_token_that_no_model_can_have_is_named_as_it_was_given() {
        assert_eq!(refused(&json!({"logit_bias": {"2147483647": 1}})), None, "the model says what it has");
        let refusal = refused(&json!({"logit_bias": {"7": 1, "4294967295": 1}})).expect("refused");
        assert_eq!((refusal.status, refusal.param.as_deref()), (400, Some("logit_bias")));
        assert!(refusal.message.contains("the token 4294967295"), "{}", refusal.message);
    }

    #[test]
    fn a_call_that_must_be_made_and_of_nothing_is_refused() {
        let tools = json!([function("dose", &json!({"type": "object"}))]);
        let choice = |mode: &str, names: &[&str]| {
            let list: Vec<_> =
                names.iter().map(|name| json!({"type": "function", "function": {"name": name}})).collect();
            let allowed = json!({"mode": mode, "tools": list});
            let choice = json!({"type": "allowed_tools", "allowed_tools": allowed});
            refused(&json!({"tools": tools, "tool_choice": choice}))
        };
        assert_eq!((choice("auto", &[]), choice("required", &["dose"])), (None, None));
        let refusal = choice("required", &[]).expect("refused");
        assert_eq!((refusal.status, refusal.code.as_ref()), (400, "invalid_tools"));
        assert!(refusal.message.contains("tool_choice"), "{}", refusal.message);
    }

    #[test]
    fn a_function_whose_arguments_are_no_object_is_named() {
        let of = |kind: Value| refused(&json!({"tools": [function("dose", &json!({"type": kind}))]}));
        assert_eq!((of(json!("object")), of(json!(["object"]))), (None, None));
        assert_eq!(refused(&json!({"tools": [function("dose", &json!({}))]})), None);
        for kind in [json!("string"), json!(["object", "null"])] {
            let refusal = of(kind).expect("refused");
            assert_eq!((refusal.status, refusal.param.as_deref()), (400, Some("tools")));
            assert!(refusal.message.contains("function \"dose\""), "{}", refusal.message);
        }
        let unused = json!({"tools": [function("dose", &json!({"type": "string"}))], "tool_choice": "none"});
        assert_eq!(refused(&unused), None, "nobody calls it");
    }
}

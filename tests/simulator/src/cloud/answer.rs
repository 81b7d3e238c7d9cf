//! One upstream's answer as a script: what is said, when, and where it breaks.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::Call;
use crate::dice::Dice;
use crate::sabotage::Sabotage;
use crate::weather::{Break, Fault};
use crate::words::{Form, Order};

pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// Prompt and completion tokens that the upstream reports.
    pub(super) usage: (u64, u64),
}

pub(super) enum Step {
    Wait(Duration),
    /// A sign of life, and nothing of an answer.
    Sign(Vec<u8>),
    Say(Vec<u8>),
    /// As many tokens are said as the request allows.
    AtLimit,
    /// All of the answer is said, and this is how it ended.
    Said(&'static str),
    /// The upstream has said what it used.
    Billed,
    End(Break),
}

/// The whole response in place of an answer, for a fault that has one.
pub(super) fn refusal(fault: &Fault) -> Option<Vec<u8>> {
    let error = |status: u16, kind: &str, message: &str, more: &str| {
        let body = json!({"error": {"message": message, "type": kind, "code": kind}});
        response(status, "application/json", more, body.to_string().as_bytes())
    };
    Some(match fault {
        Fault::Status(status) => error(*status, "server_error", "The server had an error.", ""),
        Fault::Throttled(pause) => {
            let more = pause.map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
            error(429, "rate_limit_exceeded", "Rate limit reached for requests.", &more)
        }
        Fault::Key(status) => error(*status, "invalid_api_key", "Incorrect API key provided.", ""),
        Fault::Quota => error(429, "insufficient_quota", "You exceeded your current quota.", ""),
        Fault::Withdrawn => error(404, "model_not_found", "The model does not exist.", ""),
        Fault::CaptivePortal => response(
            200,
            "text/html",
            "",
            b"<html><body>Please accept the terms of the guest network</body></html>",
        ),
        Fault::Redirect => response(302, "text/plain", "location: http://guest.example/\r\n", b""),
        Fault::NotJson => response(200, "application/json", "", b"{\"oops\": "),
        _ => return None,
    })
}

pub(super) fn model_list(models: &[&str]) -> Vec<u8> {
    let data: Vec<Value> = models.iter().map(|id| json!({"id": id, "object": "model"})).collect();
    response(200, "application/json", "", json!({"object": "list", "data": data}).to_string().as_bytes())
}

pub(super) fn empty_chat() -> Vec<u8> {
    let body = json!({"error": {"message": "messages must not be empty", "type": "invalid_request_error",
        "param": "messages", "code": "empty_array"}});
    response(400, "application/json", "", body.to_string().as_bytes())
}

fn filtered() -> Vec<u8> {
    let body = json!({"error": {"message": "The content filter refuses this.", "type": "invalid_request_error",
        "param": "messages", "code": "content_filter"}});
    response(400, "application/json", "", body.to_string().as_bytes())
}

fn response(status: u16, kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\n{more}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// How fast an upstream speaks.
struct Pace {
    first: Duration,
    token: Duration,
}

impl Script {
    pub(super) fn write(
        call: &Call,
        order: &Order,
        mark: char,
        fault: Option<&Fault>,
        number: usize,
        dice: &mut Dice,
        sabotage: Option<Sabotage>,
    ) -> Script {
        let pace = Pace {
            first: match fault {
                Some(Fault::FirstTokenAfter(pause)) => *pause,
                _ => dice.ms(60, 900),
            },
            token: match fault {
                Some(Fault::SlowTokens(pause)) => *pause,
                _ => dice.ms(2, 60),
            },
        };
        if fault == Some(&Fault::Reset) {
            return Script::of(vec![Step::Wait(pace.first), Step::End(Break::Reset)], (0, 0));
        }
        let whole = fault.and_then(refusal).or_else(|| (order.form == Form::Filtered).then(filtered));
        if let Some(response) = whole {
            return Script::of(vec![Step::Wait(Duration::from_millis(20)), Step::Say(response)], (0, 0));
        }
        let mut tokens = order.tokens(mark);
        if sabotage == Some(Sabotage::DoubledWord) && tokens.len() > 3 {
            tokens.insert(2, tokens[2].clone());
        }
        if sabotage == Some(Sabotage::LyingFinish) && tokens.len() > 3 {
            tokens.truncate(tokens.len() - 2);
        }
        let limit = call.max_tokens().unwrap_or(usize::MAX);
        let finish = match order.form {
            _ if tokens.len() > limit => "length",
            Form::Tool => "tool_calls",
            _ => "stop",
        };
        tokens.truncate(limit);
        let usage = (100_000 + 7 * number as u64, tokens.len() as u64);
        if call.wants_stream() {
            stream(call, order, &tokens, finish, usage, &pace, fault, dice)
        } else {
            whole_answer(call, order, &tokens, finish, usage, &pace, fault, dice)
        }
    }

    fn of(steps: Vec<Step>, usage: (u64, u64)) -> Script {
        Script { steps, usage }
    }
}

fn usage_json(usage: (u64, u64)) -> Value {
    json!({"prompt_tokens": usage.0, "completion_tokens": usage.1, "total_tokens": usage.0 + usage.1})
}

#[expect(clippy::too_many_arguments, reason = "each is one independent fact of the answer")]
fn whole_answer(
    call: &Call,
    order: &Order,
    tokens: &[String],
    finish: &'static str,
    usage: (u64, u64),
    pace: &Pace,
    fault: Option<&Fault>,
    dice: &mut Dice,
) -> Script {
    let text = tokens.concat();
    let message = match order.form {
        Form::Tool => json!({"role": "assistant", "content": null,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": text}}]}),
        _ => json!({"role": "assistant", "content": text}),
    };
    let body = json!({"id": format!("up-{}", order.request), "object": "chat.completion", "created": 1,
        "model": call.model(), "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage_json(usage)});
    let mut bytes = response(200, "application/json", "", body.to_string().as_bytes());
    let mut steps = vec![Step::Wait(pace.first + pace.token * tokens.len() as u32)];
    match fault {
        Some(Fault::Cut(broken)) => {
            bytes.truncate(dice.index(bytes.len()));
            steps.extend([Step::Say(bytes), Step::End(*broken)]);
        }
        Some(Fault::KeepAliveOnly) => steps.push(Step::End(Break::Stall)),
        Some(Fault::NoFinish | Fault::MalformedEvents | Fault::ErrorEvent) => {
            steps.push(Step::Say(response(200, "application/json", "", b"{\"id\": \"up\", \"choices\": [{")));
        }
        _ => steps.extend([Step::Say(bytes), Step::Said(finish), Step::Billed]),
    }
    Script::of(steps, usage)
}

#[expect(clippy::too_many_arguments, reason = "each is one independent fact of the answer")]
fn stream(
    call: &Call,
    order: &Order,
    tokens: &[String],
    finish: &'static str,
    usage: (u64, u64),
    pace: &Pace,
    fault: Option<&Fault>,
    dice: &mut Dice,
) -> Script {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({"id": format!("up-{}", order.request), "object": "chat.completion.chunk", "created": 1,
            "model": call.model(), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None).to_string()];
    if order.form == Form::Tool {
        let call = json!({"index": 0, "id": "call_1", "type": "function",
            "function": {"name": "look_up", "arguments": ""}});
        events.push(chunk(json!({"tool_calls": [call]}), None).to_string());
    }
    let first_token = events.len();
    events.extend(tokens.iter().map(|token| {
        let delta = match order.form {
            Form::Tool => json!({"tool_calls": [{"index": 0, "function": {"arguments": token}}]}),
            _ => json!({"content": token}),
        };
        chunk(delta, None).to_string()
    }));
    let last_token = events.len();
    events.push(chunk(json!({}), Some(finish)).to_string());
    let usage_at = call.wants_usage().then_some(events.len());
    if usage_at.is_some() {
        let mut last = chunk(json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = usage_json(usage);
        events.push(last.to_string());
    }
    events.push("[DONE]".into());
    let mut whole = true;
    let some_token = first_token + dice.index((last_token - first_token).max(1));
    match fault {
        Some(Fault::NoFinish) => {
            events.truncate(some_token);
            whole = false;
        }
        Some(Fault::NoDone) => drop(events.pop()),
        Some(Fault::MalformedEvents) => {
            let half = events[some_token].len() / 2;
            events[some_token].truncate(half);
            whole = false;
        }
        Some(Fault::ErrorEvent) => {
            events.truncate(some_token);
            events.push(json!({"error": {"message": "overloaded", "type": "server_error"}}).to_string());
            whole = false;
        }
        _ => {}
    }
    let mut steps = vec![Step::Wait(Duration::from_millis(10)), Step::Sign(head.into())];
    if fault == Some(&Fault::KeepAliveOnly) {
        for _ in 0..200 {
            steps.extend([Step::Wait(Duration::from_secs(3)), Step::Sign(framed(b": keep-alive\n\n"))]);
        }
        steps.push(Step::End(Break::Close));
        return Script::of(steps, usage);
    }
    let total: usize = events.iter().map(|event| event.len() + 14).sum();
    let cut = match fault {
        Some(Fault::Cut(broken)) => Some((dice.index(total), *broken)),
        _ => None,
    };
    let mut said = 0;
    for (index, event) in events.iter().enumerate() {
        steps.push(Step::Wait(if index == 0 { pace.first } else { pace.token }));
        let mut bytes = framed(format!("data: {event}\n\n").as_bytes());
        let length = bytes.len();
        let broken = cut.filter(|(at, _)| said + length > *at);
        if let Some((at, _)) = broken {
            bytes.truncate(at - said);
        }
        // The last two bytes end the chunk of the body; the event in it is whole without them.
        let is_said = bytes.len() + 2 >= length;
        said += length;
        steps.push(Step::Say(bytes));
        if index + 1 == last_token && whole && is_said && call.max_tokens() == Some(tokens.len()) {
            steps.push(Step::AtLimit);
        }
        if index == last_token && whole && is_said {
            steps.push(Step::Said(finish));
        }
        if Some(index) == usage_at && is_said {
            steps.push(Step::Billed);
        }
        if let Some((_, broken)) = broken {
            steps.push(Step::End(broken));
            return Script::of(steps, usage);
        }
    }
    steps.push(Step::Say(b"0\r\n\r\n".to_vec()));
    Script::of(steps, usage)
}

/// One chunk of a chunked body.
fn framed(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

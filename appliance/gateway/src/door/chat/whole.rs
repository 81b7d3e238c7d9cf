//! The answer as one JSON body. Its events are all there: it was asked for in committed mode.

use axum::response::Response;
use dialect::openai::{Completion, Saying, ToolCall, Usage, completion};
use futures_util::StreamExt;

use super::Shape;
use crate::answer::{Answer, AnswerEvent, Refusal};
use crate::clock;
use crate::door::refusal::json_bytes;

/// How an answer ended.
struct End {
    reason: String,
    usage: Usage,
    usage_is_estimated: bool,
    /// The upstream's own.
    body: Option<Completion>,
}

pub(super) async fn response(answer: Answer, shape: Shape) -> Result<Response, Refusal> {
    let Answer { request_id, served, mut events } = answer;
    let saying = || Saying { odds: shape.logprobs.then(Vec::new), ..Saying::default() };
    let mut sayings: Vec<Saying> = (0..shape.choices.max(1)).map(|_| saying()).collect();
    let mut end = None;
    while let Some(event) = events.next().await {
        match event {
            AnswerEvent::Finished { reason, usage, usage_is_estimated, body } => {
                end = Some(End { reason, usage, usage_is_estimated, body });
            }
            AnswerEvent::Failed(refusal) => return Err(refusal),
            AnswerEvent::Of { choice, event } => {
                if let Some(saying) = sayings.get_mut(choice as usize) {
                    hear(saying, *event);
                }
            }
            event => hear(&mut sayings[0], event),
        }
    }
    let Some(End { reason, usage, usage_is_estimated, body }) = end else {
        let message = "The answer ended before it was whole.";
        return Err(Refusal::new(502, "upstream_error", "answer_cut", message));
    };
    let extension = served.extension(None).with_usage(usage_is_estimated);
    let body = match body {
        Some(completion) => completion.stamped(usage, &extension),
        None => {
            sayings[0].finish_reason = reason;
            let (id, created_s) = (format!("chatcmpl-{request_id}"), clock::unix_ms() / 1000);
            let whole = completion(&id, created_s, served.model(), &sayings, usage, &extension);
            whole.to_string().into_bytes()
        }
    };
    Ok(json_bytes(200, body))
}

fn hear(saying: &mut Saying, event: AnswerEvent) {
    match event {
        AnswerEvent::Delta { text, .. } => saying.text.push_str(&text),
        AnswerEvent::Odds(odds) => saying.odds.get_or_insert_default().extend(odds),
        AnswerEvent::Reasoning(text) => saying.reasoning.push_str(&text),
        AnswerEvent::Call { id, name, .. } => {
            saying.calls.push(ToolCall { id, name, arguments: String::new() });
        }
        AnswerEvent::Arguments { text, .. } => {
            if let Some(call) = saying.calls.last_mut() {
                call.arguments.push_str(&text);
            }
        }
        AnswerEvent::Ended { reason } => saying.finish_reason = reason,
        AnswerEvent::Seam { .. }
        | AnswerEvent::Waiting { .. }
        | AnswerEvent::Of { .. }
        | AnswerEvent::Finished { .. }
        | AnswerEvent::Failed(_) => {}
    }
}

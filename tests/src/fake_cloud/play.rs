//! Plays a script for one request: bytes, pauses and resets in their order.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::answer::{self, Body};
use super::script::{Script, SignsOfLife, Trouble};

/// What a response does next.
#[derive(Debug)]
enum Step {
    Send(Bytes),
    Wait(Duration),
    Reset,
}

/// As long as a test may last.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Answers one request to a scripted model.
pub(super) async fn play(
    script: &Script,
    trouble: Trouble,
    cut: CancellationToken,
    request: &Value,
) -> Result<Response<Body>, Infallible> {
    match trouble {
        Trouble::Status { status, code, retry_after } => return Ok(refusal(status, code, retry_after)),
        Trouble::Reset => return answer::reset(&cut).await,
        Trouble::Html => return Ok(answer::page()),
        Trouble::Silent(span) => {
            tokio::time::sleep(span).await;
            return answer::reset(&cut).await;
        }
        Trouble::SlowFirstToken { wait, signs_of_life: SignsOfLife::None } => tokio::time::sleep(wait).await,
        _ => {}
    }
    if is_probe(request) {
        let message = "messages must have at least one entry";
        return Ok(answer::error(StatusCode::BAD_REQUEST, "invalid_request_error", message));
    }
    let Some(text) = script.reply_to(request) else {
        let message = "this model does not support a conversation that ends with the assistant";
        return Ok(answer::error(StatusCode::BAD_REQUEST, "prefill_not_supported", message));
    };
    let streams = request["stream"] == true;
    let steps = if streams {
        streamed(script, &trouble, request, text)
    } else {
        whole(script, &trouble, request, text)
    };
    let kind = if streams { "text/event-stream" } else { "application/json" };
    let response = Response::builder().header(header::CONTENT_TYPE, kind);
    Ok(response.body(performed(steps, script.frame_bytes, cut)).unwrap())
}

/// A request that only asks whether the model is there: it is refused by a healthy model, and bills nothing.
pub(super) fn is_probe(request: &Value) -> bool {
    request["messages"].as_array().is_some_and(Vec::is_empty)
}

fn refusal(status: u16, code: &'static str, retry_after: Option<Duration>) -> Response<Body> {
    let status = StatusCode::from_u16(status).expect("a test's status is a status");
    let mut response = answer::error(status, code, &format!("the fake cloud says {code}"));
    if let Some(retry_after) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after.as_secs().into());
    }
    response
}

fn streamed(script: &Script, trouble: &Trouble, request: &Value, text: &str) -> Vec<Step> {
    let model = request["model"].as_str().unwrap_or_default();
    let event = |delta: Value, finish: Value| Step::Send(answer::chunk_of(model, &delta, &finish).into());
    let mut steps = vec![event(json!({ "role": "assistant", "content": "" }), Value::Null)];
    if let Trouble::SlowFirstToken { wait, signs_of_life } = trouble {
        steps.extend(lateness(*wait, *signs_of_life));
    }
    let mut said = 0;
    for chunk in script.chunks(text) {
        let letters = chunk.chars().count();
        steps.push(Step::Wait(script.pace));
        match trouble {
            Trouble::Cut { after } if said + letters >= *after => {
                let last: String = chunk.chars().take(after - said).collect();
                steps.push(event(json!({ "content": last }), Value::Null));
                steps.extend([Step::Wait(script.pace), Step::Reset]);
                return steps;
            }
            Trouble::Stall { after, pause } if (said..said + letters).contains(after) => {
                steps.push(Step::Wait(*pause));
            }
            Trouble::Malformed { after, event } if (said..said + letters).contains(after) => {
                steps.push(Step::Send(event.clone().into()));
            }
            _ => {}
        }
        said += letters;
        steps.push(event(json!({ "content": chunk }), Value::Null));
    }
    steps.push(event(json!({}), json!("stop")));
    if request["stream_options"]["include_usage"] == true {
        let last = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [], "usage": usage(script, text),
        });
        steps.push(Step::Send(format!("data: {last}\n\n").into()));
    }
    match trouble {
        Trouble::NoDone { hangs: true } => steps.push(Step::Wait(FOR_EVER)),
        Trouble::NoDone { hangs: false } => {}
        _ => steps.push(Step::Send("data: [DONE]\n\n".into())),
    }
    steps
}

fn lateness(wait: Duration, signs: SignsOfLife) -> Vec<Step> {
    match signs {
        SignsOfLife::None => Vec::new(),
        SignsOfLife::Headers => vec![Step::Wait(wait)],
        SignsOfLife::Comments => {
            let second = Duration::from_secs(1);
            let comment = || [Step::Wait(second), Step::Send(": the model is busy\n\n".into())];
            (0..wait.as_secs()).flat_map(|_| comment()).collect()
        }
    }
}

fn whole(script: &Script, trouble: &Trouble, request: &Value, text: &str) -> Vec<Step> {
    let message = json!({ "role": "assistant", "content": text });
    let body = json!({
        "id": "chatcmpl-fake", "object": "chat.completion", "created": 1, "model": request["model"],
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": usage(script, text),
    })
    .to_string();
    let (head, tail) = body.as_bytes().split_at(body.len() / 2);
    let (head, tail) = (Step::Send(head.to_vec().into()), Step::Send(tail.to_vec().into()));
    match trouble {
        Trouble::SlowFirstToken { wait, signs_of_life } if *signs_of_life != SignsOfLife::None => {
            vec![Step::Wait(*wait), head, tail]
        }
        Trouble::Cut { .. } => vec![head, Step::Wait(script.pace), Step::Reset],
        Trouble::Stall { pause, .. } => vec![head, Step::Wait(*pause), tail],
        _ => vec![head, Step::Wait(script.pace), tail],
    }
}

fn usage(script: &Script, text: &str) -> Value {
    let said = text.split_whitespace().count();
    let prompt = script.prompt_tokens;
    json!({ "prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said })
}

/// A body that performs the steps, in writes of at most `frame_bytes`.
fn performed(steps: Vec<Step>, frame_bytes: usize, cut: CancellationToken) -> Body {
    let steps = steps.into_iter().flat_map(move |step| match step {
        Step::Send(bytes) => torn(&bytes, frame_bytes),
        other => vec![other],
    });
    let steps: Vec<Step> = steps.collect();
    let body = stream::unfold((steps.into_iter(), cut), |(mut steps, cut)| async move {
        loop {
            match steps.next()? {
                Step::Send(bytes) => return Some((Ok(Frame::data(bytes)), (steps, cut))),
                Step::Wait(pause) => tokio::time::sleep(pause).await,
                Step::Reset => answer::reset::<()>(&cut).await,
            }
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(body))
}

fn torn(bytes: &Bytes, frame_bytes: usize) -> Vec<Step> {
    bytes.chunks(frame_bytes).map(|part| Step::Send(Bytes::copy_from_slice(part))).collect()
}

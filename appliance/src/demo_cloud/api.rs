//! The demo cloud's API: the model list and chat completions of the OpenAI dialect, streamed or whole.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Line, answers};

/// The one model that the demo cloud lists.
const MODEL: &str = "demo-cloud-large";
/// The one key that it accepts; it guards nothing, and makes the box send one as to a real upstream.
const KEY: &str = "demo-key";
/// The pause before each piece of a streamed answer, about the pace of a large cloud model.
const PACE: Duration = Duration::from_millis(20);
/// Unix seconds given as the model's birth and each answer's time: a demo has no history.
const CREATED: u64 = 1_700_000_000;

/// The API, which holds its tongue while `line` is silent.
pub(super) fn router(line: watch::Receiver<Line>) -> Router {
    let router = Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .layer(middleware::from_fn_with_state(line.clone(), hold))
        .with_state(line);
    labelled(router)
}

/// Puts the demo's name into the `server` header of every answer.
pub(super) fn labelled(router: Router) -> Router {
    router.layer(middleware::map_response(async |mut response: Response| {
        response.headers_mut().insert(header::SERVER, HeaderValue::from_static("genset-demo-cloud"));
        response
    }))
}

/// Lets nothing through while the line is silent.
async fn hold(State(mut line): State<watch::Receiver<Line>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    spoken(&mut line).await;
    response
}

/// Waits until the line is not silent.
async fn spoken(line: &mut watch::Receiver<Line>) {
    // The sender is gone only when the demo cloud stops, which resets this connection.
    let _ = line.wait_for(|line| *line != Line::Silent).await;
}

async fn models(headers: HeaderMap) -> Response {
    if !authorized(&headers) {
        return wrong_key();
    }
    let model = json!({ "id": MODEL, "object": "model", "created": CREATED, "owned_by": "genset demo" });
    Json(json!({ "object": "list", "data": [model] })).into_response()
}

async fn chat(State(line): State<watch::Receiver<Line>>, headers: HeaderMap, body: Bytes) -> Response {
    if !authorized(&headers) {
        return wrong_key();
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return refusal(StatusCode::BAD_REQUEST, "invalid_json", "demo cloud: the body is not JSON");
    };
    if request["model"] != MODEL {
        let message = format!("demo cloud: the only model here is {MODEL}");
        return refusal(StatusCode::NOT_FOUND, "model_not_found", &message);
    }
    let Some(question) = last_question(&request) else {
        return refusal(StatusCode::BAD_REQUEST, "no_messages", "demo cloud: `messages` has no user message");
    };
    let answer = answers::answer(&question);
    tracing::info!(stream = request["stream"] == true, "demo cloud: answering");
    if request["stream"] == true {
        let with_usage = request["stream_options"]["include_usage"] == true;
        return streamed(pieces(&answer, with_usage, &question), line);
    }
    let message = json!({ "role": "assistant", "content": answer });
    Json(json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": CREATED, "model": MODEL,
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": usage(&question, &answer),
    }))
    .into_response()
}

fn authorized(headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer ")) == Some(KEY)
}

fn wrong_key() -> Response {
    let message = format!("demo cloud: the only key accepted here is `{KEY}`");
    refusal(StatusCode::UNAUTHORIZED, "invalid_api_key", &message)
}

/// The text of the last user message; several text parts are joined.
fn last_question(request: &Value) -> Option<String> {
    let messages = request["messages"].as_array()?;
    let content = &messages.iter().rfind(|message| message["role"] == "user")?["content"];
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => None,
    }
}

/// Counted in words: the demo has no tokenizer, and its numbers only need to be there.
fn usage(question: &str, answer: &str) -> Value {
    let (asked, said) = (question.split_whitespace().count(), answer.split_whitespace().count());
    json!({ "prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said })
}

/// The stream's events in order, each the text of one `data:` line.
fn pieces(answer: &str, with_usage: bool, question: &str) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
        .to_string()
    };
    let mut pieces = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    pieces.extend(answer.split_inclusive(' ').map(|word| chunk(json!({ "content": word }), Value::Null)));
    pieces.push(chunk(json!({}), json!("stop")));
    if with_usage {
        let usage = json!({
            "id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
            "choices": [], "usage": usage(question, answer),
        });
        pieces.push(usage.to_string());
    }
    pieces.push("[DONE]".to_owned());
    pieces
}

fn streamed(pieces: Vec<String>, line: watch::Receiver<Line>) -> Response {
    let events = stream::unfold((pieces.into_iter(), line), async |(mut pieces, mut line)| {
        let piece = pieces.next()?;
        tokio::time::sleep(PACE).await;
        spoken(&mut line).await;
        Some((Ok::<_, Infallible>(format!("data: {piece}\n\n")), (pieces, line)))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({ "message": message, "type": "invalid_request_error", "param": null, "code": code });
    (status, Json(json!({ "error": error }))).into_response()
}

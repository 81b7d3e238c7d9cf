//! What the fake cloud answers in each mood.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::script::{Script, Trouble};
use super::{KEY, MODEL, Mood, Seen, Shared, VECTORS, lock, play};

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How often a cloud that keeps its client waiting says so.
const KEEP_ALIVE: Duration = Duration::from_millis(100);

/// Answers one request, or never returns: then the connection is reset or the test ends.
pub(super) async fn answer(
    shared: Arc<Shared>,
    cut: CancellationToken,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let authorized = is_authorized(&parts.headers);
    shared.record(Seen {
        at: shared.started.elapsed(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        headers: without_key(&parts.headers),
        body: body.clone(),
        authorized,
        version: format!("{:?}", parts.version),
    });
    let mood = *shared.mood.borrow();
    match mood {
        // The order to refuse and this request crossed; the connection is about to be reset.
        Mood::Refusing | Mood::Silent => std::future::pending().await,
        Mood::Resetting => reset(&cut).await,
        Mood::Failing => Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the fake cloud fails")),
        Mood::Throttling { retry_after } => Ok(throttled(retry_after)),
        Mood::Html => Ok(page()),
        Mood::Redirecting => Ok(sign_in()),
        Mood::RejectingKey => Ok(wrong_key()),
        _ if !authorized => Ok(wrong_key()),
        _ if parts.uri.path().ends_with("/models") => Ok(models(&shared)),
        _ if parts.uri.path().ends_with("/chat/completions") => chat(shared, cut, mood, &body).await,
        _ if parts.uri.path().ends_with("/embeddings") => vectors(&cut, mood, &body).await,
        _ => Ok(error(StatusCode::NOT_FOUND, "not_found", "the fake cloud has no such path")),
    }
}

/// Resets the connection of the request that is being answered.
pub(super) async fn reset<T>(cut: &CancellationToken) -> T {
    cut.cancel();
    std::future::pending().await
}

async fn chat(
    shared: Arc<Shared>,
    cut: CancellationToken,
    mood: Mood,
    request: &Value,
) -> Result<Response<Body>, Infallible> {
    if mood == Mood::Well
        && let Some((script, trouble)) = scripted(&shared, request)
    {
        return play::play(&script, trouble, cut, request).await;
    }
    if let Mood::Status(status, code) = mood {
        return Ok(error(
            StatusCode::from_u16(status).unwrap(),
            code,
            &format!("the fake cloud says {code}"),
        ));
    }
    if request["model"] != MODEL || mood == Mood::Withdrawn {
        return Ok(error(StatusCode::NOT_FOUND, "model_not_found", "the fake cloud has one model: large"));
    }
    if play::is_probe(request) {
        let message = "messages must have at least one entry";
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request_error", message));
    }
    if let Mood::Refusing400(code) = mood {
        return Ok(error(StatusCode::BAD_REQUEST, code, "the fake cloud refuses this request"));
    }
    let text = words(&shared, request);
    if request["stream"] == true {
        return Ok(streamed(shared, cut, mood, request, &text));
    }
    match mood {
        Mood::CuttingStreams { .. } => reset(&cut).await,
        Mood::SlowFirstToken(wait) => tokio::time::sleep(wait).await,
        _ => {}
    }
    let message = json!({ "role": "assistant", "content": text });
    Ok(whole(&json!({
        "id": "chatcmpl-fake", "object": "chat.completion", "created": 1, "model": MODEL,
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": usage(&text),
    })))
}

/// Vectors of three numbers, the first of which tells the length of the text.
async fn vectors(cut: &CancellationToken, mood: Mood, request: &Value) -> Result<Response<Body>, Infallible> {
    match mood {
        Mood::Status(status, code) => {
            return Ok(error(
                StatusCode::from_u16(status).unwrap(),
                code,
                &format!("the fake cloud says {code}"),
            ));
        }
        Mood::CuttingStreams { .. } => reset(cut).await,
        _ => {}
    }
    if request["model"] != VECTORS || mood == Mood::Withdrawn {
        return Ok(error(
            StatusCode::NOT_FOUND,
            "model_not_found",
            "the fake cloud has one such model: vectors",
        ));
    }
    let texts = match &request["input"] {
        Value::Array(list) => list.iter().collect(),
        text => vec![text],
    };
    if texts.is_empty() {
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request_error", "input cannot be an empty array"));
    }
    if let Mood::Refusing400(code) = mood {
        return Ok(error(StatusCode::BAD_REQUEST, code, "the fake cloud refuses this request"));
    }
    let entry = |(index, text): (usize, &&Value)| {
        let length = text.as_str().unwrap_or_default().chars().count();
        json!({ "object": "embedding", "index": index, "embedding": [length, 0.5, -0.25] })
    };
    let data: Vec<Value> = texts.iter().enumerate().map(entry).collect();
    let tokens = 4 * data.len();
    Ok(whole(&json!({
        "object": "list", "data": data, "model": VECTORS,
        "usage": { "prompt_tokens": tokens, "total_tokens": tokens },
    })))
}

/// The script of the model that is asked for, and the trouble that this request meets.
fn scripted(shared: &Shared, request: &Value) -> Option<(Script, Trouble)> {
    let mut scripts = lock(&shared.scripts);
    let played = scripts.get_mut(request["model"].as_str()?)?;
    let trouble = played.meets(play::is_probe(request));
    Some((played.script.clone(), trouble))
}

/// The answer: what the test said it should be, or who speaks and the nonce of the question.
fn words(shared: &Shared, request: &Value) -> String {
    if let Some(text) = &lock(&shared.speech).text {
        return text.clone();
    }
    let last = request["messages"].as_array().and_then(|messages| messages.last());
    let question = last.map(|message| content(&message["content"])).unwrap_or_default();
    let nonce = question.split_whitespace().find(|word| word.starts_with("nonce-")).unwrap_or("no-nonce");
    let name = &shared.name;
    format!(
        "{name}: here is what a large model says to {nonce}, in one whole sentence that ends with a point."
    )
}

fn content(content: &Value) -> String {
    match content {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

fn usage(text: &str) -> Value {
    let said = text.split_whitespace().count();
    json!({ "prompt_tokens": 7, "completion_tokens": said, "total_tokens": 7 + said })
}

/// One piece of a stream that is being sent.
enum Piece {
    /// A pause with comments and no token.
    Wait(Duration),
    /// Text of the answer: cut, stalled and paced.
    Word(String),
    Plain(String),
}

fn streamed(
    shared: Arc<Shared>,
    cut: CancellationToken,
    mood: Mood,
    request: &Value,
    text: &str,
) -> Response<Body> {
    let mut pieces = vec![Piece::Plain(chunk(&json!({ "role": "assistant", "content": "" }), &Value::Null))];
    if let Mood::SlowFirstToken(wait) = mood {
        let comments = wait.as_millis() / KEEP_ALIVE.as_millis();
        pieces.extend((0..comments).map(|_| Piece::Wait(KEEP_ALIVE)));
    }
    for (index, word) in text.split_inclusive(' ').enumerate() {
        match mood {
            Mood::EndingEarly { after } if index == after => return sent(shared, cut, pieces),
            Mood::ErringInside { after } if index == after => {
                let error =
                    json!({ "error": { "message": "the fake cloud is overloaded", "type": "server_error" } });
                pieces.push(Piece::Plain(format!("data: {error}\n\n")));
                return sent(shared, cut, pieces);
            }
            Mood::Garbling => pieces.push(Piece::Plain("data: {\"choices\": [\n\n".to_owned())),
            _ => {}
        }
        pieces.push(Piece::Word(chunk(&json!({ "content": word }), &Value::Null)));
    }
    pieces.push(Piece::Plain(chunk(&json!({}), &json!("stop"))));
    if mood == Mood::NeverDone {
        pieces.push(Piece::Wait(Duration::from_secs(3600)));
    }
    if request["stream_options"]["include_usage"] == true {
        let last = json!({
            "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [], "usage": usage(text),
        });
        pieces.push(Piece::Plain(format!("data: {last}\n\n")));
    }
    pieces.push(Piece::Plain("data: [DONE]\n\n".to_owned()));
    sent(shared, cut, pieces)
}

/// A response that sends the pieces, each in its time.
fn sent(shared: Arc<Shared>, cut: CancellationToken, pieces: Vec<Piece>) -> Response<Body> {
    let body = stream::unfold((pieces.into_iter(), 0), move |(mut pieces, sent)| {
        let (shared, cut) = (shared.clone(), cut.clone());
        async move {
            let (text, sent) = send(&shared, &cut, pieces.next()?, sent).await;
            Some((Ok(Frame::data(Bytes::from(text))), (pieces, sent)))
        }
    });
    let response = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
    response.body(BodyExt::boxed_unsync(StreamBody::new(body))).unwrap()
}

/// Gives the bytes of one piece when their time has come, and how many words have been sent with it.
async fn send(shared: &Shared, cut: &CancellationToken, piece: Piece, sent: usize) -> (String, usize) {
    match piece {
        Piece::Plain(text) => {
            stall(shared).await;
            (text, sent)
        }
        Piece::Wait(pause) => {
            tokio::time::sleep(pause).await;
            (": the model is busy\n\n".to_owned(), sent)
        }
        Piece::Word(text) => {
            let pace = lock(&shared.speech).pace;
            tokio::time::sleep(pace).await;
            stall(shared).await;
            let mood = *shared.mood.borrow();
            match mood {
                Mood::CuttingStreams { after } if sent >= after => reset(cut).await,
                _ => (text, sent + 1),
            }
        }
    }
}

/// Holds a running stream while the line is silent.
async fn stall(shared: &Shared) {
    let _ = shared.mood.subscribe().wait_for(|mood| *mood != Mood::Silent).await;
}

fn chunk(delta: &Value, finish: &Value) -> String {
    chunk_of(MODEL, delta, finish)
}

/// One event of a stream of `model`.
pub(super) fn chunk_of(model: &str, delta: &Value, finish: &Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    format!("data: {chunk}\n\n")
}

fn models(shared: &Shared) -> Response<Body> {
    let scripted: Vec<_> = lock(&shared.scripts).keys().cloned().collect();
    let own = (*shared.mood.borrow() != Mood::Withdrawn).then(|| MODEL.to_owned());
    let models = own.into_iter().chain(scripted);
    let entry = |model| json!({ "id": model, "object": "model", "created": 1, "owned_by": "fake-cloud" });
    whole(&json!({ "object": "list", "data": models.map(entry).collect::<Vec<_>>() }))
}

fn wrong_key() -> Response<Body> {
    error(StatusCode::UNAUTHORIZED, "invalid_api_key", "the fake cloud does not accept this key")
}

fn throttled(retry_after: Duration) -> Response<Body> {
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", "the fake cloud is busy");
    response.headers_mut().insert(header::RETRY_AFTER, retry_after.as_secs().into());
    response
}

pub(super) fn page() -> Response<Body> {
    let page = "<!doctype html><title>Guest network</title><p>Accept the terms to go on.";
    let response = Response::builder().header(header::CONTENT_TYPE, "text/html");
    response.body(full(page)).unwrap()
}

fn sign_in() -> Response<Body> {
    let response = Response::builder().status(StatusCode::FOUND);
    response.header(header::LOCATION, "https://portal.hotel.test/sign-in").body(full("")).unwrap()
}

pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let error = json!({ "error": { "message": message, "type": code, "param": null, "code": code } });
    let mut response = whole(&error);
    *response.status_mut() = status;
    response
}

fn whole(value: &Value) -> Response<Body> {
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    response.body(full(value.to_string())).unwrap()
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

fn is_authorized(headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer ")) == Some(KEY)
}

fn without_key(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| *name != header::AUTHORIZATION);
    kept.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

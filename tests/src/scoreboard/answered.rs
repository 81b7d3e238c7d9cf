//! One answer as its client saw it, and how it is asked for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Mode;
use crate::{Chat, Client, Ended};

/// What a client got.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) status: u16,
    /// The answer says of itself that it is whole.
    pub(super) whole: bool,
    /// The error, where the answer is a clear one.
    pub(super) error: Option<Value>,
    pub(super) said: String,
    pub(super) model: String,
    /// Everyone who made a part of it, each once, in order.
    pub(super) served_by: Vec<String>,
    pub(super) usage: Value,
    /// From the question to the first text, or to the whole answer where it comes at once.
    pub(super) waited: Duration,
    pub(super) took: Duration,
}

/// Asks `alias` in this mode; `streamed` says how committed mode is asked for.
pub(super) async fn ask(
    client: &Client,
    alias: &str,
    question: &str,
    mode: Mode,
    streamed: bool,
) -> Answered {
    let chat = Chat::new(alias, question).with("stream_options", json!({ "include_usage": true }));
    match (mode, streamed) {
        (Mode::Stream, _) => stream(client, &chat).await,
        (Mode::Committed, true) => stream(client, &chat.header("x-genset-mode", "committed")).await,
        (Mode::Committed, false) => whole(client, &Chat::new(alias, question)).await,
    }
}

async fn whole(client: &Client, chat: &Chat) -> Answered {
    let started = Instant::now();
    let reply = client.ask(chat).await;
    let body = reply.json();
    Answered {
        status: reply.status.as_u16(),
        whole: reply.status.is_success() && body["choices"][0]["finish_reason"].is_string(),
        error: is_clear(&body["error"]).then(|| body["error"].clone()),
        said: reply.said(),
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        served_by: vec![reply.served_by()],
        usage: body["usage"].clone(),
        waited: started.elapsed(),
        took: started.elapsed(),
    }
}

async fn stream(client: &Client, chat: &Chat) -> Answered {
    let started = Instant::now();
    let mut stream = client.stream(chat).await;
    if !stream.status.is_success() {
        return refused(stream, started).await;
    }
    stream.until(1).await;
    let waited = started.elapsed();
    let streamed = stream.finish().await;
    let error = match &streamed.ended {
        Ended::Error(error) if is_clear(error) => Some(error.clone()),
        _ => None,
    };
    let mut served_by: Vec<_> = streamed.genset().iter().map(|genset| text(&genset["served_by"])).collect();
    served_by.dedup();
    let last = streamed.chunks.iter().rev().find(|chunk| chunk["choices"][0].is_object());
    let usage = streamed.chunks.iter().find(|chunk| chunk["usage"].is_object());
    Answered {
        status: streamed.status.as_u16(),
        whole: streamed.is_whole(),
        error,
        said: streamed.said(),
        model: last.map(|chunk| text(&chunk["model"])).unwrap_or_default(),
        served_by,
        usage: usage.map_or(Value::Null, |chunk| chunk["usage"].clone()),
        waited,
        took: started.elapsed(),
    }
}

/// A request for a stream that was refused: its body is an error in JSON.
async fn refused(stream: crate::client::Streaming, started: Instant) -> Answered {
    let reply = stream.refusal().await;
    let error = reply.json()["error"].clone();
    Answered {
        status: reply.status.as_u16(),
        whole: false,
        error: is_clear(&error).then_some(error),
        said: String::new(),
        model: String::new(),
        served_by: vec![reply.served_by()],
        usage: Value::Null,
        waited: started.elapsed(),
        took: started.elapsed(),
    }
}

/// An error that a person can act on: a sentence and a code.
fn is_clear(error: &Value) -> bool {
    error["message"].as_str().is_some_and(|message| message.len() > 10) && error["code"].is_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

//! One streamed answer, and when each part of it came.

use std::fmt;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::server::Server;

/// How the tokens are chosen; the same for both servers.
#[derive(Clone, Copy)]
pub(crate) enum Sampling {
    Likeliest,
    /// By chance, with the values that most chats have.
    Drawn,
}

/// One request.
pub(crate) struct Ask {
    pub(crate) prompt: String,
    pub(crate) answer: u32,
    pub(crate) sampling: Sampling,
}

/// One answer as it came.
pub(crate) struct Answer {
    pub(crate) asked: Instant,
    /// When each piece of text came: mostly a token each.
    pub(crate) pieces: Vec<Instant>,
    pub(crate) ended: Instant,
    pub(crate) tokens: u32,
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sampling::Likeliest => "likeliest",
            Sampling::Drawn => "drawn",
        })
    }
}

impl Ask {
    pub(crate) fn new(prompt: String, answer: u32, sampling: Sampling) -> Ask {
        Ask { prompt, answer, sampling }
    }

    fn body(&self) -> Value {
        let mut body = json!({"model": "model", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": self.prompt}], "max_tokens": self.answer, "temperature": 0});
        if let Sampling::Drawn = self.sampling {
            body["temperature"] = json!(0.7);
            body["top_k"] = json!(40);
            body["top_p"] = json!(0.95);
            body["min_p"] = json!(0.05);
        }
        body
    }
}

/// # Panics
/// When there is no whole answer: the figures would mean nothing.
pub(crate) async fn ask(server: &Server, ask: &Ask) -> Answer {
    let answer = try_ask(server, ask).await;
    answer.unwrap_or_else(|| panic!("{} gives no whole answer", server.name))
}

pub(crate) async fn try_ask(server: &Server, ask: &Ask) -> Option<Answer> {
    watch(server, ask, |_| {}).await
}

/// Calls `piece` with the number of each piece of the answer, as it comes.
pub(crate) async fn watch(server: &Server, ask: &Ask, mut piece: impl FnMut(usize)) -> Option<Answer> {
    let asked = Instant::now();
    let socket = TcpStream::connect(server.address).await.ok()?;
    socket.set_nodelay(true).ok()?;
    let (mut sender, connection) = handshake(TokioIo::new(socket)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::post("/v1/chat/completions")
        .header("host", server.address.to_string())
        .header("authorization", format!("Bearer {}", server.key))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(ask.body().to_string())))
        .expect("a request");
    let response = sender.send_request(request).await.ok()?;
    if response.status() != 200 {
        return None;
    }
    let mut body = response.into_body();
    let mut answer = Answer { asked, pieces: Vec::new(), ended: asked, tokens: 0 };
    let mut lines = Vec::new();
    while let Some(frame) = body.frame().await {
        lines.extend_from_slice(frame.ok()?.data_ref()?);
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = lines.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            if data.trim_ascii() == b"[DONE]" {
                answer.ended = Instant::now();
                return Some(answer);
            }
            let chunk: Value = serde_json::from_slice(data).ok()?;
            if let Some(tokens) = chunk["usage"]["completion_tokens"].as_u64() {
                answer.tokens = tokens as u32;
            }
            if chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty()) {
                answer.pieces.push(Instant::now());
                piece(answer.pieces.len());
            }
        }
    }
    None
}

impl Answer {
    pub(crate) fn first_token_ms(&self) -> f64 {
        let first = self.pieces.first().copied().unwrap_or(self.ended);
        ms(self.asked, first)
    }

    /// The longest time between two pieces that both came between two moments.
    pub(crate) fn longest_pause_within_ms(&self, from: Instant, to: Instant) -> f64 {
        let gaps = self.pieces.windows(2).filter(|pair| pair[0] >= from && pair[1] <= to);
        gaps.map(|pair| ms(pair[0], pair[1])).fold(0.0, f64::max)
    }

    /// The longest time between two pieces of the answer that touches the time between two moments.
    pub(crate) fn longest_pause_ms(&self, from: Instant, to: Instant) -> f64 {
        self.pauses_ms(from, to).fold(0.0, f64::max)
    }

    /// The times between two pieces of the answer that touch the time between two moments.
    pub(crate) fn pauses_ms(&self, from: Instant, to: Instant) -> impl Iterator<Item = f64> {
        let gaps = self.pieces.windows(2).filter(move |pair| pair[1] > from && pair[0] < to);
        gaps.map(|pair| ms(pair[0], pair[1]))
    }
}

pub(crate) fn ms(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64() * 1000.0
}

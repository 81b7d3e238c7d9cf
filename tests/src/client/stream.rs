//! A streamed answer, read event by event as a careful client does.

use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::{PATIENCE, Reply};

/// How a stream ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// With `data: [DONE]`.
    Done,
    /// With an error event, in the OpenAI shape.
    Error(Value),
    /// The body ended, and neither was there.
    Short,
    /// The connection broke.
    Broken,
}

/// A stream that is running.
pub struct Streaming {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    buffer: Vec<u8>,
    so_far: Streamed,
}

/// All that a stream said.
#[derive(Debug, Clone)]
pub struct Streamed {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Every chunk, in order.
    pub chunks: Vec<Value>,
    /// Every comment, in order.
    pub comments: Vec<String>,
    pub ended: Ended,
}

impl Streaming {
    pub(super) fn new(response: Response<Incoming>) -> Streaming {
        let (parts, body) = response.into_parts();
        let so_far = Streamed {
            status: parts.status,
            headers: parts.headers.clone(),
            chunks: Vec::new(),
            comments: Vec::new(),
            ended: Ended::Short,
        };
        Streaming { status: parts.status, headers: parts.headers, body, buffer: Vec::new(), so_far }
    }

    /// Reads until at least `characters` have been said; false when the stream ended before.
    pub async fn until(&mut self, characters: usize) -> bool {
        while self.so_far.said().chars().count() < characters {
            if !self.more().await {
                return false;
            }
        }
        true
    }

    /// Reads to the end.
    pub async fn finish(mut self) -> Streamed {
        while self.more().await {}
        self.so_far
    }

    /// A request for a stream that was refused: the answer that came instead.
    pub async fn refusal(self) -> Reply {
        let body = super::collect(self.body).await.expect("a refusal is sent whole");
        Reply { status: self.status, headers: self.headers, body }
    }

    /// What has come so far.
    pub fn said(&self) -> String {
        self.so_far.said()
    }

    /// Reads some more; false at the end.
    async fn more(&mut self) -> bool {
        let frame =
            tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("a stream goes on or ends");
        match frame {
            Some(Ok(frame)) => {
                self.buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                self.take_events();
                true
            }
            Some(Err(_)) => {
                self.so_far.ended = Ended::Broken;
                false
            }
            None => false,
        }
    }

    fn take_events(&mut self) {
        while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
            for line in String::from_utf8(event).expect("a stream is UTF-8").lines() {
                if let Some(comment) = line.strip_prefix(':') {
                    self.so_far.comments.push(comment.trim().to_owned());
                }
                if let Some(data) = line.strip_prefix("data:") {
                    self.so_far.take(data.trim_start());
                }
            }
        }
    }
}

impl Streamed {
    fn take(&mut self, data: &str) {
        assert_eq!(self.ended, Ended::Short, "nothing follows the end of a stream, but this did: {data}");
        if data == "[DONE]" {
            self.ended = Ended::Done;
            return;
        }
        let chunk: Value = serde_json::from_str(data).expect("each event is JSON");
        // As the official clients do it: an error that is null is none.
        if !chunk["error"].is_null() {
            self.ended = Ended::Error(chunk["error"].clone());
        } else {
            self.chunks.push(chunk);
        }
    }

    /// The whole text.
    pub fn said(&self) -> String {
        let pieces = self.chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        pieces.collect()
    }

    /// The finish reason, where one was given.
    pub fn finish_reason(&self) -> Option<String> {
        let mut reasons =
            self.chunks.iter().filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
        reasons.next_back().map(str::to_owned)
    }

    /// The `genset` fields, in order.
    pub fn genset(&self) -> Vec<Value> {
        self.chunks.iter().filter_map(|chunk| chunk.get("genset")).cloned().collect()
    }

    /// The seam that the stream's last `genset` field gives: characters sent before it.
    pub fn seam(&self) -> Option<u64> {
        self.genset().last().and_then(|genset| genset["seam"].as_u64())
    }

    /// The answer is whole: it ended as a stream does, with a reason.
    pub fn is_whole(&self) -> bool {
        self.status.is_success() && self.ended == Ended::Done && self.finish_reason().is_some()
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default()
    }
}

//! What an upstream answers: a whole body, or chunks as they come.

use std::collections::VecDeque;

use bytes::Bytes;
use dialect::{
    openai::{ChunkFacts, Completion, DONE},
    sse::Decoder,
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Duration, Instant};

use super::{MAX_ANSWER_BYTES, MAX_ERROR_BYTES, content_type};
use crate::fault::{self, Fault};

/// One event of a stream may be as long as this: a chunk is small, a final tool call may not be.
const MAX_EVENT_BYTES: usize = 16 * MAX_ERROR_BYTES;

/// An upstream that has said how the answer ends gets this long to say the rest.
const AFTER_FINISH: Duration = Duration::from_secs(1);

pub(crate) enum Reply {
    Whole(Completion),
    Stream(ChunkStream),
}

/// When the whole answer must be there, and how long after its beginning that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub at: Instant,
    pub after: Duration,
}

/// A streamed answer whose first token is known to be there.
pub(crate) struct ChunkStream {
    body: Incoming,
    decoder: Decoder,
    ready: VecDeque<Chunk>,
    /// Choices that have not ended yet.
    open_choices: u32,
    done: bool,
    received_bytes: usize,
    ends: Ends,
    /// Since when a token has been waited for: chunks without one do not start the wait anew, and the time that the
    /// client takes to read is not counted.
    waiting_since: Option<Instant>,
}

/// One chunk: what it says, and its bytes.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub facts: ChunkFacts,
    pub raw: Bytes,
    /// It says how the answer ends, with all of its choices.
    pub closing: bool,
}

impl ChunkStream {
    /// Reads up to the first token. Empty chunks and comments do not count. An upstream that answers in one piece
    /// although it was asked for a stream is understood.
    pub(super) async fn begin(
        response: http::Response<Incoming>,
        choices: u32,
        ends: Ends,
    ) -> Result<Self, Fault> {
        let is_whole = content_type(&response).starts_with("application/json");
        let mut stream = ChunkStream {
            body: response.into_body(),
            decoder: Decoder::new(MAX_EVENT_BYTES),
            ready: VecDeque::new(),
            open_choices: choices.max(1),
            done: false,
            received_bytes: 0,
            ends,
            waiting_since: None,
        };
        if is_whole {
            stream.read_whole().await?;
        }
        while !stream.ready.iter().any(|c| c.facts.has_token || c.facts.finish_reason.is_some()) {
            if stream.done || !stream.read_more().await? {
                return Err(Fault::Cut);
            }
        }
        Ok(stream)
    }

    /// Reads an answer in one piece, and takes it apart as if it had come as a stream.
    async fn read_whole(&mut self) -> Result<(), Fault> {
        let body = Limited::new(&mut self.body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| Fault::Cut)?.to_bytes();
        let completion =
            Completion::read(&body).ok_or_else(|| fault::of_error_inside(&body, Fault::Malformed))?;
        for chunk in completion.into_chunks() {
            self.take_event(chunk)?;
        }
        self.done = true;
        Ok(())
    }

    /// The next chunk, or `None` when the answer is whole.
    ///
    /// # Errors
    /// `Stalled` when no token comes within `between_tokens`; `Cut` when the stream ends before the answer does.
    pub(crate) async fn next(&mut self, between_tokens: Duration) -> Result<Option<Chunk>, Fault> {
        let mut deadline = *self.waiting_since.get_or_insert_with(Instant::now) + between_tokens;
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                if chunk.facts.has_token {
                    self.waiting_since = None;
                }
                return Ok(Some(chunk));
            }
            let finished = self.open_choices == 0;
            if self.done {
                return if finished { Ok(None) } else { Err(Fault::Cut) };
            }
            if finished {
                deadline = deadline.min(Instant::now() + AFTER_FINISH);
            }
            match tokio::time::timeout_at(deadline.min(self.ends.at), self.read_more()).await {
                Ok(Ok(true)) => {}
                // Once the upstream has said how the answer ends, nothing that follows can take it back.
                _ if finished => self.done = true,
                Ok(Ok(false)) => return Err(Fault::Cut),
                Ok(Err(fault)) => return Err(fault),
                Err(_) if self.ends.at <= deadline => return Err(Fault::WholeTimeout(self.ends.after)),
                Err(_) => return Err(Fault::Stalled(between_tokens)),
            }
        }
    }

    /// Reads one piece of the body; false at its end.
    async fn read_more(&mut self) -> Result<bool, Fault> {
        let Some(frame) = self.body.frame().await else { return Ok(false) };
        let Ok(data) = frame.map_err(|_| Fault::Cut)?.into_data() else { return Ok(true) };
        self.received_bytes += data.len();
        if self.received_bytes > MAX_ANSWER_BYTES {
            return Err(Fault::Malformed);
        }
        let mut events = Vec::new();
        self.decoder.push(&data, &mut events).map_err(|_| Fault::Malformed)?;
        for event in events {
            self.take_event(event)?;
        }
        Ok(true)
    }

    fn take_event(&mut self, event: Vec<u8>) -> Result<(), Fault> {
        if event == DONE {
            self.done = true;
            return Ok(());
        }
        let Some(facts) = ChunkFacts::read(&event) else {
            // Once the upstream has said how the answer ends, nothing that follows can take it back.
            let is_hole = self.open_choices > 0 && ChunkFacts::may_have_been(&event);
            return if is_hole { Err(Fault::Malformed) } else { Ok(()) };
        };
        if facts.is_error && self.open_choices == 0 {
            return Ok(());
        }
        if facts.is_error {
            return Err(fault::of_error_inside(&event, Fault::Cut));
        }
        let was_open = self.open_choices > 0;
        self.open_choices = self.open_choices.saturating_sub(facts.ended_choices);
        let closing = was_open && self.open_choices == 0;
        self.ready.push_back(Chunk { facts, raw: event.into(), closing });
        Ok(())
    }
}

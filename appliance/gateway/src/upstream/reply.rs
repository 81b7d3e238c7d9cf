//! What an upstream answers: a whole body, or chunks as they come.

mod choices;
mod shape;

use std::collections::VecDeque;

use bytes::Bytes;
use dialect::{
    openai::{ChunkFacts, Completion, DONE},
    sse::Decoder,
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Duration, Instant};

use super::{MAX_ANSWER_BYTES, MAX_ERROR_BYTES, is_page};
use crate::fault::{self, Fault};
use choices::Choices;
use shape::Shape;

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
    choices: Choices,
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
    /// It says how the answer ends, or one of several.
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
        let is_page = is_page(&response);
        let mut stream = ChunkStream {
            body: response.into_body(),
            decoder: Decoder::new(MAX_EVENT_BYTES),
            ready: VecDeque::new(),
            choices: Choices::asked(choices),
            done: false,
            received_bytes: 0,
            ends,
            waiting_since: None,
        };
        stream.begin_reading(is_page).await?;
        while !stream.ready.iter().any(|c| c.facts.has_token || c.facts.finish_reason.is_some()) {
            if stream.done || !stream.read_more().await? {
                return Err(Fault::Cut);
            }
        }
        Ok(stream)
    }

    /// Sees by the first bytes what is coming: the type that is written above an answer is often a framework's default.
    async fn begin_reading(&mut self, is_page: bool) -> Result<(), Fault> {
        let mut head = Vec::new();
        loop {
            match Shape::of(&head, is_page) {
                Some(Shape::Events) => return self.take_bytes(&head),
                Some(Shape::Json) => return self.read_whole(head).await,
                Some(Shape::Page) => return Err(Fault::Intercepted),
                None => head.extend_from_slice(&self.frame().await?.ok_or(Fault::Cut)?),
            }
        }
    }

    /// Reads an answer in one piece, and takes it apart as if it had come as a stream.
    async fn read_whole(&mut self, mut body: Vec<u8>) -> Result<(), Fault> {
        while let Some(more) = self.frame().await? {
            body.extend_from_slice(&more);
        }
        let completion =
            Completion::read(&body).ok_or_else(|| fault::of_error_inside(&body, Fault::Malformed))?;
        for chunk in completion.into_chunks() {
            self.take_event(chunk)?;
        }
        self.done = true;
        // What is JSON to its last brace was not cut, whether it says how it ended or not.
        self.choices.are_whole();
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
            let finished = self.choices.have_ended();
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
        match self.frame().await? {
            Some(data) => self.take_bytes(&data).map(|()| true),
            None => Ok(self.take_the_rest()),
        }
    }

    /// The next bytes of the body; `None` at its end.
    async fn frame(&mut self) -> Result<Option<Bytes>, Fault> {
        let Some(frame) = self.body.frame().await else { return Ok(None) };
        let data = frame.map_err(|_| Fault::Cut)?.into_data().unwrap_or_default();
        self.received_bytes += data.len();
        if self.received_bytes > MAX_ANSWER_BYTES {
            return Err(Fault::Malformed);
        }
        Ok(Some(data))
    }

    fn take_bytes(&mut self, data: &[u8]) -> Result<(), Fault> {
        let mut events = Vec::new();
        self.decoder.push(data, &mut events).map_err(|_| Fault::Malformed)?;
        events.into_iter().try_for_each(|event| self.take_event(event))
    }

    /// A last event without its empty line is taken where it is whole; half of one is nothing, and shows as a cut.
    fn take_the_rest(&mut self) -> bool {
        let mut events = Vec::new();
        self.decoder.end(&mut events);
        let whole = |event: &Vec<u8>| is_done(event) || ChunkFacts::read(event).is_some();
        events.retain(whole);
        !events.is_empty() && events.into_iter().all(|event| self.take_event(event).is_ok())
    }

    fn take_event(&mut self, event: Vec<u8>) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        if is_done(&event) {
            self.done = true;
            self.choices.are_all_said();
            return Ok(());
        }
        let Some(facts) = ChunkFacts::read(&event) else {
            // Once the upstream has said how the answer ends, nothing that follows can take it back.
            let is_hole = !self.choices.have_ended() && ChunkFacts::may_have_been(&event);
            return if is_hole { Err(Fault::Malformed) } else { Ok(()) };
        };
        if facts.is_error && self.choices.have_ended() {
            return Ok(());
        }
        if facts.is_error {
            return Err(fault::of_error_inside(&event, Fault::Cut));
        }
        self.choices.take(&facts.choices);
        let closing = facts.choices.iter().any(|(_, ends)| *ends);
        self.ready.push_back(Chunk { facts, raw: event.into(), closing });
        Ok(())
    }
}

fn is_done(event: &[u8]) -> bool {
    event.trim_ascii() == DONE
}

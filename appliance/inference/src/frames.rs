//! What control and a worker say to each other: postcard values, each after its length in four bytes.

use std::io::{self, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::job::{FinishReason, Job, JobError, Said, TokenOdds, Usage, VectorJob};
use crate::model::Facts;
use crate::worker::Measured;

/// The most bytes that one frame may have; a longer one is a broken peer.
pub(crate) const MAX_FRAME_BYTES: usize = 32 << 20;

/// The most bytes of text that one job may have, which leaves room in its frame for tokens already generated.
pub(crate) const MAX_JOB_BYTES: u64 = 16 << 20;

/// A worker that has nothing to say says that it is alive.
pub(crate) const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// A job that is being prepared for more seconds than these hangs. Its worker ends itself.
pub(crate) const MAX_PREPARING_SECONDS: u32 = 60;

/// From control to the worker.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToWorker {
    Submit(Box<Submission>),
    Compute(Box<VectorSubmission>),
    Cancel { id: u64 },
    Stop,
}

/// A job, with what an earlier worker has generated of it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Submission {
    pub(crate) id: u64,
    pub(crate) job: Job,
    /// Every draw of the sampler follows from this and the token's number.
    pub(crate) seed: u64,
    /// How long the job has waited already, in milliseconds; below zero where others who come later go before it.
    pub(crate) waited_ms: i64,
    /// Tokens generated already; all text that follows from them has been sent.
    pub(crate) tokens: Vec<i32>,
}

/// What is left to do of a job whose vectors an earlier worker has begun.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct VectorSubmission {
    pub(crate) id: u64,
    pub(crate) job: VectorJob,
    /// As of a [`Submission`].
    pub(crate) waited_ms: i64,
}

/// From the worker to control.
#[derive(Serialize, Deserialize)]
pub(crate) enum FromWorker {
    Loading {
        percent: u8,
    },
    LoadFailed {
        reason: String,
        /// Only because of what is free at the moment.
        is_for_now: bool,
    },
    Ready {
        facts: Box<Facts>,
        /// What the next worker of this model need not measure.
        measured: Option<Measured>,
    },
    Refused {
        id: u64,
        error: JobError,
    },
    Started {
        id: u64,
        prompt_tokens: u32,
    },
    /// What one step of the engine gave to each answer; empty when it only read prompts.
    Step(Vec<Progress>),
    /// The vectors of the next texts of a job, in their order, and how many tokens these texts have.
    Vectors {
        id: u64,
        vectors: Vec<Vec<f32>>,
        tokens: u32,
    },
    /// Nothing else was to be said for a while: the process runs.
    Alive {
        /// A job is being prepared, and the engine has none.
        only_prepares: bool,
    },
}

/// One more token of an answer, with what it completes: a whole frame, so that tokens and words never differ.
#[derive(Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) id: u64,
    /// `None` for the token that ends the model's answer.
    pub(crate) token: Option<i32>,
    /// How likely it was, where that is wanted and the token has a text of its own.
    pub(crate) odds: Option<TokenOdds>,
    pub(crate) said: Vec<Said>,
    pub(crate) finish: Option<Finish>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Finish {
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
}

/// A frame with its length, ready for the socket.
pub(crate) fn encode<T: Serialize>(frame: &T) -> io::Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(frame, vec![0; 4]).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// The value in the body of a frame.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    postcard::from_bytes(body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads one frame; `None` at the end of the stream.
pub(crate) fn read<T: DeserializeOwned>(socket: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than the limit"));
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    decode(&body).map(Some)
}

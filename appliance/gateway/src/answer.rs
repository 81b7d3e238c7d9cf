//! What is asked of the gateway, and what comes back: the types that the API's door and the portal share.

use std::pin::Pin;

use bytes::Bytes;
use continuity::SiteState;
use dialect::openai::{ChatRequest, Completion, Extension, TokenOdds, Usage};
use futures_util::Stream;

use crate::reason::Reason;

pub use inference::Lane;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name of a key or of an account; it stands in the audit log.
    pub who: String,
    pub kind: CallerKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    Key,
    Person,
}

impl Caller {
    /// A key and an account of the same name are two.
    pub(crate) fn id(&self) -> String {
        match self.kind {
            CallerKind::Key => format!("key {}", self.who),
            CallerKind::Person => format!("person {}", self.who),
        }
    }
}

/// How the answer is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it is made. A broken answer goes on from where it stopped, and the seam is told.
    Stream,
    /// Whole, from one model: a broken answer starts over before anything is shown.
    Committed,
}

/// One request to the gateway.
#[derive(Debug, Clone)]
pub struct Ask {
    pub caller: Caller,
    pub request: ChatRequest,
    pub lane: Lane,
    pub mode: Mode,
    /// Nothing of this request may leave the building.
    pub local_only: bool,
    /// Requests of one conversation stay where they are while the cloud comes back.
    pub conversation: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Cloud,
    Local,
}

impl Route {
    pub fn as_str(self) -> &'static str {
        match self {
            Route::Cloud => "cloud",
            Route::Local => "local",
        }
    }
}

/// Who serves an answer, and why not the first route.
#[derive(Debug, Clone)]
pub struct Served {
    /// `upstream/model` or `local/model`.
    pub by: String,
    pub route: Route,
    pub reason: Reason,
    pub site_state: SiteState,
    /// How many of the oldest messages were left out, because the conversation was too long.
    pub shortened: Option<usize>,
    /// The step of the ladder of scarcity that touched the answer, 0 for none.
    pub brown_out: u8,
}

impl Served {
    /// The name of the model alone.
    pub fn model(&self) -> &str {
        self.by.split_once('/').map_or(self.by.as_str(), |(_, model)| model)
    }

    /// The `genset` field of the contract.
    pub fn extension(&self, seam: Option<u64>) -> Extension {
        Extension {
            served_by: self.by.clone(),
            route: self.route.as_str(),
            reason: self.reason.as_str(),
            site_state: self.site_state.as_str(),
            seam,
            usage: None,
            shortened: self.shortened,
            brown_out: (self.brown_out > 0).then_some(self.brown_out),
        }
    }
}

/// An answer that has begun: its first token is known to be there.
pub struct Answer {
    pub request_id: String,
    pub served: Served,
    pub events: Events,
}

pub type Events = Pin<Box<dyn Stream<Item = AnswerEvent> + Send>>;

/// A step of an answer. Exactly one `Finished` or `Failed` ends it, and it is the last.
#[derive(Debug, Clone)]
pub enum AnswerEvent {
    /// Nothing of the answer is there yet: it stands at this place in the queue of a local model.
    Waiting { position: u32, expected_wait_s: u32 },
    /// Text, and the upstream's own chunk where it came from one; `closing` when that chunk says how the answer ends.
    Delta { text: String, raw: Option<Bytes>, closing: bool },
    /// How likely the tokens of the next text were, where a local model says it and they are wanted.
    Odds(Vec<TokenOdds>),
    /// The step belongs to this one of several answers, which a local model gives side by side.
    Of { choice: u32, event: Box<AnswerEvent> },
    /// That one of several answers is whole.
    Ended { reason: String },
    /// What a local model thinks before its answer.
    Reasoning(String),
    /// A local model begins to call a function, as number `index` of the answer's calls.
    Call { index: u32, id: String, name: String },
    /// A part of the arguments of that call.
    Arguments { index: u32, text: String },
    /// From here on another model answers; so many characters were sent before.
    Seam { served: Served, chars: u64 },
    /// The answer is whole. The usage is estimated where the upstream told none. `body` is the upstream's own whole
    /// answer, for a caller who asked for it in one piece.
    Finished { reason: String, usage: Usage, usage_is_estimated: bool, body: Option<Completion> },
    /// The answer ends here and is not whole.
    Failed(Refusal),
}

/// Why a request is not served: a sentence for the person, a word and a status for programs.
pub type Refusal = dialect::ApiError;

//! What a caller asks of a local model, and what comes back.

mod calls;
mod odds;
mod vectors;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use calls::{Call, Must, Said, Tool, Tools};
pub use odds::{LikelyToken, TokenOdds};
pub use vectors::{VectorFacts, VectorJob, Vectors};

/// One request for an answer. Its text never appears in `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Job {
    pub messages: Vec<Message>,
    /// The answer begins with this already; the model goes on from it. These bytes are not sent again.
    pub answer_prefix: String,
    /// The most tokens to generate, beyond the prefix.
    pub max_tokens: u32,
    pub sampling: Sampling,
    /// Texts that end the answer; they are never part of it. Empty ones are ignored.
    pub stop: Vec<String>,
    /// The form that the answer must have; any where there is none.
    pub format: Option<Format>,
    /// `None` where neither the request nor its conversation knows of tools.
    pub tools: Option<Tools>,
    /// The text of a JSON object with what the template is told beyond the conversation, such as `enable_thinking`.
    pub template_arguments: Option<String>,
    pub lane: Lane,
    /// Whose the job is. What was read for a job of the same scope is not read again; nothing of this one is kept where
    /// there is none.
    pub scope: Option<Scope>,
}

impl Job {
    /// Asks for the likeliest words, in no form and for nobody.
    pub fn plain(messages: Vec<Message>, max_tokens: u32, lane: Lane) -> Job {
        Job {
            messages,
            answer_prefix: String::new(),
            max_tokens,
            sampling: Sampling::default(),
            stop: Vec::new(),
            format: None,
            tools: None,
            template_arguments: None,
            lane,
            scope: None,
        }
    }
}

/// Whose a job is, as a digest: the worker need not know who that is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope([u8; 32]);

impl Scope {
    /// Of a person, a program or a department; another name is another scope.
    pub fn of(name: &str) -> Scope {
        Scope(Sha256::digest(name).into())
    }
}

/// The form of an answer. It holds for the whole answer, its prefix included.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Format {
    /// One JSON object, whatever is in it.
    JsonObject,
    /// JSON that this schema, itself the text of a JSON object, admits.
    JsonSchema(String),
    /// Text that this regular expression matches as a whole.
    Regex(String),
}

/// One turn of the conversation, in the words of the model's own template: `system`, `user`, `assistant`, `tool`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Message {
    pub role: String,
    pub content: String,
    /// What was thought before an answer.
    pub reasoning: Option<String>,
    pub calls: Vec<Call>,
    /// The call whose result this is.
    pub call_id: Option<String>,
    pub name: Option<String>,
}

impl Message {
    pub fn new(role: &str, content: &str) -> Message {
        Message { role: role.to_owned(), content: content.to_owned(), ..Message::default() }
    }

    fn bytes(&self) -> usize {
        let others = [&self.reasoning, &self.call_id, &self.name].into_iter().flatten().map(String::len);
        let calls = self.calls.iter().map(Call::bytes);
        self.role.len() + self.content.len() + others.chain(calls).sum::<usize>()
    }
}

/// How the next token is chosen. `Default` is the plain choice: always the likeliest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 chooses the likeliest token.
    pub temperature: f32,
    /// Keeps the likeliest tokens that together reach this probability; 1 keeps all.
    pub top_p: f32,
    /// Keeps this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Drops tokens less likely than this share of the likeliest; 0 drops none.
    pub min_p: f32,
    /// The same seed gives the same draws; `None` draws one when the job is taken.
    pub seed: Option<u64>,
    pub penalties: Penalties,
    /// The model's own numbers of tokens, each with what is added to its logit.
    pub logit_bias: Vec<(i32, f32)>,
    /// How likely each token was is told, with so many of the likeliest beside it.
    pub logprobs: Option<u8>,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: None,
            penalties: Penalties::default(),
            logit_bias: Vec::new(),
            logprobs: None,
        }
    }
}

/// What makes tokens of the answer so far less likely to come again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Penalties {
    /// Taken once from a token that has been said; 0 is off.
    pub presence: f32,
    /// Taken for each time that a token has been said; 0 is off.
    pub frequency: f32,
    /// Divides the weight of a token that has been said; 1 is off.
    pub repeat: f32,
}

impl Default for Penalties {
    fn default() -> Self {
        Penalties { presence: 0.0, frequency: 0.0, repeat: 1.0 }
    }
}

/// Who goes first when the sequences are scarce; the order of the variants is the order of service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    Clinical,
    #[default]
    Interactive,
    Batch,
}

impl Lane {
    pub const ALL: [Lane; 3] = [Lane::Clinical, Lane::Interactive, Lane::Batch];

    /// A job goes before one of the clinical lane that came so much later: nobody waits for ever.
    pub fn handicap(self) -> Duration {
        match self {
            Lane::Clinical => Duration::ZERO,
            Lane::Interactive => Duration::from_secs(30),
            Lane::Batch => Duration::from_secs(120),
        }
    }

    /// The word of headers, records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Clinical => "clinical",
            Lane::Interactive => "interactive",
            Lane::Batch => "batch",
        }
    }
}

/// A step of an answer. Exactly one `Started` comes first; `Finished` or an error ends it.
#[derive(Clone, PartialEq)]
pub enum Event {
    Started {
        prompt_tokens: u32,
    },
    /// How likely the tokens of the text were that comes next. Tokens without a text of their own, and one that begins
    /// inside a text which was there before, are left out.
    Odds(Vec<TokenOdds>),
    /// Words of the answer: whole characters only, and never a part of a stop string.
    Text(String),
    /// Words that the model thinks before its answer.
    Reasoning(String),
    /// A call of this function begins; its arguments follow.
    Call(String),
    /// A part of the JSON object that the function is called with.
    Arguments(String),
    /// The call is whole. An answer whose call does not get so far ends with an error.
    CallEnded,
    Finished {
        reason: FinishReason,
        usage: Usage,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishReason {
    /// The model ended its answer, or a stop string did.
    Stop,
    /// The answer calls tools, and each call is whole.
    Calls,
    /// `max_tokens` were generated, or the context is full.
    Length,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The prompt, with the answer's prefix where there was one.
    pub prompt_tokens: u32,
    /// How many of those are the prefix.
    pub prefix_tokens: u32,
    /// How many of the prompt's first ones had been read already for the same scope.
    pub reused_tokens: u32,
    pub completion_tokens: u32,
}

/// Why there is no (whole) answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum JobError {
    #[error("the model is not ready: {0}")]
    Unready(String),
    /// `position` is the place that the job would have had, `wait_ms` the time until it would have been served.
    #[error("the model's queue is full: this would be number {position} in it")]
    QueueFull { position: u32, wait_ms: u64 },
    #[error("the conversation has {tokens} tokens, more than the {limit} that the model can hold")]
    ContextTooLong { tokens: u32, limit: u32 },
    #[error("the conversation has {bytes} bytes, more than the {limit} that one request may have")]
    TooLarge { bytes: u64, limit: u64 },
    /// One of several texts, counted from 0.
    #[error("text {index} has at least {tokens} tokens, more than the {limit} that the model can read")]
    TextTooLong { index: u32, tokens: u32, limit: u32 },
    #[error("text {index} has nothing in it that the model can read")]
    TextEmpty { index: u32 },
    #[error("the model is for another kind of work")]
    WrongKind,
    #[error("the model's chat template refuses the conversation: {0}")]
    BadTemplate(String),
    #[error("the form that the answer must have can't be used: {0}")]
    BadFormat(String),
    #[error("a function of the request can't be used: {0}")]
    BadTool(String),
    #[error("the model's answer does not have the form that was asked for")]
    FormatMissed,
    #[error("there is no token number {token}: the model has {tokens}")]
    NoSuchToken { token: i32, tokens: u32 },
    #[error("the model's chat template knows no tools")]
    NoTools,
    #[error("the answer came to its most tokens before its tool call was whole")]
    CallCut,
    #[error("the model's process died again and again while answering")]
    WorkerLost,
    #[error("the model could not compute an answer")]
    Internal,
}

impl Job {
    /// The bytes of what all messages say. What was thought, or called, may be left out by a template.
    pub(crate) fn said_bytes(&self) -> u64 {
        self.messages.iter().map(|message| message.content.len() as u64).sum()
    }

    /// The bytes of all its texts together.
    pub(crate) fn text_bytes(&self) -> u64 {
        let messages = self.messages.iter().map(Message::bytes);
        let stops = self.stop.iter().map(String::len);
        let format = match &self.format {
            Some(Format::JsonSchema(text) | Format::Regex(text)) => text.len(),
            Some(Format::JsonObject) | None => 0,
        };
        let tools = self.tools.as_ref().map_or(0, Tools::bytes);
        let arguments = self.template_arguments.as_ref().map_or(0, String::len);
        let others = self.answer_prefix.len() + format + tools + arguments;
        (messages.chain(stops).sum::<usize>() + others) as u64
    }
}

impl From<Said> for Event {
    fn from(said: Said) -> Event {
        match said {
            Said::Text(text) => Event::Text(text),
            Said::Reasoning(text) => Event::Reasoning(text),
            Said::Call(name) => Event::Call(name),
            Said::Arguments(text) => Event::Arguments(text),
            Said::CallEnded => Event::CallEnded,
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("messages", &self.messages.len())
            .field("max_tokens", &self.max_tokens)
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {} bytes)", self.role, self.content.len())
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::JsonObject => "JsonObject",
            Format::JsonSchema(_) => "JsonSchema",
            Format::Regex(_) => "Regex",
        })
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Started { prompt_tokens } => write!(f, "Started({prompt_tokens} tokens)"),
            Event::Odds(odds) => write!(f, "Odds({} tokens)", odds.len()),
            Event::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Event::Reasoning(text) => write!(f, "Reasoning({} bytes)", text.len()),
            Event::Call(_) => f.write_str("Call"),
            Event::Arguments(text) => write!(f, "Arguments({} bytes)", text.len()),
            Event::CallEnded => f.write_str("CallEnded"),
            Event::Finished { reason, usage } => write!(f, "Finished({reason:?}, {usage:?})"),
        }
    }
}

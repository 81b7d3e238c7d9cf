//! What one model of the fake cloud does to its requests, whatever the mood of the whole: faults by model name.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Dice;

/// How one model behaves. Requests without messages, which probe the model, meet the same trouble and are not counted.
#[derive(Debug, Clone)]
pub struct Script {
    pub trouble: Trouble,
    pub lasts: Lasts,
    /// The whole answer, word for word.
    pub text: String,
    pub prefill: Prefill,
    /// A chunk carries at most so many characters of the text.
    pub chunk_chars: usize,
    /// A write to the socket carries at most so many bytes, so that events and characters are torn apart.
    pub frame_bytes: usize,
    /// The pause before each chunk.
    pub pace: Duration,
    /// What the usage says about the prompt; tells one upstream's accounts from another's.
    pub prompt_tokens: usize,
    /// Decides how the text falls into chunks.
    pub seed: u64,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    Nothing,
    Status {
        status: u16,
        code: &'static str,
        retry_after: Option<Duration>,
    },
    /// A TCP reset before any header.
    Reset,
    /// The request is read and nothing comes; the connection is reset at last.
    Silent(Duration),
    SlowFirstToken {
        wait: Duration,
        signs_of_life: SignsOfLife,
    },
    /// A TCP reset after so many characters of the text.
    Cut {
        after: usize,
    },
    /// Nothing more for a while after so many characters.
    Stall {
        after: usize,
        pause: Duration,
    },
    /// These bytes stand between two events of the stream, after so many characters.
    Malformed {
        after: usize,
        event: Vec<u8>,
    },
    /// The finish reason comes and `[DONE]` does not; the stream ends there or hangs for ever.
    NoDone {
        hangs: bool,
    },
    /// A page in place of the answer.
    Html,
}

/// What comes before a first token that is late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SignsOfLife {
    /// Not even headers.
    None,
    Headers,
    /// Headers, the chunk with the role, and comments.
    Comments,
}

/// Which requests meet the trouble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lasts {
    Once,
    Always,
    /// So long from the first request on.
    For(Duration),
}

/// What the model does with a request that ends with a part of the assistant's own answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prefill {
    /// Goes on from there.
    Continues,
    /// Answers as if it were not there.
    StartsAnew,
    /// 400.
    Rejected,
}

/// A script on the stage: what has happened to its model so far.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) script: Script,
    requests: usize,
    first: Option<Instant>,
}

impl Script {
    /// A model without trouble that says `text`.
    pub fn new(text: &str, seed: u64) -> Script {
        Script {
            trouble: Trouble::Nothing,
            lasts: Lasts::Always,
            text: text.to_owned(),
            prefill: Prefill::Continues,
            chunk_chars: 8,
            frame_bytes: usize::MAX,
            pace: Duration::from_millis(4),
            prompt_tokens: 11,
            seed,
        }
    }

    /// The text that answers this request, or nothing where the request cannot be answered.
    pub(super) fn reply_to(&self, request: &Value) -> Option<&str> {
        let last = request["messages"].as_array().and_then(|messages| messages.last());
        let begun = last.filter(|message| message["role"] == "assistant");
        match (begun.and_then(|message| message["content"].as_str()), self.prefill) {
            (None, _) | (Some(_), Prefill::StartsAnew) => Some(&self.text),
            (Some(begun), Prefill::Continues) => Some(self.text.strip_prefix(begun).unwrap_or(&self.text)),
            (Some(_), Prefill::Rejected) => None,
        }
    }

    /// The text in chunks.
    pub(super) fn chunks(&self, text: &str) -> Vec<String> {
        let mut dice = Dice::new(self.seed);
        let letters: Vec<char> = text.chars().collect();
        let mut chunks = Vec::new();
        let mut rest = letters.as_slice();
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(dice.between(1, self.chunk_chars).min(rest.len()));
            chunks.push(chunk.iter().collect());
            rest = later;
        }
        chunks
    }
}

impl Played {
    pub(super) fn new(script: Script) -> Played {
        Played { script, requests: 0, first: None }
    }

    /// The trouble that one more request meets.
    pub(super) fn meets(&mut self, is_probe: bool) -> Trouble {
        if !is_probe {
            self.requests += 1;
            self.first.get_or_insert_with(Instant::now);
        }
        let troubled = match self.script.lasts {
            Lasts::Always => true,
            Lasts::Once => self.requests <= 1 && !is_probe,
            Lasts::For(span) => self.first.is_some_and(|first| first.elapsed() < span),
        };
        if troubled { self.script.trouble.clone() } else { Trouble::Nothing }
    }
}

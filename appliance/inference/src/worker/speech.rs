//! From the tokens of an answer to what it says: whole characters, taken apart, cut at stop strings, calls checked.

use std::collections::HashMap;
use std::sync::Arc;

use super::format::Judge;
use super::parser::{Broken, Parser};
use super::text::{Characters, Stops};
use crate::job::{JobError, Said};

/// The rules for the arguments of each function that may be called.
pub(super) type Rules = HashMap<String, Arc<Judge>>;

pub(super) struct Speech {
    characters: Characters,
    parser: Parser,
    stops: Stops,
    rules: Rules,
    /// The call that is being made.
    call: Option<(String, String)>,
    calls: usize,
    /// All words of the answer, where they have a form of their own beside calls.
    words: Option<String>,
}

/// What one token brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) said: Vec<Said>,
    /// A stop string has ended the answer.
    pub(super) stopped: bool,
}

impl Speech {
    pub(super) fn new(parser: Parser, stops: Stops, rules: Rules, words: Option<String>) -> Speech {
        Speech { characters: Characters::default(), parser, stops, rules, call: None, calls: 0, words }
    }

    /// # Errors
    /// A call that is none, or whose arguments do not have the form that its function wants.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Spoken, JobError> {
        let text = self.characters.push(bytes);
        let said = self.parser.push(&text).map_err(broken)?;
        self.take(said)
    }

    /// Takes the text of a hidden token that is a mark. Where marks of calls mean nothing, it stays hidden.
    ///
    /// # Errors
    /// As [`Speech::push`].
    pub(super) fn mark(&mut self, mark: &str) -> Result<Spoken, JobError> {
        if !self.parser.heeds(mark) {
            return Ok(Spoken::default());
        }
        let said = self.parser.push(mark).map_err(broken)?;
        self.take(said)
    }

    /// What was held back, when the answer ends.
    ///
    /// # Errors
    /// It ends in the middle of a call.
    pub(super) fn finish(&mut self) -> Result<Vec<Said>, JobError> {
        let said = self.parser.finish().map_err(broken)?;
        let mut spoken = self.take(said)?;
        if !spoken.stopped {
            let held = self.stops.finish();
            push_text(&mut spoken.said, held);
        }
        Ok(spoken.said)
    }

    /// The same where the answer is cut off: the beginning of a mark is no word.
    ///
    /// # Errors
    /// As [`Speech::finish`].
    pub(super) fn cut(&mut self) -> Result<Vec<Said>, JobError> {
        self.parser.drop_held();
        self.finish()
    }

    /// The answer would end in the middle of a call.
    pub(super) fn is_in_call(&self) -> bool {
        self.parser.is_in_call()
    }

    /// Calls that are whole.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    pub(super) fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// Only words are searched for stop strings: one that stands in the arguments of a call ends nothing.
    fn take(&mut self, said: Vec<Said>) -> Result<Spoken, JobError> {
        let mut spoken = Spoken::default();
        for piece in said {
            let Said::Text(text) = piece else {
                let held = self.stops.finish();
                push_text(&mut spoken.said, held);
                self.check(&piece)?;
                spoken.said.push(piece);
                continue;
            };
            if let Some(words) = &mut self.words {
                words.push_str(&text);
            }
            let shown = self.stops.push(&text);
            push_text(&mut spoken.said, shown.text);
            if shown.stopped {
                spoken.stopped = true;
                break;
            }
        }
        Ok(spoken)
    }

    fn check(&mut self, piece: &Said) -> Result<(), JobError> {
        match piece {
            Said::Call(name) => self.call = Some((name.clone(), String::new())),
            Said::Arguments(more) => {
                if let Some((_, arguments)) = &mut self.call {
                    arguments.push_str(more);
                }
            }
            Said::CallEnded => {
                let (name, arguments) = self.call.take().ok_or(JobError::FormatMissed)?;
                let rule = self.rules.get(&name).ok_or(JobError::FormatMissed)?;
                let holds = serde_json::from_str(&arguments).is_ok_and(|value| rule.accepts(&value));
                if !holds {
                    return Err(JobError::FormatMissed);
                }
                self.calls += 1;
            }
            Said::Text(_) | Said::Reasoning(_) => {}
        }
        Ok(())
    }
}

fn push_text(said: &mut Vec<Said>, text: String) {
    if !text.is_empty() {
        said.push(Said::Text(text));
    }
}

fn broken(_: Broken) -> JobError {
    JobError::FormatMissed
}

//! Takes apart what a model writes: words, thoughts and calls, one character at a time.
//!
//! Pure: text in, pieces out. What may yet become a mark is held back, so nothing of a mark is ever shown; and the
//! pieces are the same wherever the text is cut.

mod gemma;
mod object;

use super::manner::{Family, HERMES, MISTRAL_ARGUMENTS, MISTRAL_ID, Manner, Thinking};
use crate::job::Said;
use gemma::GemmaCall;
use object::ObjectCall;

/// What was written is no call, though it began as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Names are short; what goes on for longer is none.
const MAX_NAME: usize = 256;

pub(super) struct Parser {
    family: Option<Family>,
    /// A brace at the beginning is a call.
    bare_calls: bool,
    thinking: Option<Thinking>,
    place: Place,
    /// What may yet become a mark.
    held: String,
    /// Space after the last word: it is shown only when another word follows.
    space: String,
    /// What stands between a mark and the next word is no part of the answer.
    after_mark: bool,
    said: Vec<Said>,
}

/// ```text
///          ┌────────────┐ close ┌───────┐
///   open ─▶│ REASONING  ├──────▶│ WORDS │◀─────────────┐ the marks after a call
///          └─────┬──────┘       └──┬────┘              │
///                └────────┬────────┘ a call's mark     │
///                         ▼                            │
///                    ┌────────┐                  ┌─────┴─────┐
///                    │ a CALL ├─────────────────▶│ BETWEEN   │
///                    └────────┘◀─────────────────┴───────────┘ a list goes on
/// ```
enum Place {
    /// `begun`: there was a word. Before the first one the model may begin to think.
    Words {
        begun: bool,
    },
    Reasoning {
        begun: bool,
    },
    Object(ObjectCall),
    Gemma(GemmaCall),
    /// The name of a call of Mistral's, before its arguments.
    Name(String),
    /// The identifier that follows it.
    Id,
    /// Before the brace of the first object of a list.
    List,
    /// Between the calls of a list, or behind the last one.
    Between,
}

impl Parser {
    /// `calls`: marks of calls are marks; otherwise they are words like others. `inside`: the template has begun to
    /// think already.
    pub(super) fn new(manner: &Manner, calls: bool, inside: bool) -> Parser {
        let family = manner.family.filter(|_| calls);
        let has_marks = family.is_some() || manner.thinking.is_some();
        let place =
            if inside { Place::Reasoning { begun: false } } else { Place::Words { begun: !has_marks } };
        Parser {
            family,
            bare_calls: family == Some(Family::Llama),
            thinking: manner.thinking,
            place,
            held: String::new(),
            space: String::new(),
            after_mark: false,
            said: Vec::new(),
        }
    }

    /// The answer goes on from words that are given: it does not begin to think, and no brace begins it.
    pub(super) fn amid_words(mut self) -> Parser {
        self.place = Place::Words { begun: true };
        self
    }

    /// # Errors
    /// A call that is none.
    pub(super) fn push(&mut self, text: &str) -> Result<Vec<Said>, Broken> {
        if self.family.is_none() && matches!(self.place, Place::Words { begun: true }) {
            say(&mut self.said, text, Said::Text);
            return Ok(std::mem::take(&mut self.said));
        }
        text.chars().try_for_each(|char| self.feed(char))?;
        Ok(std::mem::take(&mut self.said))
    }

    /// What was held back, when the model has ended its answer.
    ///
    /// # Errors
    /// The answer ends in the middle of a call.
    pub(super) fn finish(&mut self) -> Result<Vec<Said>, Broken> {
        if self.is_in_call() {
            return Err(Broken);
        }
        let held = std::mem::take(&mut self.held);
        if !matches!(self.place, Place::Between) {
            held.chars().try_for_each(|char| self.plain(char))?;
        }
        // Space at the end belongs to the words, where there are any.
        if matches!(self.place, Place::Words { begun: true }) {
            let space = std::mem::take(&mut self.space);
            self.say(&space, Said::Text);
        }
        Ok(std::mem::take(&mut self.said))
    }

    /// The answer is cut off: what was to become a mark becomes nothing.
    pub(super) fn drop_held(&mut self) {
        self.held.clear();
    }

    /// Whether a hidden token means something here; elsewhere its text is not to be seen.
    pub(super) fn heeds(&self, mark: &str) -> bool {
        self.marks().iter().flatten().any(|known| known.starts_with(mark))
    }

    /// What comes now belongs to a call.
    pub(super) fn is_in_call(&self) -> bool {
        !matches!(self.place, Place::Words { .. } | Place::Reasoning { .. } | Place::Between)
    }

    fn feed(&mut self, char: char) -> Result<(), Broken> {
        self.held.push(char);
        loop {
            let marks = self.marks();
            if let Some(mark) = marks.iter().flatten().find(|mark| **mark == self.held) {
                self.held.clear();
                return self.reach(mark);
            }
            if self.held.is_empty() || marks.iter().flatten().any(|mark| mark.starts_with(self.held.as_str()))
            {
                return Ok(());
            }
            let first = self.held.remove(0);
            self.plain(first)?;
        }
    }

    /// What may come here beside plain characters.
    fn marks(&self) -> [Option<&'static str>; 3] {
        let opening = self.family.map(Family::opening);
        match &self.place {
            Place::Words { begun: false } => [opening, self.thinking.map(|thinking| thinking.open), None],
            Place::Words { .. } => [opening, None, None],
            Place::Reasoning { .. } => [opening, self.thinking.map(|thinking| thinking.close), None],
            Place::Between => {
                let closing = match self.family {
                    Some(Family::Hermes) => Some(HERMES[1]),
                    Some(Family::Gemma(gemma)) => Some(gemma.close),
                    _ => None,
                };
                [opening, closing, None]
            }
            Place::Name(_) => [Some(MISTRAL_ARGUMENTS), Some(MISTRAL_ID), None],
            Place::Id => [Some(MISTRAL_ARGUMENTS), None, None],
            Place::Gemma(call) => [Some(call.quote()), None, None],
            Place::Object(_) | Place::List => [None; 3],
        }
    }

    fn reach(&mut self, mark: &str) -> Result<(), Broken> {
        let thinks = |of: fn(Thinking) -> &'static str| self.thinking.map(of) == Some(mark);
        match &mut self.place {
            Place::Words { .. } if thinks(|thinking| thinking.open) => {
                self.space.clear();
                self.place = Place::Reasoning { begun: false };
            }
            Place::Reasoning { .. } if thinks(|thinking| thinking.close) => {
                self.thinking = None;
                self.go_on_with_words();
            }
            Place::Gemma(call) => call.quoted(&mut self.said)?,
            Place::Name(name) => {
                let name = std::mem::take(name);
                self.begin(&name)?;
                let has_id = mark == MISTRAL_ID;
                self.place = if has_id { Place::Id } else { Place::Object(ObjectCall::of_arguments()) };
            }
            Place::Id => self.place = Place::Object(ObjectCall::of_arguments()),
            _ if self.family.map(Family::opening) == Some(mark) => self.open(),
            // The mark behind a call.
            _ => self.go_on_with_words(),
        }
        Ok(())
    }

    fn go_on_with_words(&mut self) {
        self.space.clear();
        self.after_mark = true;
        self.place = Place::Words { begun: false };
    }

    fn open(&mut self) {
        self.space.clear();
        self.thinking = None;
        self.bare_calls = false;
        self.place = match self.family {
            Some(Family::Hermes | Family::Llama) => Place::Object(ObjectCall::default()),
            Some(Family::Gemma(gemma)) => Place::Gemma(GemmaCall::new(gemma.quote)),
            _ => Place::List,
        };
    }

    fn begin(&mut self, name: &str) -> Result<(), Broken> {
        let name = name.trim();
        if name.is_empty() {
            return Err(Broken);
        }
        self.said.push(Said::Call(name.to_owned()));
        Ok(())
    }

    fn plain(&mut self, char: char) -> Result<(), Broken> {
        match &mut self.place {
            Place::Words { begun: false } if char == '{' && self.bare_calls => {
                self.open();
                return self.plain(char);
            }
            Place::Words { begun } => {
                if char.is_whitespace() && (self.family.is_some() || !*begun) {
                    self.space.push(char);
                } else {
                    *begun = true;
                    let space = std::mem::take(&mut self.space);
                    let is_kept = !std::mem::take(&mut self.after_mark);
                    let words = if is_kept { space } else { String::new() } + char.encode_utf8(&mut [0; 4]);
                    self.say(&words, Said::Text);
                }
            }
            Place::Reasoning { begun } => {
                if char.is_whitespace() {
                    self.space.push(char);
                } else {
                    let space = std::mem::take(&mut self.space);
                    let words = if std::mem::replace(begun, true) { space } else { String::new() };
                    let words = words + char.encode_utf8(&mut [0; 4]);
                    self.say(&words, Said::Reasoning);
                }
            }
            Place::Object(call) => {
                if call.push(char, &mut self.said)? {
                    self.place = Place::Between;
                }
            }
            Place::Gemma(call) => {
                if call.push(char, &mut self.said)? {
                    self.place = Place::Between;
                }
            }
            Place::List => match char {
                '[' | '{' => {
                    self.place = Place::Object(ObjectCall::default());
                    if char == '{' {
                        return self.plain(char);
                    }
                }
                char if char.is_whitespace() => {}
                char => self.place = Place::Name(char.into()),
            },
            Place::Name(name) => {
                if char == '{' {
                    let name = std::mem::take(name);
                    self.begin(&name)?;
                    self.place = Place::Object(ObjectCall::of_arguments());
                    return self.plain(char);
                }
                name.push(char);
                if name.len() > MAX_NAME {
                    return Err(Broken);
                }
            }
            Place::Id => {
                if !char.is_ascii_alphanumeric() {
                    return Err(Broken);
                }
            }
            Place::Between => self.between(char)?,
        }
        Ok(())
    }

    /// What stands between two calls of a list and behind the last one is no word.
    fn between(&mut self, char: char) -> Result<(), Broken> {
        match (self.family, char) {
            (_, char) if char.is_whitespace() => {}
            (Some(Family::Llama), ';') | (Some(Family::MistralList), ',' | ']') => {}
            (Some(Family::Llama | Family::MistralList), '{') => {
                self.place = Place::Object(ObjectCall::default());
                return self.plain(char);
            }
            _ => return Err(Broken),
        }
        Ok(())
    }

    fn say(&mut self, words: &str, kind: fn(String) -> Said) {
        say(&mut self.said, words, kind);
    }
}

/// Adds words to the last piece where it is of the same kind.
fn say(said: &mut Vec<Said>, words: &str, kind: fn(String) -> Said) {
    if words.is_empty() {
        return;
    }
    match (said.last_mut(), kind(String::new())) {
        (Some(Said::Text(text)), Said::Text(_))
        | (Some(Said::Reasoning(text)), Said::Reasoning(_))
        | (Some(Said::Arguments(text)), Said::Arguments(_)) => text.push_str(words),
        _ => said.push(kind(words.to_owned())),
    }
}

#[cfg(test)]
mod tests;

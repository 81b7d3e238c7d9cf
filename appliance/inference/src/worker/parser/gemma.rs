//! One call as Gemma writes it, `call:name{key:value}` with marks for quotes, told as JSON.

use serde_json::{Map, Value};

use super::{Broken, MAX_NAME, say};
use crate::job::Said;

/// Deeper than any arguments, and shallow enough for every reader of JSON.
const MAX_DEPTH: usize = 64;

/// The call so far.
pub(super) struct GemmaCall {
    quote: &'static str,
    place: Place,
    /// The name, the key, or the number that is being read.
    word: String,
    /// What is open: objects and lists.
    open: Vec<Bracket>,
    arguments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    Object,
    List,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Name,
    /// `first`: the object may end here.
    Key {
        first: bool,
    },
    QuotedKey,
    Colon,
    /// `first`: the list may end here.
    Value {
        first: bool,
    },
    Text,
    Word,
    AfterValue,
}

impl GemmaCall {
    pub(super) fn new(quote: &'static str) -> GemmaCall {
        GemmaCall {
            quote,
            place: Place::Name,
            word: String::new(),
            open: Vec::new(),
            arguments: String::new(),
        }
    }

    pub(super) fn quote(&self) -> &'static str {
        self.quote
    }

    /// A quote, which begins or ends a text.
    pub(super) fn quoted(&mut self, said: &mut Vec<Said>) -> Result<(), Broken> {
        self.place = match self.place {
            Place::Value { .. } => {
                self.say("\"", said);
                Place::Text
            }
            Place::Text => {
                self.say("\"", said);
                Place::AfterValue
            }
            Place::Key { .. } if self.word.is_empty() => Place::QuotedKey,
            Place::QuotedKey => Place::Colon,
            _ => return Err(Broken),
        };
        Ok(())
    }

    /// Takes one character. `true` when the call is whole.
    pub(super) fn push(&mut self, char: char, said: &mut Vec<Said>) -> Result<bool, Broken> {
        match self.place {
            Place::Name if char == '{' => {
                let name = self.word.trim().strip_prefix("call:").filter(|name| !name.is_empty());
                said.push(Said::Call(name.ok_or(Broken)?.to_owned()));
                self.word.clear();
                self.enter(Bracket::Object, said)?;
            }
            Place::Name | Place::QuotedKey => self.word(char)?,
            Place::Key { first: true } if char == '}' && self.word.trim().is_empty() => {
                return self.leave(char, said);
            }
            Place::Key { .. } | Place::Colon if char == ':' => {
                let key = std::mem::take(&mut self.word);
                let key = if self.place == Place::Colon { key.as_str() } else { key.trim() };
                if key.is_empty() {
                    return Err(Broken);
                }
                let key = format!("{}:", Value::from(key));
                self.say(&key, said);
                self.place = Place::Value { first: false };
            }
            Place::Key { .. } => self.word(char)?,
            Place::Text => {
                let text = Value::from(char.encode_utf8(&mut [0; 4]) as &str).to_string();
                self.say(&text[1..text.len() - 1], said);
            }
            Place::Word if matches!(char, ',' | '}' | ']') || char.is_whitespace() => {
                let word = std::mem::take(&mut self.word);
                let is_plain = serde_json::from_str::<Value>(&word).is_ok_and(|value| !value.is_string());
                if !is_plain {
                    return Err(Broken);
                }
                self.say(&word, said);
                self.place = Place::AfterValue;
                return self.push(char, said);
            }
            Place::Word => self.word(char)?,
            _ if char.is_whitespace() => {}
            Place::Value { .. } if char == '{' => self.enter(Bracket::Object, said)?,
            Place::Value { .. } if char == '[' => self.enter(Bracket::List, said)?,
            Place::Value { first: true } if char == ']' => return self.leave(char, said),
            Place::Value { .. } if !matches!(char, ',' | '}' | ']') => {
                self.place = Place::Word;
                self.word(char)?;
            }
            Place::AfterValue if char == ',' => {
                self.say(",", said);
                let is_list = self.open.last() == Some(&Bracket::List);
                self.place =
                    if is_list { Place::Value { first: false } } else { Place::Key { first: false } };
            }
            Place::AfterValue => return self.leave(char, said),
            _ => return Err(Broken),
        }
        Ok(false)
    }

    fn word(&mut self, char: char) -> Result<(), Broken> {
        self.word.push(char);
        if self.word.len() > MAX_NAME { Err(Broken) } else { Ok(()) }
    }

    fn enter(&mut self, bracket: Bracket, said: &mut Vec<Said>) -> Result<(), Broken> {
        if self.open.len() == MAX_DEPTH {
            return Err(Broken);
        }
        self.open.push(bracket);
        let (sign, place) = match bracket {
            Bracket::Object => ("{", Place::Key { first: true }),
            Bracket::List => ("[", Place::Value { first: true }),
        };
        self.say(sign, said);
        self.place = place;
        Ok(())
    }

    fn leave(&mut self, char: char, said: &mut Vec<Said>) -> Result<bool, Broken> {
        match (self.open.pop(), char) {
            (Some(Bracket::Object), '}') => self.say("}", said),
            (Some(Bracket::List), ']') => self.say("]", said),
            _ => return Err(Broken),
        }
        self.word.clear();
        self.place = Place::AfterValue;
        if !self.open.is_empty() {
            return Ok(false);
        }
        serde_json::from_str::<Map<String, Value>>(&self.arguments).map_err(|_| Broken)?;
        said.push(Said::CallEnded);
        Ok(true)
    }

    fn say(&mut self, json: &str, said: &mut Vec<Said>) {
        self.arguments.push_str(json);
        say(said, json, Said::Arguments);
    }
}

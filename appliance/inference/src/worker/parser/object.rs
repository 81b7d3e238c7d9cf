//! One call that is written in JSON: an object with a name and arguments, or the arguments alone.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Broken, MAX_NAME, say};
use crate::job::Said;

/// The object so far.
#[derive(Default)]
pub(super) struct ObjectCall {
    place: Place,
    /// The key or the value that is being read.
    raw: String,
    key: String,
    scan: Scan,
    named: bool,
    /// Arguments that came before the name.
    early: Option<String>,
    has_arguments: bool,
    /// There is no object around the arguments.
    bare: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Place {
    #[default]
    Open,
    /// Before a key, or the end of an empty object.
    First,
    BeforeKey,
    Key,
    Colon,
    BeforeValue,
    Value,
    AfterValue,
}

/// Finds the end of a value.
#[derive(Default)]
struct Scan {
    depth: u32,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// Takes the next character; `true` when it is the last one of a text, an object or a list.
    fn push(&mut self, char: char) -> bool {
        if self.in_text {
            match char {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_text = false,
                _ => {}
            }
            return !self.in_text && self.depth == 0;
        }
        match char {
            '"' => self.in_text = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => return false,
        }
        !self.in_text && self.depth == 0
    }
}

impl ObjectCall {
    /// The name is known already.
    pub(super) fn of_arguments() -> ObjectCall {
        ObjectCall {
            place: Place::BeforeValue,
            key: "arguments".into(),
            named: true,
            bare: true,
            ..ObjectCall::default()
        }
    }

    /// Takes one character. `true` when the call is whole.
    pub(super) fn push(&mut self, char: char, said: &mut Vec<Said>) -> Result<bool, Broken> {
        match self.place {
            Place::Key => {
                self.raw.push(char);
                if self.scan.push(char) {
                    self.key = serde_json::from_str(&self.raw).map_err(|_| Broken)?;
                    self.place = Place::Colon;
                }
            }
            Place::Value => return self.value(char, said),
            _ if matches!(char, ' ' | '\n' | '\r' | '\t') => {}
            Place::Open if char == '{' => self.place = Place::First,
            Place::First | Place::BeforeKey if char == '"' => {
                self.begin(char);
                self.place = Place::Key;
            }
            Place::Colon if char == ':' => self.place = Place::BeforeValue,
            Place::BeforeValue => {
                self.begin(char);
                self.place = Place::Value;
                if self.streams() {
                    if char != '{' {
                        return if char == '"' && !self.bare { Ok(false) } else { Err(Broken) };
                    }
                    say(said, "{", Said::Arguments);
                }
            }
            Place::AfterValue if char == ',' => self.place = Place::BeforeKey,
            Place::AfterValue if char == '}' => return self.end(said),
            _ => return Err(Broken),
        }
        Ok(false)
    }

    fn begin(&mut self, char: char) {
        self.raw = char.into();
        self.scan = Scan::default();
        self.scan.push(char);
    }

    /// Arguments are passed on while they are written.
    fn streams(&self) -> bool {
        self.named && self.is_arguments()
    }

    fn is_arguments(&self) -> bool {
        self.key == "arguments" || self.key == "parameters"
    }

    fn value(&mut self, char: char, said: &mut Vec<Said>) -> Result<bool, Broken> {
        // Numbers and words end with what follows them.
        let is_word = self.scan.depth == 0 && !self.scan.in_text;
        if is_word && matches!(char, ',' | '}' | ' ' | '\n' | '\r' | '\t') {
            self.place = Place::AfterValue;
            self.whole_value(said)?;
            return self.push(char, said);
        }
        self.raw.push(char);
        let ends = self.scan.push(char);
        if self.streams() && self.raw.starts_with('{') {
            say(said, char.encode_utf8(&mut [0; 4]), Said::Arguments);
        }
        if is_word && matches!(char, '"' | '{' | '[' | ']') {
            return Err(Broken);
        }
        if ends {
            self.place = Place::AfterValue;
            self.whole_value(said)?;
            if self.bare {
                said.push(Said::CallEnded);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn whole_value(&mut self, said: &mut Vec<Said>) -> Result<(), Broken> {
        let raw = std::mem::take(&mut self.raw);
        if self.is_arguments() {
            if std::mem::replace(&mut self.has_arguments, true) {
                return Err(Broken);
            }
            let is_text = raw.starts_with('"');
            let object = if is_text { serde_json::from_str(&raw).map_err(|_| Broken)? } else { raw };
            serde_json::from_str::<Map<String, Value>>(&object).map_err(|_| Broken)?;
            match (self.named, is_text) {
                (true, true) => say(said, &object, Said::Arguments),
                (true, false) => {}
                (false, _) => self.early = Some(object),
            }
        } else if self.key == "name" {
            let name: String = serde_json::from_str(&raw).map_err(|_| Broken)?;
            if self.named || name.is_empty() || name.len() > MAX_NAME {
                return Err(Broken);
            }
            self.named = true;
            said.push(Said::Call(name));
            if let Some(early) = self.early.take() {
                say(said, &early, Said::Arguments);
            }
        } else {
            serde_json::from_str::<IgnoredAny>(&raw).map_err(|_| Broken)?;
        }
        Ok(())
    }

    fn end(&mut self, said: &mut Vec<Said>) -> Result<bool, Broken> {
        if !self.named {
            return Err(Broken);
        }
        if !self.has_arguments {
            say(said, "{}", Said::Arguments);
        }
        said.push(Said::CallEnded);
        Ok(true)
    }
}

//! Reads a filter as people write it.

use super::{Comparison, Filter, PLACE, Piece, Value};

/// Filters within filters; more than this is a mistake.
const MAX_DEPTH: usize = 16;

/// # Errors
/// What is wrong, and at which character.
pub(super) fn whole(text: &str) -> Result<Filter, String> {
    let mut parser = Parser { text, at: 0 };
    let filter = parser.filter(0)?;
    if parser.at < text.len() {
        return Err(parser.wrong("there is something behind the last \")\""));
    }
    if !filter.asks_for_name() {
        return Err(format!("has no place for the name; write {PLACE} where it belongs"));
    }
    Ok(filter)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn wrong(&self, what: &str) -> String {
        let character = self.text[..self.at].chars().count() + 1;
        format!("{what} (at character {character})")
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is_there = self.rest().starts_with(wanted);
        self.at += if is_there { wanted.len() } else { 0 };
        is_there
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, String> {
        if depth == MAX_DEPTH {
            return Err(self.wrong("filters stand too deep in one another"));
        }
        if !self.take("(") {
            return Err(self.wrong("a filter begins with \"(\""));
        }
        let filter = if self.take("&") {
            Filter::All(self.several(depth)?)
        } else if self.take("|") {
            Filter::Any(self.several(depth)?)
        } else if self.take("!") {
            Filter::Not(Box::new(self.filter(depth + 1)?))
        } else {
            self.item()?
        };
        if self.take(")") { Ok(filter) } else { Err(self.wrong("a \")\" is missing")) }
    }

    fn several(&mut self, depth: usize) -> Result<Vec<Filter>, String> {
        let mut filters = Vec::new();
        while self.rest().starts_with('(') {
            filters.push(self.filter(depth + 1)?);
        }
        if filters.is_empty() { Err(self.wrong("a filter is missing")) } else { Ok(filters) }
    }

    fn item(&mut self) -> Result<Filter, String> {
        let attribute = self.word();
        if self.rest().starts_with(':') {
            return self.rule(attribute);
        }
        if attribute.is_empty() {
            return Err(self.wrong("the name of an attribute is missing"));
        }
        let by = if self.take(">=") {
            Comparison::AtLeast
        } else if self.take("<=") {
            Comparison::AtMost
        } else if self.take("~=") {
            Comparison::About
        } else if self.take("=") {
            Comparison::Equal
        } else {
            return Err(self.wrong("\"=\" is missing"));
        };
        let mut parts = self.parts()?;
        if parts.len() == 1 {
            return Ok(Filter::Compared { by, attribute, value: parts.remove(0) });
        }
        self.with_stars(by, attribute, parts)
    }

    /// `attribute=first*between*last`, or `attribute=*`.
    fn with_stars(&self, by: Comparison, attribute: String, parts: Vec<Value>) -> Result<Filter, String> {
        if by != Comparison::Equal {
            return Err(self.wrong("\"*\" goes with \"=\" alone"));
        }
        let plain = |value: Value| match value.0.as_slice() {
            [] => Ok(Vec::new()),
            [Piece::Bytes(bytes)] => Ok(bytes.clone()),
            // With a star beside it, one name would be many.
            _ => Err(self.wrong(&format!("{PLACE} and \"*\" do not go together"))),
        };
        let mut parts = parts.into_iter().map(plain).collect::<Result<Vec<_>, _>>()?;
        let (first, last) = (parts.remove(0), parts.pop().unwrap_or_default());
        if first.is_empty() && last.is_empty() && parts.is_empty() {
            return Ok(Filter::Present(attribute));
        }
        if parts.iter().any(Vec::is_empty) {
            return Err(self.wrong("there is nothing between two \"*\""));
        }
        Ok(Filter::Parts { attribute, first, between: parts, last })
    }

    /// `attribute:dn:rule:=value`, of which the rule or the attribute may be left out.
    fn rule(&mut self, attribute: String) -> Result<Filter, String> {
        let with_place = self.take(":dn");
        let rule = if !self.rest().starts_with(":=") && self.take(":") { self.word() } else { String::new() };
        if !self.take(":=") || (rule.is_empty() && attribute.is_empty()) {
            return Err(self.wrong("\":=\" is missing"));
        }
        let mut parts = self.parts()?;
        if parts.len() > 1 {
            return Err(self.wrong("\"*\" goes with \"=\" alone"));
        }
        let named = |text: String| (!text.is_empty()).then_some(text);
        Ok(Filter::Rule {
            rule: named(rule),
            attribute: named(attribute),
            value: parts.remove(0),
            with_place,
        })
    }

    /// The name of an attribute or of a rule.
    fn word(&mut self) -> String {
        let of_word = |c: char| c.is_ascii_alphanumeric() || "-.;_".contains(c);
        let length = self.rest().find(|c| !of_word(c)).unwrap_or(self.rest().len());
        let word = self.rest()[..length].to_owned();
        self.at += length;
        word
    }

    /// What stands before the `)`, parted where there is a `*`.
    fn parts(&mut self) -> Result<Vec<Value>, String> {
        let mut parts = vec![Value(Vec::new())];
        loop {
            let part = &mut parts.last_mut().expect("there is one from the beginning").0;
            if self.take(PLACE) {
                part.push(Piece::Name);
            } else if self.take("*") {
                parts.push(Value(Vec::new()));
            } else {
                match self.rest().chars().next() {
                    None | Some(')') => return Ok(parts),
                    Some('(') => return Err(self.wrong("\"(\" in a value is written \\28")),
                    Some('\0') => return Err(self.wrong("a zero in a value is written \\00")),
                    Some('\\') => {
                        let byte = self.rest().get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                        let byte =
                            byte.ok_or_else(|| self.wrong("behind \"\\\" two hexadecimal digits stand"))?;
                        push(part, &[byte]);
                        self.at += 3;
                    }
                    Some(other) => {
                        push(part, other.encode_utf8(&mut [0; 4]).as_bytes());
                        self.at += other.len_utf8();
                    }
                }
            }
        }
    }
}

fn push(part: &mut Vec<Piece>, more: &[u8]) {
    match part.last_mut() {
        Some(Piece::Bytes(bytes)) => bytes.extend_from_slice(more),
        _ => part.push(Piece::Bytes(more.to_vec())),
    }
}

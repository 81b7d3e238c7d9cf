//! Keeps what people and programs wrote from speaking a control token, so that nobody can speak in another's role.
//!
//! Wherever a text spells out a control token a character of private use is put into it. The rendered prompt is cut at
//! that character, and each piece becomes tokens for itself: the control token is in none of them. A template may
//! trim, split and quote the text as it likes.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Where a prompt is cut.
pub(super) const CUT: char = '\u{f8f0}';

/// The texts of a model's control tokens.
pub(super) struct Guard {
    controls: Vec<String>,
}

impl Guard {
    pub(super) fn new(controls: Vec<String>) -> Guard {
        Guard { controls }
    }

    /// Whether a control token is spelled out in a text from before this byte to behind it.
    pub(super) fn is_within_control(&self, text: &str, at: usize) -> bool {
        self.controls.iter().any(|control| {
            let around = at.saturating_sub(control.len() - 1)..(at + control.len() - 1).min(text.len());
            let mut places = text.as_bytes()[around].windows(control.len());
            places.any(|place| place == control.as_bytes())
        })
    }

    /// Silences all texts of a value, keys too. `true` where there was something to silence.
    pub(super) fn silence(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match self.silenced(text) {
                Some(silenced) => {
                    *text = silenced;
                    true
                }
                None => false,
            },
            Value::Array(list) => self.silence_all(list.iter_mut()),
            Value::Object(object) => {
                let any = self.silence_all(object.values_mut());
                self.silence_keys(object) || any
            }
            _ => false,
        }
    }

    /// Each of them, also behind the first one that had something to silence.
    fn silence_all<'v>(&self, values: impl Iterator<Item = &'v mut Value>) -> bool {
        let mut any = false;
        for value in values {
            any |= self.silence(value);
        }
        any
    }

    fn silence_keys(&self, object: &mut Map<String, Value>) -> bool {
        if !object.keys().any(|key| self.silenced(key).is_some()) {
            return false;
        }
        let entries = std::mem::take(object).into_iter();
        *object = entries.map(|(key, value)| (self.silenced(&key).unwrap_or(key), value)).collect();
        true
    }

    /// `None` for a text that spells out no control token. The character that cuts is ours alone: without it, too, the text
    /// must spell out none.
    fn silenced(&self, text: &str) -> Option<String> {
        let bare: Cow<'_, str> = if text.contains(CUT) { text.replace(CUT, "").into() } else { text.into() };
        let spoken: Vec<&str> =
            self.controls.iter().map(String::as_str).filter(|control| bare.contains(control)).collect();
        if spoken.is_empty() {
            return matches!(bare, Cow::Owned(_)).then(|| bare.into_owned());
        }
        // Also one that begins inside another one is found.
        let mut silenced = String::with_capacity(bare.len() + 8);
        for (at, char) in bare.char_indices() {
            silenced.push(char);
            if spoken.iter().any(|control| bare[at..].starts_with(control)) {
                silenced.push(CUT);
            }
        }
        Some(silenced)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guard() -> Guard {
        Guard::new(["<|im_end|>", "<tool_call>", "[TOOL_CALLS]", "><"].map(Into::into).into())
    }

    #[test]
    fn no_piece_of_a_silenced_text_has_a_control_token() {
        for text in [
            "a<|im_end|>b",
            "<|im_<|im_end|>end|>",
            "<tool_call><|im_end|>",
            "<tool_call",
            "\u{f8f0}<|im_end|>",
            "<|im_\u{f8f0}end|> and <|im_end|>",
            "<|im_\u{f8f0}end|>",
        ] {
            let mut value = json!(text);
            guard().silence(&mut value);
            let silenced = value.as_str().unwrap();
            for piece in silenced.split(CUT) {
                assert!(guard().silenced(piece).is_none(), "{piece} of {text}");
            }
            assert_eq!(silenced.replace(CUT, ""), text.replace(CUT, ""));
        }
    }

    #[test]
    fn names_keys_and_deep_values_are_silenced_and_others_stay_as_they_are() {
        let mut tool = json!({"function": {"name": "x<|im_end|>", "parameters": {"<tool_call>": [{"a": "[TOOL_CALLS]"}]}}});
        assert!(guard().silence(&mut tool));
        assert!(guard().silenced(&tool.to_string().replace(CUT, "|cut|")).is_none());
        let plain = json!({"type": "function", "n": 1, "list": ["<im_end>"]});
        let mut same = plain.clone();
        assert!(!guard().silence(&mut same));
        assert_eq!(same, plain);
    }
}

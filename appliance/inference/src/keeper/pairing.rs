//! Which tokens a piece of text was made of: the worker tells tokens one by one, and text when its characters are whole and no
//! stop string can come of them any more.

use std::collections::VecDeque;

use crate::job::TokenOdds;

/// Tokens whose text has not been told yet.
#[derive(Default)]
pub(super) struct Pairing {
    waiting: VecDeque<TokenOdds>,
    /// Bytes at the beginning of the next text that belong to a token which was given out with the last one.
    ahead: usize,
}

impl Pairing {
    pub(super) fn add(&mut self, odds: TokenOdds) {
        self.waiting.push_back(odds);
    }

    /// The tokens that begin in this text. One whose text was left out, such as white space before an answer, is dropped.
    pub(super) fn take(&mut self, text: &str) -> Vec<TokenOdds> {
        let mut rest = self.after_what_is_ahead(text.as_bytes());
        let mut taken = Vec::new();
        while !rest.is_empty() {
            let Some(odds) = self.waiting.pop_front() else { break };
            let whole = odds.said.bytes.as_slice();
            // Bytes that are no text stand in the text as replacement characters.
            let shown = String::from_utf8_lossy(whole);
            let fits = [whole, whole.trim_ascii_start(), shown.as_bytes()]
                .into_iter()
                .find(|bytes| !bytes.is_empty() && (rest.starts_with(bytes) || bytes.starts_with(rest)));
            let Some(bytes) = fits else { continue };
            let here = bytes.len().min(rest.len());
            self.ahead = bytes.len() - here;
            rest = &rest[here..];
            taken.push(odds);
        }
        taken
    }

    fn after_what_is_ahead<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        // A part of a character that never became whole.
        let broken = "\u{fffd}".as_bytes();
        let known = match self.ahead {
            1..=3 if text.starts_with(broken) => std::mem::take(&mut self.ahead).max(broken.len()),
            ahead => ahead.min(text.len()),
        };
        self.ahead = self.ahead.saturating_sub(known);
        &text[known..]
    }

    /// What waits was no text of the answer.
    pub(super) fn forget(&mut self) {
        *self = Pairing::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::LikelyToken;

    fn pairing(tokens: &[&[u8]]) -> Pairing {
        let mut pairing = Pairing::default();
        for bytes in tokens {
            let said = LikelyToken { bytes: bytes.to_vec(), logprob: -1.0 };
            pairing.add(TokenOdds { said, top: Vec::new() });
        }
        pairing
    }

    fn take(pairing: &mut Pairing, text: &str) -> Vec<Vec<u8>> {
        pairing.take(text).into_iter().map(|odds| odds.said.bytes).collect()
    }

    #[test]
    fn each_text_gets_the_tokens_that_begin_in_it() {
        let mut it = pairing(&[b"Hel", b"lo", b" wor", b"ld"]);
        assert_eq!(take(&mut it, "Hello"), [b"Hel".to_vec(), b"lo".to_vec()]);
        assert_eq!(take(&mut it, " w"), [b" wor".to_vec()]);
        assert_eq!(take(&mut it, "orld"), [b"ld".to_vec()], "what is ahead belongs to the token before");
        assert_eq!(take(&mut it, "more"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn tokens_that_are_parts_of_characters_are_told_with_their_character() {
        let bytes = "네예".as_bytes();
        let mut it = pairing(&[&bytes[..2], &bytes[2..4], &bytes[4..]]);
        assert_eq!(take(&mut it, "네"), [bytes[..2].to_vec(), bytes[2..4].to_vec()]);
        assert_eq!(take(&mut it, "예"), [bytes[4..].to_vec()]);
    }

    #[test]
    fn tokens_that_are_no_text_are_told_with_what_stands_for_them() {
        let mut it = pairing(&[b"a", b"\xff\xfe", b"b", b" \xec", b"c"]);
        assert_eq!(take(&mut it, "a\u{fffd}\u{fffd}b "), [&b"a"[..], b"\xff\xfe", b"b", b" \xec"]);
        assert_eq!(take(&mut it, "\u{fffd}c"), [b"c".to_vec()]);
    }

    #[test]
    fn what_was_left_out_of_the_text_is_left_out_here() {
        let mut it = pairing(&[b"\n\n", b" Yes", b".", b"STOP"]);
        assert_eq!(take(&mut it, "Yes."), [b" Yes".to_vec(), b".".to_vec()]);
        it.forget();
        assert_eq!(take(&mut it, "more"), Vec::<Vec<u8>>::new());
    }
}

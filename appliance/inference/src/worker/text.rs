//! From the bytes of tokens to text that may be shown: whole characters, and nothing of a stop string.

/// Puts an answer's bytes together.
pub(super) struct Text {
    stops: Vec<String>,
    /// The beginning of a character whose other bytes are still to come.
    bytes: Vec<u8>,
    /// Text that may yet turn out to be the beginning of a stop string.
    held: String,
}

/// What may be shown now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    /// A stop string has ended the answer.
    pub(super) stopped: bool,
}

impl Text {
    pub(super) fn new(stops: Vec<String>) -> Text {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Text { stops, bytes: Vec::new(), held: String::new() }
    }

    /// Takes the bytes of one more token.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Shown {
        self.bytes.extend_from_slice(bytes);
        self.take_whole_characters();
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            return Shown { text: std::mem::take(&mut self.held), stopped: true };
        }
        let kept = self.held.split_off(self.held.len() - self.held_back());
        Shown { text: std::mem::replace(&mut self.held, kept), stopped: false }
    }

    /// Gives what was held back when the answer ends without a stop string. Half a character is dropped.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn take_whole_characters(&mut self) {
        let mut taken = 0;
        loop {
            let rest = &self.bytes[taken..];
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.held.push_str(text);
                    taken = self.bytes.len();
                    break;
                }
                Err(error) => {
                    let (whole, _) = rest.split_at(error.valid_up_to());
                    self.held.push_str(&String::from_utf8_lossy(whole));
                    taken += whole.len();
                    let Some(invalid) = error.error_len() else { break };
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    taken += invalid;
                }
            }
        }
        self.bytes.drain(..taken);
    }

    /// The length of the longest end of the held text that begins a stop string.
    fn held_back(&self) -> usize {
        let begins = |end: &str| self.stops.iter().any(|stop| stop.starts_with(end));
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let starts = self.held.char_indices().map(|(at, _)| at);
        starts
            .filter(|at| self.held.len() - at < longest)
            .find(|at| begins(&self.held[*at..]))
            .map_or(0, |at| self.held.len() - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &mut Text, pieces: &[&[u8]]) -> Vec<String> {
        pieces.iter().map(|piece| text.push(piece).text).collect()
    }

    #[test]
    fn a_hangul_syllable_comes_whole() {
        let syllable = "비".as_bytes();
        let mut text = Text::new(Vec::new());
        assert_eq!(shown(&mut text, &[&syllable[..1], &syllable[1..2], &syllable[2..]]), ["", "", "비"]);
    }

    #[test]
    fn bytes_that_are_no_text_become_the_replacement_character() {
        let mut text = Text::new(Vec::new());
        assert_eq!(shown(&mut text, &[b"a\xff\xfeb", "\u{ac00}".as_bytes()]), ["a\u{fffd}\u{fffd}b", "가"]);
    }

    #[test]
    fn a_stop_string_over_several_tokens_is_never_shown() {
        let mut text = Text::new(vec!["\n\nQ:".into(), "끝".into()]);
        assert_eq!(shown(&mut text, &[b"yes\n", b"\nno\n\n"]), ["yes", "\n\nno"]);
        assert_eq!(text.push(b"Q: more"), Shown { text: String::new(), stopped: true });
        let mut text = Text::new(vec!["끝".into()]);
        let end = "시작끝".as_bytes();
        assert_eq!(shown(&mut text, &[&end[..7]]), ["시작"]);
        assert!(text.push(&end[7..]).stopped);
    }

    #[test]
    fn what_was_held_back_comes_at_the_end() {
        let mut text = Text::new(vec!["STOP".into()]);
        assert_eq!(shown(&mut text, &[b"a ST"]), ["a "]);
        assert_eq!(text.finish(), "ST");
    }

    #[test]
    fn the_earliest_of_several_stop_strings_ends_the_answer() {
        let mut text = Text::new(vec!["c".into(), "b".into()]);
        assert_eq!(text.push(b"abc"), Shown { text: "a".into(), stopped: true });
    }
}

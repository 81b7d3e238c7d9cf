//! From the bytes of tokens to text that may be shown: whole characters, and nothing of a stop string.

/// Puts bytes together to whole characters.
#[derive(Default)]
pub(super) struct Characters {
    /// The beginning of a character whose other bytes are still to come.
    bytes: Vec<u8>,
}

/// Finds the texts that end an answer.
pub(super) struct Stops {
    stops: Vec<String>,
    /// The end of what was shown, as far as a stop string may have begun in it.
    shown: String,
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

impl Characters {
    /// Takes the bytes of one more token. Half a character at the end of an answer is dropped.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.bytes.extend_from_slice(bytes);
        let mut text = String::new();
        let mut taken = 0;
        loop {
            let rest = &self.bytes[taken..];
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    taken = self.bytes.len();
                    break;
                }
                Err(error) => {
                    let (whole, _) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    taken += whole.len();
                    let Some(invalid) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    taken += invalid;
                }
            }
        }
        self.bytes.drain(..taken);
        text
    }
}

impl Stops {
    /// `begun` is what others have shown of the answer already.
    pub(super) fn new(stops: Vec<String>, begun: &str) -> Stops {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        let mut new = Stops { stops, shown: String::new(), held: String::new() };
        new.remember(begun);
        new
    }

    /// Takes more of the answer.
    pub(super) fn push(&mut self, text: &str) -> Shown {
        self.held.push_str(text);
        if let Some(at) = self.first_stop() {
            self.held.truncate(at);
            return Shown { text: std::mem::take(&mut self.held), stopped: true };
        }
        let kept = self.held.split_off(self.held.len() - self.held_back());
        let text = std::mem::replace(&mut self.held, kept);
        self.remember(&text);
        Shown { text, stopped: false }
    }

    /// Keeps the end of what is shown; nothing of it where no stop string could end in what follows.
    fn remember(&mut self, text: &str) {
        let most = self.longest_stop().saturating_sub(1);
        if most > 0 {
            self.shown.push_str(text);
            let from = self.shown.len().saturating_sub(most);
            let from = (from..=self.shown.len()).find(|at| self.shown.is_char_boundary(*at));
            self.shown.drain(..from.unwrap_or_default());
        }
    }

    /// Where the first stop string begins that ends in the held text; at its beginning if it began before.
    fn first_stop(&self) -> Option<usize> {
        let all = self.shown_and_held();
        let begins = |stop: &String| {
            // None can end earlier: there it would have ended the answer.
            let from = (self.shown.len() + 1).saturating_sub(stop.len());
            let from = (from..=all.len()).find(|at| all.is_char_boundary(*at))?;
            Some((from + all[from..].find(stop.as_str())?).saturating_sub(self.shown.len()))
        };
        self.stops.iter().filter_map(begins).min()
    }

    fn shown_and_held(&self) -> String {
        format!("{}{}", self.shown, self.held)
    }

    fn longest_stop(&self) -> usize {
        self.stops.iter().map(String::len).max().unwrap_or(0)
    }

    /// Gives what was held back when the answer ends without a stop string, or goes on with something else than words.
    pub(super) fn finish(&mut self) -> String {
        self.shown.clear();
        std::mem::take(&mut self.held)
    }

    /// The length of the longest end of the held text that begins a stop string.
    fn held_back(&self) -> usize {
        let begins = |end: &str| self.stops.iter().any(|stop| stop.starts_with(end));
        let longest = self.longest_stop();
        let all = self.shown_and_held();
        let starts = all.char_indices().map(|(at, _)| at);
        starts
            .filter(|at| all.len() - at < longest)
            .find(|at| begins(&all[*at..]))
            .map_or(0, |at| (all.len() - at).min(self.held.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both parts together, as an answer of plain words goes through them.
    struct Text(Characters, Stops);

    impl Text {
        fn new(stops: Vec<String>, begun: &str) -> Text {
            Text(Characters::default(), Stops::new(stops, begun))
        }

        fn push(&mut self, bytes: &[u8]) -> Shown {
            self.1.push(&self.0.push(bytes))
        }

        fn finish(&mut self) -> String {
            self.1.finish()
        }
    }

    fn shown(text: &mut Text, pieces: &[&[u8]]) -> Vec<String> {
        pieces.iter().map(|piece| text.push(piece).text).collect()
    }

    #[test]
    fn a_hangul_syllable_comes_whole() {
        let syllable = "비".as_bytes();
        let mut text = Text::new(Vec::new(), "");
        assert_eq!(shown(&mut text, &[&syllable[..1], &syllable[1..2], &syllable[2..]]), ["", "", "비"]);
    }

    #[test]
    fn bytes_that_are_no_text_become_the_replacement_character() {
        let mut text = Text::new(Vec::new(), "");
        assert_eq!(shown(&mut text, &[b"a\xff\xfeb", "\u{ac00}".as_bytes()]), ["a\u{fffd}\u{fffd}b", "가"]);
    }

    #[test]
    fn a_stop_string_over_several_tokens_is_never_shown() {
        let mut text = Text::new(vec!["\n\nQ:".into(), "끝".into()], "");
        assert_eq!(shown(&mut text, &[b"yes\n", b"\nno\n\n"]), ["yes", "\n\nno"]);
        assert_eq!(text.push(b"Q: more"), Shown { text: String::new(), stopped: true });
        let mut text = Text::new(vec!["끝".into()], "");
        let end = "시작끝".as_bytes();
        assert_eq!(shown(&mut text, &[&end[..7]]), ["시작"]);
        assert!(text.push(&end[7..]).stopped);
    }

    #[test]
    fn what_was_held_back_comes_at_the_end() {
        let mut text = Text::new(vec!["STOP".into()], "");
        assert_eq!(shown(&mut text, &[b"a ST"]), ["a "]);
        assert_eq!(text.finish(), "ST");
    }

    #[test]
    fn the_earliest_of_several_stop_strings_ends_the_answer() {
        let mut text = Text::new(vec!["c".into(), "b".into()], "");
        assert_eq!(text.push(b"abc"), Shown { text: "a".into(), stopped: true });
    }
    #[test]
    fn a_stop_string_that_others_began_ends_the_answer_where_they_left_it() {
        let mut text = Text::new(vec!["\n\nQ:".into()], "Yes.\n\n");
        assert_eq!(text.push(b"Q: more"), Shown { text: String::new(), stopped: true });
        let mut text = Text::new(vec!["끝 END".into()], "시작 끝");
        assert_eq!(shown(&mut text, &[b" E", b"N"]), ["", ""], "it is held back from where it can be");
        assert_eq!(text.push(b"D"), Shown { text: String::new(), stopped: true });
        let mut text = Text::new(vec!["ab".into()], "ab a");
        assert_eq!(shown(&mut text, &[b"c", b"a"]), ["c", ""], "one that ended before is no end");
    }
}

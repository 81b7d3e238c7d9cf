//! From text to tokens.
//!
//! For many vocabularies llama.cpp splits a text by a regular expression of the C++ library, which calls itself for each
//! character of a match: a long line of dashes, or of letters without a space, takes more than any thread's stack. So
//! a run of that length is cut before.

use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::guard::Guard;

/// Characters in a row that are white space, or that are none. A match has two such runs at most.
const LONGEST_RUN: usize = 4096;

/// No token of the usual vocabularies has more bytes: the longest are rows of dashes, or of spaces.
pub(super) const LONGEST_TOKEN_BYTES: usize = 128;

/// The stack of a thread that makes tokens, in bytes: what a match of two runs takes, ten times over.
pub(super) const STACK_BYTES: usize = 32 << 20;

/// Makes the tokens of one model.
pub(super) struct Tokenizer {
    model: Arc<LlamaModel>,
    /// Its vocabulary splits texts before it looks for tokens.
    splits: bool,
}

impl Tokenizer {
    pub(super) fn new(model: Arc<LlamaModel>) -> Tokenizer {
        let kind = model.meta_val_str("tokenizer.ggml.model");
        Tokenizer { splits: kind.is_ok_and(|kind| kind == "gpt2"), model }
    }

    /// The tokens of a text alone, in which no control token is meant.
    pub(super) fn of_words(&self, text: &str) -> Vec<i32> {
        self.pieces(text, |_| true).flat_map(|piece| self.tokens(piece, false, false)).collect()
    }

    /// Those of a prompt; the control tokens that `guard` knows are meant where they are spelled out.
    pub(super) fn of_prompt(&self, text: &str, guard: &Guard) -> Vec<i32> {
        let may_cut = |at| !guard.is_within_control(text, at);
        self.pieces(text, may_cut).flat_map(|piece| self.tokens(piece, false, true)).collect()
    }

    /// Those of a whole text, with what the vocabulary begins and ends it with.
    pub(super) fn of_whole(&self, text: &str) -> Vec<i32> {
        let pieces: Vec<&str> = self.pieces(text, |_| true).collect();
        if let [] | [_] = pieces[..] {
            return self.tokens(text, true, false);
        }
        let vocab = self.model.vocab();
        let begin = vocab.should_add_bos().then(|| vocab.bos().0);
        let end = vocab.should_add_eos().then(|| vocab.eos().0);
        let words = pieces.into_iter().flat_map(|piece| self.tokens(piece, false, false));
        begin.into_iter().chain(words).chain(end).collect()
    }

    fn pieces<'t>(&self, text: &'t str, may_cut: impl Fn(usize) -> bool) -> impl Iterator<Item = &'t str> {
        let cuts = if self.splits { cuts(text, may_cut) } else { Vec::new() };
        let begins = std::iter::once(0).chain(cuts.clone());
        let ends = cuts.into_iter().chain([text.len()]);
        begins.zip(ends).map(|(begin, end)| &text[begin..end]).filter(|piece| !piece.is_empty())
    }

    fn tokens(&self, text: &str, with_marks: bool, with_controls: bool) -> Vec<i32> {
        let tokens = self.model.vocab().tokenize(text.as_bytes(), with_marks, with_controls);
        tokens.into_iter().map(|LlamaToken(token)| token).collect()
    }
}

/// Where a text is cut, in bytes, so that it has no longer run.
fn cuts(text: &str, may_cut: impl Fn(usize) -> bool) -> Vec<usize> {
    let (mut cuts, mut run, mut is_space) = (Vec::new(), 0, false);
    for (at, char) in text.char_indices() {
        if char.is_whitespace() != is_space {
            (run, is_space) = (0, char.is_whitespace());
        }
        if run >= LONGEST_RUN && may_cut(at) {
            cuts.push(at);
            run = 0;
        }
        run += 1;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_runs_are_cut_and_none_within_a_control_token() {
        let of = |text: &str| cuts(text, |_| true);
        let word = "가".repeat(LONGEST_RUN);
        assert_eq!(of(&format!("{word} {word}\n{word}")), [0; 0]);
        assert_eq!(of(&format!("{word}{word}나")), [word.len(), 2 * word.len()]);
        assert_eq!(of(&" ".repeat(LONGEST_RUN + 1)), [LONGEST_RUN]);
        let guard = Guard::new(vec!["<|im_end|>".into()]);
        let text = format!("{}<|im_end|>x", "-".repeat(LONGEST_RUN - 2));
        assert_eq!(cuts(&text, |at| !guard.is_within_control(&text, at)), [LONGEST_RUN + 8], "behind it");
    }
}

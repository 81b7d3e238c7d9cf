//! The bytes of every token, and which tokens fit a text that must come next.

use llama_cpp_2::model::LlamaModel;

/// A copy of the model's vocabulary that needs no llama.cpp.
pub(super) struct Vocabulary {
    /// The bytes of all tokens, one after another.
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
    /// Whether the token ends the model's turn.
    ends_turn: Vec<bool>,
    /// Tokens with bytes, in the order of their bytes.
    sorted: Vec<i32>,
    longest: usize,
    /// Marks that are tokens without bytes of their own, with their texts.
    marks: Vec<(i32, &'static str)>,
}

impl Vocabulary {
    /// Of the control tokens, which are hidden, the `marks` are known.
    pub(super) fn of(model: &LlamaModel, marks: &[&'static str]) -> Vocabulary {
        let vocab = model.vocab();
        let tokens =
            vocab.tokens().map(|token| (vocab.token_to_piece(token, false, None), vocab.is_eog(token)));
        let mut vocabulary = Vocabulary::new(tokens);
        let hidden = vocab.tokens().filter(|token| vocabulary.bytes(token.0).is_empty());
        let marked = hidden.filter_map(|token| {
            let text = vocab.token_to_piece(token, true, None);
            marks.iter().find(|mark| mark.as_bytes() == text).map(|mark| (token.0, *mark))
        });
        vocabulary.marks = marked.collect();
        vocabulary
    }

    pub(super) fn new(tokens: impl Iterator<Item = (Vec<u8>, bool)>) -> Vocabulary {
        let (mut bytes, mut ends, mut ends_turn) = (Vec::new(), Vec::new(), Vec::new());
        let mut longest = 0;
        for (piece, eog) in tokens {
            longest = longest.max(piece.len());
            bytes.extend_from_slice(&piece);
            ends.push(bytes.len());
            ends_turn.push(eog);
        }
        let mut vocabulary =
            Vocabulary { bytes, ends, ends_turn, sorted: Vec::new(), longest, marks: Vec::new() };
        let mut sorted: Vec<i32> = vocabulary
            .tokens()
            .filter(|token| !vocabulary.ends_turn(*token) && !vocabulary.bytes(*token).is_empty())
            .collect();
        sorted.sort_by_key(|token| vocabulary.bytes(*token));
        vocabulary.sorted = sorted;
        vocabulary
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = i32> {
        0..self.ends.len() as i32
    }

    pub(super) fn has(&self, token: i32) -> bool {
        usize::try_from(token).is_ok_and(|token| token < self.ends.len())
    }

    pub(super) fn bytes(&self, token: i32) -> &[u8] {
        let token = token as usize;
        let start = if token == 0 { 0 } else { self.ends[token - 1] };
        &self.bytes[start..self.ends[token]]
    }

    /// The mark that a token without bytes stands for.
    pub(super) fn mark(&self, token: i32) -> Option<&'static str> {
        self.marks.iter().find(|(marked, _)| *marked == token).map(|(_, mark)| *mark)
    }

    /// The hidden token that is this mark, where there is one; elsewhere it is spelled out.
    pub(super) fn token_of(&self, mark: &str) -> Option<i32> {
        self.marks.iter().find(|(_, known)| *known == mark).map(|(token, _)| *token)
    }

    #[cfg(test)]
    pub(super) fn with_marks(mut self, marks: &[(i32, &'static str)]) -> Vocabulary {
        self.marks = marks.to_vec();
        self
    }

    pub(super) fn ends_turn(&self, token: i32) -> bool {
        self.ends_turn[token as usize]
    }

    /// The tokens that may come next when `rest` must: they begin with it, or are a beginning of it.
    pub(super) fn compatible(&self, rest: &[u8]) -> Vec<i32> {
        let mut fit = Vec::new();
        for length in 1..rest.len().min(self.longest + 1) {
            fit.extend(self.range(|bytes| bytes < &rest[..length], |bytes| bytes == &rest[..length]));
        }
        fit.extend(self.range(|bytes| bytes < rest, |bytes| bytes.starts_with(rest)));
        fit
    }

    /// The run of tokens for which `fits` holds, after all those for which `before` holds.
    fn range(&self, before: impl Fn(&[u8]) -> bool, fits: impl Fn(&[u8]) -> bool) -> &[i32] {
        let from = self.sorted.partition_point(|token| before(self.bytes(*token)));
        let run = &self.sorted[from..];
        &run[..run.partition_point(|token| fits(self.bytes(*token)))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_begin_the_rest_or_begin_with_it_are_compatible() {
        let words = ["", " g", " gen", " generator", "gen", " ge", " h", " "];
        let vocabulary = Vocabulary::new(words.iter().map(|word| (word.as_bytes().to_vec(), false)));
        let fit: Vec<&str> =
            vocabulary.compatible(b" gen").into_iter().map(|token| words[token as usize]).collect();
        assert_eq!(fit, [" ", " g", " ge", " gen", " generator"]);
        assert!(vocabulary.compatible(b"xyz").is_empty());
    }
}

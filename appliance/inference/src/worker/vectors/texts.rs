//! From texts to tokens: all of a job's texts are read and measured before any of them is worked on.

use std::borrow::Cow;
use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::hangul;
use super::schedule::Texts;
use crate::frames::VectorSubmission;
use crate::job::{JobError, VectorJob};
use crate::worker::tokenizer::{LONGEST_TOKEN_BYTES, Tokenizer};

/// Reads texts for one model.
pub(super) struct Reader {
    model: Arc<LlamaModel>,
    tokenizer: Tokenizer,
    /// The vocabulary is one of word pieces, as BERT's.
    has_word_pieces: bool,
    /// It strips accents, too.
    strips_accents: bool,
    /// Tokens that one text may have, with those that the model itself adds.
    limit: u32,
}

/// The marks around a query and its document.
struct Pair {
    begin: Vec<i32>,
    between: Vec<i32>,
    end: Vec<i32>,
}

impl Reader {
    pub(super) fn new(model: Arc<LlamaModel>, limit: u32) -> Reader {
        let says = |key: &str| model.meta_val_str(key).ok();
        let is_true = |key: &str| says(key).map(|value| value == "true");
        // As llama.cpp decides it: accents go with capitals unless the file says otherwise.
        let strips = is_true("tokenizer.ggml.normalizer.strip_accents")
            .or_else(|| is_true("tokenizer.ggml.normalizer.lowercase"));
        let has_word_pieces = says("tokenizer.ggml.model").as_deref() == Some("bert");
        let tokenizer = Tokenizer::new(model.clone());
        let strips_accents = has_word_pieces && strips.unwrap_or(true);
        Reader { strips_accents, has_word_pieces, tokenizer, model, limit }
    }

    /// # Errors
    /// A text that is too long, or one without a single token: which one it is, before any work.
    pub(super) fn read(&self, submission: VectorSubmission) -> Result<Texts, JobError> {
        let VectorSubmission { id, job: VectorJob { texts, query, lane }, waited_ms } = submission;
        if let Some(error) = far_too_long(&texts, query.as_deref(), self.limit) {
            return Err(error);
        }
        let query = query.map(|query| (self.tokenizer.of_words(&self.as_read(&query)), self.pair()));
        let one = |(index, text): (usize, &String)| {
            let text = self.as_read(text);
            let tokens = match &query {
                None => self.tokenizer.of_whole(&text),
                Some((query, Pair { begin, between, end })) => {
                    [begin, query, between, &self.tokenizer.of_words(&text), end]
                        .into_iter()
                        .flatten()
                        .copied()
                        .collect()
                }
            };
            self.measured(index as u32, tokens)
        };
        let tokens = texts.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(Texts { id, lane, waited_ms, tokens })
    }

    fn measured(&self, index: u32, tokens: Vec<i32>) -> Result<Vec<i32>, JobError> {
        match tokens.len() as u32 {
            0 => Err(JobError::TextEmpty { index }),
            tokens if tokens > self.limit => Err(JobError::TextTooLong { index, tokens, limit: self.limit }),
            _ => Ok(tokens),
        }
    }

    /// A text as this vocabulary reads it.
    fn as_read<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.strips_accents { hangul::in_letters(text).into() } else { text.into() }
    }

    /// `[CLS] query [SEP] document [SEP]` for word pieces; else what the file says that its vocabulary adds, such as `<s>
    /// query </s></s> document </s>`. Which of the two a token belongs to is told by the marks alone: llama.cpp gives all
    /// tokens the same type.
    fn pair(&self) -> Pair {
        let vocab = self.model.vocab();
        let mark = |is_added: bool, token: LlamaToken| (is_added && token.0 >= 0).then_some(token.0);
        let begin = mark(vocab.should_add_bos(), vocab.bos()).into_iter().collect();
        if self.has_word_pieces {
            let sep: Vec<i32> = mark(true, vocab.sep()).into_iter().collect();
            return Pair { begin, between: sep.clone(), end: sep };
        }
        let sep = mark(vocab.should_add_sep(), vocab.sep());
        // A vocabulary without an end of its own ends its texts with a separator.
        let eos = mark(vocab.should_add_eos(), vocab.eos()).or(mark(vocab.should_add_eos(), vocab.sep()));
        Pair { begin, between: eos.into_iter().chain(sep).collect(), end: eos.into_iter().collect() }
    }
}

/// Refuses by its bytes a text that can't fit, with the fewest tokens that it can have: to make tokens of it would hold
/// up all who come after it. White space counts nothing: many vocabularies drop most of it.
fn far_too_long(texts: &[String], query: Option<&str>, limit: u32) -> Option<JobError> {
    let bytes = |text: &str| text.split_whitespace().map(str::len).sum::<usize>();
    let with = query.map_or(0, bytes);
    let least = texts.iter().map(|text| (with + bytes(text)).div_ceil(LONGEST_TOKEN_BYTES) as u32);
    let (index, tokens) = (0..).zip(least).find(|(_, tokens)| *tokens > limit)?;
    Some(JobError::TextTooLong { index, tokens, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_too_many_bytes_for_its_tokens_is_refused_unread() {
        let refused = |texts: &[&str], query: Option<&str>| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            far_too_long(&texts, query, 8)
        };
        let (just, over) = ("x".repeat(8 * LONGEST_TOKEN_BYTES), "x".repeat(8 * LONGEST_TOKEN_BYTES + 1));
        let error = |index| Some(JobError::TextTooLong { index, tokens: 9, limit: 8 });
        assert_eq!(refused(&["", &just], None), None);
        assert_eq!(refused(&["", &just, &over, &over], None), error(2));
        assert_eq!(refused(&["", "x"], Some(&just)), error(1), "a document has its query beside it");
        let spaced = format!("{}{just}{}", " \n\u{3000}".repeat(1000), "\t".repeat(1000));
        assert_eq!(refused(&[&spaced], None), None, "white space may be nothing");
    }
}

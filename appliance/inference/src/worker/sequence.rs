//! One running answer: its place in the context, its tokens, and what they have become.

use std::sync::Arc;

use super::prompt::Prepared;
use super::sampler::{Sampler, Scratch};
use super::text::Text;
use super::vocabulary::Vocabulary;
use crate::frames::{Finish, Progress};
use crate::job::{FinishReason, Lane, Usage};

/// An answer that has a sequence of the context.
pub(super) struct Sequence {
    pub(super) id: u64,
    pub(super) lane: Lane,
    /// The sequence's number in the context.
    pub(super) slot: i32,
    /// Cells of the context that are reserved for it.
    pub(super) cells: u32,
    pub(super) prompt_tokens: u32,
    prefix_tokens: u32,
    /// The prompt, then what has been generated.
    tokens: Vec<i32>,
    /// How many of `tokens` are the prompt.
    prompt: usize,
    /// How many of `tokens` the context has taken in.
    taken: usize,
    /// What is still to come of the given prefix, before anything new is said.
    rest: Vec<u8>,
    budget: u32,
    completion_tokens: u32,
    sampler: Sampler,
    text: Text,
    vocabulary: Arc<Vocabulary>,
}

impl Sequence {
    pub(super) fn new(prepared: Prepared, slot: i32, vocabulary: Arc<Vocabulary>) -> Sequence {
        Sequence {
            id: prepared.id,
            lane: prepared.lane,
            slot,
            cells: prepared.cells,
            prompt_tokens: prepared.prompt_tokens,
            prefix_tokens: prepared.prefix_tokens,
            prompt: prepared.tokens.len(),
            tokens: prepared.tokens,
            taken: 0,
            rest: prepared.rest,
            budget: prepared.budget,
            completion_tokens: 0,
            sampler: Sampler::new(prepared.sampling, prepared.seed),
            text: Text::new(prepared.stop),
            vocabulary,
        }
    }

    /// The tokens that the context has yet to take in. The row of the last one chooses the next token.
    pub(super) fn pending(&self) -> &[i32] {
        &self.tokens[self.taken..]
    }

    /// The position of the first pending token.
    pub(super) fn position(&self) -> i32 {
        self.taken as i32
    }

    /// Tells that the context has taken in the first `count` pending tokens.
    pub(super) fn take_in(&mut self, count: usize) {
        self.taken += count;
    }

    /// Chooses the next token from the last pending token's row; `None` when the row has no number in it.
    pub(super) fn choose(&self, logits: &[f32], scratch: &mut Scratch) -> Option<i32> {
        let allowed = (!self.rest.is_empty()).then(|| self.vocabulary.compatible(&self.rest));
        let place = self.tokens.len() - self.prompt;
        self.sampler.choose(logits, allowed.as_deref(), place, scratch)
    }

    /// Makes `token` part of the answer. The text and the end that follow depend on the tokens alone, so an answer
    /// that is taken up again says nothing twice.
    pub(super) fn accept(&mut self, token: i32) -> Progress {
        if self.vocabulary.ends_turn(token) {
            let text = self.text.finish();
            return Progress {
                id: self.id,
                token: None,
                text,
                finish: Some(self.finish(FinishReason::Stop)),
            };
        }
        self.tokens.push(token);
        self.sampler.accept(token);
        let vocabulary = self.vocabulary.clone();
        let bytes = vocabulary.bytes(token);
        let known = bytes.len().min(self.rest.len());
        let only_repeats = known > 0 && known == bytes.len();
        self.rest.drain(..known);
        self.completion_tokens += u32::from(!only_repeats);
        let shown = self.text.push(&bytes[known..]);
        let mut progress = Progress { id: self.id, token: Some(token), text: shown.text, finish: None };
        if shown.stopped {
            progress.finish = Some(self.finish(FinishReason::Stop));
        } else if self.completion_tokens >= self.budget || self.tokens.len() > self.cells as usize {
            progress.text.push_str(&self.text.finish());
            progress.finish = Some(self.finish(FinishReason::Length));
        }
        progress
    }

    fn finish(&self, reason: FinishReason) -> Finish {
        let usage = Usage {
            prompt_tokens: self.prompt_tokens,
            prefix_tokens: self.prefix_tokens,
            completion_tokens: self.completion_tokens,
        };
        Finish { reason, usage }
    }
}

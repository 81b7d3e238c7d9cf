//! One running answer: its place in the context, its tokens, and what they have become.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::format::Guide;
use super::odds;
use super::prefixes::shared;
use super::prompt::Prepared;
use super::sampler::{Allowed, Sampler, Scratch};
use super::scheduler::{Held, Key};
use super::speech::{Speech, Spoken};
use super::vocabulary::Vocabulary;
use crate::frames::{Finish, Progress};
use crate::job::{FinishReason, JobError, Lane, LikelyToken, Said, Scope, TokenOdds, Usage};

/// Who gets a place within so long came during a step, and nobody is taken in before that is over.
const A_STEP: Duration = Duration::from_millis(500);

/// An answer that has a sequence of the context.
pub(super) struct Sequence {
    pub(super) id: u64,
    pub(super) lane: Lane,
    /// Its place in the order of service.
    key: Key,
    /// Whose it is: others of the same scope may take over what it has read.
    pub(super) scope: Option<Scope>,
    /// The sequence's number in the context.
    pub(super) slot: i32,
    /// Since when it has its place in the context; since it came, where it got that at the next step.
    pub(super) since: Instant,
    /// How much there was to read when it got its place.
    pub(super) to_read: usize,
    /// Since when it is written here.
    pub(super) begun: Option<Instant>,
    /// The answer that reads now what this one begins with too, and how much of it.
    awaited: Option<(u64, usize)>,
    pauses: u32,
    /// Cells of the context that are reserved for it, and those that it can ever need.
    pub(super) cells: u32,
    most_cells: u32,
    pub(super) prompt_tokens: u32,
    prefix_tokens: u32,
    /// How much of the prompt had been read already by others.
    reused: u32,
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
    speech: Speech,
    /// What holds the answer to the form that it must have.
    guide: Option<Guide>,
    vocabulary: Arc<Vocabulary>,
    /// How likely the token was that was chosen last, until it is told.
    odds: Option<TokenOdds>,
}

impl Sequence {
    pub(super) fn new(prepared: Prepared, key: Key, vocabulary: Arc<Vocabulary>) -> Sequence {
        let mut sampler = Sampler::new(prepared.sampling, prepared.seed);
        // What the answer has already is penalised as if it had been said here.
        let prompt_alone = prepared.prompt_tokens.saturating_sub(prepared.prefix_tokens) as usize;
        prepared.tokens.iter().skip(prompt_alone).for_each(|token| sampler.accept(*token));
        Sequence {
            id: prepared.id,
            lane: prepared.lane,
            key,
            scope: prepared.scope,
            slot: -1,
            since: prepared.came,
            to_read: 0,
            begun: None,
            awaited: None,
            pauses: 0,
            reused: 0,
            cells: prepared.reserved,
            most_cells: prepared.cells,
            prompt_tokens: prepared.prompt_tokens,
            prefix_tokens: prepared.prefix_tokens,
            prompt: prepared.tokens.len(),
            tokens: prepared.tokens,
            taken: 0,
            rest: prepared.rest,
            budget: prepared.budget,
            completion_tokens: 0,
            sampler,
            speech: prepared.speech,
            guide: prepared.guide,
            vocabulary,
            odds: None,
        }
    }

    /// What it holds, for those who may need it more.
    pub(super) fn held(&self) -> Held {
        Held { id: self.id, key: self.key, lane: self.lane, cells: self.cells, pauses: self.pauses }
    }

    /// Reserves so many cells beyond its tokens, but no more than it can ever need.
    pub(super) fn reserve(&mut self, ahead: u32) {
        self.cells = (self.tokens.len() as u32).saturating_add(ahead).min(self.most_cells);
    }

    /// Its next step would need more cells than are reserved for it.
    pub(super) fn lacks_cells(&self) -> bool {
        self.tokens.len() > self.cells as usize
    }

    /// Tokens of the answer, where it might have had more than so many.
    pub(super) fn length_beyond(&self, tokens: u32) -> Option<u32> {
        (self.budget > tokens).then_some(self.completion_tokens)
    }

    /// All its tokens.
    pub(super) fn tokens(&self) -> &[i32] {
        &self.tokens
    }

    /// The tokens that the context holds of it.
    pub(super) fn read(&self) -> &[i32] {
        &self.tokens[..self.taken]
    }

    /// How many tokens `other` may take over from this one, now or when it has read them.
    pub(super) fn shares(&self, other: &Sequence) -> usize {
        if self.scope.is_some() && self.scope == other.scope && self.id != other.id {
            shared(&self.tokens, &other.tokens)
        } else {
            0
        }
    }

    /// Gets a place in the context, with what the context holds already of its beginning.
    pub(super) fn sit_down(&mut self, slot: i32, held: usize) {
        self.slot = slot;
        if self.pauses > 0 || self.since.elapsed() > A_STEP {
            self.since = Instant::now();
        }
        self.take_over(held);
    }

    /// Waits until the answer `id` has read `tokens` of its beginning.
    pub(super) fn await_reader(&mut self, id: u64, tokens: usize) {
        self.awaited = Some((id, tokens));
    }

    pub(super) fn awaited(&self) -> Option<(u64, usize)> {
        self.awaited
    }

    /// Tells that the context holds so much of its beginning; it waits for nobody any more.
    pub(super) fn take_over(&mut self, held: usize) {
        self.awaited = None;
        self.taken = held;
        self.to_read = self.pending().len();
        // What it has read itself before it paused is no gain.
        if self.tokens.len() == self.prompt && self.pauses == 0 {
            self.reused = held as u32;
        }
    }

    /// Gives its place in the context up, and goes on later. What is to be read again is its prompt and its answer.
    pub(super) fn stand_up(&mut self) {
        self.pauses += 1;
        self.begun = None;
        self.awaited = None;
        self.taken = 0;
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

    /// Chooses the next token from the last pending token's row.
    ///
    /// # Errors
    /// The row has no number in it, or nothing that it offers has the form that the answer must have.
    pub(super) fn choose(&mut self, logits: &[f32], scratch: &mut Scratch) -> Result<i32, JobError> {
        let chosen = self.pick(logits, scratch)?;
        self.begun.get_or_insert_with(Instant::now);
        self.odds = self.sampler.wanted_odds().and_then(|count| self.odds_of(chosen, logits, count));
        Ok(chosen)
    }

    /// None for what has no text of its own in the answer: marks, and what repeats the end of a given prefix.
    fn odds_of(&self, chosen: i32, logits: &[f32], count: u8) -> Option<TokenOdds> {
        if !self.rest.is_empty() || self.vocabulary.mark(chosen).is_some() {
            return None;
        }
        let (logprob, top) = odds::odds(logits, chosen, count)?;
        let likely = |token, logprob| LikelyToken { bytes: self.vocabulary.bytes(token).to_vec(), logprob };
        let top = top.into_iter().map(|(token, logprob)| likely(token, logprob)).collect();
        Some(TokenOdds { said: likely(chosen, logprob), top })
    }

    fn pick(&mut self, logits: &[f32], scratch: &mut Scratch) -> Result<i32, JobError> {
        let place = self.tokens.len() - self.prompt;
        let Some(guide) = &mut self.guide else {
            let compatible = (!self.rest.is_empty()).then(|| self.vocabulary.compatible(&self.rest));
            let allowed = compatible.as_deref().map_or(Allowed::All, Allowed::These);
            return self.sampler.choose(logits, allowed, place, scratch).ok_or(JobError::Internal);
        };
        if self.rest.is_empty() && self.sampler.is_plain() {
            // What the model would say by itself mostly has the form already, and one token is cheaper asked than all.
            let likeliest =
                self.sampler.choose(logits, Allowed::All, place, scratch).ok_or(JobError::Internal)?;
            let ends = self.vocabulary.ends_turn(likeliest);
            let fits = if ends { guide.may_end()? } else { guide.admits(likeliest)? };
            if fits {
                return Ok(likeliest);
            }
        }
        let mask = guide.mask()?;
        let chosen = if self.rest.is_empty() {
            self.sampler.choose(logits, Allowed::Mask(&mask), place, scratch)
        } else {
            let mut compatible = self.vocabulary.compatible(&self.rest);
            compatible.retain(|token| mask.is_allowed(token.cast_unsigned()));
            self.sampler.choose(logits, Allowed::These(&compatible), place, scratch)
        };
        chosen.ok_or(JobError::FormatMissed)
    }

    /// Makes `token` part of the answer. The text and the end that follow depend on the tokens alone, so an answer
    /// that is taken up again says nothing twice.
    ///
    /// # Errors
    /// The answer does not have the form that it must have.
    pub(super) fn accept(&mut self, token: i32) -> Result<Progress, JobError> {
        if self.vocabulary.ends_turn(token) {
            let (said, finish) = self.end()?;
            return Ok(Progress { id: self.id, token: None, odds: None, said, finish });
        }
        self.tokens.push(token);
        self.sampler.accept(token);
        let vocabulary = self.vocabulary.clone();
        let bytes = vocabulary.bytes(token);
        if let Some(guide) = &mut self.guide {
            guide.accept(token, bytes)?;
        }
        let known = bytes.len().min(self.rest.len());
        let only_repeats = known > 0 && known == bytes.len();
        self.rest.drain(..known);
        self.completion_tokens += u32::from(!only_repeats);
        let Spoken { said, stopped } = match vocabulary.mark(token) {
            Some(mark) => self.speech.mark(mark)?,
            None => self.speech.push(&bytes[known..])?,
        };
        let odds = self.odds.take();
        let mut progress = Progress { id: self.id, token: Some(token), odds, said, finish: None };
        if stopped {
            progress.finish = Some(self.finish(FinishReason::Stop));
        } else if self.guide.as_ref().is_some_and(Guide::is_complete) {
            let (said, finish) = self.end()?;
            progress.said.extend(said);
            progress.finish = finish;
        } else if self.completion_tokens >= self.budget || self.tokens.len() > self.most_cells as usize {
            progress.said.extend(self.cut()?);
            progress.finish = Some(self.finish(FinishReason::Length));
        }
        Ok(progress)
    }

    /// The answer has no room left.
    ///
    /// # Errors
    /// A call is not whole, or none of those that were asked for has come.
    fn cut(&mut self) -> Result<Vec<Said>, JobError> {
        let owes_a_call = self.guide.as_ref().is_some_and(Guide::owes_calls) && self.speech.calls() == 0;
        if owes_a_call || self.speech.is_in_call() {
            return Err(JobError::CallCut);
        }
        self.speech.cut()
    }

    /// An answer that its writer calls complete. One that a stop string or its length ended is cut by order.
    fn end(&mut self) -> Result<(Vec<Said>, Option<Finish>), JobError> {
        let said = self.speech.finish()?;
        let calls = self.speech.calls();
        if let Some(guide) = &mut self.guide {
            guide.prove(self.speech.words(), calls)?;
        }
        let reason = if calls > 0 { FinishReason::Calls } else { FinishReason::Stop };
        Ok((said, Some(self.finish(reason))))
    }

    fn finish(&self, reason: FinishReason) -> Finish {
        let usage = Usage {
            prompt_tokens: self.prompt_tokens,
            prefix_tokens: self.prefix_tokens,
            reused_tokens: self.reused,
            completion_tokens: self.completion_tokens,
        };
        Finish { reason, usage }
    }
}

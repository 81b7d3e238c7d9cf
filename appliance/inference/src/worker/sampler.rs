//! Chooses the next token from one row of logits.
//!
//! The random numbers are counted, not drawn from a state: the number for a token follows from the seed and the
//! token's place alone, so an answer that is taken up again after n tokens goes on as it would have.

mod row;

use std::cmp::Ordering;
use std::collections::HashMap;

use llguidance::toktrie::SimpleVob;

use crate::job::Sampling;

/// The choice of one answer's tokens.
pub(super) struct Sampler {
    sampling: Sampling,
    seed: u64,
    said: HashMap<i32, u32>,
}

/// The tokens that a choice is made from.
#[derive(Clone, Copy)]
pub(super) enum Allowed<'a> {
    All,
    These(&'a [i32]),
    Mask(&'a SimpleVob),
}

/// Room for the candidates of one row, kept between rows.
#[derive(Default)]
pub(super) struct Scratch {
    candidates: Vec<Candidate>,
    row: Vec<f32>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Candidate {
    token: i32,
    logit: f32,
}

/// Tokens whose weight is below e to the minus this, relative to the likeliest, are never drawn: of the largest
/// vocabularies all such tokens together have less than a millionth.
const NEGLIGIBLE: f32 = 26.0;

impl Sampler {
    pub(super) fn new(sampling: Sampling, seed: u64) -> Sampler {
        Sampler { sampling, seed, said: HashMap::new() }
    }

    /// Tells that `token` has become part of the answer.
    pub(super) fn accept(&mut self, token: i32) {
        if self.penalises() {
            *self.said.entry(token).or_default() += 1;
        }
    }

    /// How many of the likeliest tokens are told beside each one, where how likely they were is wanted.
    pub(super) fn wanted_odds(&self) -> Option<u8> {
        self.sampling.logprobs
    }

    /// Always the likeliest token.
    pub(super) fn is_plain(&self) -> bool {
        self.sampling.temperature <= 0.0
    }

    /// Chooses token number `place` of the answer, among those that are allowed.
    /// `None` when the row has no number for any of them: the weights or the device are broken.
    pub(super) fn choose(
        &self,
        logits: &[f32],
        allowed: Allowed<'_>,
        place: usize,
        scratch: &mut Scratch,
    ) -> Option<i32> {
        let Scratch { candidates, row } = scratch;
        let logits = match allowed {
            Allowed::These(tokens) => return self.choose_of(tokens, logits, place, candidates),
            Allowed::All if self.said.is_empty() && self.sampling.logit_bias.is_empty() => logits,
            Allowed::All => {
                row.clear();
                row.extend_from_slice(logits);
                self.penalise(row);
                row
            }
            Allowed::Mask(mask) => {
                row.clear();
                row.resize(logits.len(), f32::NEG_INFINITY);
                mask.iter_set_entries(|token| {
                    if let (Some(number), Some(logit)) = (row.get_mut(token), logits.get(token)) {
                        *number = *logit;
                    }
                });
                self.penalise(row);
                row
            }
        };
        if self.is_plain() {
            return row::place_of_highest(logits).map(|token| token as i32);
        }
        candidates.clear();
        self.collect(logits, candidates);
        self.draw(candidates, place)
    }

    /// The choice among a few: those that fit a text that must come next.
    fn choose_of(
        &self,
        tokens: &[i32],
        logits: &[f32],
        place: usize,
        candidates: &mut Vec<Candidate>,
    ) -> Option<i32> {
        candidates.clear();
        candidates.extend(tokens.iter().map(|token| {
            let logit = logits[*token as usize];
            let times = self.said.get(token);
            let logit = times.map_or(logit, |times| self.penalised(logit, *times)) + self.bias_of(*token);
            Candidate { token: *token, logit }
        }));
        if !self.is_plain() {
            return self.draw(candidates, place);
        }
        candidates.retain(|candidate| candidate.logit > f32::NEG_INFINITY);
        candidates.iter().min_by(|a, b| by_weight(a, b)).map(|candidate| candidate.token)
    }

    fn penalises(&self) -> bool {
        let penalties = self.sampling.penalties;
        penalties.presence != 0.0 || penalties.frequency != 0.0 || penalties.repeat != 1.0
    }

    fn bias_of(&self, token: i32) -> f32 {
        let own = self.sampling.logit_bias.iter().find(|(biased, _)| *biased == token);
        own.map_or(0.0, |(_, bias)| *bias)
    }

    fn penalise(&self, row: &mut [f32]) {
        for (token, times) in &self.said {
            let logit = &mut row[*token as usize];
            *logit = self.penalised(*logit, *times);
        }
        for (token, bias) in &self.sampling.logit_bias {
            row[*token as usize] += bias;
        }
    }

    fn penalised(&self, logit: f32, times: u32) -> f32 {
        let penalties = self.sampling.penalties;
        let repeated = if logit > 0.0 { logit / penalties.repeat } else { logit * penalties.repeat };
        repeated - penalties.presence - penalties.frequency * times as f32
    }

    /// The candidates that can matter, in two passes over the row.
    fn collect(&self, row: &[f32], candidates: &mut Vec<Candidate>) {
        let mut threshold = row::highest(row) - NEGLIGIBLE * self.sampling.temperature;
        if threshold.is_nan() {
            return;
        }
        let keep = self.sampling.top_k as usize;
        row::at_least(row, threshold, |token, logit| {
            candidates.push(Candidate { token: token as i32, logit });
            if keep > 0 && candidates.len() >= 2 * keep.max(64) {
                candidates.select_nth_unstable_by(keep - 1, by_weight);
                candidates.truncate(keep);
                threshold = candidates[keep - 1].logit;
            }
            threshold
        });
    }

    fn draw(&self, candidates: &mut Vec<Candidate>, place: usize) -> Option<i32> {
        candidates.retain(|candidate| candidate.logit.is_finite());
        candidates.sort_unstable_by(by_weight);
        if self.sampling.top_k > 0 {
            candidates.truncate(self.sampling.top_k as usize);
        }
        let highest = candidates.first()?.logit;
        // From here on the logit of a candidate stands for its weight, 1 for the likeliest.
        for candidate in &mut *candidates {
            candidate.logit = ((candidate.logit - highest) / self.sampling.temperature).exp();
        }
        let kept = self.nucleus(candidates);
        candidates.truncate(kept);
        // The same rows come out a little otherwise when other answers share the batch. In the order of the weights
        // near equals would change places; in the order of the tokens the draw stays where it was.
        candidates.sort_unstable_by_key(|candidate| candidate.token);
        let total: f64 = candidates.iter().map(|candidate| f64::from(candidate.logit)).sum();
        let mut left = uniform(self.seed, place as u64) * total;
        for candidate in &*candidates {
            left -= f64::from(candidate.logit);
            if left < 0.0 {
                return Some(candidate.token);
            }
        }
        candidates.last().map(|candidate| candidate.token)
    }

    /// How many of the likeliest candidates together reach `top_p`, without those below `min_p`.
    fn nucleus(&self, candidates: &[Candidate]) -> usize {
        let total: f32 = candidates.iter().map(|candidate| candidate.logit).sum();
        let mut reached = 0.0;
        let mut kept = 0;
        for candidate in candidates {
            if kept > 0 && (reached >= self.sampling.top_p * total || candidate.logit < self.sampling.min_p) {
                break;
            }
            reached += candidate.logit;
            kept += 1;
        }
        kept
    }
}

/// Heavier first; equals in the order of their tokens, so that the choice never depends on the sort.
fn by_weight(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// A number of `0..1` for one place of one stream: `SplitMix64` of a counter (Steele, Lea and Flood, 2014).
fn uniform(seed: u64, place: u64) -> f64 {
    let mut z = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests;

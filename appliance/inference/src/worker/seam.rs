//! Heals the seam between an answer's given beginning and what the model goes on with.
//!
//! A text that is cut inside a word is tokenised otherwise than the model would have written it, and a model that
//! is shown such tokens goes astray. So the last word is taken back, and the model writes it anew, with no other
//! choice than tokens that agree with it. Tokens are never joined over the beginning of a word, so what stays is
//! tokenised as the model knows it.

use super::vocabulary::Vocabulary;

/// A run without spaces may be a whole page in some scripts; more than this is not taken back.
const MAX_TAKEN_BACK: usize = 24;

/// Where there is no space to go back to, this many tokens are taken back.
const WITHOUT_A_SPACE: usize = 4;

/// Splits the tokens of a prefix: how many stay, and the bytes that must come next.
pub(super) fn split(tokens: &[i32], vocabulary: &Vocabulary) -> (usize, Vec<u8>) {
    let kept = kept(tokens, vocabulary);
    let rest = tokens[kept..].iter().flat_map(|token| vocabulary.bytes(*token)).copied().collect();
    (kept, rest)
}

fn kept(tokens: &[i32], vocabulary: &Vocabulary) -> usize {
    let begins_a_word = |at: usize| {
        let before = at.checked_sub(1).map(|before| vocabulary.bytes(tokens[before]));
        let space_before = before.and_then(<[u8]>::last).is_some_and(u8::is_ascii_whitespace);
        !space_before && vocabulary.bytes(tokens[at]).first().is_some_and(u8::is_ascii_whitespace)
    };
    let furthest = tokens.len().saturating_sub(MAX_TAKEN_BACK);
    match (furthest..tokens.len()).rev().find(|at| begins_a_word(*at)) {
        Some(at) => at,
        None if furthest == 0 => 0,
        None => tokens.len() - WITHOUT_A_SPACE,
    }
}

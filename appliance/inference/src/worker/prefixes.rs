//! What the context still holds of answers that have ended, for those of the same caller that begin alike.
//!
//! Nothing of one scope is ever found by another: whether a prompt was read before can be told by the time that its
//! answer takes, so even the tokens alone are a secret.

use crate::job::Scope;

/// Fewer tokens in common are read again sooner than they are looked up.
const WORTH_SHARING: usize = 16;

/// Sequences of the context that nobody runs in.
#[derive(Default)]
pub(super) struct Prefixes {
    kept: Vec<Kept>,
    /// Counts what happens, so that the one longest unused is known.
    uses: u64,
}

/// The tokens that a sequence of the context holds.
struct Kept {
    slot: i32,
    scope: Scope,
    tokens: Vec<i32>,
    used: u64,
}

impl Prefixes {
    /// Cells that all of them hold together, at most: some may share theirs.
    pub(super) fn cells(&self) -> u32 {
        self.kept.iter().map(|kept| kept.tokens.len() as u32).sum()
    }

    /// The sequence of this scope that has the most tokens in common with the beginning of `tokens`, and how many.
    pub(super) fn find(&mut self, scope: Scope, tokens: &[i32]) -> Option<(i32, usize)> {
        let ours = self.kept.iter_mut().filter(|kept| kept.scope == scope);
        let (shared, kept) =
            ours.map(|kept| (shared(&kept.tokens, tokens), kept)).max_by_key(|(shared, _)| *shared)?;
        if shared == 0 {
            return None;
        }
        self.uses += 1;
        kept.used = self.uses;
        Some((kept.slot, shared))
    }

    /// Keeps a sequence; gives those that it makes useless.
    pub(super) fn keep(&mut self, slot: i32, scope: Scope, tokens: Vec<i32>) -> Vec<i32> {
        let is_useless = |kept: &mut Kept| kept.scope == scope && tokens.starts_with(&kept.tokens);
        let useless = self.kept.extract_if(.., is_useless).map(|kept| kept.slot).collect();
        self.uses += 1;
        self.kept.push(Kept { slot, scope, tokens, used: self.uses });
        useless
    }

    /// Gives up the one that was not used for longest.
    pub(super) fn give_up(&mut self) -> Option<i32> {
        let oldest = (0..self.kept.len()).min_by_key(|index| self.kept[*index].used)?;
        Some(self.kept.swap_remove(oldest).slot)
    }
}

/// How many tokens may be taken over: all that both begin with, but not the last one of `tokens`, whose row is needed.
/// None where it is not worth it.
pub(super) fn shared(held: &[i32], tokens: &[i32]) -> usize {
    let most = tokens.len().saturating_sub(1);
    let shared = held.iter().zip(&tokens[..most]).take_while(|(a, b)| a == b).count();
    if shared < WORTH_SHARING { 0 } else { shared }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(from: i32, count: i32) -> Vec<i32> {
        (from..from + count).collect()
    }

    #[test]
    fn only_the_same_scope_finds_what_is_kept() {
        let (ward, other) = (Scope::of("ward"), Scope::of("other"));
        let mut prefixes = Prefixes::default();
        prefixes.keep(3, ward, tokens(0, 40));
        assert_eq!(prefixes.find(ward, &tokens(0, 100)), Some((3, 40)));
        assert_eq!(prefixes.find(other, &tokens(0, 100)), None);
    }

    #[test]
    fn the_last_token_is_always_read_and_a_few_are_not_worth_it() {
        assert_eq!(shared(&tokens(0, 40), &tokens(0, 40)), 39);
        assert_eq!(shared(&tokens(0, 40), &tokens(0, 10)), 0);
        assert_eq!(shared(&tokens(0, 40), &[]), 0);
        let mut other = tokens(0, 40);
        other[20] = -1;
        assert_eq!(shared(&other, &tokens(0, 40)), 20);
    }

    #[test]
    fn the_longest_is_found_and_a_longer_one_replaces_its_beginnings() {
        let ward = Scope::of("ward");
        let mut prefixes = Prefixes::default();
        assert_eq!(prefixes.keep(1, ward, tokens(0, 20)), [0; 0]);
        assert_eq!(prefixes.keep(2, ward, tokens(0, 30)), [1]);
        assert_eq!(prefixes.keep(3, Scope::of("other"), tokens(0, 50)), [0; 0]);
        assert_eq!(prefixes.find(ward, &tokens(0, 60)), Some((2, 30)));
        assert_eq!(prefixes.cells(), 80);
    }

    #[test]
    fn what_was_not_used_for_longest_is_given_up_first() {
        let ward = Scope::of("ward");
        let mut prefixes = Prefixes::default();
        for slot in 0..3 {
            prefixes.keep(slot, ward, tokens(slot * 100, 20));
        }
        prefixes.find(ward, &tokens(0, 60));
        let order: Vec<i32> = std::iter::from_fn(|| prefixes.give_up()).collect();
        assert_eq!(order, [1, 2, 0]);
        assert_eq!(prefixes.cells(), 0);
    }
}

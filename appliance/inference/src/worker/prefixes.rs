//! What is still held of answers that have ended, for those of the same caller that begin alike: in the context, where each
//! row of a step passes over it, or swapped out into this process's memory.
//!
//! Nothing of one scope is ever found by another: whether a prompt was read before can be told by the time that its
//! answer takes, so even the tokens alone are a secret. Only what the model's template begins every prompt with is no
//! secret: it is pinned, for all.

use std::collections::HashSet;

use crate::job::Scope;

/// Fewer tokens in common are read again sooner than they are looked up.
pub(super) const WORTH_SHARING: usize = 16;

/// Swapping a cell out and in again takes about as long as so many rows that pass over it: on two cores with 0.5B some
/// 10 µs, and 0.17 µs a row.
const SWAP_COSTS_ROWS: u64 = 64;

/// So many tokens are swapped out in a step for each of its rows, beyond the first beginning: the step takes little longer.
const SWAPPED_PER_ROW: usize = 32;

/// What was not used while so many rows passed gives way to what was: to have that in the context instead costs all who
/// run, and after as long it has cost a fifth of what reading takes.
const FORGOTTEN_AFTER_ROWS: u64 = 4000;

/// At least so many tokens are swapped in while one is read.
const SWAPPED_IN_ONE_READ: usize = 8;

/// Beginnings that nobody runs in. `S` is what a sequence is when it is swapped out.
pub(super) struct Prefixes<S> {
    kept: Vec<Kept<S>>,
    /// Bytes that may be swapped out.
    most: usize,
    /// Counts what happens, so that each has a number of its own, and the one longest unused is known.
    uses: u64,
    /// Rows that all steps had so far.
    rows: u64,
}

/// The tokens of one sequence.
struct Kept<S> {
    /// `None` of what is pinned.
    scope: Option<Scope>,
    tokens: Vec<i32>,
    /// When it was used last, which is nobody else's number.
    used: u64,
    /// The rows that there had been then.
    used_at: u64,
    place: Place<S>,
}

enum Place<S> {
    Context {
        slot: i32,
        /// The rows after which to look whether it is dearer here than swapped out.
        due: u64,
    },
    Memory {
        state: S,
        bytes: usize,
    },
}

/// Where a beginning was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Context { slot: i32 },
    Memory { number: u64 },
}

impl<S> Kept<S> {
    fn slot(&self) -> Option<i32> {
        match self.place {
            Place::Context { slot, .. } => Some(slot),
            Place::Memory { .. } => None,
        }
    }

    fn bytes(&self) -> usize {
        match self.place {
            Place::Context { .. } => 0,
            Place::Memory { bytes, .. } => bytes,
        }
    }
}

impl<S> Prefixes<S> {
    /// `most` is how many bytes may be swapped out.
    pub(super) fn new(most: usize) -> Prefixes<S> {
        Prefixes { kept: Vec::new(), most, uses: 0, rows: 0 }
    }

    /// Cells of the context that all of them hold together, at most: some may share theirs.
    pub(super) fn cells(&self) -> u32 {
        let of_context = self.kept.iter().filter(|kept| kept.slot().is_some());
        of_context.map(|kept| kept.tokens.len() as u32).sum()
    }

    /// What this scope may find that has the most in common with the beginning of `tokens`, and how many of them. What is
    /// swapped out counts where it has room in so many cells, and where that is worth it: `at_hand` are in the context
    /// anyway.
    pub(super) fn find(
        &mut self,
        scope: Option<Scope>,
        tokens: &[i32],
        at_hand: usize,
        room: usize,
    ) -> Option<(Spot, usize)> {
        let of_context = self.most_in_common(scope, tokens, |kept, _| kept.slot().is_some());
        let at_hand = at_hand.max(of_context.map_or(0, |(shared, _)| shared));
        let of_memory = self.most_in_common(scope, tokens, |kept, shared| {
            let (more, all) = (shared.saturating_sub(at_hand), kept.tokens.len());
            kept.slot().is_none() && all <= room && more > 0 && more * SWAPPED_IN_ONE_READ >= all
        });
        let (shared, index) = of_memory.or(of_context)?;
        self.use_now(index);
        let kept = &self.kept[index];
        let spot = match kept.place {
            Place::Context { slot, .. } => Spot::Context { slot },
            Place::Memory { .. } => Spot::Memory { number: kept.used },
        };
        Some((spot, shared))
    }

    /// How many tokens are shared with one for this scope that `counts` with so many, and its index.
    fn most_in_common(
        &self,
        scope: Option<Scope>,
        tokens: &[i32],
        counts: impl Fn(&Kept<S>, usize) -> bool,
    ) -> Option<(usize, usize)> {
        let may_find = |kept: &Kept<S>| kept.scope.is_none() || kept.scope == scope;
        let of_scope = self.kept.iter().enumerate().filter(|(_, kept)| may_find(kept));
        let shared = of_scope.map(|(index, kept)| (shared(&kept.tokens, tokens), index));
        shared.filter(|(shared, index)| *shared > 0 && counts(&self.kept[*index], *shared)).max()
    }

    /// Keeps a sequence of the context, for all where no scope is given; gives those that it makes useless.
    pub(super) fn keep(&mut self, slot: i32, scope: Option<Scope>, tokens: Vec<i32>) -> Vec<i32> {
        let is_useless = |kept: &mut Kept<S>| kept.scope == scope && tokens.starts_with(&kept.tokens);
        let useless = self.kept.extract_if(.., is_useless).filter_map(|kept| kept.slot()).collect();
        let place = Place::Context { slot, due: 0 };
        self.kept.push(Kept { scope, tokens, used: 0, used_at: 0, place });
        self.use_now(self.kept.len() - 1);
        useless
    }

    /// All of these are pinned.
    pub(super) fn has_pinned(&self, tokens: &[i32]) -> bool {
        self.kept.iter().any(|kept| kept.scope.is_none() && kept.tokens.starts_with(tokens))
    }

    /// The sequence of the context that was not used for longest.
    pub(super) fn oldest(&self) -> Option<i32> {
        let of_context = self.kept.iter().filter(|kept| kept.slot().is_some());
        of_context.min_by_key(|kept| kept.used)?.slot()
    }

    /// Forgets a sequence of the context.
    pub(super) fn give_up(&mut self, slot: i32) {
        self.kept.retain(|kept| kept.slot() != Some(slot));
    }

    /// Tells that so many rows have passed over what is in the context. Gives sequences that are dearer there by now than
    /// swapped out; no more than one step should bear. Cells that another one holds too, or one that runs, would stay:
    /// `with_running` says how many tokens of a scope these are, at most.
    pub(super) fn pass(&mut self, rows: usize, with_running: impl Fn(Scope, &[i32]) -> usize) -> Vec<i32> {
        self.rows += rows as u64;
        let (mut dear, mut tokens) = (Vec::new(), 0);
        if self.most == 0 {
            return dear;
        }
        for index in 0..self.kept.len() {
            let kept = &self.kept[index];
            let (Place::Context { slot, due }, Some(scope)) = (&kept.place, kept.scope) else { continue };
            let (slot, due) = (*slot, *due);
            if self.rows < due {
                continue;
            }
            let with_kept = self.kept.iter().enumerate().filter(|(other, of_other)| {
                let begins_alike = of_other.scope.is_none() || of_other.scope == kept.scope;
                *other != index && of_other.slot().is_some() && begins_alike
            });
            let with_kept = with_kept.map(|(_, other)| common(&other.tokens, &kept.tokens)).max();
            let common = with_kept.unwrap_or(0).max(with_running(scope, &kept.tokens));
            let (all, own) = (kept.tokens.len() as u64, kept.tokens.len().saturating_sub(common) as u64);
            let enough = SWAP_COSTS_ROWS * all / own.max(1);
            let passed = self.rows - kept.used_at;
            if passed >= enough && (dear.is_empty() || tokens + kept.tokens.len() <= SWAPPED_PER_ROW * rows) {
                tokens += kept.tokens.len();
                dear.push(slot);
            } else if passed < enough {
                // Those that hold the same may go away before.
                let due = kept.used_at + enough.min(2 * passed);
                self.kept[index].place = Place::Context { slot, due };
            }
        }
        dear
    }

    /// Makes room in memory for a sequence of the context that is so large there. What is forgotten gives way; where it
    /// `must` leave, whatever was not used for longer than itself. What is pinned stays, or is forgotten.
    pub(super) fn make_room(&mut self, slot: i32, bytes: usize, must: bool) -> bool {
        let leaving = self.kept.iter().find(|kept| kept.slot() == Some(slot) && kept.scope.is_some());
        let Some(leaving) = leaving.map(|kept| kept.used).filter(|_| bytes <= self.most) else {
            return false;
        };
        let swapped: usize = self.kept.iter().map(Kept::bytes).sum();
        let mut missing = (swapped + bytes).saturating_sub(self.most);
        let is_forgotten = |kept: &Kept<S>| self.rows - kept.used_at >= FORGOTTEN_AFTER_ROWS;
        let may_go =
            |kept: &&Kept<S>| kept.bytes() > 0 && kept.used < leaving && (must || is_forgotten(kept));
        let mut oldest: Vec<&Kept<S>> = self.kept.iter().filter(may_go).collect();
        oldest.sort_unstable_by_key(|kept| kept.used);
        let mut gone = HashSet::new();
        for kept in oldest {
            if missing > 0 {
                missing = missing.saturating_sub(kept.bytes());
                gone.insert(kept.used);
            }
        }
        if missing == 0 {
            self.kept.retain(|kept| !gone.contains(&kept.used));
        }
        missing == 0
    }

    /// Tells that a sequence of the context is now in memory, for which there is room.
    pub(super) fn swapped_out(&mut self, slot: i32, state: S, bytes: usize) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.slot() == Some(slot)) {
            kept.place = Place::Memory { state, bytes };
        }
    }

    /// Lets a sequence of the context stay for a while, since there is no room for it in memory.
    pub(super) fn stay(&mut self, slot: i32) {
        let later = self.rows + FORGOTTEN_AFTER_ROWS / 4;
        let place = self.kept.iter_mut().find(|kept| kept.slot() == Some(slot)).map(|kept| &mut kept.place);
        if let Some(Place::Context { due, .. }) = place {
            *due = later;
        }
    }

    /// What was found in memory, and how many tokens it has.
    pub(super) fn swapped(&self, number: u64) -> Option<(&S, usize)> {
        let kept = self.kept.iter().find(|kept| kept.used == number)?;
        match &kept.place {
            Place::Memory { state, .. } => Some((state, kept.tokens.len())),
            Place::Context { .. } => None,
        }
    }

    /// Tells that so many tokens of what was found in memory are in the context again. Where that is all of it, it need not
    /// be held twice.
    pub(super) fn swapped_in(&mut self, number: u64, tokens: usize) {
        self.kept.retain(|kept| kept.used != number || kept.tokens.len() > tokens + 1);
    }

    fn use_now(&mut self, index: usize) {
        self.uses += 1;
        let kept = &mut self.kept[index];
        (kept.used, kept.used_at) = (self.uses, self.rows);
        if let Place::Context { due, .. } = &mut kept.place {
            *due = self.rows + SWAP_COSTS_ROWS;
        }
    }
}

/// How many tokens may be taken over: all that both begin with, but not the last one of `tokens`, whose row is needed.
/// None where it is not worth it.
pub(super) fn shared(held: &[i32], tokens: &[i32]) -> usize {
    let most = tokens.len().saturating_sub(1);
    let shared = common(held, &tokens[..most]);
    if shared < WORTH_SHARING { 0 } else { shared }
}

/// How many tokens both begin with.
pub(super) fn common(one: &[i32], other: &[i32]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1000;
    const ROOM: usize = 1000;

    fn tokens(from: i32, count: i32) -> Vec<i32> {
        (from..from + count).collect()
    }

    fn prefixes() -> Prefixes<&'static str> {
        Prefixes::new(MOST)
    }

    fn at(slot: i32, tokens: usize) -> Option<(Spot, usize)> {
        Some((Spot::Context { slot }, tokens))
    }

    /// What is due for being swapped out after so many rows.
    fn due(prefixes: &mut Prefixes<&'static str>, rows: usize) -> Vec<i32> {
        prefixes.pass(rows, |_, _| 0)
    }

    fn swap_out(prefixes: &mut Prefixes<&'static str>, slot: i32, bytes: usize) {
        assert!(prefixes.make_room(slot, bytes, true));
        prefixes.swapped_out(slot, "state", bytes);
    }

    #[test]
    fn only_the_same_scope_finds_what_is_kept() {
        let (ward, other) = (Scope::of("ward"), Scope::of("other"));
        let mut prefixes = prefixes();
        prefixes.keep(3, Some(ward), tokens(0, 40));
        assert_eq!(prefixes.find(Some(ward), &tokens(0, 100), 0, ROOM), at(3, 40));
        assert_eq!(prefixes.find(Some(other), &tokens(0, 100), 0, ROOM), None);
        swap_out(&mut prefixes, 3, 10);
        assert!(matches!(
            prefixes.find(Some(ward), &tokens(0, 100), 0, ROOM),
            Some((Spot::Memory { .. }, 40))
        ));
        assert_eq!(prefixes.find(Some(other), &tokens(0, 100), 0, ROOM), None);
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
        let mut prefixes = prefixes();
        assert_eq!(prefixes.keep(1, Some(ward), tokens(0, 20)), [0; 0]);
        assert_eq!(prefixes.keep(2, Some(ward), tokens(0, 30)), [1]);
        assert_eq!(prefixes.keep(3, Some(Scope::of("other")), tokens(0, 50)), [0; 0]);
        assert_eq!(prefixes.find(Some(ward), &tokens(0, 60), 0, ROOM), at(2, 30));
        assert_eq!(prefixes.cells(), 80);
        swap_out(&mut prefixes, 2, 10);
        assert_eq!(prefixes.cells(), 50);
        assert_eq!(prefixes.keep(4, Some(ward), tokens(0, 60)), [0; 0], "it has no place in the context");
        assert_eq!(prefixes.kept.len(), 2);
    }

    #[test]
    fn what_was_not_used_for_longest_gives_way_first() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        for slot in 0..3 {
            prefixes.keep(slot, Some(ward), tokens(slot * 100, 20));
        }
        prefixes.find(Some(ward), &tokens(0, 60), 0, ROOM);
        let order = std::iter::from_fn(|| prefixes.oldest().inspect(|slot| prefixes.give_up(*slot)));
        assert_eq!(order.collect::<Vec<i32>>(), [1, 2, 0]);
        assert_eq!(prefixes.cells(), 0);
    }

    #[test]
    fn what_many_rows_pass_over_is_due_and_what_is_used_is_not() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        prefixes.keep(0, Some(ward), tokens(0, 40));
        prefixes.keep(1, Some(ward), tokens(100, 40));
        assert_eq!(due(&mut prefixes, 63), [0; 0]);
        prefixes.find(Some(ward), &tokens(100, 60), 0, ROOM);
        assert_eq!(due(&mut prefixes, 1), [0]);
        assert_eq!(due(&mut prefixes, 1), [0], "until it is done");
        swap_out(&mut prefixes, 0, 10);
        assert_eq!(due(&mut prefixes, 61), [0; 0]);
        assert_eq!(due(&mut prefixes, 1), [1]);
    }

    #[test]
    fn a_step_bears_no_more_than_its_share() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        for slot in 0..4 {
            prefixes.keep(slot, Some(ward), tokens(slot * 1000, 100));
        }
        assert_eq!(due(&mut prefixes, 64), [0, 1, 2, 3]);
        assert_eq!(due(&mut prefixes, 8), [0, 1]);
        assert_eq!(due(&mut prefixes, 1), [0], "one in any case");
    }

    #[test]
    fn cells_that_others_hold_too_would_stay_and_count_for_less() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        prefixes.keep(0, Some(ward), tokens(0, 100));
        let all_but_ten = |_: Scope, held: &[i32]| held.len() - 10;
        assert_eq!(prefixes.pass(640 - 1, all_but_ten), [0; 0]);
        assert_eq!(prefixes.pass(1, all_but_ten), [0]);
        assert_eq!(prefixes.pass(1, |_, held| held.len()), [0; 0], "all of it runs");
        assert_eq!(prefixes.pass(1000, |_, _| 0), [0], "none of it any more");
    }

    #[test]
    fn two_that_begin_alike_hold_each_other_until_one_is_given_up() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        prefixes.keep(0, Some(ward), tokens(0, 100));
        prefixes.keep(1, Some(ward), tokens(0, 90).into_iter().chain(tokens(500, 10)).collect());
        assert_eq!(due(&mut prefixes, 100), [0; 0], "ninety would stay");
        prefixes.give_up(0);
        assert_eq!(due(&mut prefixes, 100), [1]);
    }

    #[test]
    fn memory_has_a_bound_and_what_was_used_lately_gives_way_only_to_what_must_leave() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        for slot in 0..3 {
            prefixes.keep(slot, Some(ward), tokens(slot * 100, 20));
        }
        assert!(!prefixes.make_room(0, MOST + 1, true), "never");
        swap_out(&mut prefixes, 0, 600);
        assert!(prefixes.make_room(1, 400, false));
        assert!(!prefixes.make_room(1, 401, false));
        prefixes.stay(1);
        assert_eq!(due(&mut prefixes, 998), [2]);
        assert_eq!(due(&mut prefixes, 2), [1, 2]);
        due(&mut prefixes, 9000);
        assert!(prefixes.make_room(1, 401, false), "it is forgotten");
        assert_eq!(prefixes.find(Some(ward), &tokens(0, 60), 0, ROOM), None);
        swap_out(&mut prefixes, 1, 600);
        swap_out(&mut prefixes, 2, 600);
        assert_eq!(prefixes.find(Some(ward), &tokens(100, 60), 0, ROOM), None);
        assert!(prefixes.find(Some(ward), &tokens(200, 60), 0, ROOM).is_some());
    }

    #[test]
    fn what_was_used_later_does_not_give_way_and_nothing_does_in_vain() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        for slot in 0..4 {
            prefixes.keep(slot, Some(ward), tokens(slot * 100, 20));
        }
        swap_out(&mut prefixes, 0, 300);
        swap_out(&mut prefixes, 2, 600);
        assert!(!prefixes.make_room(1, 500, true), "the third was used later");
        assert!(prefixes.find(Some(ward), &tokens(0, 60), 0, ROOM).is_some(), "the first is still there");
        assert!(prefixes.make_room(3, 500, true));
        assert_eq!(prefixes.find(Some(ward), &tokens(200, 60), 0, ROOM), None);
    }

    #[test]
    fn what_is_swapped_out_is_found_where_that_is_worth_it() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        prefixes.keep(0, Some(ward), tokens(0, 400));
        swap_out(&mut prefixes, 0, 100);
        let number = |found| match found {
            Some((Spot::Memory { number }, tokens)) => (number, tokens),
            other => panic!("{other:?}"),
        };
        assert_eq!(prefixes.find(Some(ward), &tokens(0, 50), 0, ROOM), None, "little of much");
        assert_eq!(
            prefixes.find(Some(ward), &tokens(0, 500), 360, ROOM),
            None,
            "little more than is at hand"
        );
        assert_eq!(prefixes.find(Some(ward), &tokens(0, 500), 0, 399), None, "no room for all of it");
        let (branch, shared) = number(prefixes.find(Some(ward), &tokens(0, 201), 0, ROOM));
        assert_eq!((shared, prefixes.swapped(branch)), (200, Some((&"state", 400))));
        prefixes.swapped_in(branch, shared);
        let (whole, shared) = number(prefixes.find(Some(ward), &tokens(0, 500), 0, ROOM));
        assert_eq!(shared, 400, "the rest of it may be of use");
        prefixes.swapped_in(whole, shared);
        assert_eq!(prefixes.find(Some(ward), &tokens(0, 500), 0, ROOM), None, "it is in the context");
    }

    #[test]
    fn what_is_pinned_is_found_by_all_and_is_not_swapped_out() {
        let ward = Scope::of("ward");
        let mut prefixes = prefixes();
        prefixes.keep(0, None, tokens(0, 18));
        assert_eq!(prefixes.keep(1, None, tokens(0, 20)), [0]);
        assert!(prefixes.has_pinned(&tokens(0, 19)) && !prefixes.has_pinned(&tokens(0, 21)));
        assert_eq!(prefixes.keep(2, Some(ward), tokens(0, 60)), [0; 0], "it has use of its own");
        assert_eq!(prefixes.find(None, &tokens(0, 100), 0, ROOM), at(1, 20));
        assert_eq!(prefixes.find(Some(Scope::of("other")), &tokens(0, 100), 0, ROOM), at(1, 20));
        assert_eq!(prefixes.find(Some(ward), &tokens(0, 100), 0, ROOM), at(2, 60));
        assert_eq!(due(&mut prefixes, 64 * 60 / 40), [2], "its own forty are passed over");
        assert_eq!(due(&mut prefixes, 100_000), [2]);
        assert!(!prefixes.make_room(1, 1, true));
    }
}

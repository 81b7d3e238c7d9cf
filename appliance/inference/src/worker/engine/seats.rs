//! The sequences of the context: who has which, and what the empty ones still hold.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::session::{LlamaStateSeqFlags, SeqState};

use crate::worker::prefixes::{Prefixes, Spot, WORTH_SHARING, common};
use crate::worker::sequence::Sequence;

/// The numbers of the context's sequences.
pub(super) struct Seats {
    free: Vec<i32>,
    /// `None` where the model's memory cannot be cut, so that a beginning cannot be taken over.
    prefixes: Option<Prefixes<SeqState>>,
    /// What the template begins prompts with, which is to be pinned.
    beginnings: Vec<Vec<i32>>,
}

/// Where a beginning is that has been read already.
enum Found {
    /// A sequence of the context holds it.
    Held {
        slot: i32,
        tokens: usize,
    },
    SwappedOut {
        number: u64,
        tokens: usize,
    },
    /// It is being read.
    Coming {
        id: u64,
        tokens: usize,
    },
    Nothing,
}

impl Seats {
    /// `swap_bytes` are what may be kept outside of the context, `beginnings` what the template begins prompts with.
    pub(super) fn new(count: u32, shares: bool, swap_bytes: u64, beginnings: Vec<Vec<i32>>) -> Seats {
        let most = usize::try_from(swap_bytes).unwrap_or(usize::MAX);
        let prefixes = shares.then(|| Prefixes::new(most));
        Seats { free: (0..count as i32).rev().collect(), prefixes, beginnings }
    }

    /// Gives a sequence its place, with what is held of its beginning. `free_cells` are those that no running answer has
    /// reserved. There is a place: more than answers may run.
    pub(super) fn seat(
        &mut self,
        context: &mut LlamaContext<'_>,
        sequence: &mut Sequence,
        running: &[Sequence],
        free_cells: u32,
    ) {
        let found = self.find(sequence, running, free_cells);
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.vacate(context, &found),
        };
        sequence.sit_down(slot, 0);
        self.take_over(context, sequence, &found, free_cells);
        self.shrink(context, free_cells);
    }

    /// Once those are read that an answer waits for, it takes them over; where they went away, it looks for others.
    pub(super) fn settle(
        &mut self,
        context: &mut LlamaContext<'_>,
        running: &mut [Sequence],
        free_cells: u32,
    ) {
        for index in 0..running.len() {
            let Some((id, tokens)) = running[index].awaited() else { continue };
            let reader = running.iter().find(|reader| reader.id == id);
            let found = match reader {
                Some(reader) if reader.read().len() >= tokens => Found::Held { slot: reader.slot, tokens },
                Some(_) => continue,
                None => self.find(&running[index], &running[..index], free_cells),
            };
            running[index].take_over(0);
            self.take_over(context, &mut running[index], &found, free_cells);
        }
    }

    /// Takes a place back; what was read there is kept for those who begin alike.
    pub(super) fn leave(&mut self, context: &mut LlamaContext<'_>, sequence: &Sequence) {
        let read = sequence.read();
        self.pin(context, sequence.slot, read);
        match (&mut self.prefixes, sequence.scope) {
            (Some(prefixes), Some(scope)) if !read.is_empty() => {
                for slot in prefixes.keep(sequence.slot, Some(scope), read.to_vec()) {
                    self.empty(context, slot);
                }
            }
            _ => self.empty(context, sequence.slot),
        }
    }

    /// Pins what the template begins prompts with, when one who has read it leaves; as far as it still is what the template
    /// says, in which there may be a date.
    fn pin(&mut self, context: &mut LlamaContext<'_>, slot: i32, read: &[i32]) {
        let Some(prefixes) = &mut self.prefixes else { return };
        let is_new = |tokens: &&[i32]| tokens.len() >= WORTH_SHARING && !prefixes.has_pinned(tokens);
        let mut read_again = self.beginnings.iter().map(|tokens| &tokens[..common(tokens, read)]);
        let Some(tokens) = read_again.find(is_new) else { return };
        let Some(free) = self.free.pop() else { return };
        let mut useless = vec![free];
        if context.copy_kv_cache_seq(slot, free, Some(0), Some(tokens.len() as u32)).is_ok() {
            useless = prefixes.keep(free, None, tokens.to_vec());
        }
        for slot in useless {
            self.empty(context, slot);
        }
    }

    /// Before a step of so many rows, swaps out what would cost the steps more if it stayed.
    pub(super) fn pass(&mut self, context: &mut LlamaContext<'_>, rows: usize, running: &[Sequence]) {
        let Some(prefixes) = &mut self.prefixes else { return };
        let dear = prefixes.pass(rows, |scope, tokens| {
            let of_scope = running.iter().filter(|sequence| sequence.scope == Some(scope));
            of_scope.map(|sequence| common(sequence.read(), tokens)).max().unwrap_or(0)
        });
        for slot in dear {
            if !self.swap_out(context, slot, false)
                && let Some(prefixes) = &mut self.prefixes
            {
                prefixes.stay(slot);
            }
        }
    }

    /// Running answers have reserved more: what is kept must fit into what is left.
    pub(super) fn make_room(&mut self, context: &mut LlamaContext<'_>, free_cells: u32) {
        self.shrink(context, free_cells);
    }

    /// Of the cells that no running answer has reserved, those that hold nothing either.
    pub(super) fn spare(&self, free_cells: u32) -> u32 {
        free_cells.saturating_sub(self.prefixes.as_ref().map_or(0, Prefixes::cells))
    }

    /// Among what is kept and what runs, the most that a sequence begins with too.
    fn find(&mut self, sequence: &Sequence, running: &[Sequence], free_cells: u32) -> Found {
        let Some(prefixes) = &mut self.prefixes else { return Found::Nothing };
        let of_running = running
            .iter()
            .filter(|reader| reader.awaited().is_none())
            .map(|reader| (reader.shares(sequence), reader))
            .max_by_key(|(tokens, reader)| (*tokens, reader.read().len()))
            .filter(|(tokens, _)| *tokens > 0);
        let most = of_running.map_or(0, |(tokens, _)| tokens);
        let kept =
            prefixes.find(sequence.scope, sequence.tokens(), most, (sequence.cells + free_cells) as usize);
        let kept_or_nothing = match kept {
            Some((Spot::Context { slot }, tokens)) => Found::Held { slot, tokens },
            Some((Spot::Memory { number }, tokens)) => Found::SwappedOut { number, tokens },
            None => Found::Nothing,
        };
        match of_running {
            Some((tokens, reader)) if kept.is_none_or(|(_, kept)| kept < tokens) => {
                if reader.read().len() >= tokens {
                    return Found::Held { slot: reader.slot, tokens };
                }
                // Nobody waits for one who may be passed over, nor for little.
                if reader.lane <= sequence.lane && 2 * tokens >= sequence.tokens().len() {
                    return Found::Coming { id: reader.id, tokens };
                }
                kept_or_nothing
            }
            _ => kept_or_nothing,
        }
    }

    /// Lets a sequence that has its place go on from what was found.
    fn take_over(
        &mut self,
        context: &mut LlamaContext<'_>,
        sequence: &mut Sequence,
        found: &Found,
        free_cells: u32,
    ) {
        match *found {
            Found::Held { slot, tokens } => {
                let is_there = if slot == sequence.slot {
                    cut(context, slot, tokens)
                } else {
                    context.copy_kv_cache_seq(slot, sequence.slot, Some(0), Some(tokens as u32)).is_ok()
                };
                if is_there {
                    sequence.take_over(tokens);
                }
            }
            Found::SwappedOut { number, tokens } => {
                if self.swap_in(context, number, tokens, sequence, free_cells) {
                    sequence.take_over(tokens);
                }
            }
            Found::Coming { id, tokens } => sequence.await_reader(id, tokens),
            Found::Nothing => {}
        }
    }

    /// Copies what was swapped out into the place of a sequence.
    fn swap_in(
        &mut self,
        context: &mut LlamaContext<'_>,
        number: u64,
        tokens: usize,
        sequence: &Sequence,
        free_cells: u32,
    ) -> bool {
        let swapped = self.prefixes.as_ref().and_then(|prefixes| prefixes.swapped(number));
        let Some((_, all)) = swapped else { return false };
        // All of it has its room for a moment, also what is not needed.
        let beyond = (all as u32).saturating_sub(sequence.cells);
        self.shrink(context, free_cells.saturating_sub(beyond));
        let Some(prefixes) = &mut self.prefixes else { return false };
        let Some((state, _)) = prefixes.swapped(number) else { return false };
        if context.state_seq_set(state, sequence.slot).is_err() {
            clear(context, sequence.slot);
            return false;
        }
        prefixes.swapped_in(number, tokens);
        cut(context, sequence.slot, tokens)
    }

    /// Takes what is kept out of the context until it fits into so many cells.
    fn shrink(&mut self, context: &mut LlamaContext<'_>, cells: u32) {
        while let Some(prefixes) = &self.prefixes
            && prefixes.cells() > cells
            && let Some(slot) = prefixes.oldest()
        {
            self.take_out(context, slot);
        }
    }

    /// A place of what was not used for longest. What is just found there stays, if that is it, for the one who found it.
    fn vacate(&mut self, context: &mut LlamaContext<'_>, found: &Found) -> i32 {
        let prefixes = self.prefixes.as_mut().expect("no more run than there are places");
        let slot = prefixes.oldest().expect("a place is free or kept");
        if matches!(found, Found::Held { slot: held, .. } if *held == slot) {
            prefixes.give_up(slot);
            return slot;
        }
        self.take_out(context, slot);
        self.free.pop().expect("it was just vacated")
    }

    /// Swaps out what a sequence of the context keeps, or forgets it where there is no room for it.
    fn take_out(&mut self, context: &mut LlamaContext<'_>, slot: i32) {
        if !self.swap_out(context, slot, true)
            && let Some(prefixes) = &mut self.prefixes
        {
            prefixes.give_up(slot);
            self.empty(context, slot);
        }
    }

    /// `false` where there is no room for it in memory.
    fn swap_out(&mut self, context: &mut LlamaContext<'_>, slot: i32, must: bool) -> bool {
        let Some(prefixes) = &mut self.prefixes else { return false };
        let bytes = context.state_seq_get_size_ext(slot, LlamaStateSeqFlags::empty());
        if !prefixes.make_room(slot, bytes, must) {
            return false;
        }
        let Ok(state) = context.state_seq_get(slot, LlamaStateSeqFlags::empty()) else { return false };
        prefixes.swapped_out(slot, state, bytes);
        self.empty(context, slot);
        true
    }

    fn empty(&mut self, context: &mut LlamaContext<'_>, slot: i32) {
        clear(context, slot);
        self.free.push(slot);
    }
}

/// Leaves so many tokens of a sequence; none where its memory does not take that.
fn cut(context: &mut LlamaContext<'_>, slot: i32, tokens: usize) -> bool {
    let is_cut = context.clear_kv_cache_seq(Some(slot as u32), Some(tokens as u32), None).unwrap_or(false);
    if !is_cut {
        clear(context, slot);
    }
    is_cut
}

/// A whole sequence can always be removed.
fn clear(context: &mut LlamaContext<'_>, slot: i32) {
    let _ = context.clear_kv_cache_seq(Some(slot as u32), None, None);
}

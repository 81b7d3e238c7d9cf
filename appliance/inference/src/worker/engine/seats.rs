//! The sequences of the context: who has which, and what the empty ones still hold.

use llama_cpp_2::context::LlamaContext;

use crate::worker::prefixes::Prefixes;
use crate::worker::sequence::Sequence;

/// The numbers of the context's sequences.
pub(super) struct Seats {
    free: Vec<i32>,
    /// `None` where the model's memory cannot be cut, so that a beginning cannot be taken over.
    prefixes: Option<Prefixes>,
}

/// Where a beginning is that has been read already.
enum Found {
    Held {
        slot: i32,
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
    pub(super) fn new(count: u32, shares: bool) -> Seats {
        Seats { free: (0..count as i32).rev().collect(), prefixes: shares.then(Prefixes::default) }
    }

    /// Gives a sequence its place, with what the context holds of its beginning. `free_cells` are those that no running
    /// answer has reserved. There is a place: more than answers may run.
    pub(super) fn seat(
        &mut self,
        context: &mut LlamaContext<'_>,
        sequence: &mut Sequence,
        running: &[Sequence],
        free_cells: u32,
    ) {
        let found = self.find(sequence, running);
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.give_up(context, &found),
        };
        sequence.sit_down(slot, 0);
        take_over(context, sequence, &found);
        self.shrink(context, free_cells);
    }

    /// Once those are read that an answer waits for, it takes them over; where they went away, it looks for others.
    pub(super) fn settle(&mut self, context: &mut LlamaContext<'_>, running: &mut [Sequence]) {
        for index in 0..running.len() {
            let Some((id, tokens)) = running[index].awaited() else { continue };
            let reader = running.iter().find(|reader| reader.id == id);
            let found = match reader {
                Some(reader) if reader.read().len() >= tokens => Found::Held { slot: reader.slot, tokens },
                Some(_) => continue,
                None => self.find(&running[index], &running[..index]),
            };
            running[index].take_over(0);
            take_over(context, &mut running[index], &found);
        }
    }

    /// Takes a place back; what was read there is kept for those who begin alike.
    pub(super) fn leave(&mut self, context: &mut LlamaContext<'_>, sequence: &Sequence) {
        let read = sequence.read();
        match (&mut self.prefixes, sequence.scope) {
            (Some(prefixes), Some(scope)) if !read.is_empty() => {
                for slot in prefixes.keep(sequence.slot, scope, read.to_vec()) {
                    clear(context, slot);
                    self.free.push(slot);
                }
            }
            _ => {
                clear(context, sequence.slot);
                self.free.push(sequence.slot);
            }
        }
    }

    /// Gives up what is kept until it fits into so many cells.
    pub(super) fn shrink(&mut self, context: &mut LlamaContext<'_>, cells: u32) {
        let Some(prefixes) = &mut self.prefixes else { return };
        while prefixes.cells() > cells
            && let Some(slot) = prefixes.give_up()
        {
            clear(context, slot);
            self.free.push(slot);
        }
    }

    /// Of the cells that no running answer has reserved, those that hold nothing either.
    pub(super) fn spare(&self, free_cells: u32) -> u32 {
        free_cells.saturating_sub(self.prefixes.as_ref().map_or(0, Prefixes::cells))
    }

    /// Among what is kept and what runs, the most that a sequence begins with too.
    fn find(&mut self, sequence: &Sequence, running: &[Sequence]) -> Found {
        let (Some(prefixes), Some(scope)) = (&mut self.prefixes, sequence.scope) else {
            return Found::Nothing;
        };
        let kept = prefixes.find(scope, sequence.tokens());
        let of_running = running
            .iter()
            .filter(|reader| reader.awaited().is_none())
            .map(|reader| (reader.shares(sequence), reader))
            .max_by_key(|(tokens, reader)| (*tokens, reader.read().len()));
        match (kept, of_running) {
            (Some((slot, tokens)), Some((most, _))) if tokens >= most => Found::Held { slot, tokens },
            (Some((slot, tokens)), None) => Found::Held { slot, tokens },
            (kept, Some((tokens, reader))) if tokens > 0 => {
                let (slot, read) = (reader.slot, reader.read().len());
                if read >= tokens {
                    return Found::Held { slot, tokens };
                }
                // Nobody waits for one who may be passed over, nor for little.
                if reader.lane <= sequence.lane && 2 * tokens >= sequence.tokens().len() {
                    return Found::Coming { id: reader.id, tokens };
                }
                kept.map_or(Found::Nothing, |(slot, tokens)| Found::Held { slot, tokens })
            }
            _ => Found::Nothing,
        }
    }

    /// The place of what was not used for longest; what is just found is not that, or is all that there is.
    fn give_up(&mut self, context: &mut LlamaContext<'_>, found: &Found) -> i32 {
        let slot = self.prefixes.as_mut().and_then(Prefixes::give_up).expect("a place is free or kept");
        if !matches!(found, Found::Held { slot: held, .. } if *held == slot) {
            clear(context, slot);
        }
        slot
    }
}

fn take_over(context: &mut LlamaContext<'_>, sequence: &mut Sequence, found: &Found) {
    match *found {
        Found::Held { slot, tokens } => {
            if slot == sequence.slot {
                let cut = context.clear_kv_cache_seq(Some(slot as u32), Some(tokens as u32), None);
                if !cut.unwrap_or(false) {
                    clear(context, slot);
                    return;
                }
            } else if context.copy_kv_cache_seq(slot, sequence.slot, Some(0), Some(tokens as u32)).is_err() {
                return;
            }
            sequence.take_over(tokens);
        }
        Found::Coming { id, tokens } => sequence.await_reader(id, tokens),
        Found::Nothing => {}
    }
}

/// A whole sequence can always be removed.
fn clear(context: &mut LlamaContext<'_>, slot: i32) {
    let _ = context.clear_kv_cache_seq(Some(slot as u32), None, None);
}

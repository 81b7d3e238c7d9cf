//! Who runs: waiting jobs by lane and age, and a ledger of the context's cells and sequences.
//!
//! A job is admitted only when all the cells that it can ever need are free, so a running answer never fails for
//! lack of them. A job that does not fit yet holds back all that come after it: a long one is never starved. Only the
//! clinical lane may use the reserve, so it goes past a job that waits for the common room.

use std::collections::BTreeMap;
use std::time::Duration;

use super::prompt::Prepared;
use crate::job::Lane;

/// Cells and sequences of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    cells: u32,
    sequences: u32,
}

/// The whole context, and the part of it that is the clinical lane's alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    whole: Space,
    reserve: Space,
}

/// The order of service: the arrival with the lane's handicap, then the number of the arrival. An answer that an
/// earlier worker began goes before all that have not begun.
type Key = (bool, i64, u64);

/// The waiting jobs and the room that is taken.
pub(super) struct Scheduler {
    room: Room,
    waiting: BTreeMap<Key, Prepared>,
    arrivals: u64,
    clinical: Space,
    common: Space,
    free_slots: Vec<i32>,
}

impl Space {
    const NONE: Space = Space { cells: 0, sequences: 0 };

    fn with(self, cells: u32) -> Space {
        Space { cells: self.cells + cells, sequences: self.sequences + 1 }
    }

    fn without(self, cells: u32) -> Space {
        Space { cells: self.cells - cells, sequences: self.sequences - 1 }
    }

    fn fits(self, limit: Space) -> bool {
        self.cells <= limit.cells && self.sequences <= limit.sequences
    }
}

impl Room {
    pub(super) fn new(cells: u32, sequences: u32, reserved_sequences: u32) -> Room {
        let reserved = u64::from(cells) * u64::from(reserved_sequences) / u64::from(sequences.max(1));
        Room {
            whole: Space { cells, sequences },
            reserve: Space { cells: reserved as u32, sequences: reserved_sequences },
        }
    }

    /// The cells that one job may need: it must fit beside the reserve, or it would wait for ever.
    pub(super) fn largest_job(&self) -> u32 {
        self.common().cells
    }

    fn common(&self) -> Space {
        Space {
            cells: self.whole.cells - self.reserve.cells,
            sequences: self.whole.sequences - self.reserve.sequences,
        }
    }
}

impl Scheduler {
    pub(super) fn new(room: Room) -> Scheduler {
        let free_slots = (0..room.whole.sequences as i32).rev().collect();
        let (clinical, common) = (Space::NONE, Space::NONE);
        Scheduler { room, waiting: BTreeMap::new(), arrivals: 0, clinical, common, free_slots }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// `now` is the time since any fixed moment.
    pub(super) fn add(&mut self, job: Prepared, now: Duration) {
        self.arrivals += 1;
        let due = now + job.lane.handicap();
        let due_ms = due.as_millis() as i64 - job.waited.as_millis() as i64;
        self.waiting.insert((job.generated.is_empty(), due_ms, self.arrivals), job);
    }

    /// Forgets a waiting job; `false` when it is not waiting.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|_, job| job.id != id);
        self.waiting.len() < before
    }

    /// The next job, with the number of its sequence, if there is room for it.
    pub(super) fn admit(&mut self) -> Option<(Prepared, i32)> {
        let key = self.next()?;
        let slot = self.free_slots.pop()?;
        let job = self.waiting.remove(&key)?;
        let taken = self.taken(job.lane);
        *taken = taken.with(job.cells);
        Some((job, slot))
    }

    /// Takes back the room of an answer that has ended.
    pub(super) fn release(&mut self, lane: Lane, cells: u32, slot: i32) {
        let taken = self.taken(lane);
        *taken = taken.without(cells);
        self.free_slots.push(slot);
    }

    /// The first job where it fits; else the first clinical one where it fits into what is left of the reserve, so
    /// that it takes nothing from the common room that the first one waits for.
    fn next(&self) -> Option<Key> {
        let (first, job) = self.waiting.first_key_value()?;
        if self.has_room_for(job) {
            return Some(*first);
        }
        let (key, clinical) = self.waiting.iter().find(|(_, job)| job.lane == Lane::Clinical)?;
        let in_reserve = self.clinical.with(clinical.cells).fits(self.room.reserve);
        (in_reserve && self.has_room_for(clinical)).then_some(*key)
    }

    fn has_room_for(&self, job: &Prepared) -> bool {
        let (clinical, common) = (self.clinical, self.common);
        let all =
            Space { cells: clinical.cells + common.cells, sequences: clinical.sequences + common.sequences };
        let in_its_room = job.lane == Lane::Clinical || common.with(job.cells).fits(self.room.common());
        in_its_room && all.with(job.cells).fits(self.room.whole)
    }

    fn taken(&mut self, lane: Lane) -> &mut Space {
        if lane == Lane::Clinical { &mut self.clinical } else { &mut self.common }
    }
}

#[cfg(test)]
mod tests;

//! Who runs: waiting jobs by lane and age, and a ledger of the context's cells and sequences.
//!
//! A job is admitted when there are cells for its prompt and for an answer of twice the usual length, for few answers come
//! to the most tokens that they may have. One that does gets more as it goes on; where there are none, the lowest and
//! latest answer pauses, whatever it is. It is paused so no more than three times, and goes on then with all that it can
//! ever need: so a running answer never fails for lack of cells, and each comes to its end.
//!
//! A job that does not fit yet holds back all that come after it: a long one is never starved. Only the clinical lane goes
//! past it, for a while, and always into the reserve, which is its own. Where there is no room at all for it, answers of
//! lower lanes are paused: what they have written is kept, and they go on when there is room.

use std::collections::BTreeMap;
use std::time::Duration;

use super::prompt::Prepared;
use super::sequence::Sequence;
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
pub(super) type Key = (bool, i64, u64);

/// An answer is not paused more often.
const MOST_PAUSES: u32 = 3;

/// The least that an answer is reserved beyond what there is of it, in tokens, and what is taken for usual before any has
/// ended. How much a new one counts.
pub(super) const LEAST_AHEAD: u32 = 128;
const USUAL: f64 = 128.0;
const NEWEST_COUNTS: f64 = 0.1;

/// The clinical lane goes past a job until that one is due for so long.
const PASSED_MS: i64 = 60_000;

/// The waiting jobs and the room that is taken.
pub(super) struct Scheduler {
    room: Room,
    waiting: BTreeMap<Key, Queued>,
    arrivals: u64,
    clinical: Space,
    common: Space,
    /// Tokens of an answer that may have many.
    usual: f64,
}

/// One in the queue.
struct Queued {
    job: Waiting,
    /// When it is due, by when it came or was last paused: the time that it has run is no time that it was passed.
    due_ms: i64,
}

/// One that waits for room.
pub(super) enum Waiting {
    New(Box<Prepared>),
    /// It has run, and goes on from its tokens.
    Paused(Box<Sequence>),
}

/// What a running answer holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) id: u64,
    pub(super) key: Key,
    pub(super) lane: Lane,
    pub(super) cells: u32,
    pub(super) pauses: u32,
}

/// Who can run at once if some others pause.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) first: Key,
    pub(super) pausing: Vec<u64>,
}

impl Waiting {
    fn id(&self) -> u64 {
        match self {
            Waiting::New(job) => job.id,
            Waiting::Paused(sequence) => sequence.id,
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Waiting::New(job) => job.lane,
            Waiting::Paused(sequence) => sequence.lane,
        }
    }

    fn cells(&self) -> u32 {
        match self {
            Waiting::New(job) => job.reserved,
            Waiting::Paused(sequence) => sequence.cells,
        }
    }
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

    /// Answers that may run at the same time.
    pub(super) fn sequences(&self) -> u32 {
        self.whole.sequences
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
        let (clinical, common) = (Space::NONE, Space::NONE);
        Scheduler { room, waiting: BTreeMap::new(), arrivals: 0, clinical, common, usual: USUAL }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Cells that nobody has reserved.
    pub(super) fn free_cells(&self) -> u32 {
        self.room.whole.cells - self.clinical.cells - self.common.cells
    }

    /// `now` is the time since any fixed moment.
    pub(super) fn add(&mut self, mut job: Prepared, now: Duration) {
        self.arrivals += 1;
        let there_is = (job.tokens.len() + job.rest.len() + job.generated.len()) as u32;
        job.reserved = job.cells.min(there_is.saturating_add(self.ahead()));
        let due_here_ms = (now + job.lane.handicap()).as_millis() as i64;
        let due_ms = due_here_ms - job.waited_ms;
        let is_new = job.generated.is_empty();
        let queued =
            Queued { job: Waiting::New(Box::new(job)), due_ms: if is_new { due_ms } else { due_here_ms } };
        self.waiting.insert((is_new, due_ms, self.arrivals), queued);
    }

    /// Takes back the room of an answer that goes on later, in the place that it had.
    pub(super) fn pause(&mut self, key: Key, mut sequence: Sequence, now: Duration) {
        self.release(sequence.lane, sequence.cells);
        let is_last = sequence.held().pauses >= MOST_PAUSES;
        sequence.reserve(if is_last { u32::MAX } else { self.ahead() });
        let due_ms = (now + sequence.lane.handicap()).as_millis() as i64;
        self.waiting.insert(key, Queued { job: Waiting::Paused(Box::new(sequence)), due_ms });
    }

    /// Reserves more for a running answer: all that it can ever need, or as much as an answer usually has. `false` where
    /// there is no room for that.
    pub(super) fn extend(&mut self, sequence: &mut Sequence) -> bool {
        let before = sequence.cells;
        sequence.reserve(self.ahead());
        let more = sequence.cells - before;
        let is_in_its_room =
            sequence.lane == Lane::Clinical || self.common.cells + more <= self.room.common().cells;
        if !is_in_its_room || more > self.free_cells() {
            sequence.cells = before;
            return false;
        }
        self.taken(sequence.lane).cells += more;
        true
    }

    /// Who must pause so that this one can go on: of those that are no more urgent the lowest and latest, which may be
    /// itself.
    pub(super) fn gives_way_to(growing: &Held, running: &[Held]) -> Option<u64> {
        let may_pause = |held: &&Held| held.lane >= growing.lane && held.pauses < MOST_PAUSES;
        running.iter().filter(may_pause).max_by_key(|held| (held.lane, held.key)).map(|held| held.id)
    }

    /// An answer has ended that might have had more tokens than most have.
    pub(super) fn ended(&mut self, tokens: u32) {
        self.usual += NEWEST_COUNTS * (f64::from(tokens) - self.usual);
    }

    /// Tokens that are reserved for an answer beyond what there is of it.
    fn ahead(&self) -> u32 {
        ((2.0 * self.usual) as u32).max(LEAST_AHEAD)
    }

    /// Forgets a waiting job; `false` when it is not waiting.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|_, queued| queued.job.id() != id);
        self.waiting.len() < before
    }

    /// The next job, with its place in the order, if there is room for it.
    pub(super) fn admit(&mut self) -> Option<(Key, Waiting)> {
        let key = self.next()?;
        Some((key, self.take(key)?))
    }

    /// Gives this one its room, whoever else waits.
    pub(super) fn take(&mut self, key: Key) -> Option<Waiting> {
        let Queued { job, .. } = self.waiting.remove(&key)?;
        let taken = self.taken(job.lane());
        *taken = taken.with(job.cells());
        Some(job)
    }

    /// Takes back the room of an answer that has ended.
    pub(super) fn release(&mut self, lane: Lane, cells: u32) {
        let taken = self.taken(lane);
        *taken = taken.without(cells);
    }

    /// Who must pause, where nobody can be admitted, so that the most urgent one can: answers of lower lanes, the lowest
    /// and latest first, and no more than are needed. The clinical lane is more urgent than whoever waits before it and is
    /// not due for long: where it has room already, nobody pauses.
    pub(super) fn make_way(&self, running: &[Held]) -> Option<Way> {
        let first = self.waiting.first_key_value()?;
        let may_pass = |(_, queued): &(&Key, &Queued)| {
            queued.job.lane() == Lane::Clinical && queued.due_ms - first.1.due_ms <= PASSED_MS
        };
        let (key, Queued { job: urgent, .. }) = self.waiting.iter().find(may_pass).unwrap_or(first);
        let mut lower: Vec<Held> = running
            .iter()
            .filter(|held| held.lane > urgent.lane() && held.pauses < MOST_PAUSES)
            .copied()
            .collect();
        lower.sort_by_key(|held| (held.lane, held.key));
        let (mut clinical, mut common) = (self.clinical, self.common);
        let mut pausing = Vec::new();
        while !self.has_room(urgent, clinical, common) {
            let last = lower.pop()?;
            let taken = if last.lane == Lane::Clinical { &mut clinical } else { &mut common };
            *taken = taken.without(last.cells);
            pausing.push(last.id);
        }
        Some(Way { first: *key, pausing })
    }

    /// The first job where it fits; else the first clinical one where it fits into what is left of the reserve, so
    /// that it takes nothing from the common room that the first one waits for.
    fn next(&self) -> Option<Key> {
        let (first, queued) = self.waiting.first_key_value()?;
        if self.has_room_for(&queued.job) {
            return Some(*first);
        }
        let is_clinical = |(_, queued): &(&Key, &Queued)| queued.job.lane() == Lane::Clinical;
        let (key, Queued { job: clinical, .. }) = self.waiting.iter().find(is_clinical)?;
        let in_reserve = self.clinical.with(clinical.cells()).fits(self.room.reserve);
        (in_reserve && self.has_room_for(clinical)).then_some(*key)
    }

    fn has_room_for(&self, job: &Waiting) -> bool {
        self.has_room(job, self.clinical, self.common)
    }

    /// Whether there is room for one more where so much is taken.
    fn has_room(&self, job: &Waiting, clinical: Space, common: Space) -> bool {
        let all =
            Space { cells: clinical.cells + common.cells, sequences: clinical.sequences + common.sequences };
        let in_its_room = job.lane() == Lane::Clinical || common.with(job.cells()).fits(self.room.common());
        in_its_room && all.with(job.cells()).fits(self.room.whole)
    }

    fn taken(&mut self, lane: Lane) -> &mut Space {
        if lane == Lane::Clinical { &mut self.clinical } else { &mut self.common }
    }
}

#[cfg(test)]
pub(super) mod tests;

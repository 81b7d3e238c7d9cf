//! Who runs: waiting jobs by lane, then by age, and a ledger of the context's cells and sequences.
//!
//! A job is admitted only when all the cells that it can ever need are free, so a running answer never fails for
//! lack of them. A job that does not fit yet holds back all that come after it: a long one is never starved.

use std::collections::BTreeMap;

use super::prompt::Prepared;
use crate::job::Lane;

/// The waiting jobs and the room that is left.
pub(super) struct Scheduler {
    waiting: BTreeMap<(Lane, u64), Prepared>,
    arrivals: u64,
    free_cells: u32,
    free_slots: Vec<i32>,
}

impl Scheduler {
    pub(super) fn new(cells: u32, sequences: u32) -> Scheduler {
        let free_slots = (0..sequences as i32).rev().collect();
        Scheduler { waiting: BTreeMap::new(), arrivals: 0, free_cells: cells, free_slots }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn add(&mut self, job: Prepared) {
        self.arrivals += 1;
        self.waiting.insert((job.lane, self.arrivals), job);
    }

    /// Forgets a waiting job; `false` when it is not waiting.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|_, job| job.id != id);
        self.waiting.len() < before
    }

    /// The next job, with the number of its sequence, if there is room for it.
    pub(super) fn admit(&mut self) -> Option<(Prepared, i32)> {
        let next = self.waiting.first_entry()?;
        if next.get().cells > self.free_cells {
            return None;
        }
        let slot = self.free_slots.pop()?;
        let job = next.remove();
        self.free_cells -= job.cells;
        Some((job, slot))
    }

    /// Takes back the room of an answer that has ended.
    pub(super) fn release(&mut self, cells: u32, slot: i32) {
        self.free_cells += cells;
        self.free_slots.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Sampling;

    fn job(id: u64, lane: Lane, cells: u32) -> Prepared {
        Prepared {
            id,
            lane,
            tokens: vec![1],
            prompt_tokens: 1,
            rest: Vec::new(),
            generated: Vec::new(),
            budget: 1,
            cells,
            sampling: Sampling::default(),
            seed: 0,
            stop: Vec::new(),
        }
    }

    fn admitted(scheduler: &mut Scheduler) -> Vec<u64> {
        std::iter::from_fn(|| scheduler.admit()).map(|(job, _)| job.id).collect()
    }

    #[test]
    fn the_clinical_lane_goes_first_and_within_a_lane_the_oldest() {
        let mut scheduler = Scheduler::new(100, 8);
        for (id, lane) in
            [(1, Lane::Batch), (2, Lane::Interactive), (3, Lane::Clinical), (4, Lane::Interactive)]
        {
            scheduler.add(job(id, lane, 10));
        }
        assert_eq!(admitted(&mut scheduler), [3, 2, 4, 1]);
    }

    #[test]
    fn no_job_runs_without_cells_or_a_sequence() {
        let mut scheduler = Scheduler::new(100, 2);
        for id in 1..=4 {
            scheduler.add(job(id, Lane::Interactive, 40));
        }
        assert_eq!(admitted(&mut scheduler), [1, 2]);
        scheduler.release(40, 0);
        assert_eq!(admitted(&mut scheduler), [3]);
    }

    #[test]
    fn a_long_job_is_not_overtaken_by_short_ones() {
        let mut scheduler = Scheduler::new(100, 8);
        scheduler.add(job(1, Lane::Interactive, 60));
        scheduler.add(job(2, Lane::Interactive, 90));
        scheduler.add(job(3, Lane::Interactive, 10));
        assert_eq!(admitted(&mut scheduler), [1]);
        scheduler.release(60, 0);
        assert_eq!(admitted(&mut scheduler), [2, 3]);
    }

    #[test]
    fn a_cancelled_job_never_runs() {
        let mut scheduler = Scheduler::new(100, 8);
        scheduler.add(job(1, Lane::Interactive, 10));
        assert!(scheduler.cancel(1));
        assert!(!scheduler.cancel(1));
        assert!(scheduler.is_empty());
    }
}

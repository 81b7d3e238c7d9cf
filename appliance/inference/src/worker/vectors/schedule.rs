//! Which texts are read in the next step: by lane and age of their jobs, and as many as have room. Pure.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use crate::job::Lane;

/// A job whose texts have become tokens.
pub(super) struct Texts {
    pub(super) id: u64,
    pub(super) lane: Lane,
    pub(super) waited_ms: i64,
    /// Of each text that is left, in order. None is empty, and none is longer than a step.
    pub(super) tokens: VecDeque<Vec<i32>>,
}

/// One text of a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) id: u64,
    pub(super) tokens: Vec<i32>,
    /// It is the first one of its job.
    pub(super) is_first: bool,
}

/// Milliseconds by which jobs are served, and the number of the arrival.
type Key = (i64, u64);

/// The jobs that wait, in the order of service.
#[derive(Default)]
pub(super) struct Schedule {
    jobs: BTreeMap<Key, Job>,
    arrivals: u64,
}

struct Job {
    id: u64,
    has_begun: bool,
    tokens: VecDeque<Vec<i32>>,
}

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// `now` is the time since any fixed moment. A job without texts is no job.
    pub(super) fn add(&mut self, texts: Texts, now: Duration) {
        if texts.tokens.is_empty() {
            return;
        }
        self.arrivals += 1;
        let due = now + texts.lane.handicap();
        let due_ms = due.as_millis() as i64 - texts.waited_ms;
        let job = Job { id: texts.id, has_begun: false, tokens: texts.tokens };
        self.jobs.insert((due_ms, self.arrivals), job);
    }

    /// Forgets what is left of a job.
    pub(super) fn cancel(&mut self, id: u64) {
        self.jobs.retain(|_, job| job.id != id);
    }

    /// Takes the texts of the next step: at most `most` of them, of `room` tokens together, but one at least. A job of
    /// many texts is not in the way of one that goes before it: each step begins anew with the first.
    pub(super) fn next_step(&mut self, most: usize, room: usize) -> Vec<Pick> {
        let mut picks = Vec::new();
        let mut taken = 0;
        for job in self.jobs.values_mut() {
            while let Some(next) = job.tokens.front() {
                let fits = picks.is_empty() || taken + next.len() <= room;
                if !fits || picks.len() >= most {
                    break;
                }
                let Some(tokens) = job.tokens.pop_front() else { break };
                taken += tokens.len();
                let is_first = !std::mem::replace(&mut job.has_begun, true);
                picks.push(Pick { id: job.id, tokens, is_first });
            }
            if picks.len() >= most || taken >= room {
                break;
            }
        }
        self.jobs.retain(|_, job| !job.tokens.is_empty());
        picks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(id: u64, lane: Lane, lengths: &[usize]) -> Texts {
        let tokens = lengths.iter().map(|length| vec![7; *length]).collect();
        Texts { id, lane, waited_ms: 0, tokens }
    }

    /// The next step, as the job and the length of each text.
    fn step(schedule: &mut Schedule) -> Vec<(u64, usize)> {
        schedule.next_step(4, 10).into_iter().map(|pick| (pick.id, pick.tokens.len())).collect()
    }

    #[test]
    fn texts_share_a_step_as_long_as_there_is_room_and_stay_in_order() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[4, 5, 3, 1, 1, 1, 1, 1]), Duration::ZERO);
        assert_eq!(step(&mut schedule), [(1, 4), (1, 5)], "the third has no room");
        assert_eq!(step(&mut schedule), [(1, 3), (1, 1), (1, 1), (1, 1)], "no more than four");
        assert_eq!(step(&mut schedule), [(1, 1), (1, 1)]);
        assert!(schedule.is_empty() && step(&mut schedule).is_empty());
    }

    #[test]
    fn a_text_that_is_longer_than_a_usual_step_is_read_alone() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[2, 30, 2]), Duration::ZERO);
        assert_eq!(step(&mut schedule), [(1, 2)]);
        assert_eq!(step(&mut schedule), [(1, 30)]);
        assert_eq!(step(&mut schedule), [(1, 2)]);
    }

    #[test]
    fn the_room_that_one_job_leaves_is_for_the_next_and_a_late_clinical_one_goes_first() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Batch, &[6, 6, 6]), Duration::ZERO);
        schedule.add(texts(2, Lane::Batch, &[3]), Duration::from_secs(1));
        assert_eq!(step(&mut schedule), [(1, 6), (2, 3)]);
        schedule.add(texts(3, Lane::Clinical, &[5]), Duration::from_secs(2));
        schedule.add(texts(4, Lane::Interactive, &[5]), Duration::from_secs(2));
        assert_eq!(step(&mut schedule), [(3, 5), (4, 5)]);
        schedule.add(texts(5, Lane::Clinical, &[5]), Duration::from_secs(200));
        assert_eq!(step(&mut schedule), [(1, 6)], "nobody waits for ever");
    }

    #[test]
    fn what_waited_with_an_earlier_worker_keeps_its_place_and_what_is_cancelled_leaves() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[9]), Duration::ZERO);
        let again = Texts { waited_ms: 9000, ..texts(2, Lane::Interactive, &[9]) };
        schedule.add(again, Duration::ZERO);
        schedule.add(texts(3, Lane::Interactive, &[9]), Duration::ZERO);
        schedule.cancel(3);
        assert_eq!((step(&mut schedule), step(&mut schedule)), (vec![(2, 9)], vec![(1, 9)]));
        assert!(schedule.is_empty());
    }

    #[test]
    fn a_job_begins_once() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[6, 6]), Duration::ZERO);
        assert!(schedule.next_step(4, 10)[0].is_first);
        assert!(!schedule.next_step(4, 10)[0].is_first);
    }
}

//! Which texts are read in the next step: by lane, in turns within a lane, and as many as have room. Pure.

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

/// The order of service: the lane, the milliseconds since which the job waits for its next text, and a number.
type Key = (Lane, i64, u64);

/// The jobs that wait, in the order of service.
///
/// Lanes go strictly one before the other. Within a lane jobs take turns by texts: one that has had a text waits anew,
/// as if it had come then, behind all that waited already. So a short job is not held up by how long another is, and a
/// long one gets on however many short ones come.
///
/// Who has waited since its last text for so much longer than its lane is held back goes before a more urgent lane, so
/// that nobody waits for ever; but with one text of every second step at most, however many have waited so long.
#[derive(Default)]
pub(super) struct Schedule {
    jobs: BTreeMap<Key, Job>,
    /// Turns that were given out so far.
    turns: u64,
    /// The last step began with one that went before a more urgent lane.
    went_before: bool,
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
        let Texts { id, lane, waited_ms, tokens } = texts;
        if !tokens.is_empty() {
            let since_ms = now.as_millis() as i64 - waited_ms;
            self.queue(lane, since_ms, Job { id, has_begun: false, tokens });
        }
    }

    /// Forgets what is left of a job.
    pub(super) fn cancel(&mut self, id: u64) {
        self.jobs.retain(|_, job| job.id != id);
    }

    /// Takes the texts of the next step: at most `most` of them, of `room` tokens together, but one at least. Those of
    /// a job stand side by side. `now` is on the clock of [`Schedule::add`].
    pub(super) fn next_step(&mut self, most: usize, room: usize, now: Duration) -> Vec<Pick> {
        let overdue = self.overdue().filter(|_| !self.went_before);
        self.went_before = overdue.is_some();
        let (mut picks, mut left) = (Vec::new(), room);
        let mut next = overdue.or_else(|| self.first_within(usize::MAX));
        while let Some(key) = next.filter(|_| picks.len() < most) {
            let Some(pick) = self.take(key, now) else { break };
            left = left.saturating_sub(pick.tokens.len());
            picks.push(pick);
            next = self.first_within(left);
        }
        picks.sort_by_key(|pick| pick.id);
        picks
    }

    /// The first job whose next text has no more tokens.
    fn first_within(&self, tokens: usize) -> Option<Key> {
        let fits = |job: &Job| job.tokens.front().is_some_and(|next| next.len() <= tokens);
        self.jobs.iter().find(|(_, job)| fits(job)).map(|(key, _)| *key)
    }

    /// The job of a lower lane that goes before the first one, if there is such a job.
    fn overdue(&self) -> Option<Key> {
        let (first, _, _) = *self.jobs.first_key_value()?.0;
        let due_ms = |(lane, since_ms, _): &Key| since_ms + lane.handicap().as_millis() as i64;
        let from = |lane: Lane| self.jobs.range((lane, i64::MIN, 0)..).next().map(|(key, _)| *key);
        let earliest = Lane::ALL.into_iter().filter_map(from).min_by_key(due_ms);
        earliest.filter(|(lane, _, _)| *lane != first)
    }

    /// Takes the next text of a job, and queues the job for the one after it.
    fn take(&mut self, key: Key, now: Duration) -> Option<Pick> {
        let mut job = self.jobs.remove(&key)?;
        let tokens = job.tokens.pop_front()?;
        let pick = Pick { id: job.id, tokens, is_first: !std::mem::replace(&mut job.has_begun, true) };
        if !job.tokens.is_empty() {
            let (lane, since_ms, _) = key;
            // What was served before its turn, in room that nobody else needed, has gained nothing by it.
            self.queue(lane, since_ms.max(now.as_millis() as i64), job);
        }
        Some(pick)
    }

    fn queue(&mut self, lane: Lane, since_ms: i64, job: Job) {
        self.turns += 1;
        self.jobs.insert((lane, since_ms, self.turns), job);
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
    fn step(schedule: &mut Schedule, second: u64) -> Vec<(u64, usize)> {
        let picks = schedule.next_step(4, 10, Duration::from_secs(second));
        picks.into_iter().map(|pick| (pick.id, pick.tokens.len())).collect()
    }

    #[test]
    fn texts_share_a_step_as_long_as_there_is_room_and_stay_in_order() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[4, 5, 3, 1, 1, 1, 1, 1]), Duration::ZERO);
        assert_eq!(step(&mut schedule, 0), [(1, 4), (1, 5)], "the third has no room");
        assert_eq!(step(&mut schedule, 0), [(1, 3), (1, 1), (1, 1), (1, 1)], "no more than four");
        assert_eq!(step(&mut schedule, 0), [(1, 1), (1, 1)]);
        assert!(schedule.is_empty() && step(&mut schedule, 0).is_empty());
    }

    #[test]
    fn a_text_that_is_longer_than_a_usual_step_is_read_alone() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[2, 30, 2]), Duration::ZERO);
        assert_eq!(step(&mut schedule, 0), [(1, 2)]);
        assert_eq!(step(&mut schedule, 0), [(1, 30)]);
        assert_eq!(step(&mut schedule, 0), [(1, 2)]);
    }

    #[test]
    fn the_room_that_one_job_leaves_is_for_the_next_and_a_late_clinical_one_goes_first() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Batch, &[6, 6, 6]), Duration::ZERO);
        schedule.add(texts(2, Lane::Batch, &[3]), Duration::from_secs(1));
        assert_eq!(step(&mut schedule, 1), [(1, 6), (2, 3)]);
        schedule.add(texts(3, Lane::Clinical, &[5]), Duration::from_secs(2));
        schedule.add(texts(4, Lane::Interactive, &[5]), Duration::from_secs(2));
        assert_eq!(step(&mut schedule, 2), [(3, 5), (4, 5)]);
        schedule.add(texts(5, Lane::Clinical, &[5]), Duration::from_secs(200));
        assert_eq!(step(&mut schedule, 200), [(1, 6)], "nobody waits for ever");
        assert_eq!(step(&mut schedule, 200), [(5, 5)], "but with no more than a text");
    }

    #[test]
    fn jobs_of_a_lane_take_turns_and_their_texts_stand_side_by_side() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[2; 2000]), Duration::ZERO);
        assert_eq!(step(&mut schedule, 0), [(1, 2); 4], "alone it has the whole step");
        schedule.add(texts(2, Lane::Interactive, &[1]), Duration::from_secs(1));
        assert_eq!(
            step(&mut schedule, 1),
            [(1, 2), (1, 2), (1, 2), (2, 1)],
            "a short one is through at once"
        );
        schedule.add(texts(3, Lane::Interactive, &[3; 9]), Duration::from_secs(2));
        assert_eq!(step(&mut schedule, 2), [(1, 2), (1, 2), (3, 3), (3, 3)]);
    }

    #[test]
    fn a_long_job_gets_on_beside_a_stream_of_short_ones() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[10; 100]), Duration::ZERO);
        let mut served = Vec::new();
        for second in 0..60 {
            schedule.add(texts(2 + second, Lane::Interactive, &[10]), Duration::from_secs(second));
            served.extend(step(&mut schedule, second));
        }
        let of_long: Vec<usize> = (0..60).filter(|second| served[*second].0 == 1).collect();
        assert_eq!(
            of_long,
            [0, 2, 5, 9, 14, 20, 27, 35, 44, 54],
            "each turn waits for those before it alone"
        );
    }

    #[test]
    fn a_long_job_does_not_age_while_it_is_served() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[10; 100]), Duration::ZERO);
        for second in 0..37 {
            assert_eq!(step(&mut schedule, second), [(1, 10)]);
        }
        schedule.add(texts(2, Lane::Clinical, &[10]), Duration::from_secs(37));
        assert_eq!(step(&mut schedule, 37), [(2, 10)]);
    }

    #[test]
    fn all_who_have_waited_for_long_have_a_text_of_every_second_step_together() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Batch, &[10; 2]), Duration::ZERO);
        schedule.add(texts(2, Lane::Interactive, &[10; 2]), Duration::from_secs(100));
        schedule.add(texts(3, Lane::Clinical, &[10; 9]), Duration::from_secs(200));
        let served: Vec<u64> = (0..6).map(|_| step(&mut schedule, 200)[0].0).collect();
        assert_eq!(served, [1, 3, 2, 3, 3, 3]);
        assert_eq!(step(&mut schedule, 231), [(3, 10)], "the clinical one has waited since then as well");
        assert_eq!(step(&mut schedule, 232), [(2, 10)], "once more after as long as its lane is held back");
    }

    #[test]
    fn what_waited_with_an_earlier_worker_keeps_its_place_and_what_is_cancelled_leaves() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[9]), Duration::ZERO);
        let again = Texts { waited_ms: 9000, ..texts(2, Lane::Interactive, &[9]) };
        schedule.add(again, Duration::ZERO);
        schedule.add(texts(3, Lane::Interactive, &[9]), Duration::ZERO);
        schedule.cancel(3);
        assert_eq!((step(&mut schedule, 0), step(&mut schedule, 0)), (vec![(2, 9)], vec![(1, 9)]));
        assert!(schedule.is_empty());
    }

    #[test]
    fn a_job_that_is_served_before_its_turn_gains_nothing_by_it() {
        let mut schedule = Schedule::default();
        let early = Texts { waited_ms: -9000, ..texts(1, Lane::Interactive, &[9; 3]) };
        schedule.add(early, Duration::ZERO);
        assert_eq!(step(&mut schedule, 0), [(1, 9)]);
        schedule.add(texts(2, Lane::Interactive, &[9]), Duration::from_secs(8));
        assert_eq!(step(&mut schedule, 8), [(2, 9)]);
        schedule.add(texts(3, Lane::Interactive, &[9]), Duration::from_secs(10));
        assert_eq!(step(&mut schedule, 10), [(1, 9)]);
    }

    #[test]
    fn a_job_begins_once() {
        let mut schedule = Schedule::default();
        schedule.add(texts(1, Lane::Interactive, &[6, 6]), Duration::ZERO);
        assert!(schedule.next_step(4, 10, Duration::ZERO)[0].is_first);
        assert!(!schedule.next_step(4, 10, Duration::ZERO)[0].is_first);
    }
}

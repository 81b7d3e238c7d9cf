//! Jobs that take longer to prepare: they wait beside the others, the most urgent first, and callers take turns.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::frames::{MAX_PREPARING_SECONDS, Submission};
use crate::job::{JobError, Scope};

const MAX_PREPARING: Duration = Duration::from_secs(MAX_PREPARING_SECONDS as u64);

/// What waits to be prepared. One thread adds and cancels, another one prepares.
#[derive(Default)]
pub(super) struct Preparing {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By when they came, later by what their lane is held back; then by a number of their own.
    waiting: BTreeMap<(Instant, u64), Box<Submission>>,
    came: u64,
    /// The job that is being prepared, and since when.
    at_work: Option<(u64, Instant)>,
    /// Nobody wants that one any more.
    is_unwanted: bool,
    /// Whose job was prepared last.
    last: Option<Scope>,
    is_over: bool,
}

impl Preparing {
    pub(super) fn add(&self, submission: Box<Submission>) {
        let mut state = self.lock();
        state.came += 1;
        let key = (Instant::now() + submission.job.lane.handicap(), state.came);
        state.waiting.insert(key, submission);
        self.changed.notify_one();
    }

    /// `true` for a job that is here, and will now go no further.
    pub(super) fn cancel(&self, id: u64) -> bool {
        let mut state = self.lock();
        if state.at_work.is_some_and(|(at_work, _)| at_work == id) {
            state.is_unwanted = true;
            return true;
        }
        let before = state.waiting.len();
        state.waiting.retain(|_, submission| submission.id != id);
        state.waiting.len() < before
    }

    /// Nothing more is prepared.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.waiting.clear();
        self.changed.notify_one();
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.lock().at_work.is_some()
    }

    /// The job at work takes longer than any can: its thread will not come back to the others.
    pub(super) fn hangs(&self, now: Instant) -> bool {
        self.lock().at_work.is_some_and(|(_, since)| now.duration_since(since) > MAX_PREPARING)
    }

    /// Waits for the next job, which [`Preparing::done`] must follow; `None` at the end.
    pub(super) fn next(&self) -> Option<Box<Submission>> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(submission) = state.take() {
                return Some(submission);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The job is prepared: `hand_over` is called unless it was cancelled meanwhile. A cancel that comes later finds it
    /// handed over.
    pub(super) fn done<T>(&self, hand_over: impl FnOnce() -> T) -> Option<T> {
        let mut state = self.lock();
        state.at_work = None;
        (!std::mem::take(&mut state.is_unwanted)).then(hand_over)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first, or the first of another caller in its lane.
    fn take(&mut self) -> Option<Box<Submission>> {
        let (first, lane) = self.waiting.first_key_value().map(|(key, first)| (*key, first.job.lane))?;
        let is_others =
            |submission: &Submission| submission.job.lane == lane && submission.job.scope != self.last;
        let next =
            self.waiting.iter().find(|(_, submission)| is_others(submission)).map_or(first, |(key, _)| *key);
        let submission = self.waiting.remove(&next)?;
        self.at_work = Some((submission.id, Instant::now()));
        self.last = submission.job.scope;
        Some(submission)
    }
}

/// A panic ends the job that is prepared, and not the thread that prepares the others.
pub(super) fn caught<T>(prepare: impl FnOnce() -> Result<T, JobError>) -> Result<T, JobError> {
    catch_unwind(AssertUnwindSafe(prepare)).unwrap_or(Err(JobError::Internal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Job, Lane, Message};

    fn submission(id: u64, caller: &str, lane: Lane) -> Box<Submission> {
        let scope = Some(Scope::of(caller));
        let job = Job { scope, ..Job::plain(vec![Message::new("user", "")], 1, lane) };
        Box::new(Submission { id, job, seed: 0, waited_ms: 0, tokens: Vec::new() })
    }

    fn order_of(preparing: &Preparing) -> Vec<u64> {
        let mut order = Vec::new();
        while !preparing.lock().waiting.is_empty() {
            order.extend(preparing.next().map(|submission| submission.id));
            preparing.done(|| ());
        }
        order
    }

    #[test]
    fn the_urgent_go_first_and_callers_take_turns() {
        let preparing = Preparing::default();
        for id in 0..4 {
            preparing.add(submission(id, "greedy", Lane::Interactive));
        }
        preparing.add(submission(4, "modest", Lane::Interactive));
        preparing.add(submission(5, "batch", Lane::Batch));
        preparing.add(submission(6, "ward", Lane::Clinical));
        assert_eq!(order_of(&preparing), [6, 0, 4, 1, 2, 3, 5]);
    }

    #[test]
    fn what_is_cancelled_is_not_prepared_nor_handed_over() {
        let preparing = Preparing::default();
        for id in 0..3 {
            preparing.add(submission(id, "caller", Lane::Interactive));
        }
        assert_eq!(preparing.next().map(|submission| submission.id), Some(0));
        assert!(preparing.is_at_work());
        assert!(preparing.cancel(0) && preparing.cancel(1));
        assert_eq!(preparing.done(|| "handed over"), None);
        assert!(!preparing.is_at_work());
        assert_eq!(preparing.next().map(|submission| submission.id), Some(2));
        assert_eq!(preparing.done(|| "handed over"), Some("handed over"));
        assert!(!preparing.cancel(2), "the engine has it");
        preparing.end();
        assert!(preparing.next().is_none());
    }

    #[test]
    fn a_job_that_is_never_done_is_seen_also_when_it_is_cancelled() {
        let preparing = Preparing::default();
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        preparing.add(submission(0, "caller", Lane::Interactive));
        assert!(!preparing.hangs(later(600)), "it waits");
        preparing.next().expect("a job");
        assert!(!preparing.hangs(later(59)));
        assert!(preparing.hangs(later(61)));
        assert!(preparing.cancel(0) && preparing.hangs(later(61)));
        preparing.done(|| ());
        assert!(!preparing.hangs(later(600)), "nothing is at work");
    }

    #[test]
    fn a_panic_is_an_error_of_its_job_alone() {
        assert_eq!(caught(|| -> Result<(), JobError> { panic!("as planned") }), Err(JobError::Internal));
        assert_eq!(caught(|| Ok("prepared")), Ok("prepared"));
        assert_eq!(caught(|| Err::<(), _>(JobError::NoTools)), Err(JobError::NoTools));
    }
}

//! What really happened, written down by the simulated parts themselves: the checks ask it, never the gateway.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Shared by all parts of one simulated world.
#[derive(Clone)]
pub(crate) struct Book(Arc<Mutex<Pages>>);

pub(crate) struct Pages {
    started: Instant,
    pub(crate) trace: Vec<String>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) jobs: Vec<LocalJob>,
    pub(crate) loads: Vec<Load>,
    pub(crate) looks: Vec<Look>,
    /// Violations that were seen at the moment when they happened.
    pub(crate) seen_wrong: Vec<Violation>,
}

/// One of the twelve invariants, or of the two more, and what broke it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
}

/// One request that an upstream got.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) upstream: usize,
    pub(crate) model: String,
    pub(crate) request: u32,
    pub(crate) at: Duration,
    /// The upstream began to answer; signs of life alone are silence.
    pub(crate) answered: bool,
    /// What it claims to have used; different in every attempt.
    pub(crate) prompt_tokens: u64,
    pub(crate) completion_tokens: u64,
    /// It said so.
    pub(crate) billed: bool,
    /// As many tokens left as the request allows, whether or not it could say that they ended.
    pub(crate) at_limit: bool,
    /// Its words all left, and how it said that they ended.
    pub(crate) finish: Option<&'static str>,
    pub(crate) what: &'static str,
}

/// One job that a local model took in.
#[derive(Debug, Clone)]
pub(crate) struct LocalJob {
    pub(crate) request: u32,
    /// Without the beginning of the answer, which it read as part of its prompt.
    pub(crate) prompt_tokens: u64,
    pub(crate) prefix_tokens: u64,
    pub(crate) tokens: u64,
}

/// From this moment on a local model holds so many jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) at: Duration,
    pub(crate) model: &'static str,
    pub(crate) jobs: usize,
}

/// What `/api/status` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) at: Duration,
    pub(crate) state: String,
    /// The state that what is shown beside it adds up to; a second word where a throttle may be told as well.
    pub(crate) adds_up_to: Vec<&'static str>,
    /// Every breaker that is shown, of upstreams and of their models.
    pub(crate) breakers: Vec<ShownBreaker>,
    pub(crate) in_flight: u64,
    /// The step of the ladder of scarcity.
    pub(crate) brown_out_step: u64,
}

/// A breaker as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownBreaker {
    /// The upstream, or `upstream/model`.
    pub(crate) whose: String,
    pub(crate) state: String,
    /// By the box's clock, which may jump: good to tell one state from the next, not to measure.
    pub(crate) since_ms: i64,
}

impl Book {
    pub(crate) fn begin() -> Book {
        Book(Arc::new(Mutex::new(Pages {
            started: Instant::now(),
            trace: Vec::new(),
            attempts: Vec::new(),
            jobs: Vec::new(),
            loads: Vec::new(),
            looks: Vec::new(),
            seen_wrong: Vec::new(),
        })))
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.pages().now()
    }

    /// One line of the trace.
    pub(crate) fn tell(&self, line: impl AsRef<str>) {
        self.pages().tell(line.as_ref());
    }

    pub(crate) fn wrong(&self, invariant: &'static str, what: String) {
        let mut pages = self.pages();
        pages.tell(&format!("VIOLATION {invariant}: {what}"));
        pages.seen_wrong.push(Violation { invariant, what });
    }

    /// Puts an attempt down and gives its number.
    pub(crate) fn attempt(&self, attempt: Attempt) -> usize {
        let mut pages = self.pages();
        pages.attempts.push(attempt);
        pages.attempts.len() - 1
    }

    pub(crate) fn change_attempt(&self, number: usize, change: impl FnOnce(&mut Attempt)) {
        change(&mut self.pages().attempts[number]);
    }
}

impl Pages {
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The most jobs that a local model held at any moment from `from` to `to`.
    pub(crate) fn most_jobs(&self, model: &str, from: Duration, to: Duration) -> usize {
        let loads = || self.loads.iter().filter(|load| load.model == model);
        let at_first = loads().rev().find(|load| load.at < from).map_or(0, |load| load.jobs);
        let within = loads().filter(|load| from <= load.at && load.at <= to).map(|load| load.jobs);
        within.fold(at_first, usize::max)
    }

    fn tell(&mut self, line: &str) {
        let at = self.started.elapsed();
        let line = format!("{:>4}.{:03} {line}", at.as_secs(), at.subsec_millis());
        self.trace.push(line);
    }
}

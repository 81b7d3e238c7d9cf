//! The breaker of one upstream: it decides whether requests may go there.

mod state;

use std::time::Instant;

use crate::backoff::Backoff;
use crate::window::Window;
use crate::{Failure, Outcome, Thresholds};

pub use self::state::{Cause, Flip, State, StateKind, Trip};

/// Passes requests to an upstream while closed, refuses them while open, and tries the upstream with synthetic
/// probes while half-open. No client's request is ever the trial.
///
/// [`State`] draws what it does by itself. Beside that, a person may isolate the upstream until a given time: requests
/// are refused while probes go on, so that the state is true at the moment when the isolation ends.
#[derive(Debug, Clone)]
pub struct Breaker {
    thresholds: Thresholds,
    state: State,
    /// In half-open: a probe has begun and not settled. It is forgotten with the state.
    is_probing: bool,
    isolated_until: Option<Instant>,
    backoff: Backoff,
    last_reset: Option<Instant>,
    /// Reset, and no request has succeeded since.
    is_on_trial: bool,
    requests: RequestsInARow,
    probes: ProbesInARow,
    window: Window,
}

/// What requests have said since the last one that succeeded.
#[derive(Debug, Clone, Copy, Default)]
struct RequestsInARow {
    hard_failures: u32,
    failures: u32,
    key_rejections: u32,
    /// A probe went well after one of them had failed, so probes do not see what is wrong.
    is_contradicted: bool,
}

/// What probes have said since the last good one. They are counted apart from requests because a probe asks less: a
/// list of models may come promptly from an upstream that answers no question, and must not hide that.
#[derive(Debug, Clone, Copy, Default)]
struct ProbesInARow {
    missed: u32,
    key_rejections: u32,
}

impl Breaker {
    /// Closed: an upstream is trusted until it fails.
    pub fn new(thresholds: Thresholds) -> Self {
        Breaker {
            state: State::Closed,
            is_probing: false,
            isolated_until: None,
            backoff: Backoff::new(thresholds.open_first, thresholds.open_max, thresholds.open_jitter),
            last_reset: None,
            is_on_trial: false,
            requests: RequestsInARow::default(),
            probes: ProbesInARow::default(),
            window: Window::new(thresholds.window),
            thresholds,
        }
    }

    /// Takes a request's outcome. It counts only while closed: an outcome that arrives later belongs to a request
    /// that was admitted before the trip, and tells nothing new.
    ///
    /// `draw` is random, from 0 to 1; it spreads the open time.
    pub fn record(&mut self, outcome: Outcome, now: Instant, draw: f64) -> Option<Flip> {
        if self.state != State::Closed {
            return None;
        }
        let trip = match outcome {
            Outcome::Success => {
                self.request_succeeded(now);
                None
            }
            Outcome::Failure(failure) => self.request_failed(failure, now),
            Outcome::KeyRejected => {
                self.requests.key_rejections += 1;
                self.too_many_key_rejections()
            }
            Outcome::Throttled | Outcome::CallerFault | Outcome::Cancelled => None,
        };
        self.trip(trip?, now, draw)
    }

    /// Takes a synthetic probe's outcome. While half-open it counts only if [`Breaker::begin_probe`] admitted it, so
    /// that a late outcome from before the trip decides nothing.
    ///
    /// A throttle, a caller's fault and a cancel settle a probe without being good or bad.
    pub fn record_probe(&mut self, outcome: Outcome, now: Instant, draw: f64) -> Option<Flip> {
        if let Some(flip) = self.tick(now, draw) {
            return Some(flip);
        }
        match self.state {
            State::Closed => {
                let trip = self.probe_while_closed(outcome)?;
                self.trip(trip, now, draw)
            }
            State::Open { .. } => None,
            State::HalfOpen { .. } if !self.is_probing => None,
            State::HalfOpen { since, good_probes } => {
                self.is_probing = false;
                match outcome {
                    Outcome::Success => self.good_probe(since, good_probes + 1, now),
                    Outcome::Failure(_) | Outcome::KeyRejected => Some(self.open(Cause::BadProbe, now, draw)),
                    Outcome::Throttled | Outcome::CallerFault | Outcome::Cancelled => None,
                }
            }
        }
    }

    /// Opens a breaker that is closed or half-open; one that is open keeps its time.
    pub fn trip(&mut self, cause: Trip, now: Instant, draw: f64) -> Option<Flip> {
        match self.state {
            State::Open { .. } => None,
            State::Closed | State::HalfOpen { .. } => Some(self.open(Cause::Trip(cause), now, draw)),
        }
    }

    /// Does what time alone does: ends an isolation, an open time, and a half-open that got too old. Call it at least
    /// once a second.
    pub fn tick(&mut self, now: Instant, draw: f64) -> Option<Flip> {
        if self.isolated_until.is_some_and(|until| now >= until) {
            self.isolated_until = None;
        }
        match self.state {
            State::Open { until } if now >= until => {
                let half_open = State::HalfOpen { since: now, good_probes: 0 };
                Some(self.change(half_open, Cause::TimeToProbe))
            }
            State::HalfOpen { since, .. } if self.is_too_old(since, now) => {
                Some(self.open(Cause::TooOld, now, draw))
            }
            State::Closed | State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// Refuses requests until `until`, by a person's order, whatever the state. Its end is found by
    /// [`Breaker::tick`].
    pub fn isolate(&mut self, until: Instant) {
        self.isolated_until = Some(until);
    }

    /// Ends an isolation before its time.
    pub fn release(&mut self) {
        self.isolated_until = None;
    }

    /// Ends an open time before its end: there is a sign that the upstream is back, or a doubt that it was ever out.
    pub fn hasten(&mut self, now: Instant) -> Option<Flip> {
        matches!(self.state, State::Open { .. }).then(|| {
            let half_open = State::HalfOpen { since: now, good_probes: 0 };
            self.change(half_open, Cause::TimeToProbe)
        })
    }

    /// Requests that failed since the last one that succeeded.
    pub fn failures_in_a_row(&self) -> u32 {
        self.requests.failures
    }

    /// Closed, and a request has failed since the last success without a probe having gone well since: whether the
    /// upstream is out is to be found out, and better by a probe than by the next request.
    pub fn is_in_question(&self) -> bool {
        self.state == State::Closed && self.requests.failures > 0 && !self.requests.is_contradicted
    }

    pub fn isolated_until(&self) -> Option<Instant> {
        self.isolated_until
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Only when closed and not isolated.
    pub fn admits_requests(&self) -> bool {
        self.state == State::Closed && self.isolated_until.is_none()
    }

    /// While closed always, while open never, while half-open one at a time.
    pub fn admits_probe(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { .. } => false,
            State::HalfOpen { since, .. } => !self.is_probing && !self.is_too_old(since, now),
        }
    }

    /// Begins a probe if one is admitted, and says whether it was.
    pub fn begin_probe(&mut self, now: Instant) -> bool {
        let is_admitted = self.admits_probe(now);
        if is_admitted && matches!(self.state, State::HalfOpen { .. }) {
            self.is_probing = true;
        }
        is_admitted
    }

    /// A request that succeeded went all the way, which says more than any probe that was missed.
    fn request_succeeded(&mut self, now: Instant) {
        self.window.record_success(now);
        self.is_on_trial = false;
        self.requests = RequestsInARow::default();
        self.probes = ProbesInARow::default();
    }

    /// The ratio is looked at only here, so that no success ever trips a breaker.
    fn request_failed(&mut self, failure: Failure, now: Instant) -> Option<Trip> {
        self.window.record_failure(now);
        self.requests.failures += 1;
        match failure {
            Failure::Hard => self.requests.hard_failures += 1,
            Failure::Soft => self.requests.hard_failures = 0,
        }
        if self.requests.hard_failures >= self.thresholds.max_hard_failures {
            Some(Trip::HardFailures)
        } else if self.is_on_trial
            || self.requests.is_contradicted
            || self.requests.failures >= self.thresholds.max_failures
        {
            Some(Trip::Failures)
        } else {
            self.too_few_successes(now)
        }
    }

    fn too_few_successes(&self, now: Instant) -> Option<Trip> {
        let tally = self.window.tally(now);
        let is_enough_to_judge = tally.requests() >= self.thresholds.min_requests;
        let is_too_low = tally.success_ratio() < self.thresholds.min_success_ratio;
        (is_enough_to_judge && is_too_low).then_some(Trip::SuccessRatio)
    }

    fn probe_while_closed(&mut self, outcome: Outcome) -> Option<Trip> {
        match outcome {
            Outcome::Success => {
                self.probes = ProbesInARow::default();
                self.requests.is_contradicted = self.requests.failures > 0;
                None
            }
            Outcome::Failure(_) => {
                self.probes.missed += 1;
                (self.probes.missed >= self.thresholds.max_missed_probes).then_some(Trip::MissedProbes)
            }
            Outcome::KeyRejected => {
                self.probes.key_rejections += 1;
                self.too_many_key_rejections()
            }
            Outcome::Throttled | Outcome::CallerFault | Outcome::Cancelled => None,
        }
    }

    fn too_many_key_rejections(&self) -> Option<Trip> {
        let rejections = self.requests.key_rejections + self.probes.key_rejections;
        (rejections >= self.thresholds.max_key_rejections).then_some(Trip::KeyRejected)
    }

    fn good_probe(&mut self, since: Instant, good_probes: u32, now: Instant) -> Option<Flip> {
        if good_probes < self.thresholds.consecutive_good_probes {
            self.state = State::HalfOpen { since, good_probes };
            return None;
        }
        self.last_reset = Some(now);
        self.is_on_trial = true;
        Some(self.change(State::Closed, Cause::GoodProbes))
    }

    fn open(&mut self, cause: Cause, now: Instant, draw: f64) -> Flip {
        let has_held = |reset: Instant| now.saturating_duration_since(reset) >= self.thresholds.window;
        if self.state == State::Closed && self.last_reset.is_some_and(has_held) {
            self.backoff.start_over();
        }
        let until = now + self.backoff.next_delay(draw);
        self.change(State::Open { until }, cause)
    }

    /// Every state begins with a clean slate.
    fn change(&mut self, to: State, cause: Cause) -> Flip {
        let flip = Flip { from: self.state.kind(), to: to.kind(), cause };
        self.state = to;
        self.is_probing = false;
        self.requests = RequestsInARow::default();
        self.probes = ProbesInARow::default();
        self.window.clear();
        flip
    }

    fn is_too_old(&self, since: Instant, now: Instant) -> bool {
        now.saturating_duration_since(since) >= self.thresholds.half_open_max_age
    }
}

#[cfg(test)]
mod tests;

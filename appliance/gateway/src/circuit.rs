//! The live side of one breaker, of an upstream or of one of its models: writers lock it, readers watch what it
//! published.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use continuity::{
    Breaker, Failback, FailbackSteps, Flip, LostBy, Outcome, State, Thresholds, Throttle, Trip,
    UpstreamCondition,
};
use tokio::sync::{Notify, watch};

use crate::fault::Fault;

/// The breaker, the ramp of failback, the hold of a throttle and the newest evidence.
pub(crate) struct Circuit {
    inner: Mutex<Inner>,
    pulse: watch::Sender<Pulse>,
    /// Requests that have been silent for longer than is usual, and are still waited for.
    doubtful: AtomicU32,
    max_failures: u32,
    /// Wakes the prober: a request has a suspicion, or the breaker has changed its state.
    pub suspect: Notify,
}

struct Inner {
    breaker: Breaker,
    failback: Failback,
    throttle: Throttle,
    evidence: Evidence,
    /// Who found the newest loss.
    lost_by: LostBy,
    /// It was requests, and no probe has looked yet whether it sees the same.
    look_is_due: bool,
}

/// What the newest probe or request said, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub fault: Option<Fault>,
    /// Since when there has been a fault, of whatever kind.
    pub failing_since: Option<Instant>,
    pub last_probe_ms: Option<i64>,
    /// When the newest probe ended.
    pub probed_at: Option<Instant>,
    pub since_ms: i64,
}

impl Evidence {
    fn put(&mut self, fault: Option<&Fault>, now: Instant) {
        self.fault = fault.cloned();
        self.failing_since = fault.map(|_| self.failing_since.unwrap_or(now));
    }
}

/// What waiting requests watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pulse {
    admits: bool,
    missed_probes: u64,
    failures_in_a_row: u32,
    held_until: Option<Instant>,
}

/// A reader's view at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub state: State,
    pub admits: bool,
    pub share_percent: u8,
    pub is_throttled: bool,
    pub evidence: Evidence,
}

impl Circuit {
    pub(crate) fn new(thresholds: Thresholds, steps: FailbackSteps, now_ms: i64) -> Self {
        let max_failures = thresholds.max_failures;
        let inner = Inner {
            breaker: Breaker::new(thresholds),
            failback: Failback::new(steps),
            throttle: Throttle::default(),
            evidence: Evidence { since_ms: now_ms, ..Evidence::default() },
            lost_by: LostBy::Others,
            look_is_due: false,
        };
        let pulse = Pulse { admits: true, missed_probes: 0, failures_in_a_row: 0, held_until: None };
        Circuit {
            inner: Mutex::new(inner),
            pulse: watch::Sender::new(pulse),
            doubtful: AtomicU32::new(0),
            max_failures,
            suspect: Notify::new(),
        }
    }

    pub(crate) fn reading(&self, now: Instant) -> Reading {
        let inner = self.lock();
        Reading {
            state: inner.breaker.state(),
            admits: inner.breaker.admits_requests(),
            share_percent: inner.failback.share_percent(now),
            is_throttled: inner.throttle.is_held(now),
            evidence: inner.evidence.clone(),
        }
    }

    /// What the state of the site asks for, and whether a throttle is worth telling.
    pub(crate) fn condition(&self, now: Instant) -> (UpstreamCondition, bool) {
        let inner = self.lock();
        let admits = inner.breaker.admits_requests();
        let condition = UpstreamCondition {
            admits,
            share_percent: inner.failback.share_percent(now),
            is_isolated: false,
        };
        (condition, inner.throttle.is_held_long(now))
    }

    pub(crate) fn admits_requests(&self) -> bool {
        self.pulse.borrow().admits
    }

    /// Requests have failed, and so many more have been silent for so long that all of them together would trip the
    /// breaker: their ends are waited for before another one is sent after them. In flight means sent while no failure
    /// was known; those are as many as there were, since nothing spoke against them.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let failures = self.pulse.borrow().failures_in_a_row;
        let doubtful = self.doubtful.load(Ordering::Relaxed);
        failures > 0 && failures.saturating_add(doubtful) >= self.max_failures
    }

    pub(crate) fn is_throttled(&self, now: Instant) -> bool {
        self.pulse.borrow().held_until.is_some_and(|until| now < until)
    }

    /// The ramp lets this conversation go to the cloud, or the next request that belongs to none.
    pub(crate) fn admits_by_ramp(&self, now: Instant, conversation: Option<u64>) -> bool {
        let mut inner = self.lock();
        let admits = match conversation {
            Some(draw) => inner.failback.admits(now, draw),
            None => inner.failback.admits_next(now),
        };
        admits && inner.failback.admits_trial(now)
    }

    /// What a request learned of the upstream.
    pub(crate) fn record(&self, fault: Option<&Fault>, now: Instant, now_ms: i64) -> Option<Flip> {
        let outcome = fault.map_or(Outcome::Success, Fault::outcome);
        let flip = self.change(now, now_ms, |inner| {
            match (outcome, fault) {
                (Outcome::Success, _) => {
                    inner.throttle.answered(now);
                    inner.failback.proven();
                }
                (_, Some(Fault::Throttled { retry_after })) => inner.throttle.hold(*retry_after, now),
                _ => {}
            }
            match outcome {
                Outcome::Success if inner.breaker.admits_requests() => inner.evidence.put(None, now),
                Outcome::Failure(_) | Outcome::KeyRejected | Outcome::Throttled => {
                    inner.evidence.put(fault, now);
                }
                _ => {}
            }
            inner.breaker.record(outcome, now, draw())
        });
        // Of one that is merely late a probe would say nothing. Who wakes must find the failure counted already.
        if matches!(outcome, Outcome::Failure(_)) && !matches!(fault, Some(Fault::Slow(_))) {
            self.suspect.notify_one();
        }
        flip
    }

    /// What a probe learned of the upstream.
    pub(crate) fn record_probe(&self, fault: Option<&Fault>, now: Instant, now_ms: i64) -> Option<Flip> {
        let flip = self.change(now, now_ms, |inner| {
            inner.evidence.last_probe_ms = Some(now_ms);
            inner.evidence.probed_at = Some(now);
            let flip =
                inner.breaker.record_probe(fault.map_or(Outcome::Success, Fault::outcome), now, draw());
            // What opened the breaker stands until it is closed again, or until something else is found.
            let is_over = fault.is_none() && inner.breaker.state() == State::Closed;
            if is_over || fault.is_some_and(|fault| !matches!(fault, Fault::Lost)) {
                inner.evidence.put(fault, now);
            }
            flip
        });
        if fault.is_some_and(|f| matches!(f.outcome(), Outcome::Failure(_))) {
            self.pulse.send_modify(|pulse| pulse.missed_probes += 1);
        }
        flip
    }

    /// Opens the breaker for what one finding says beyond doubt.
    pub(crate) fn trip(&self, cause: Trip, fault: Option<&Fault>, now: Instant, now_ms: i64) -> Option<Flip> {
        self.change(now, now_ms, |inner| {
            if fault.is_some() {
                inner.evidence.put(fault, now);
            }
            inner.breaker.trip(cause, now, draw())
        })
    }

    /// Ends an open time early.
    pub(crate) fn hasten(&self, now: Instant, now_ms: i64) -> Option<Flip> {
        self.change(now, now_ms, |inner| inner.breaker.hasten(now))
    }

    pub(crate) fn tick(&self, now: Instant, now_ms: i64) -> Option<Flip> {
        self.change(now, now_ms, |inner| inner.breaker.tick(now, draw()))
    }

    /// What was lost since `since` was lost by a drill, and counts as no flap.
    pub(crate) fn forgive(&self, since: Instant) {
        self.lock().failback.forgive(since);
    }

    /// Marks a probe as begun; false when the breaker admits none now.
    pub(crate) fn begin_probe(&self, now: Instant) -> bool {
        self.lock().breaker.begin_probe(now)
    }

    /// Requests have just tripped the breaker, and this is the first to ask: the caller looks whether probes see it too.
    pub(crate) fn begin_look(&self) -> bool {
        std::mem::take(&mut self.lock().look_is_due)
    }

    /// The look found nothing wrong.
    pub(crate) fn contradicted(&self) {
        self.lock().failback.contradicted();
    }

    /// A request has failed, and no probe has said yet what there is to it.
    pub(crate) fn is_in_question(&self) -> bool {
        self.lock().breaker.is_in_question()
    }

    /// Resolves when there is no more sense in waiting for the upstream: its breaker has opened, or the request
    /// has been silent for `suspicion` and a probe sent since then was missed as well.
    pub(crate) async fn lost(&self, suspicion: Duration) -> Fault {
        let mut pulse = self.pulse.subscribe();
        let still_admits = tokio::time::timeout(suspicion, pulse.wait_for(|p| !p.admits));
        if still_admits.await.is_ok() {
            return Fault::Lost;
        }
        let missed = pulse.borrow().missed_probes;
        self.suspect.notify_one();
        // The sender lives in `self`, so the wait can only end by its condition.
        let _ = pulse.wait_for(|p| !p.admits || p.missed_probes > missed).await;
        if self.admits_requests() { Fault::Silent(suspicion) } else { Fault::Lost }
    }

    pub(crate) fn has_fault(&self) -> bool {
        self.failing_since().is_some()
    }

    pub(crate) fn failing_since(&self) -> Option<Instant> {
        self.lock().evidence.failing_since
    }

    pub(crate) fn fault_is_of_transport(&self) -> bool {
        self.lock().evidence.fault.as_ref().is_some_and(|fault| fault.sign().is_of_transport())
    }

    /// Requests have failed, or were refused for the account's sake: the list of models may still come, and says too
    /// little.
    pub(crate) fn doubts_requests(&self) -> bool {
        let inner = self.lock();
        let is_of_account = |fault: &Fault| fault.outcome() == Outcome::KeyRejected;
        match inner.breaker.state() {
            State::Closed => inner.breaker.is_in_question(),
            State::Open { .. } | State::HalfOpen { .. } => {
                inner.lost_by == LostBy::Requests || inner.evidence.fault.as_ref().is_some_and(is_of_account)
            }
        }
    }

    /// Resolves when the breaker admits requests; at once when it does.
    pub(crate) async fn until_it_admits(&self) {
        // The sender lives in `self`, so the wait can only end by its condition.
        let _ = self.pulse.subscribe().wait_for(|pulse| pulse.admits).await;
    }

    /// Counts a request as doubtful when it has been silent for `suspicion`, for as long as it is waited for.
    /// Resolves when the breaker is open then: there is no more sense in waiting.
    pub(crate) async fn doubt(&self, suspicion: Duration) {
        tokio::time::sleep(suspicion).await;
        let _doubt = Doubt::of(&self.doubtful);
        let _ = self.pulse.subscribe().wait_for(|pulse| !pulse.admits).await;
    }

    fn change(
        &self,
        now: Instant,
        now_ms: i64,
        step: impl FnOnce(&mut Inner) -> Option<Flip>,
    ) -> Option<Flip> {
        let mut inner = self.lock();
        let flip = step(&mut inner);
        if let Some(flip) = &flip {
            inner.evidence.since_ms = now_ms;
            if flip.is_trip() {
                let by = flip.lost_by();
                inner.lost_by = by;
                let is_late = matches!(inner.evidence.fault, Some(Fault::Slow(_)));
                inner.look_is_due = by == LostBy::Requests && !is_late;
                inner.failback.lost(by, now);
            } else if flip.is_reset() {
                inner.failback.back(now);
            }
        }
        self.publish(&inner);
        if flip.is_some() {
            self.suspect.notify_one();
        }
        flip
    }

    /// Waiting requests are woken only by what they wait for.
    fn publish(&self, inner: &Inner) {
        let admits = inner.breaker.admits_requests();
        self.pulse.send_if_modified(|pulse| {
            pulse.failures_in_a_row = inner.breaker.failures_in_a_row();
            pulse.held_until = inner.throttle.until();
            std::mem::replace(&mut pulse.admits, admits) != admits
        });
    }

    /// A panic while the lock was held leaves plain data behind, which is still good to use.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that is counted as doubtful until this is dropped.
struct Doubt<'a>(&'a AtomicU32);

impl<'a> Doubt<'a> {
    fn of(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Doubt(count)
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A number in 0..1 for jitter.
pub(crate) fn draw() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;

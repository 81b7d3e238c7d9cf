//! The live side of one upstream's breaker: writers lock it, readers watch what it published.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use continuity::{Breaker, Failback, FailbackSteps, Flip, Outcome, State, Thresholds, Trip};
use tokio::sync::{Notify, watch};

use crate::fault::Fault;

/// The breaker, the ramp of failback and the newest evidence of one upstream.
pub(crate) struct Circuit {
    inner: Mutex<Inner>,
    pulse: watch::Sender<Pulse>,
    /// Wakes the prober: a request has a suspicion.
    pub suspect: Notify,
}

struct Inner {
    breaker: Breaker,
    failback: Failback,
    evidence: Evidence,
}

/// What the newest probe or request said, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub fault: Option<Fault>,
    pub last_probe_ms: Option<i64>,
    pub since_ms: i64,
}

/// What waiting requests watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pulse {
    admits: bool,
    missed_probes: u64,
}

/// A reader's view at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub state: State,
    pub admits: bool,
    pub share_percent: u8,
    pub evidence: Evidence,
}

impl Circuit {
    pub(crate) fn new(thresholds: Thresholds, steps: FailbackSteps, now_ms: i64) -> Self {
        let inner = Inner {
            breaker: Breaker::new(thresholds),
            failback: Failback::new(steps),
            evidence: Evidence { since_ms: now_ms, ..Evidence::default() },
        };
        let pulse = watch::Sender::new(Pulse { admits: true, missed_probes: 0 });
        Circuit { inner: Mutex::new(inner), pulse, suspect: Notify::new() }
    }

    pub(crate) fn reading(&self, now: Instant) -> Reading {
        let inner = self.lock();
        Reading {
            state: inner.breaker.state(),
            admits: inner.breaker.admits_requests(),
            share_percent: inner.failback.share_percent(now),
            evidence: inner.evidence.clone(),
        }
    }

    pub(crate) fn admits_requests(&self) -> bool {
        self.pulse.borrow().admits
    }

    /// The ramp lets this conversation go to the cloud.
    pub(crate) fn admits_conversation(&self, now: Instant, draw: u64) -> bool {
        self.lock().failback.admits(now, draw)
    }

    /// What a request learned of the upstream.
    pub(crate) fn record(&self, fault: Option<&Fault>, now: Instant, now_ms: i64) -> Option<Flip> {
        let outcome = fault.map_or(Outcome::Success, Fault::outcome);
        self.change(now, now_ms, |inner| {
            match outcome {
                Outcome::Success if inner.breaker.admits_requests() => inner.evidence.fault = None,
                Outcome::Failure(_) | Outcome::KeyRejected | Outcome::Throttled => {
                    inner.evidence.fault = fault.cloned();
                }
                _ => {}
            }
            inner.breaker.record(outcome, now, draw())
        })
    }

    /// What a probe learned of the upstream.
    pub(crate) fn record_probe(&self, fault: Option<&Fault>, now: Instant, now_ms: i64) -> Option<Flip> {
        let flip = self.change(now, now_ms, |inner| {
            inner.evidence.last_probe_ms = Some(now_ms);
            inner.evidence.fault = fault.cloned();
            inner.breaker.record_probe(fault.map_or(Outcome::Success, Fault::outcome), now, draw())
        });
        if fault.is_some_and(|f| matches!(f.outcome(), Outcome::Failure(_))) {
            self.pulse.send_modify(|pulse| pulse.missed_probes += 1);
        }
        flip
    }

    pub(crate) fn trip(&self, cause: Trip, now: Instant, now_ms: i64) -> Option<Flip> {
        self.change(now, now_ms, |inner| inner.breaker.trip(cause, now, draw()))
    }

    pub(crate) fn tick(&self, now: Instant, now_ms: i64) -> Option<Flip> {
        self.change(now, now_ms, |inner| inner.breaker.tick(now, draw()))
    }

    /// Marks a probe as begun; false when the breaker admits none now.
    pub(crate) fn begin_probe(&self, now: Instant) -> bool {
        self.lock().breaker.begin_probe(now)
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
                inner.failback.lost(now);
            } else if flip.is_reset() {
                inner.failback.back(now);
            }
        }
        let admits = inner.breaker.admits_requests();
        self.pulse.send_if_modified(|pulse| std::mem::replace(&mut pulse.admits, admits) != admits);
        flip
    }

    /// A panic while the lock was held leaves plain data behind, which is still good to use.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number in 0..1 for jitter.
pub(crate) fn draw() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;

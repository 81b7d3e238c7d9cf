//! What happens to requests, counted for outage records: who served them, by lane, and since when there is trouble.

use std::sync::{Mutex, MutexGuard, PoisonError};

use inference::Lane;
use store::OutageCounts;

use crate::answer::{Route, Served};
use crate::clock;

const HOUR_MS: i64 = 60 * 60 * 1000;
const HOURS: usize = 24;

/// Counts since the start; a record takes what came after its beginning.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    counts: OutageCounts,
    /// By upstream: its failures since the last success.
    trouble: Vec<Option<Trouble>>,
    /// The first local answer since there is trouble.
    first_local_ms: Option<i64>,
    /// Local answers by hour, each with the number of its hour.
    hours: [(i64, u64); HOURS],
}

/// The time of the first failure, and what had been counted until then.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub since_ms: i64,
    pub before: OutageCounts,
}

impl Tally {
    /// What a probe or a request showed of an upstream.
    pub(crate) fn evidence(&self, upstream: usize, is_failure: bool) {
        let mut inner = self.lock();
        if inner.trouble.len() <= upstream {
            inner.trouble.resize(upstream + 1, None);
        }
        if !is_failure {
            inner.trouble[upstream] = None;
            if inner.trouble.iter().all(Option::is_none) {
                inner.first_local_ms = None;
            }
        } else if inner.trouble[upstream].is_none() {
            let before = inner.counts.clone();
            inner.trouble[upstream] = Some(Trouble { since_ms: clock::unix_ms(), before });
        }
    }

    /// The first token of an answer is there.
    pub(crate) fn began(&self, served: &Served) {
        let mut inner = self.lock();
        let in_trouble = inner.trouble.iter().any(Option::is_some);
        if served.route == Route::Local && in_trouble && served.reason.is_in_place_of_the_cloud() {
            inner.first_local_ms.get_or_insert_with(clock::unix_ms);
        }
    }

    pub(crate) fn served(&self, lane: Lane, served: &Served) {
        let mut inner = self.lock();
        let of_lane = inner.counts.served.entry(lane.as_str().to_owned()).or_default();
        *of_lane.entry(served.by.clone()).or_default() += 1;
        if served.route == Route::Local {
            let hour = clock::unix_ms() / HOUR_MS;
            let slot = &mut inner.hours[hour.rem_euclid(HOURS as i64) as usize];
            *slot = (hour, if slot.0 == hour { slot.1 + 1 } else { 1 });
        }
    }

    pub(crate) fn refused(&self, lane: Lane) {
        *self.lock().counts.refused.entry(lane.as_str().to_owned()).or_default() += 1;
    }

    pub(crate) fn failed_over(&self) {
        self.lock().counts.failovers += 1;
    }

    pub(crate) fn seam(&self) {
        self.lock().counts.seams += 1;
    }

    pub(crate) fn hedged(&self) {
        self.lock().counts.hedges += 1;
    }

    pub(crate) fn counts(&self) -> OutageCounts {
        self.lock().counts.clone()
    }

    pub(crate) fn trouble(&self, upstream: usize) -> Option<Trouble> {
        self.lock().trouble.get(upstream).cloned().flatten()
    }

    pub(crate) fn first_local_ms(&self) -> Option<i64> {
        self.lock().first_local_ms
    }

    /// Local answers of the last 24 hours, as far back as the box runs.
    pub(crate) fn local_answers_24h(&self) -> u64 {
        let now = clock::unix_ms() / HOUR_MS;
        let recent = |(hour, _): &&(i64, u64)| (0..HOURS as i64).contains(&(now - hour));
        self.lock().hours.iter().filter(recent).map(|(_, count)| count).sum()
    }

    /// A panic while the lock was held leaves plain numbers behind, which are still good to use.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use continuity::SiteState;

    use super::*;
    use crate::reason::Reason;

    fn served(by: &str, route: Route, reason: Reason) -> Served {
        Served { by: by.into(), route, reason, site_state: SiteState::Offline, shortened: None, brown_out: 0 }
    }

    #[test]
    fn trouble_begins_with_the_first_failure_and_ends_with_a_success() {
        let tally = Tally::default();
        let local = served("local/large", Route::Local, Reason::Refused);
        tally.began(&local);
        assert_eq!(tally.first_local_ms(), None, "all is well");
        tally.served(Lane::Batch, &local);
        tally.evidence(1, true);
        tally.served(Lane::Clinical, &local);
        tally.evidence(1, true);
        let trouble = tally.trouble(1).expect("it fails");
        assert_eq!(tally.counts().since(&trouble.before).served_local(), 1);
        assert!(tally.trouble(0).is_none());
        tally.began(&served("local/large", Route::Local, Reason::WarmShare));
        assert_eq!(tally.first_local_ms(), None);
        tally.began(&local);
        assert!(tally.first_local_ms().is_some_and(|at| at >= trouble.since_ms));
        tally.evidence(1, false);
        assert!(tally.trouble(1).is_none() && tally.first_local_ms().is_none());
    }

    #[test]
    fn local_answers_are_counted_by_the_hour() {
        let tally = Tally::default();
        tally.served(Lane::Batch, &served("openai/gpt", Route::Cloud, Reason::FirstRoute));
        assert_eq!(tally.local_answers_24h(), 0);
        tally.served(Lane::Batch, &served("local/large", Route::Local, Reason::WarmShare));
        assert_eq!(tally.local_answers_24h(), 1);
        tally.lock().hours.iter_mut().for_each(|(hour, _)| *hour -= 24);
        assert_eq!(tally.local_answers_24h(), 0);
    }
}

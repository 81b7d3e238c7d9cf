//! When to start a local answer beside a cloud attempt that is late: after the p99 of the route's own first tokens.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::{AliasSettings, CloudRoute, HedgeSettings};

/// First tokens that are remembered of each route, the newest, and for how long.
const MAX_SAMPLES: usize = 256;
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// With fewer samples than these a p99 says nothing.
const MIN_SAMPLES: usize = 20;

/// The newest first tokens of every cloud route. Routes come from the configuration alone, so their number is fixed.
pub(crate) struct FirstTokens(HashMap<String, Mutex<Samples>>);

#[derive(Default)]
struct Samples(VecDeque<(Instant, Duration)>);

impl FirstTokens {
    pub(crate) fn new(aliases: &[AliasSettings]) -> Self {
        let routes = aliases.iter().flat_map(|alias| &alias.cloud);
        FirstTokens(routes.map(|route| (route.label.clone(), Mutex::default())).collect())
    }

    /// A first token of the route came so long after the request.
    pub(crate) fn came(&self, route: &CloudRoute, after: Duration, now: Instant) {
        if let Some(samples) = self.0.get(&route.label) {
            samples.lock().unwrap_or_else(PoisonError::into_inner).add(after, now);
        }
    }

    /// How long the route is waited for before a local answer is started beside it.
    pub(crate) fn delay(
        &self,
        route: &CloudRoute,
        settings: HedgeSettings,
        first_token: Duration,
        now: Instant,
    ) -> Duration {
        let samples = self.0.get(&route.label);
        let p99 = samples.and_then(|s| s.lock().unwrap_or_else(PoisonError::into_inner).p99(now));
        p99.unwrap_or(settings.unknown).max(settings.min).min(first_token)
    }
}

impl Samples {
    fn add(&mut self, after: Duration, now: Instant) {
        if self.0.len() == MAX_SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((now, after));
    }

    fn p99(&mut self, now: Instant) -> Option<Duration> {
        let is_old = |at: Instant| now.saturating_duration_since(at) > REMEMBERED;
        while self.0.front().is_some_and(|(at, _)| is_old(*at)) {
            self.0.pop_front();
        }
        if self.0.len() < MIN_SAMPLES {
            return None;
        }
        let mut waits: Vec<Duration> = self.0.iter().map(|(_, after)| *after).collect();
        let at = (waits.len() * 99).div_ceil(100) - 1;
        Some(*waits.select_nth_unstable(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::now;
    use crate::settings::RouteFacts;

    const SETTINGS: HedgeSettings =
        HedgeSettings { min: Duration::from_secs(2), unknown: Duration::from_secs(5) };

    fn route() -> CloudRoute {
        CloudRoute { upstream: 0, model: "m".into(), label: "u/m".into(), facts: RouteFacts::default() }
    }

    fn tokens() -> FirstTokens {
        let alias = AliasSettings {
            name: "a".into(),
            kind: inference::Kind::Chat,
            cloud: vec![route()],
            standby: Vec::new(),
            shorten: None,
            restricted: false,
            warm_share_percent: 0,
        };
        FirstTokens::new(&[alias])
    }

    /// The delay in milliseconds after these first tokens, which all came a moment ago.
    fn delay(waits_ms: impl IntoIterator<Item = u64>) -> u128 {
        let (tokens, now) = (tokens(), now());
        waits_ms.into_iter().for_each(|ms| tokens.came(&route(), Duration::from_millis(ms), now));
        tokens.delay(&route(), SETTINGS, Duration::from_secs(15), now).as_millis()
    }

    #[test]
    fn a_route_is_waited_for_as_long_as_its_slowest_usual_first_token() {
        assert_eq!(delay([]), 5_000, "nothing is known of it");
        assert_eq!(delay([3_000; 19]), 5_000, "too little is known");
        assert_eq!(delay([300; 100]), 2_000, "never less than the least");
        assert_eq!(delay((1..=100).map(|n| n * 100)), 9_900);
        assert_eq!(delay([60_000; 50]), 15_000, "never longer than the deadline");
    }

    #[test]
    fn only_the_newest_samples_of_the_last_minutes_count() {
        assert_eq!(delay([9_000].into_iter().chain([3_000; MAX_SAMPLES])), 3_000);
        let (tokens, now) = (tokens(), now());
        (0..50).for_each(|_| tokens.came(&route(), Duration::from_secs(4), now));
        let later = now + REMEMBERED + Duration::from_secs(1);
        assert_eq!(tokens.delay(&route(), SETTINGS, Duration::from_secs(15), later), SETTINGS.unknown);
    }
}

//! How long a route that answered «too many requests» is held back.

use std::time::{Duration, Instant};

/// Where the upstream names no time; it doubles when the next request is throttled again.
const UNNAMED: Duration = Duration::from_secs(5);

/// However long the upstream asks for: what it says may be wrong, and a person waits.
const LONGEST: Duration = Duration::from_secs(60);

/// The hold of one route. A throttled upstream works and wants less, so its breaker stays closed; asking it on would
/// only make it ask for more.
#[derive(Debug, Clone, Default)]
pub struct Throttle {
    held: Option<Held>,
    /// The hold that was chosen last without being named, until a request succeeds.
    unnamed: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    until: Instant,
    is_long: bool,
}

impl Throttle {
    /// An upstream that is asked too soon is waited for once by the request itself up to this.
    pub const SHORT: Duration = Duration::from_secs(5);

    /// Takes a 429 and what its `Retry-After` says. Of several holds the longest counts.
    pub fn hold(&mut self, retry_after: Option<Duration>, now: Instant) {
        // Requests that were on their way together are throttled together: that is one throttle, not several.
        let unnamed = match self.unnamed {
            _ if self.is_held(now) => self.unnamed.unwrap_or(UNNAMED),
            None => UNNAMED,
            Some(before) => (before * 2).min(LONGEST),
        };
        if retry_after.is_none() {
            self.unnamed = Some(unnamed);
        }
        let time = retry_after.unwrap_or(unnamed).min(LONGEST);
        let until = now + time;
        if self.held.is_none_or(|held| held.until < until) {
            self.held = Some(Held { until, is_long: time > Self::SHORT });
        }
    }

    /// A request was answered: the upstream takes us again.
    pub fn answered(&mut self, now: Instant) {
        if !self.is_held(now) {
            *self = Throttle::default();
        }
    }

    pub fn is_held(&self, now: Instant) -> bool {
        self.held.is_some_and(|held| now < held.until)
    }

    /// Held for longer than a request would wait: worth telling people.
    pub fn is_held_long(&self, now: Instant) -> bool {
        self.held.is_some_and(|held| now < held.until && held.is_long)
    }

    pub fn until(&self) -> Option<Instant> {
        self.held.map(|held| held.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
    fn origin() -> Instant {
        Instant::now()
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_route_is_held_for_what_the_upstream_asks_within_bounds() {
        let table = [
            (None, 5, false),
            (Some(s(1)), 1, false),
            (Some(s(5)), 5, false),
            (Some(s(20)), 20, true),
            (Some(s(86_000)), 60, true),
        ];
        for (retry_after, seconds, is_long) in table {
            let (mut throttle, now) = (Throttle::default(), origin());
            throttle.hold(retry_after, now);
            let before_its_end = now + s(seconds) - Duration::from_millis(1);
            assert!(throttle.is_held(before_its_end), "{retry_after:?}");
            assert_eq!(throttle.is_held_long(before_its_end), is_long, "{retry_after:?}");
            assert!(!throttle.is_held(now + s(seconds)), "{retry_after:?}");
        }
    }

    #[test]
    fn without_a_time_each_further_throttle_holds_twice_as_long() {
        let (mut throttle, mut now) = (Throttle::default(), origin());
        for seconds in [5, 10, 20, 40, 60, 60] {
            throttle.hold(None, now);
            assert_eq!(throttle.until(), Some(now + s(seconds)));
            now += s(seconds);
        }
        throttle.answered(now);
        throttle.hold(None, now);
        assert_eq!(throttle.until(), Some(now + s(5)), "an answer between them starts over");
    }

    #[test]
    fn requests_throttled_together_are_one_throttle() {
        let (mut throttle, now) = (Throttle::default(), origin());
        for _ in 0..32 {
            throttle.hold(None, now);
        }
        assert_eq!(throttle.until(), Some(now + s(5)));
        throttle.hold(Some(s(1)), now);
        assert_eq!(throttle.until(), Some(now + s(5)), "a shorter hold takes nothing back");
        throttle.answered(now + s(1));
        assert!(throttle.is_held(now + s(2)), "an answer to an earlier request takes nothing back either");
    }
}

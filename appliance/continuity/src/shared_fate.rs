//! Several upstreams lost in the same moment are one event, and the way out is what they share.

use std::time::{Duration, Instant};

/// Tells when two unrelated upstreams failed in the transport at once.
///
/// It sees the failures that look like a lost way out, hard or silent, of all upstreams. When two come together,
/// waiting for each breaker's own count would only fail more requests.
#[derive(Debug, Clone)]
pub struct SharedFate {
    within: Duration,
    /// The newest failure of each upstream; as many entries as there are upstreams at most.
    failures: Vec<(usize, Instant)>,
}

impl Default for SharedFate {
    fn default() -> Self {
        SharedFate::new(Duration::from_secs(5))
    }
}

impl SharedFate {
    /// `within` is how close together two failures are one event.
    pub fn new(within: Duration) -> Self {
        SharedFate { within, failures: Vec::new() }
    }

    /// Takes a failure in the transport. True when another upstream failed shortly before: all breakers are to trip.
    /// It is true once per event.
    ///
    /// Upstreams are related when they share more than the way out, such as two accounts at one host; give them the
    /// same `upstream_index`.
    pub fn observe(&mut self, upstream_index: usize, now: Instant) -> bool {
        self.failures.retain(|&(index, at)| {
            index != upstream_index && now.saturating_duration_since(at) <= self.within
        });
        if self.failures.is_empty() {
            self.failures.push((upstream_index, now));
            return false;
        }
        self.failures.clear();
        true
    }

    /// Takes an answer from any upstream: the way out is open, so what failed before failed by itself.
    pub fn answered(&mut self) {
        self.failures.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
    fn origin() -> Instant {
        Instant::now()
    }

    /// Upstream and millisecond of each failure, and whether it makes the event.
    fn check(name: &str, events: &[(usize, u64, bool)]) {
        let origin = origin();
        let mut fate = SharedFate::default();
        for &(upstream, ms, expected) in events {
            let together = fate.observe(upstream, origin + Duration::from_millis(ms));
            assert_eq!(together, expected, "{name}: upstream {upstream} at {ms} ms");
        }
    }

    #[test]
    fn two_upstreams_within_five_seconds_share_a_fate() {
        check("one alone", &[(0, 0, false), (0, 100, false), (0, 4_000, false)]);
        check("two at once", &[(0, 0, false), (1, 0, true)]);
        check("two at the edge", &[(0, 0, false), (1, 5_000, true)]);
        check("two apart", &[(0, 0, false), (1, 5_001, false), (0, 10_000, true)]);
        check("the newest failure counts", &[(0, 0, false), (0, 4_000, false), (1, 8_000, true)]);
        check("once per event", &[(0, 0, false), (1, 1, true), (2, 2, false), (2, 3, false), (0, 4, true)]);
    }

    #[test]
    fn an_answer_proves_that_the_way_out_is_open() {
        let now = origin();
        let mut fate = SharedFate::default();
        assert!(!fate.observe(0, now));
        fate.answered();
        assert!(!fate.observe(1, now));
    }
}

//! How long a breaker stays open: doubling from the first time to the longest, with jitter.

use std::time::Duration;

/// The open times of one breaker. Jitter only ever adds: no probe comes earlier than the time promises.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    jitter: f64,
    base: Duration,
}

impl Backoff {
    /// `jitter` is the share of a delay that is added at most, from 0 to 1.
    pub fn new(first: Duration, max: Duration, jitter: f64) -> Self {
        Backoff { first, max, jitter: unit(jitter), base: first.min(max) }
    }

    /// The next delay: `first`, then twice as long each time up to `max`, each lengthened by `jitter * draw`.
    /// `draw` is random, from 0 to 1.
    pub fn next_delay(&mut self, draw: f64) -> Duration {
        let base = self.base;
        self.base = base.saturating_mul(2).min(self.max);
        base + base.mul_f64(self.jitter * unit(draw))
    }

    /// Begins with the first delay again.
    pub fn start_over(&mut self) {
        self.base = self.first.min(self.max);
    }
}

/// Into 0..=1, where no number at all is 0.
fn unit(share: f64) -> f64 {
    if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(delays: &[Duration]) -> Vec<f64> {
        delays.iter().map(Duration::as_secs_f64).collect()
    }

    fn backoff() -> Backoff {
        Backoff::new(Duration::from_secs(5), Duration::from_secs(15), 0.5)
    }

    #[test]
    fn delays_double_up_to_the_longest_and_stay_there() {
        let mut backoff = backoff();
        let delays: Vec<_> = (0..4).map(|_| backoff.next_delay(0.0)).collect();
        assert_eq!(seconds(&delays), [5.0, 10.0, 15.0, 15.0]);
    }

    #[test]
    fn jitter_lengthens_by_its_share_of_the_draw() {
        for (draw, expected) in
            [(0.0, 5.0), (0.5, 6.25), (1.0, 7.5), (9.0, 7.5), (-1.0, 5.0), (f64::NAN, 5.0)]
        {
            assert_eq!(backoff().next_delay(draw).as_secs_f64(), expected, "draw {draw}");
        }
    }

    #[test]
    fn starting_over_begins_with_the_first_delay() {
        let mut backoff = backoff();
        backoff.next_delay(0.0);
        backoff.next_delay(0.0);
        backoff.start_over();
        assert_eq!(backoff.next_delay(0.0), Duration::from_secs(5));
    }
}

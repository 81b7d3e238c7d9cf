//! Successes and failures of the last while, in a ring of buckets that expire by themselves.

use std::time::{Duration, Instant};

const BUCKETS: u32 = 10;

/// Counts over a sliding span of time. Its memory is fixed and its precision a tenth of the span: an outcome is
/// counted for at least nine tenths of the span, and never longer than the span.
#[derive(Debug, Clone)]
pub struct Window {
    bucket_span: Duration,
    /// The first `now` that was ever recorded; bucket numbers count from it.
    origin: Option<Instant>,
    ring: [Bucket; BUCKETS as usize],
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    number: u64,
    tally: Tally,
}

/// How many requests ended well and how many failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub successes: u32,
    pub failures: u32,
}

impl Tally {
    pub fn requests(&self) -> u32 {
        self.successes.saturating_add(self.failures)
    }

    /// From 0 to 1; of no requests at all it is 1, for nothing has failed.
    pub fn success_ratio(&self) -> f64 {
        match self.requests() {
            0 => 1.0,
            requests => f64::from(self.successes) / f64::from(requests),
        }
    }
}

impl Window {
    pub fn new(span: Duration) -> Self {
        let bucket_span = (span / BUCKETS).max(Duration::from_nanos(1));
        Window { bucket_span, origin: None, ring: [Bucket::default(); BUCKETS as usize] }
    }

    pub fn record_success(&mut self, now: Instant) {
        if let Some(tally) = self.tally_at(now) {
            tally.successes = tally.successes.saturating_add(1);
        }
    }

    pub fn record_failure(&mut self, now: Instant) {
        if let Some(tally) = self.tally_at(now) {
            tally.failures = tally.failures.saturating_add(1);
        }
    }

    /// What is still within the span at `now`.
    pub fn tally(&self, now: Instant) -> Tally {
        let newest = self.number_at(now);
        let oldest = newest.saturating_sub(u64::from(BUCKETS) - 1);
        let mut sum = Tally::default();
        for bucket in self.ring.iter().filter(|bucket| (oldest..=newest).contains(&bucket.number)) {
            sum.successes = sum.successes.saturating_add(bucket.tally.successes);
            sum.failures = sum.failures.saturating_add(bucket.tally.failures);
        }
        sum
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.ring = [Bucket::default(); BUCKETS as usize];
        self.origin = None;
    }

    /// The counts that `now` belongs to; none when `now` is so late that its bucket has been used again.
    fn tally_at(&mut self, now: Instant) -> Option<&mut Tally> {
        self.origin.get_or_insert(now);
        let number = self.number_at(now);
        let bucket = &mut self.ring[(number % u64::from(BUCKETS)) as usize];
        if bucket.number < number {
            *bucket = Bucket { number, tally: Tally::default() };
        }
        (bucket.number == number).then_some(&mut bucket.tally)
    }

    fn number_at(&self, now: Instant) -> u64 {
        let age = self.origin.map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin));
        u64::try_from(age.as_nanos() / self.bucket_span.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;

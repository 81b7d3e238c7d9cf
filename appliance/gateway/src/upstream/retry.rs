//! The budget of second tries on one upstream: a tenth of its requests and one a second, so that an upstream in
//! trouble is never given more work by the box's own insistence.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

const TOKENS_PER_REQUEST: f64 = 0.1;
const TOKENS_PER_SECOND: f64 = 1.0;
const MAX_TOKENS: f64 = 10.0;

pub(crate) struct RetryBudget(Mutex<Bucket>);

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget(Mutex::new(Bucket { tokens: 1.0, filled: Instant::now() }))
    }
}

impl RetryBudget {
    /// Counts a first try.
    pub(crate) fn request(&self) {
        self.add(TOKENS_PER_REQUEST);
    }

    /// Takes the right to one second try.
    pub(crate) fn take(&self) -> bool {
        let tokens = self.add(0.0);
        if tokens < 1.0 {
            return false;
        }
        self.add(-1.0);
        true
    }

    fn add(&self, more: f64) -> f64 {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earned = now.duration_since(bucket.filled).as_secs_f64() * TOKENS_PER_SECOND;
        bucket.tokens = (bucket.tokens + earned + more).min(MAX_TOKENS);
        bucket.filled = now;
        bucket.tokens
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_are_limited_to_a_tenth_of_requests_and_one_a_second() {
        let budget = RetryBudget::default();
        assert!(budget.take() && !budget.take());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(budget.take() && !budget.take());
        (0..11).for_each(|_| budget.request());
        assert!(budget.take() && !budget.take());
    }
}

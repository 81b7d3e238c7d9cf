//! How often somebody may try a password: slower from the fourth try within a minute, refused from the eleventh.
//!
//! It forgets after a minute without a try, so nobody can lock another person out for good.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
const MAX_TRIES: usize = 10;
const FREE_TRIES: usize = 3;
const MAX_DELAY: Duration = Duration::from_secs(8);
/// Names watched at once. Past it all are forgotten, which gives a guesser ten tries more for each of this many.
const MAX_NAMES: usize = 10_000;

/// Kept in memory only: a restart takes longer than what it would give away.
#[derive(Default)]
pub(super) struct Attempts {
    tries: Mutex<HashMap<String, Vec<Instant>>>,
}

impl Attempts {
    /// Counts a try and says how long to wait before looking at it.
    ///
    /// # Errors
    /// The time until the next try is allowed; this one is not counted.
    pub(super) fn admit(&self, name: &str, now: Instant) -> Result<Duration, Duration> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Instant| now.duration_since(*at) < WINDOW;
        if tries.len() >= MAX_NAMES {
            tries.retain(|_, times| times.iter().any(recent));
        }
        if tries.len() >= MAX_NAMES {
            tries.clear();
        }
        let times = tries.entry(name.to_lowercase()).or_default();
        times.retain(recent);
        if times.len() >= MAX_TRIES {
            return Err(WINDOW - now.duration_since(times[0]));
        }
        times.push(now);
        Ok(delay(times.len()))
    }

    pub(super) fn forget(&self, name: &str) {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).remove(&name.to_lowercase());
    }
}

/// 1, 2, 4 and then 8 seconds from the fourth try.
fn delay(tries: usize) -> Duration {
    match tries.checked_sub(FREE_TRIES + 1) {
        None => Duration::ZERO,
        Some(late) => MAX_DELAY.min(Duration::from_secs(1 << late)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn three_tries_are_free_then_the_delay_grows_and_the_eleventh_is_refused() {
        let (attempts, now) = (Attempts::default(), start());
        let delays: Vec<u64> =
            (0..10).map(|_| attempts.admit("kim", now).expect("admitted").as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 8, 8, 8]);
        assert_eq!(attempts.admit("KIM", now), Err(WINDOW));
        assert_eq!(attempts.admit("lee", now), Ok(Duration::ZERO));
    }

    #[test]
    fn a_minute_later_all_is_forgotten_and_so_it_is_after_success() {
        let (attempts, now) = (Attempts::default(), start());
        while attempts.admit("kim", now).is_ok() {}
        assert_eq!(attempts.admit("kim", now + Duration::from_secs(59)), Err(Duration::from_secs(1)));
        assert_eq!(attempts.admit("kim", now + WINDOW), Ok(Duration::ZERO));
        while attempts.admit("kim", now + WINDOW).is_ok() {}
        attempts.forget("kim");
        assert_eq!(attempts.admit("kim", now + WINDOW), Ok(Duration::ZERO));
    }

    #[test]
    fn a_spray_of_names_does_not_grow_the_memory() {
        let (attempts, now) = (Attempts::default(), start());
        for number in 0..3 * MAX_NAMES {
            let _ = attempts.admit(&number.to_string(), now);
        }
        assert!(attempts.tries.lock().unwrap().len() <= MAX_NAMES);
    }
}

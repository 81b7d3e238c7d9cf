//! Refusals, which anybody can cause as often as they like: of each one a row a minute, so that nobody fills the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{Audit, EventRow};
use crate::StoreError;

const EVERY: Duration = Duration::from_secs(60);
/// Different ones that are remembered; past it nothing new is written until some are a minute old.
const MAX_TOLD: usize = 10_000;

/// What was told, and when.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<[u8; 32], Instant>>);

impl Told {
    fn is_news(&self, what: [u8; 32], now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MAX_TOLD {
            told.retain(|_, at| now.duration_since(*at) < EVERY);
        }
        let is_new = told.get(&what).is_none_or(|at| now.duration_since(*at) >= EVERY);
        let has_room = told.len() < MAX_TOLD || told.contains_key(&what);
        if is_new && has_room {
            told.insert(what, now);
        }
        is_new && has_room
    }
}

impl Audit {
    /// Writes that somebody was refused, unless the same was written within a minute.
    pub async fn refusal(&self, row: EventRow) -> Result<(), StoreError> {
        let same = format!("{}\n{}\n{}", row.who, row.what, row.detail);
        if self.0.told.is_news(Sha256::digest(same).into(), Instant::now()) {
            self.event(row).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_told_once_a_minute_and_a_flood_of_different_ones_ends() {
        let (told, start) = (Told::default(), Instant::now());
        let number = |n: usize| Sha256::digest(n.to_be_bytes()).into();
        assert!(told.is_news(number(0), start));
        assert!(!told.is_news(number(0), start + EVERY / 2));
        assert!(told.is_news(number(0), start + EVERY));
        let flood = (1..=2 * MAX_TOLD).filter(|n| told.is_news(number(*n), start + EVERY)).count();
        assert_eq!(flood, MAX_TOLD - 1);
        assert!(told.is_news(number(1), start + 2 * EVERY), "a minute later there is room");
    }
}

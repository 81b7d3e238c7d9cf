//! Conversations whose time is over: a sweep at the start, and one each night.

use std::time::Duration;

use jiff::Timestamp;
use store::Store;
use tokio::time::Instant;

use crate::config::RetentionSettings;
use crate::keeping::last_night;

/// The setting that holds when the last sweep was, unix milliseconds.
const SWEPT: &str = "retention-swept-ms";
/// Between two looks whether a sweep is due.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// After a sweep that failed.
const RETRY_AFTER: Duration = Duration::from_secs(3600);
/// A clock that says that so long has passed since the last sweep may be wrong: a box has booted with a dead battery,
/// or was switched off for long. Nothing that it would delete comes back.
const LEAP_MS: i64 = 7 * 86_400_000;
/// So long somebody has the time to put such a clock right.
const LEAP_HOLDS: Duration = Duration::from_secs(24 * 3600);

/// Runs until it is dropped.
pub(crate) async fn keep(store: &Store, settings: &RetentionSettings) {
    let mut not_before = Instant::now();
    if let Some(days) = leapt(last_swept(store), Timestamp::now().as_millisecond()) {
        tracing::warn!(
            "by the clock the last sweep of conversations was {days} days ago. The next one waits for a day: put the \
             clock right if it is wrong"
        );
        not_before += LEAP_HOLDS;
    }
    let mut last_ms = None;
    loop {
        let now = Timestamp::now();
        let night_ms = last_night(settings.at, &settings.time_zone, now);
        let is_due = last_ms.is_none_or(|last_ms| night_ms.is_some_and(|night_ms| last_ms < night_ms));
        if is_due && Instant::now() >= not_before {
            match sweep(store, now.as_millisecond()).await {
                Ok(()) => last_ms = Some(now.as_millisecond()),
                Err(error) => {
                    let error = crate::app::with_sources(&error);
                    tracing::error!("conversations whose time is over could not be deleted: {error}");
                    not_before = Instant::now() + RETRY_AFTER;
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn sweep(store: &Store, now_ms: i64) -> Result<(), store::StoreError> {
    if let Some(swept) = store.sweep().await? {
        tracing::info!("{} conversations whose time is over are deleted", swept.conversations);
    }
    store.core.set_setting(SWEPT, &now_ms.to_string()).await
}

fn last_swept(store: &Store) -> Option<i64> {
    store.core.setting(SWEPT).ok().flatten()?.parse().ok()
}

/// The days since the last sweep, where they are too many to be believed.
fn leapt(swept_ms: Option<i64>, now_ms: i64) -> Option<i64> {
    let passed_ms = now_ms - swept_ms?;
    (passed_ms > LEAP_MS).then_some(passed_ms / 86_400_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_leaps_ahead_is_not_believed_at_once() {
        let day = 86_400_000;
        assert_eq!(leapt(None, day), None);
        assert_eq!(leapt(Some(day), 8 * day), None);
        assert_eq!(leapt(Some(day), 9 * day), Some(8));
        assert_eq!(leapt(Some(9 * day), day), None, "a clock that was set back deletes less, not more");
    }
}

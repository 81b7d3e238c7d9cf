//! Looks whether the directory is there, says so when that changes, and goes through its people.

use std::time::Duration;

use serde_json::json;
use store::{Directory, EventRow, ReviewError, Store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::DirectoryClient;

const LOOK_EVERY: Duration = Duration::from_secs(15);
/// While it is out of reach nobody's sign-in tries it, so that nobody waits for it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Whoever has left is shut out within this time, and at once when the directory is back.
const REVIEW_EVERY: Duration = Duration::from_secs(3600);

/// Looks after the way to the directory until it is cancelled.
pub(crate) struct DirectoryKeeper {
    client: DirectoryClient,
    store: Store,
}

impl DirectoryKeeper {
    pub(crate) fn new(client: DirectoryClient, store: Store) -> DirectoryKeeper {
        DirectoryKeeper { client, store }
    }

    pub(crate) async fn run(self, cancel: CancellationToken) {
        cancel.run_until_cancelled(self.keep()).await;
    }

    async fn keep(&self) {
        let mut told = None;
        let mut reviewed: Option<Instant> = None;
        loop {
            // How it went is noted.
            let _ = self.client.look().await;
            let is_there = self.client.state().reachable == Some(true);
            if told != Some(is_there) {
                self.tell(is_there, told.is_none());
                told = Some(is_there);
                reviewed = None;
            }
            if is_there && reviewed.is_none_or(|at| at.elapsed() >= REVIEW_EVERY) {
                self.review().await;
                reviewed = Some(Instant::now());
            }
            let pause = if is_there { LOOK_EVERY } else { LOOK_AGAIN_AFTER };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.client.0.flipped.notified() => {}
            }
        }
    }

    /// One line and one row for each change; that it is there at the start is no news.
    fn tell(&self, is_there: bool, is_first: bool) {
        let trouble = self.client.state().trouble.map(store::DirectoryTrouble::as_str);
        let (what, detail) = if is_there {
            tracing::info!("the directory is there");
            ("directory-back", json!(null))
        } else {
            let why = trouble.unwrap_or_default();
            tracing::warn!(why, "the directory is out of reach ({why}): its last word lets people in");
            ("directory-lost", json!({ "why": why }))
        };
        if is_there && is_first {
            return;
        }
        let at_ms = jiff::Timestamp::now().as_millisecond();
        let row = EventRow { at_ms, who: "box".into(), what: what.into(), detail };
        // The row is in the queue, and nobody waits for it.
        drop(self.store.audit.event(row));
    }

    async fn review(&self) {
        match self.store.core.review_directory_people().await {
            Ok(0) => {}
            Ok(ended) => {
                tracing::info!("{ended} people of the directory may not get in any more");
            }
            // The next look says why.
            Err(ReviewError::OutOfReach(_)) => {}
            Err(error) => tracing::error!("the people of the directory were not gone through: {error}"),
        }
    }
}

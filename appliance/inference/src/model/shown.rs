//! How a model is, from how each of its replicas is: as good as the best of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Facts, Status};

/// The statuses of all replicas, and what is shown of them.
pub(crate) struct Shown {
    own: Mutex<Vec<Status>>,
    best: watch::Sender<Status>,
}

/// The status of one replica, which its keeper sets.
#[derive(Clone)]
pub(crate) struct OwnStatus {
    shown: Arc<Shown>,
    replica: usize,
}

impl Shown {
    pub(crate) fn new() -> Arc<Shown> {
        Arc::new(Shown { own: Mutex::default(), best: watch::Sender::new(Status::Starting) })
    }

    /// One more replica, which is starting.
    pub(crate) fn one_more(self: &Arc<Self>) -> OwnStatus {
        let mut own = self.own();
        own.push(Status::Starting);
        OwnStatus { shown: self.clone(), replica: own.len() - 1 }
    }

    pub(crate) fn best(&self) -> watch::Receiver<Status> {
        self.best.subscribe()
    }

    fn own(&self) -> MutexGuard<'_, Vec<Status>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnStatus {
    pub(crate) fn set(&self, status: Status) {
        let mut own = self.shown.own();
        own[self.replica] = status;
        let best = best(&own);
        // Under the lock, so that of two changes the later one is shown last.
        self.shown.best.send_replace(best);
    }

    pub(crate) fn look<R>(&self, at: impl FnOnce(&Status) -> R) -> R {
        at(&self.shown.own()[self.replica])
    }

    /// A real token or vector came now. Watchers are woken only when the replica becomes ready; true then.
    pub(crate) fn proven(&self, facts: &Arc<Facts>) -> bool {
        let now = Instant::now();
        let mut own = self.shown.own();
        match &mut own[self.replica] {
            Status::Ready { proven_at, .. } => *proven_at = now,
            // Its last answers.
            Status::Unloading => return false,
            _ => {
                drop(own);
                self.set(Status::Ready { facts: facts.clone(), proven_at: now });
                return true;
            }
        }
        self.shown.best.send_if_modified(|best| {
            if let Status::Ready { proven_at, .. } = best {
                *proven_at = now;
            }
            false
        });
        false
    }
}

/// The first of the best; of ready ones proven when the last of them was.
fn best(own: &[Status]) -> Status {
    let mut best = own.iter().min_by_key(|status| status.rank()).cloned().unwrap_or(Status::Starting);
    if let Status::Ready { proven_at, .. } = &mut best {
        let all = own.iter().filter_map(|status| match status {
            Status::Ready { proven_at, .. } => Some(*proven_at),
            _ => None,
        });
        *proven_at = all.max().unwrap_or(*proven_at);
    }
    best
}

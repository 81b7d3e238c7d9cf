//! Persons whose password fitted and whose second step is still to come.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Account, VouchedBy};
use crate::Secret;
use crate::secret::digest;

const LIFE: Duration = Duration::from_secs(5 * 60);
/// Kept at once; each has cost somebody a right password.
const MAX: usize = 10_000;

/// Kept in memory only: after a restart people give their password once more.
#[derive(Default)]
pub(super) struct HalfSignedIn(Mutex<HashMap<[u8; 32], Half>>);

#[derive(Clone)]
pub(super) struct Half {
    pub(super) account: Account,
    pub(super) by: VouchedBy,
    /// The hash of the token of a device that the account knows.
    pub(super) device: Option<[u8; 32]>,
    until: Instant,
}

impl HalfSignedIn {
    /// The ticket for the second step.
    pub(super) fn insert(
        &self,
        account: Account,
        by: VouchedBy,
        device: Option<[u8; 32]>,
        now: Instant,
    ) -> Secret {
        let ticket = Secret::random("");
        let mut halves = self.halves();
        halves.retain(|_, half| half.until > now);
        if halves.len() >= MAX {
            halves.clear();
        }
        halves.insert(ticket.digest(), Half { account, by, device, until: now + LIFE });
        ticket
    }

    pub(super) fn get(&self, ticket: &str, now: Instant) -> Option<Half> {
        self.halves().get(&digest(ticket)).filter(|half| half.until > now).cloned()
    }

    pub(super) fn remove(&self, ticket: &str) {
        self.halves().remove(&digest(ticket));
    }

    /// The lock guards single changes of one map.
    fn halves(&self) -> MutexGuard<'_, HashMap<[u8; 32], Half>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

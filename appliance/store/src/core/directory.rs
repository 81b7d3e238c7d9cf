//! The building's directory, as far as signing in needs it: what it is asked, and what the box makes of the answers.
//! It is spoken to elsewhere.

mod people;
mod review;
mod settling;

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::Core;
use crate::{Audit, EventRow, Role, Secret, StoreError, now_ms};

pub(super) use people::{Known, known_as};
pub use review::ReviewError;

/// Who acts, in records, where the directory's word changes something here.
pub const DIRECTORY: &str = "directory";

/// An answer that may not come.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, OutOfReach>> + Send + 'a>>;

/// A directory that can be asked about a name and a password. Each answer comes within a bounded time.
pub trait Directory: Send + Sync {
    /// Looks for the one entry of a name, exactly as it was typed.
    fn find<'a>(&'a self, name: &'a str) -> Asking<'a, Found>;

    /// Tries a password, which is not empty. Of no entry it takes as long as of one, and proves nothing.
    fn prove<'a>(&'a self, entry: Option<&'a DirectoryEntry>, password: &'a Secret) -> Asking<'a, Proof>;

    /// How it was when it was last asked.
    fn state(&self) -> DirectoryState;
}

/// It could not be asked: that says nothing about any password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory is out of reach")]
pub struct OutOfReach;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Entry(DirectoryEntry),
    Nobody,
    /// More than one fits, so it is nobody.
    Several,
}

/// A person as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Names this entry for good, whatever the name becomes.
    pub id: String,
    /// Where it stands in the directory: what a password is tried with.
    pub place: String,
    /// What the box calls the person.
    pub name: String,
    /// What the groups give; without a role nobody is let in.
    pub role: Option<Role>,
    pub departments: Vec<String>,
    pub is_disabled: bool,
    pub is_locked: bool,
}

/// What the directory says to a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Right,
    Wrong,
    /// It was right once, and must be changed in the directory first.
    Expired,
    /// Too many tries; it passes.
    Locked,
    /// By a person's decision.
    Disabled,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryState {
    /// None: it was not asked yet.
    pub reachable: Option<bool>,
    /// Unix milliseconds.
    pub last_seen_ms: Option<i64>,
    pub trouble: Option<DirectoryTrouble>,
}

/// Why it cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryTrouble {
    /// The file with the password of the box's own account in it is unusable.
    NoPassword,
    /// No connection: no such name, refused, no way.
    NoConnection,
    /// Too late.
    Silent,
    /// Encryption failed: the certificate is not trusted, or is another server's.
    Tls,
    /// It does not let the box's own account in.
    OwnAccount,
    /// There is nothing where people are looked for.
    NoBase,
    /// It answered what no directory answers, or broke off.
    Garbled,
    /// It said itself that it cannot answer now.
    Busy,
}

impl DirectoryTrouble {
    pub fn as_str(self) -> &'static str {
        match self {
            DirectoryTrouble::NoPassword => "no-password",
            DirectoryTrouble::NoConnection => "no-connection",
            DirectoryTrouble::Silent => "silent",
            DirectoryTrouble::Tls => "tls",
            DirectoryTrouble::OwnAccount => "own-account",
            DirectoryTrouble::NoBase => "no-base",
            DirectoryTrouble::Garbled => "garbled",
            DirectoryTrouble::Busy => "busy",
        }
    }
}

/// What the configuration says about the people of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryRules {
    /// How long its last word on a password counts while it is out of reach.
    pub cached_for: Duration,
    /// Every department that some group leads to: who belongs to these is the directory's matter.
    pub departments: Vec<String>,
}

/// How the directory is, for those in charge. Times are unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DirectoryCondition {
    pub reachable: Option<bool>,
    pub last_seen_ms: Option<i64>,
    pub trouble: Option<DirectoryTrouble>,
    /// People whom the box could let in without it now.
    pub cached_people: u64,
    /// Sign-ins without it since the box started.
    pub cached_sign_ins: u64,
}

/// The directory of a running box, and all that its answers need.
pub(super) struct Reception {
    pub(super) directory: Arc<dyn Directory>,
    pub(super) rules: DirectoryRules,
    audit: Audit,
    /// One person is settled after the other, so that two first sign-ins at once make one account.
    settling: Mutex<()>,
    cached_sign_ins: AtomicU64,
}

impl fmt::Debug for Reception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reception").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Reception {
    pub(super) fn is_out_of_reach(&self) -> bool {
        self.directory.state().reachable == Some(false)
    }

    /// When a verifier must have been proven to let somebody in now. A clock that went back makes none younger.
    pub(super) fn admitted(&self) -> Range<i64> {
        const CLOCK_SLACK_MS: i64 = 5 * 60_000;
        let now_ms = now_ms();
        now_ms - self.rules.cached_for.as_millis() as i64 + 1..now_ms + CLOCK_SLACK_MS
    }

    pub(super) fn note_cached_sign_in(&self) {
        self.cached_sign_ins.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes down what is about to change: no change is unknown to the log.
    async fn record(&self, what: &str, detail: Value) -> Result<(), StoreError> {
        let row = EventRow { at_ms: now_ms(), who: DIRECTORY.to_owned(), what: what.to_owned(), detail };
        self.audit.event(row).await.map(drop)
    }
}

impl Core {
    pub(crate) fn with_directory(
        self,
        directory: Arc<dyn Directory>,
        rules: DirectoryRules,
        audit: Audit,
    ) -> Core {
        let (settling, cached_sign_ins) = (Mutex::default(), AtomicU64::default());
        let reception = Reception { directory, rules, audit, settling, cached_sign_ins };
        Core { reception: Some(Arc::new(reception)), ..self }
    }

    /// Whether people may be vouched for by a directory.
    pub fn has_directory(&self) -> bool {
        self.reception.is_some()
    }

    /// The directory cannot be asked now, so only those get in whom the box knows.
    pub fn is_directory_out_of_reach(&self) -> bool {
        self.reception.as_ref().is_some_and(|reception| reception.is_out_of_reach())
    }

    /// How the directory is; none where none is configured.
    pub fn directory_condition(&self) -> Option<DirectoryCondition> {
        let reception = self.reception.as_ref()?;
        let DirectoryState { reachable, last_seen_ms, trouble } = reception.directory.state();
        Some(DirectoryCondition {
            reachable,
            last_seen_ms,
            trouble,
            // That the accounts cannot be read is told elsewhere.
            cached_people: self.cached_people(reception.admitted()).unwrap_or_default(),
            cached_sign_ins: reception.cached_sign_ins.load(Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests;

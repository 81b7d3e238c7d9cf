//! How long conversations are kept, and their end when that time is over.
//!
//! The shortest of a person's departments wins: a conversation does not say for which of them it was held, and a
//! department that must not keep texts longer than its number relies on it. A department's own number stands in the
//! place of the site's, be it shorter or longer. The time runs from the last message, and a conversation ends whole: a
//! part of one misleads. Conversations of those who are gone end with the next sweep, however long they would have been
//! kept: nobody can read them any more.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use serde::Serialize;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::access::{Need, Object, ObjectKind, Subject, Verb, authorize};
use crate::core::Kept;
use crate::durable::sync_folder;
use crate::file::{StoreFile, connect};
use crate::{ChangeError, EventRow, Store, StoreError, now_ms};

/// The days that a department and a site may set.
pub const KEEP_DAYS: std::ops::RangeInclusive<u32> = 1..=3650;

const DAY_MS: i64 = 86_400_000;
/// For so long an older version's copy of a file stays beside it, for those who want that version back.
const SNAPSHOT_DAYS: u32 = 30;
/// Tries to fold a log back while others read the file, a tenth of a second apart.
const FOLDS: usize = 100;

/// What one sweep has deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    pub conversations: u64,
    pub departments: Vec<SweptOfOne>,
    /// Of those whose account is gone.
    pub of_nobody: u64,
}

/// The part of one department's number, or of the site's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SweptOfOne {
    /// None: the number is the site's.
    pub department: Option<String>,
    pub days: u32,
    pub conversations: u64,
}

/// Conversations whose time is over: an account, and the moment before which their last message came.
struct Due {
    ends: Vec<(i64, i64)>,
    counts: Swept,
    /// The shortest number that holds for anybody.
    shortest: Option<u32>,
}

impl Store {
    /// The same store, with the site's number of days; none keeps conversations as long as the account is there.
    #[must_use]
    pub fn with_keep_days(mut self, days: Option<u32>) -> Store {
        self.keep_days = days;
        self
    }

    /// The site's number of days, for departments that have none of their own and for people of no department.
    pub fn keep_days(&self) -> Option<u32> {
        self.keep_days
    }

    /// For how long a person's conversations are kept; `None` when there is no such person.
    pub fn kept(&self, account: i64) -> Result<Option<Kept>, StoreError> {
        self.core.kept(account, self.keep_days)
    }

    /// Sets a department's number of days, or takes it back. Only for those who manage every department: it ends what
    /// other people wrote.
    pub async fn set_keep_days(
        &self,
        by: &Subject<'_>,
        department: i64,
        days: Option<u32>,
    ) -> Result<(), ChangeError> {
        authorize(by, Need::Object(Verb::Manage, &Object::every(ObjectKind::Department)))?;
        if days.is_some_and(|days| !KEEP_DAYS.contains(&days)) {
            return Err(ChangeError::BadDays);
        }
        let found = self.core.department(department)?.ok_or(ChangeError::NoSuchDepartment)?;
        let detail = json!({"department": found.name, "was": found.keep_days, "days": days});
        let set = async {
            let set = self.core.set_keep_days(department, days).await?;
            set.then_some(()).ok_or(ChangeError::NoSuchDepartment)
        };
        self.changed(by, "retention-changed", detail, set).await
    }

    /// Deletes the conversations whose time is over, for good: their pages are overwritten, and the log beside the file
    /// is folded back. The audit log knows it before anything is deleted; while it cannot be written nothing is.
    ///
    /// Gives `None` where nothing ends by itself: no number is set, and nobody is gone.
    ///
    /// # Errors
    /// When a file cannot be read or written; the next sweep goes on.
    pub async fn sweep(&self) -> Result<Option<Swept>, StoreError> {
        // A core that was made anew knows nobody: what is left in the other file may belong to the one that comes back.
        if self.core.needs_setup()? {
            return Ok(None);
        }
        let store = self.clone();
        let due = spawn_blocking(move || store.due()).await.unwrap_or(Err(StoreError::Closed))?;
        self.remove_old_snapshots(due.shortest);
        let swept = (due.shortest.is_some() || due.counts.of_nobody > 0).then_some(due.counts);
        if let Some(swept) = &swept {
            let (who, what) = ("box".to_owned(), "conversations-ended".to_owned());
            self.audit.event(EventRow { at_ms: now_ms(), who, what, detail: json!(swept) }).await?;
        }
        for (account, before_ms) in due.ends {
            self.work.disown_older(account, before_ms).await?;
        }
        self.work.delete_disowned().await?;
        if !self.fold_back(StoreFile::Work).await {
            tracing::warn!("work.db: others kept reading it, so its log still holds what was deleted");
        }
        Ok(swept)
    }

    /// What has to end now. The authors are read before the accounts, so that nobody who is new counts as gone.
    fn due(&self) -> Result<Due, StoreError> {
        let authors = self.work.authors()?;
        let kept: BTreeMap<i64, Kept> = self.core.all_kept(self.keep_days)?.into_iter().collect();
        let shortest = kept.values().filter_map(|kept| kept.days).min();
        let (mut ends, mut of_nobody) = (Vec::new(), 0);
        let mut parts: BTreeMap<(Option<String>, u32), u64> = BTreeMap::new();
        let now_ms = now_ms();
        for author in authors {
            let Some(kept) = kept.get(&author) else {
                of_nobody += self.work.count_older(author, i64::MAX)?;
                ends.push((author, i64::MAX));
                continue;
            };
            let Some(days) = kept.days else { continue };
            let before_ms = now_ms - i64::from(days) * DAY_MS;
            let count = self.work.count_older(author, before_ms)?;
            if count > 0 {
                *parts.entry((kept.department.clone(), days)).or_default() += count;
                ends.push((author, before_ms));
            }
        }
        let conversations = of_nobody + parts.values().sum::<u64>();
        let departments = parts.into_iter().map(|((department, days), conversations)| SweptOfOne {
            department,
            days,
            conversations,
        });
        Ok(Due {
            ends,
            counts: Swept { conversations, departments: departments.collect(), of_nobody },
            shortest,
        })
    }

    /// Writes the log beside a file back into it and empties it, without making anybody wait for long. False when
    /// others kept reading.
    pub(crate) async fn fold_back(&self, file: StoreFile) -> bool {
        for _ in 0..FOLDS {
            let path = self.dir.join(file.name());
            let folded = spawn_blocking(move || fold_once(&path, file)).await;
            match folded {
                Ok(Ok(true)) => return true,
                Ok(Ok(false)) => tokio::time::sleep(Duration::from_millis(100)).await,
                Ok(Err(_)) | Err(_) => return false,
            }
        }
        false
    }

    /// Copies of files as an older version left them hold texts, too, and what has been sealed since.
    fn remove_old_snapshots(&self, shortest: Option<u32>) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut removed = false;
        for path in entries.map(|entry| entry.path()) {
            let days = match kind_of_snapshot(&path) {
                Some(StoreFile::Work) => shortest.map_or(SNAPSHOT_DAYS, |days| days.min(SNAPSHOT_DAYS)),
                Some(StoreFile::Core) => SNAPSHOT_DAYS,
                Some(StoreFile::Audit) | None => continue,
            };
            let modified = std::fs::metadata(&path).and_then(|facts| facts.modified());
            let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if age.is_some_and(|age| age.as_secs() >= u64::from(days) * 86_400) {
                match std::fs::remove_file(&path) {
                    Ok(()) => {
                        removed = true;
                        tracing::info!("{}: removed, it is older than {days} days", path.display());
                    }
                    Err(error) => tracing::warn!("{}: cannot be removed ({error})", path.display()),
                }
            }
        }
        if removed && let Err(error) = sync_folder(&self.dir) {
            tracing::warn!("{}: {error}", self.dir.display());
        }
    }
}

/// Of which file this is a copy that a migration has left: `work.v5.db` is one.
fn kind_of_snapshot(path: &Path) -> Option<StoreFile> {
    let name = path.file_name()?.to_str()?.strip_suffix(".db")?;
    let (stem, version) = name.split_once(".v")?;
    version.parse::<u32>().ok()?;
    StoreFile::ALL.into_iter().find(|file| file.name().strip_suffix(".db") == Some(stem))
}

/// Most of the log is written back without a lock; the second step holds the file for what came in between.
fn fold_once(path: &Path, file: StoreFile) -> rusqlite::Result<bool> {
    let connection = connect(path, file)?;
    connection.pragma_update(None, "busy_timeout", 0)?;
    checkpoint(&connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    checkpoint(&connection, "PRAGMA wal_checkpoint(TRUNCATE)")
}

/// True when all of the log was written back.
fn checkpoint(connection: &Connection, order: &str) -> rusqlite::Result<bool> {
    let busy: i64 = connection.query_row(order, [], |row| row.get(0))?;
    Ok(busy == 0)
}

#[cfg(test)]
mod tests;

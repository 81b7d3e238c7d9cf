//! The checks that a box makes of its own files while it runs, and the mark of a box that runs.
//!
//! Each opening of a file has made its quick check already (`file.rs`). The full one, every page and every index,
//! is made once a week and after an unclean stop, beside the work.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OpenFlags};
use tokio::task::spawn_blocking;

use crate::durable::sync_folder;
use crate::file::StoreFile;
use crate::{AnchorCondition, BackupCondition, Condition, Store, now_ms};

/// The setting that holds when all files were last found whole, unix milliseconds.
pub(crate) const CHECKED: &str = "integrity-checked-ms";
/// Between two full checks.
const CHECK_EVERY_MS: i64 = 7 * 86_400_000;
/// Stands in the data folder as long as a box runs.
const MARK: &str = "box.running";

impl Store {
    /// How the files, their disk and the directory are now.
    pub fn condition(&self) -> Condition {
        Condition { directory: self.core.directory_condition(), ..self.findings.condition() }
    }

    /// Notes how the backups are, for whoever asks for the condition.
    pub fn note_backups(&self, backup: BackupCondition) {
        self.findings.backups(backup);
    }

    /// Notes how the places are that checkpoints are written down in.
    pub fn note_anchors(&self, anchors: Vec<AnchorCondition>) {
        self.findings.anchors(anchors);
    }

    /// Marks that a box runs on these files, until [`Store::close`]. True when the last one left its mark behind: it
    /// was killed, or the power went.
    ///
    /// # Errors
    /// When the mark cannot be made.
    pub fn begin_life(&self) -> io::Result<bool> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.dir.join(MARK));
        let unclean = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
            made => made.and_then(|_| sync_folder(&self.dir)).map(|()| false)?,
        };
        self.lives.store(true, Ordering::Release);
        if unclean {
            self.findings.stopped_uncleanly();
        }
        Ok(unclean)
    }

    /// Takes the mark away: the files are closed.
    pub(crate) fn end_life(&self) {
        if self.lives.swap(false, Ordering::AcqRel) {
            let ended = std::fs::remove_file(self.dir.join(MARK)).and_then(|()| sync_folder(&self.dir));
            if let Err(error) = ended {
                tracing::warn!(
                    "{}: {error}; the next start will check all files",
                    self.dir.join(MARK).display()
                );
            }
        }
    }

    /// Writes to each file without changing it, folds its log back into it, and measures the logs and the room: what is
    /// wrong is known before a request needs the disk.
    pub async fn look_after_itself(&self) {
        for file in StoreFile::ALL {
            // The number is written over with itself: a whole commit, and nothing that anybody reads.
            let touched = self.writer.write(file, |file| {
                let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0))?;
                file.pragma_update(None, "user_version", version)
            });
            // What went wrong stands in the findings.
            let _ = touched.await;
            self.writer.fold(file).await;
        }
        let wal_bytes = StoreFile::ALL.map(|file| {
            let wal = self.dir.join(format!("{}-wal", file.name()));
            std::fs::metadata(wal).map_or(0, |facts| facts.len())
        });
        self.findings.measured(wal_bytes, free_bytes(&self.dir));
    }

    /// Whether a full check is due: after an unclean stop, and once a week.
    pub fn is_check_due(&self) -> bool {
        let condition = self.condition();
        let last = condition.checked_ms.or_else(|| {
            let written = self.core.setting(CHECKED).ok().flatten();
            written.and_then(|written| written.parse().ok()).filter(|_| !condition.unclean_stop)
        });
        let damaged = !condition.is_whole();
        !damaged && last.is_none_or(|at_ms| !(0..CHECK_EVERY_MS).contains(&(now_ms() - at_ms)))
    }

    /// Checks every page and every index of every file, off the runtime's threads, while the box works.
    pub async fn check_all(&self) {
        let mut whole = true;
        for file in StoreFile::ALL {
            let path = self.dir.join(file.name());
            let found = spawn_blocking(move || check_file(&path))
                .await
                .unwrap_or_else(|error| Err(error.to_string()));
            whole &= found.is_ok();
            self.findings.checked(file, found.err());
        }
        if whole {
            self.findings.all_checked(now_ms());
            // Not written, it is checked again at the next start.
            let _ = self.core.set_setting(CHECKED, &now_ms().to_string()).await;
        }
    }
}

/// The first thing that a full check finds.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    let check = || -> rusqlite::Result<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let file = Connection::open_with_flags(path, flags)?;
        file.execute_batch(
            "PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
        )?;
        let finding: String = file.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let orphan = file.prepare("PRAGMA foreign_key_check")?.exists([])?;
        let rows = || "a row refers to another that is not there".to_owned();
        Ok(if finding == "ok" && orphan { rows() } else { finding })
    };
    match check() {
        Ok(finding) if finding == "ok" => Ok(()),
        Ok(finding) => Err(finding),
        Err(error) => Err(error.to_string()),
    }
}

/// Room for this process on the disk of a folder.
fn free_bytes(dir: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(dir).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

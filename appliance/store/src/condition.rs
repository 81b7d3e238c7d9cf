//! How the files and the disk under them are: what the writer met, and what the checks found.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::ErrorCode;
use serde::Serialize;

use crate::file::StoreFile;
use crate::{DirectoryCondition, now_ms};

/// A commit that takes so long means a disk that is slow or about to fail.
const SLOW_COMMIT: Duration = Duration::from_secs(1);
/// For so long a slow commit is told.
const SLOW_IS_TOLD_MS: i64 = 5 * 60_000;
/// A log file beyond this is not being folded back: something holds on to an old read, or the disk cannot keep up.
pub const WAL_ALARM_BYTES: u64 = 64 << 20;
/// With less room than this the disk counts as almost full.
pub const LOW_ROOM_BYTES: u64 = 1 << 30;

/// Why a file could not be written or read, as far as the disk is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    DiskFull,
    ReadOnly,
    /// The disk gives errors, or the process has no file handles left.
    Failing,
    /// The disk gives no answer at all.
    Hanging,
    /// Another process holds the file for longer than anybody may.
    Busy,
    Damaged,
}

impl Trouble {
    /// None when the disk is not to blame: a change that breaks a rule of the schema is refused on the best of disks.
    pub(crate) fn of(error: &rusqlite::Error) -> Option<Trouble> {
        match error.sqlite_error_code()? {
            ErrorCode::DiskFull => Some(Trouble::DiskFull),
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Some(Trouble::ReadOnly),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::FileLockingProtocolFailed => {
                Some(Trouble::Failing)
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(Trouble::Busy),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(Trouble::Damaged),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Trouble::DiskFull => "disk-full",
            Trouble::ReadOnly => "read-only",
            Trouble::Failing => "failing",
            Trouble::Hanging => "hanging",
            Trouble::Busy => "busy",
            Trouble::Damaged => "damaged",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::DiskFull => "the disk is full; make room on it",
            Trouble::ReadOnly => {
                "the disk or the file is read-only; look at the kernel's log, and mount it writable"
            }
            Trouble::Failing => "the disk gives errors; look at the kernel's log, and replace it",
            Trouble::Hanging => "the disk does not answer; look at the kernel's log, and replace it",
            Trouble::Busy => "another process holds the file; end it",
            Trouble::Damaged => "the file is damaged; restore it from a backup",
        })
    }
}

/// The store at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Condition {
    pub files: Vec<FileCondition>,
    /// The last life of the box ended without closing its files.
    pub unclean_stop: bool,
    /// When every page of every file was last checked and found whole, unix milliseconds.
    pub checked_ms: Option<i64>,
    /// Room on the disk of the data folder; none while nobody has looked.
    pub free_bytes: Option<u64>,
    /// None while no backups are configured.
    pub backup: Option<BackupCondition>,
    /// None where no directory is configured.
    pub directory: Option<DirectoryCondition>,
    /// The places outside the box where checkpoints of the audit log are written down.
    pub anchors: Vec<AnchorCondition>,
}

/// How one such place is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnchorCondition {
    /// `file` or `syslog`.
    pub kind: &'static str,
    pub place: String,
    /// None: the newest checkpoint stands there.
    pub trouble: Option<AnchorTrouble>,
    /// Since when, unix milliseconds.
    pub since_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnchorTrouble {
    /// The folder is not there, as with a medium that was taken out.
    Away,
    Failing,
    /// It holds a checkpoint that the log does not: rows were cut off the log.
    KnowsMore,
}

impl AnchorCondition {
    /// A medium may be away for so long before somebody has to look for it.
    const MAY_BE_AWAY_MS: i64 = 24 * 3_600_000;

    /// The trouble that somebody has to mend.
    pub fn alarm(&self, now_ms: i64) -> Option<AnchorTrouble> {
        let lasts_ms = self.since_ms.map_or(0, |since_ms| now_ms - since_ms);
        self.trouble.filter(|trouble| *trouble != AnchorTrouble::Away || lasts_ms > Self::MAY_BE_AWAY_MS)
    }
}

/// How the backups are; times in unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackupCondition {
    /// When the last one began that was written, read back and found whole.
    pub verified_ms: Option<i64>,
    /// When one failed since then.
    pub failed_ms: Option<i64>,
    /// There is a recovery sheet, without which nobody could open a backup.
    pub has_sheet: bool,
    /// Somebody has typed its code in, so it was printed.
    pub sheet_is_proven: bool,
}

impl BackupCondition {
    /// Older than a day and a half, two nights have passed without a backup that is good.
    pub const OVERDUE_MS: i64 = 36 * 3_600_000;

    pub fn is_overdue(&self, now_ms: i64) -> bool {
        self.verified_ms.is_none_or(|at_ms| now_ms - at_ms > Self::OVERDUE_MS)
    }
}

/// One file of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileCondition {
    pub file: &'static str,
    /// Why the newest write failed; none when it was put on disk.
    pub trouble: Option<Trouble>,
    pub since_ms: Option<i64>,
    /// What the newest check of every page found, if anything.
    pub damage: Option<String>,
    pub wal_bytes: u64,
    /// The longest of the slow commits of the last minutes.
    pub slow_commit_ms: Option<u64>,
}

impl Condition {
    /// Whether accounts and the audit log can be written: without them nothing may be changed.
    pub fn is_writable(&self) -> bool {
        let needed = |file: &&FileCondition| file.file != StoreFile::Work.name();
        self.files.iter().filter(needed).all(|file| file.trouble.is_none())
    }

    /// Whether what is answered can be recorded: accounts and keys can be read all the same.
    pub fn is_recording(&self) -> bool {
        self.files.iter().all(|file| file.file != StoreFile::Audit.name() || file.trouble.is_none())
    }

    pub fn is_whole(&self) -> bool {
        self.files.iter().all(|file| file.damage.is_none() && file.trouble != Some(Trouble::Damaged))
    }
}

/// Where the writer and the checks note what they meet. All clones are one.
#[derive(Clone, Default)]
pub(crate) struct Findings(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    files: [FileNotes; 3],
    unclean_stop: bool,
    checked_ms: Option<i64>,
    free_bytes: Option<u64>,
    backup: Option<BackupCondition>,
    anchors: Vec<AnchorCondition>,
}

#[derive(Default)]
struct FileNotes {
    trouble: Option<(Trouble, i64)>,
    damage: Option<String>,
    wal_bytes: u64,
    /// How long, and when.
    slow: Option<(u64, i64)>,
}

impl Findings {
    /// A commit was put on disk.
    pub(crate) fn written(&self, file: StoreFile, took: Duration) {
        let mut noted = self.noted();
        let notes = &mut noted.files[file as usize];
        if let Some((trouble, since_ms)) = notes.trouble.take() {
            let lasted_s = (now_ms() - since_ms) / 1000;
            tracing::warn!("{} can be written again, after {lasted_s} s ({})", file.name(), trouble.as_str());
        }
        if took >= SLOW_COMMIT {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let before = notes.slow.filter(|(_, at_ms)| now_ms() - at_ms < SLOW_IS_TOLD_MS);
            notes.slow = Some((took_ms.max(before.map_or(0, |(longest, _)| longest)), now_ms()));
            if before.is_none() {
                tracing::warn!("{}: a commit took {took_ms} ms: the disk is slow", file.name());
            }
        }
    }

    /// A commit failed; told once for each trouble.
    pub(crate) fn failed(&self, file: StoreFile, error: &rusqlite::Error) {
        if let Some(trouble) = Trouble::of(error) {
            self.note(file, trouble, format_args!(" ({error})"));
        }
    }

    /// A commit goes on and on.
    pub(crate) fn hangs(&self, file: StoreFile) {
        self.note(file, Trouble::Hanging, format_args!(""));
    }

    fn note(&self, file: StoreFile, trouble: Trouble, detail: fmt::Arguments<'_>) {
        let mut noted = self.noted();
        let notes = &mut noted.files[file as usize];
        let before = notes.trouble;
        if before.is_none_or(|(known, _)| known != trouble) {
            tracing::error!("{} cannot be written: {trouble}{detail}", file.name());
        }
        notes.trouble = Some((trouble, before.map_or_else(now_ms, |(_, since_ms)| since_ms)));
    }

    /// Every page was looked at.
    pub(crate) fn checked(&self, file: StoreFile, damage: Option<String>) {
        if let Some(damage) = &damage {
            tracing::error!("{}: is damaged ({damage}); restore it from a backup", file.name());
        }
        self.noted().files[file as usize].damage = damage;
    }

    pub(crate) fn all_checked(&self, at_ms: i64) {
        self.noted().checked_ms = Some(at_ms);
    }

    pub(crate) fn stopped_uncleanly(&self) {
        self.noted().unclean_stop = true;
    }

    pub(crate) fn measured(&self, wal_bytes: [u64; 3], free_bytes: Option<u64>) {
        let mut noted = self.noted();
        for (notes, bytes) in noted.files.iter_mut().zip(wal_bytes) {
            notes.wal_bytes = bytes;
        }
        noted.free_bytes = free_bytes;
    }

    pub(crate) fn backups(&self, backup: BackupCondition) {
        self.noted().backup = Some(backup);
    }

    pub(crate) fn anchors(&self, anchors: Vec<AnchorCondition>) {
        self.noted().anchors = anchors;
    }

    pub(crate) fn condition(&self) -> Condition {
        let noted = self.noted();
        let now_ms = now_ms();
        let files = StoreFile::ALL.into_iter().map(|file| {
            let notes = &noted.files[file as usize];
            FileCondition {
                file: file.name(),
                trouble: notes.trouble.map(|(trouble, _)| trouble),
                since_ms: notes.trouble.map(|(_, since_ms)| since_ms),
                damage: notes.damage.clone(),
                wal_bytes: notes.wal_bytes,
                slow_commit_ms: notes
                    .slow
                    .filter(|(_, at_ms)| now_ms - at_ms < SLOW_IS_TOLD_MS)
                    .map(|(longest, _)| longest),
            }
        });
        Condition {
            files: files.collect(),
            unclean_stop: noted.unclean_stop,
            checked_ms: noted.checked_ms,
            free_bytes: noted.free_bytes,
            backup: noted.backup.clone(),
            directory: None,
            anchors: noted.anchors.clone(),
        }
    }

    /// The lock guards plain values for some microseconds, so a panic elsewhere leaves nothing half done in it.
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

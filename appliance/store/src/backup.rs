//! Copies of the three files while the box works, and the check of such copies.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tokio::task::spawn_blocking;
use verifier::Verified;

use crate::file::{StoreFile, connect, private_file};
use crate::integrity::check_file;
use crate::{Store, verify_file};

/// Why there is no copy, or why a copy is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("{}: could not be copied; look for a full disk", path.display())]
    Uncopied { path: PathBuf, source: rusqlite::Error },
    #[error("{}: could not be made; look for a full disk, and for the folder's owner", path.display())]
    Unmade { path: PathBuf, source: std::io::Error },
    #[error("{file}: the copy is damaged ({finding})")]
    Damaged { file: &'static str, finding: String },
    #[error("the copying was stopped")]
    Stopped,
}

impl Store {
    /// Copies each file, as it is at one moment, into an empty folder; the box goes on reading and writing.
    ///
    /// The audit log comes last, so that it tells of all that stands in the other copies.
    ///
    /// # Errors
    /// When a file cannot be read or the folder not be written.
    pub async fn copy_to(&self, folder: &Path) -> Result<(), CopyError> {
        let (from, to) = (self.dir.clone(), folder.to_owned());
        let copied = spawn_blocking(move || {
            [StoreFile::Core, StoreFile::Work, StoreFile::Audit]
                .into_iter()
                .try_for_each(|file| copy(file, &from.join(file.name()), &to.join(file.name())))
        });
        copied.await.unwrap_or(Err(CopyError::Stopped))
    }
}

fn copy(file: StoreFile, from: &Path, to: &Path) -> Result<(), CopyError> {
    private_file(to).map_err(|source| CopyError::Unmade { path: to.to_owned(), source })?;
    let copied = || -> rusqlite::Result<()> {
        let source = connect(from, file)?;
        source.pragma_update(None, "query_only", true)?;
        let mut target = Connection::open(to)?;
        // Whoever keeps the copy syncs what is made of it.
        target.pragma_update(None, "synchronous", "OFF")?;
        let backup = Backup::new(&source, &mut target)?;
        // All pages in one read: writers do not wait for it, and with several steps each write would begin it anew.
        loop {
            match backup.step(-1)? {
                StepResult::Done => return Ok(()),
                _ => std::thread::yield_now(),
            }
        }
    };
    copied().map_err(|source| CopyError::Uncopied { path: from.to_owned(), source })
}

/// Checks every page of the three copies in a folder, and the chain of the audit log.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_copy(folder: &Path) -> Result<Verified, CopyError> {
    for file in StoreFile::ALL {
        let damaged = |finding| CopyError::Damaged { file: file.name(), finding };
        check_file(&folder.join(file.name())).map_err(damaged)?;
    }
    let damaged = |error: crate::VerifyError| CopyError::Damaged {
        file: StoreFile::Audit.name(),
        finding: error.to_string(),
    };
    verify_file(&folder.join(StoreFile::Audit.name())).map_err(damaged)
}

/// What waits in the spool of the audit log in this folder, as text for a file `audit.spool` beside a copy.
///
/// Empty when nothing waits. Taken before the copy is made: what the log gets in between stands in both, and counts once.
///
/// # Errors
/// When the spool cannot be read.
pub fn spooled(folder: &Path) -> std::io::Result<String> {
    crate::audit::waiting_in(folder)
}

/// The names of the three files.
pub fn file_names() -> [&'static str; 3] {
    StoreFile::ALL.map(StoreFile::name)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{EventRow, KeyLane};

    fn event() -> EventRow {
        EventRow { what: "sign-in".to_owned(), ..EventRow::default() }
    }

    #[tokio::test]
    async fn a_copy_that_is_made_while_rows_are_written_is_whole() {
        let (dir, copies) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let store = Store::open(dir.path()).unwrap();
        for _ in 0..50 {
            store.audit.event(event()).await.unwrap();
        }
        let writing = async {
            for _ in 0..50 {
                store.audit.event(event()).await.unwrap();
                store.core.set_setting("a", "b").await.unwrap();
            }
        };
        let (copied, ()) = tokio::join!(store.copy_to(copies.path()), writing);
        copied.unwrap();
        let verified = check_copy(copies.path()).unwrap();
        assert!((50..=100).contains(&verified.rows), "{verified:?}");
    }

    #[tokio::test]
    async fn a_copy_that_was_changed_is_no_copy() {
        let (dir, copies) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let store = Store::open(dir.path()).unwrap();
        store.core.create_key("ward", KeyLane::default()).await.unwrap();
        store.copy_to(copies.path()).await.unwrap();
        check_copy(copies.path()).unwrap();
        let core = copies.path().join("core.db");
        let mut bytes = std::fs::read(&core).unwrap();
        let found = bytes.windows(4).position(|window| window == b"ward").unwrap();
        bytes[found] = b'y';
        std::fs::write(&core, bytes).unwrap();
        assert!(matches!(check_copy(copies.path()), Err(CopyError::Damaged { file: "core.db", .. })));
    }
}

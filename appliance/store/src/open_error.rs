//! Why the store did not open, in one plain line that names the path and the mend.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The line is complete with its source: `{error}: {source}`.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}: this folder cannot be used; let the account that runs genset own it, or set another site.data_dir", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{}: cannot be opened; let the account that runs genset own this file, and look for a full disk", path.display())]
    Unusable { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error("{}: is damaged ({finding}); move it away and restore it from a backup", path.display())]
    Damaged { path: PathBuf, finding: String },
    #[error("{}: was written by a newer genset (version {found}, this one knows {known}); install that genset again, or restore the snapshot beside the file", path.display())]
    Newer { path: PathBuf, found: usize, known: usize },
    #[error("{}: could not be brought from version {from} to the next; nothing was changed; look for a full disk, then start again", path.display())]
    Migration { path: PathBuf, from: usize, source: rusqlite::Error },
    #[error("{}: the thread that writes could not be started; raise the limit on threads", dir.display())]
    Thread { dir: PathBuf, source: io::Error },
}

impl OpenError {
    pub(crate) fn folder(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |source| OpenError::Folder { path, source }
    }

    pub(crate) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let path = path.to_owned();
        move |source| OpenError::Unusable { path, source: source.into() }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(rusqlite::Error) -> OpenError {
        let path = path.to_owned();
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                OpenError::Damaged { path, finding: "it is no SQLite file".to_owned() }
            }
            Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, finding: source.to_string() },
            _ => OpenError::Unusable { path, source: source.into() },
        }
    }
}

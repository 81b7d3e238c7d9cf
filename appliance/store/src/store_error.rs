//! Why a read or a write failed.

use std::sync::Arc;

use crate::condition::Trouble;

/// A failure of the store itself, not of what was asked. Clones, because one commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Comes at once: the disk is slower than the work that arrives.
    #[error("too many writes are waiting for the disk")]
    QueueFull,
    /// Comes within seconds: a commit has been going on for longer than any may. The write may still be carried out.
    #[error("{file} could not be written: {}", Trouble::Hanging)]
    Hangs { file: &'static str },
    #[error("the store is closed")]
    Closed,
    #[error("{file} could not be read{}", because(source))]
    Read { file: &'static str, source: Arc<rusqlite::Error> },
    #[error("{file} could not be written{}", because(source))]
    Write { file: &'static str, source: Arc<rusqlite::Error> },
    /// The key that seals secrets cannot be used; the line names its file and the mend.
    #[error("{0}")]
    Sealing(Arc<str>),
}

impl StoreError {
    pub(crate) fn sealing(error: &std::io::Error) -> StoreError {
        StoreError::Sealing(error.to_string().into())
    }
}

/// What the disk has to do with it, and the mend.
fn because(error: &rusqlite::Error) -> String {
    Trouble::of(error).map_or_else(String::new, |trouble| format!(": {trouble}"))
}

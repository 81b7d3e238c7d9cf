//! Checking the chain from its first row to its last.

use std::path::Path;

use tokio::task::spawn_blocking;
use verifier::{Broken, Checker, Checkpoint, Hex, Link, Trust, Verified};

use super::Audit;
use super::follow::{Visit, follow};

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the audit log could not be read")]
    Unreadable(#[from] rusqlite::Error),
    #[error("the check of the audit log was stopped")]
    Stopped,
}

impl Audit {
    /// Reads the whole log, off the runtime's threads; rows may be added meanwhile.
    pub async fn verify(&self) -> Result<Verified, VerifyError> {
        let path = self.0.readers.path().to_owned();
        spawn_blocking(move || verify_file(&path)).await.unwrap_or(Err(VerifyError::Stopped))
    }
}

/// Checks an audit file, also while a box writes to it.
pub fn verify_file(path: &Path) -> Result<Verified, VerifyError> {
    verify_file_against(path, Trust::default())
}

/// Checks it against what is known from elsewhere: the box's key, and anchors.
pub fn verify_file_against(path: &Path, trust: Trust) -> Result<Verified, VerifyError> {
    let mut checking = Checking(Checker::new(trust));
    follow(path, &mut checking)?;
    Ok(checking.0.end()?)
}

struct Checking(Checker);

impl Visit for Checking {
    type Error = VerifyError;

    fn row(&mut self, row: &Link<'_>, hash: Hex<32>) -> Result<(), VerifyError> {
        Ok(self.0.row(row, &hash.0)?)
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), VerifyError> {
        Ok(self.0.checkpoint(checkpoint)?)
    }
}

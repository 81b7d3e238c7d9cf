//! `genset backup`: makes a backup now, reads it back and checks it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::backup::{self, BackupError};
use crate::cli::{Failure, say, tell};

pub(crate) async fn run(file: &Path, to: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let config = super::load(file)?;
    let Some(folder) = to.or_else(|| config.backup.as_ref().map(|backup| backup.folder.clone())) else {
        let what = format!("{}: there is no [backup] folder; write one, or give --to FOLDER", file.display());
        return Err(Failure::Unusable(what));
    };
    let store = super::open_store(&config)?;
    let made = backup::make(&store, &config, &folder, &super::who()).await;
    store.close().await;
    let made = made.map_err(|error| match error {
        BackupError::NoSheet => Failure::Unusable(format!("{error} --config {}", file.display())),
        error => Failure::Failed(format!("no backup was made: {}", with_sources(&error))),
    })?;
    let (bytes, rows) = (made.size_bytes, made.audit_rows);
    tell(&format!(
        "The backup was read back and checked: {bytes} bytes, {rows} audit rows, the chain is whole."
    ));
    say(&made.file.display().to_string());
    Ok(ExitCode::SUCCESS)
}

/// The error and what it came from, on one line.
pub(super) fn with_sources(error: &BackupError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let said = error.to_string();
    if source.is_empty() || said.contains(&source) { said } else { format!("{said} ({source})") }
}

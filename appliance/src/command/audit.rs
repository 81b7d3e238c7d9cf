//! `genset audit verify`: checks the chain of the log.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Failure, say};

pub(crate) async fn verify(file: &Path) -> Result<ExitCode, Failure> {
    let config = super::load(file)?;
    let log = config.data_dir.join("audit.db");
    if !log.exists() {
        return Err(Failure::Unusable(format!("{}: there is no audit log yet", log.display())));
    }
    let verified = tokio::task::spawn_blocking(move || store::verify_file(&log))
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?
        .map_err(|error| Failure::Failed(error.to_string()))?;
    say(&format!("{} rows, the chain is whole, head {}", verified.rows, verified.head_hex()));
    Ok(ExitCode::SUCCESS)
}

//! `genset serve`: the box itself.

use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::cli::Failure;

pub(crate) async fn run(file: &Path) -> Result<ExitCode, Failure> {
    let config = super::load(file)?;
    for problem in &config.problems {
        tracing::error!("{problem}");
    }
    for path in &config.plain_keys {
        let (path, file) = (path.display(), config.file.display());
        tracing::warn!("{path}: this key is not sealed; `genset seal --config {file}` seals it");
    }
    let app = App::build(config).await?;
    let stop = stop_signal()?;
    if app.run(stop).await { Ok(ExitCode::SUCCESS) } else { Ok(ExitCode::FAILURE) }
}

/// Resolves at the first SIGTERM or SIGINT.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::Failed(format!("signals cannot be taken ({error})"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

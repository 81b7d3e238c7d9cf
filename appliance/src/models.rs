//! Which file each local model must be: by the configuration, by the library, by the program itself, or by what was
//! first seen.
//!
//! A file that nobody vouches for is trusted the first time, its hash is written down, and from then on it must stay as
//! it was. That is no proof of where it came from; it is proof that it has not changed since.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use inference::{LocalModel, ModelSpec, Status, library};
use serde_json::json;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::pilot_light;

/// Who says what a file must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voucher {
    Configuration,
    Library,
    Program,
    FirstSight,
}

/// The hash that a model's file must have, and who says so. None for a file that was never loaded.
pub(crate) fn expected(
    spec: &ModelSpec,
    data_dir: &Path,
    store: &Store,
) -> Result<Option<(String, Voucher)>, StoreError> {
    if let Some(sha256) = &spec.sha256 {
        return Ok(Some((sha256.clone(), Voucher::Configuration)));
    }
    if let Some(sha256) = library::by_name(&spec.file) {
        return Ok(Some((sha256, Voucher::Library)));
    }
    if spec.file == pilot_light::file_in(data_dir) {
        return Ok(Some((pilot_light::sha256(), Voucher::Program)));
    }
    let seen = store.core.setting(&setting(&spec.file))?;
    Ok(seen.filter(|sha256| library::is_sha256(sha256)).map(|sha256| (sha256, Voucher::FirstSight)))
}

/// Writes down that a file must be this one from now on; the audit log has it first.
pub(crate) async fn vouch(
    store: &Store,
    (who, what): (&str, &str),
    file: &Path,
    sha256: &str,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    let name = setting(file);
    store.recorded(who, what, detail, store.core.set_setting(&name, sha256)).await
}

fn setting(file: &Path) -> String {
    format!("model-sha256:{}", file.display())
}

/// Writes down the hash of each file that nobody vouched for, once it was loaded.
pub(crate) struct FirstSight {
    pub(crate) store: Store,
    pub(crate) models: Vec<(LocalModel, PathBuf)>,
}

impl FirstSight {
    /// Until `cancel`.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let all = self.models.iter().map(|(model, file)| self.note(model, file));
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = join_all(all) => {}
        }
        cancel.cancelled().await;
    }

    async fn note(&self, model: &LocalModel, file: &Path) {
        let mut status = model.status();
        let ready = status.wait_for(|status| matches!(status, Status::Ready { .. })).await;
        let Ok(Status::Ready { facts, .. }) = ready.map(|ready| ready.clone()) else { return };
        let name = model.name();
        let detail = json!({"name": name, "sha256": facts.sha256});
        match vouch(&self.store, ("genset", "model-first-seen"), file, &facts.sha256, detail).await {
            Ok(()) => tracing::info!(
                "{name}: {} is loaded for the first time; from now on it must have the SHA-256 {}",
                file.display(),
                facts.sha256
            ),
            Err(error) => tracing::error!("{name}: its SHA-256 cannot be written down ({error})"),
        }
    }
}

//! `genset seal`: seals the key files of the configuration in their place.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Failure, tell};
use crate::cloud_keys::{is_sealed, seal};

pub(crate) async fn run(file: &Path, only: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let config = super::load(file)?;
    let unread = if only.is_none() { config.unread_keys.as_slice() } else { &[] };
    let paths = only.map_or_else(|| config.plain_keys.clone(), |path| vec![path]);
    if paths.is_empty() && unread.is_empty() {
        tell("Every key of the configuration is sealed already.");
        return Ok(ExitCode::SUCCESS);
    }
    let store = super::open_store(&config)?;
    for path in &paths {
        let unusable = |error: std::io::Error| {
            Failure::Unusable(format!("{}: cannot be sealed ({error})", path.display()))
        };
        if is_sealed(path).map_err(unusable)? {
            tell(&format!("{}: was sealed already", path.display()));
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let detail = json!({"file": name, "by": super::who()});
        let sealed = async { seal(path, &config.data_dir).map_err(unusable) };
        super::recorded(&store, "cloud-key-sealed", detail, sealed).await?;
        tell(&format!("{}: sealed", path.display()));
    }
    store.close().await;
    if let Some(path) = unread.first() {
        let (path, others) = (path.display(), unread.len() - 1);
        let and = if others == 0 { String::new() } else { format!(", nor {others} others") };
        return Err(Failure::Unusable(format!(
            "{path}: cannot be read{and}, so it may not be sealed: `genset check` says why; mend it and seal again"
        )));
    }
    tell("Only this box opens them now. Older copies of the plain files must be removed by hand.");
    Ok(ExitCode::SUCCESS)
}

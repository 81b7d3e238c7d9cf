//! `genset restore`: a backup and the code of its sheet make a whole box on a blank machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use store::durable::sync_name;
use store::{Store, check_copy};
use tokio::task::spawn_blocking;

use super::backup::with_sources;
use crate::backup;
use crate::cli::{Failure, say, tell};

pub(crate) async fn run(file: &Path, to: &Path) -> Result<ExitCode, Failure> {
    let to = std::path::absolute(to).map_err(|error| Failure::Unusable(error.to_string()))?;
    is_blank(&to)?;
    if !file.is_file() {
        return Err(Failure::Unusable(format!("{}: there is no such backup", file.display())));
    }
    let key = super::recovery_sheet::typed_code()?.key();
    let (backup, partial) = (file.to_owned(), beside(&to));
    let target = partial.clone();
    let unpacked = spawn_blocking(move || {
        match std::fs::remove_dir_all(&target) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable(&target, &error));
            }
            _ => {}
        }
        let unusable = |error| Failure::Unusable(with_sources(&error));
        backup::unpack(&backup, &key, &target).map_err(unusable)?;
        check_copy(&target.join("data")).map_err(|error| Failure::Failed(error.to_string()))
    });
    let verified = unpacked.await.map_err(|error| Failure::Failed(error.to_string())).and_then(|inner| inner);
    let verified = verified.inspect_err(|_| drop(std::fs::remove_dir_all(&partial)))?;
    put_in_place(&partial, &to)?;
    let store = Store::open(&to.join("data")).map_err(|error| Failure::Failed(error.to_string()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    super::note(&store, "restored", json!({"file": name, "by": super::who(), "audit_rows": verified.rows}))
        .await?;
    store.close().await;
    let config = to.join("genset.toml");
    tell(&format!("Restored and checked: {} audit rows, the chain is whole.", verified.rows));
    tell(&format!(
        "Models are in no backup: put their files into {}. Then: genset serve --config {}",
        to.join("data/models").display(),
        config.display()
    ));
    say(&config.display().to_string());
    Ok(ExitCode::SUCCESS)
}

/// Nothing is restored over anything.
fn is_blank(to: &Path) -> Result<(), Failure> {
    let is_empty = match std::fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    let what = || format!("{}: is no empty folder; give --to the path of a new one", to.display());
    if is_empty { Ok(()) } else { Err(Failure::Unusable(what())) }
}

/// On the same disk, so that it can be put in place in one step.
fn beside(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(".restoring");
    to.with_file_name(name)
}

fn put_in_place(partial: &Path, to: &Path) -> Result<(), Failure> {
    let put = || -> std::io::Result<()> {
        if to.exists() {
            std::fs::remove_dir(to)?;
        }
        std::fs::rename(partial, to)?;
        sync_name(to)
    };
    put().map_err(|error| unwritable(to, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{}: cannot be written ({error})", path.display()))
}

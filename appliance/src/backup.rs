//! Backups: the whole box but its models in one sealed file, read back and checked as soon as it is written.
//!
//! Inside the seal (`sealing.rs`) is a tar archive: `genset.toml` with paths of its own, `genset.original.toml` as it
//! was, `data/` with the three databases, the certificates and the box's keys, and `files/` with what the
//! configuration points to.

mod archive;
mod plan;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::durable::{make_folder, sync_name};
use store::{BackupCondition, EventRow, Store, Verified, check_copy};
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::keys;
use crate::sealing::{Key, Opener, Sealer, Unopened};

pub(crate) use archive::unpack;

/// The settings that hold how the last backup went, and what is known of the sheet.
const STATE: &str = "backup";
const SHEET: &str = "recovery-sheet";
const PREFIX: &str = "genset-";
const SUFFIX: &str = ".backup";

/// A backup that was written, read back, opened and checked.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) file: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) audit_rows: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error(
        "there is no recovery sheet yet, so nobody could open a backup; make one with `genset recovery-sheet`"
    )]
    NoSheet,
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Unopened { path: PathBuf, source: Unopened },
    #[error(transparent)]
    Copy(#[from] store::CopyError),
    #[error("{}: {what}", path.display())]
    Config { path: PathBuf, what: String },
    #[error("{}: holds {found} audit rows, and the store had {expected}", path.display())]
    Short { path: PathBuf, found: u64, expected: u64 },
    #[error("the backup was stopped")]
    Stopped,
}

/// Gives an error the path that it is about.
fn at(path: &Path) -> impl Fn(std::io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path: path.clone(), source }
}

/// How the last backup went, as it is kept in core.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct State {
    verified_ms: Option<i64>,
    failed_ms: Option<i64>,
    why: Option<String>,
}

/// What is known of the recovery sheet, as it is kept in core.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sheet {
    pub(crate) made_ms: Option<i64>,
    /// When somebody typed its code in.
    pub(crate) proven_ms: Option<i64>,
}

fn setting<T: Default + for<'a> Deserialize<'a>>(store: &Store, name: &str) -> T {
    let text = store.core.setting(name).ok().flatten();
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

pub(crate) fn sheet(store: &Store) -> Sheet {
    setting(store, SHEET)
}

pub(crate) async fn note_sheet(store: &Store, sheet: &Sheet) -> Result<(), store::StoreError> {
    store.core.set_setting(SHEET, &json!(sheet).to_string()).await
}

/// What the status page says of backups.
pub(crate) fn condition(store: &Store) -> BackupCondition {
    let (state, sheet): (State, Sheet) = (setting(store, STATE), sheet(store));
    BackupCondition {
        verified_ms: state.verified_ms,
        failed_ms: state.failed_ms,
        has_sheet: sheet.made_ms.is_some(),
        sheet_is_proven: sheet.proven_ms.is_some(),
    }
}

/// Makes a backup in a folder, checks it, and writes down how it went.
pub(crate) async fn make(
    store: &Store,
    config: &Config,
    folder: &Path,
    who: &str,
) -> Result<Made, BackupError> {
    let begun = Timestamp::now();
    let made = write_and_check(store, config, folder, begun).await;
    let before: State = setting(store, STATE);
    let now_ms = begun.as_millisecond();
    let (state, what, detail) = match &made {
        Ok(made) => (
            State { verified_ms: Some(now_ms), ..State::default() },
            "backup-verified",
            json!({"file": made.file.file_name().unwrap_or_default().to_string_lossy(),
                "bytes": made.size_bytes, "audit_rows": made.audit_rows}),
        ),
        Err(error) => {
            let why = error.to_string();
            let state = State { failed_ms: Some(now_ms), why: Some(why.clone()), ..before };
            (state, "backup-failed", json!({"why": why}))
        }
    };
    // A store that cannot be written is told elsewhere; the backup itself is made all the same.
    let _ = store.core.set_setting(STATE, &json!(state).to_string()).await;
    let row = EventRow { at_ms: now_ms, who: who.into(), what: what.into(), detail };
    let _ = store.audit.event(row).await;
    made
}

async fn write_and_check(
    store: &Store,
    config: &Config,
    folder: &Path,
    begun: Timestamp,
) -> Result<Made, BackupError> {
    let key_file = keys::of_backups(&config.data_dir);
    let key = keys::load(&key_file).map_err(at(&key_file))?.ok_or(BackupError::NoSheet)?;
    let scratch = Scratch::make(&config.data_dir)?;
    let copies = scratch.folder("copies")?;
    // What the log could not take yet is chained in now, or else taken along as it waits.
    let _ = store.audit.prove_writable().await;
    let waiting = store::spooled(&config.spool_folder).map_err(at(&config.spool_folder))?;
    store.copy_to(&copies).await?;
    let file = folder.join(format!("{PREFIX}{}{SUFFIX}", begun.strftime("%Y-%m-%d-%H%M%S")));
    let (config_file, data_dir) = (config.file.clone(), config.data_dir.clone());
    let written = spawn_blocking(move || {
        let expected = check_copy(&copies)?;
        let mut plan = plan::of(&config_file, &data_dir, &copies)?;
        plan.extend(plan::of_spool(waiting));
        // It gets its name once it was read back: what looks like a backup is one.
        let partial = file.with_extension("partial");
        let checked = || -> Result<Verified, BackupError> {
            write(&partial, &plan, &key)?;
            let again = scratch.folder("again")?;
            unpack(&partial, &key, &again)?;
            let found = check_copy(&again.join("data"))?;
            is_the_same(&partial, expected, found)?;
            std::fs::rename(&partial, &file).and_then(|()| sync_name(&file)).map_err(at(&file))?;
            Ok(found)
        };
        let found = checked().inspect_err(|_| drop(std::fs::remove_file(&partial)))?;
        let size_bytes = std::fs::metadata(&file).map_err(at(&file))?.len();
        Ok(Made { file, size_bytes, audit_rows: found.rows })
    });
    written.await.unwrap_or(Err(BackupError::Stopped))
}

fn is_the_same(file: &Path, expected: Verified, found: Verified) -> Result<(), BackupError> {
    if expected == found {
        return Ok(());
    }
    Err(BackupError::Short { path: file.to_owned(), found: found.rows, expected: expected.rows })
}

/// Writes a backup, on disk before this returns.
fn write(file: &Path, plan: &plan::Plan, key: &Key) -> Result<(), BackupError> {
    let seal = || -> std::io::Result<()> {
        make_folder(file.parent().unwrap_or(Path::new(".")))?;
        let out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
        let sealer = Sealer::new(BufWriter::new(out), key)?;
        let mut out = archive::pack(sealer, plan)?.finish()?;
        out.flush()?;
        out.get_ref().sync_all()
    };
    seal().map_err(at(file))
}

/// Opens a backup file.
pub(crate) fn open(file: &Path, key: &Key) -> Result<Opener<BufReader<File>>, BackupError> {
    let sealed = File::open(file).map_err(at(file))?;
    Opener::new(BufReader::new(sealed), key)
        .map_err(|source| BackupError::Unopened { path: file.to_owned(), source })
}

/// Whether a file is a backup by its name.
pub(crate) fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Removes all backups of a folder but the newest `keep`.
pub(crate) fn prune(folder: &Path, keep: usize) -> Result<(), BackupError> {
    let entries = std::fs::read_dir(folder).map_err(at(folder))?.flatten().map(|entry| entry.path());
    let mut ours: Vec<PathBuf> = entries.filter(|path| is_ours(path)).collect();
    ours.sort_unstable();
    let old = ours.len().saturating_sub(keep.max(1));
    ours[..old].iter().try_for_each(|path| std::fs::remove_file(path).map_err(at(path)))
}

/// A folder for copies in the clear, on the disk that has the originals; gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make(data_dir: &Path) -> Result<Scratch, BackupError> {
        let path = data_dir.join(format!("backup-scratch-{}", std::process::id()));
        remove(&path);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(at(&path))?;
        Ok(Scratch(path))
    }

    fn folder(&self, name: &str) -> Result<PathBuf, BackupError> {
        let path = self.0.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(at(&path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// What a process that was killed has left lies in the same place and is removed by the next one.
pub(crate) fn remove_old_scratch(data_dir: &Path) {
    let entries = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    let left = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("backup-scratch-"));
    left.for_each(|entry| remove(&entry.path()));
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{}: cannot be removed ({error}); remove it by hand", path.display());
    }
}

#[cfg(test)]
mod tests;

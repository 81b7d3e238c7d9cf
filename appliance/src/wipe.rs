//! The end of a box: its log is carried out, then all that it knew is destroyed, and a certificate says so.
//!
//! ```text
//!            row of the log, export, mark          overwritten, removed          certificate, the log's key
//!   a box -------------------------------> begun -------------------------> bare -------------------------> done
//!                                            ^ interrupted: the same command goes on from the mark
//! ```
//!
//! The keys go first: without them what is sealed cannot be opened any more, whatever a disk has kept of it. The key
//! that signs the log goes last, because it signs the certificate. The mark stays in the folder and tells every later
//! start.

mod destroy;
mod mark;
mod victims;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;
use store::{EventRow, SigningKey, Store};
use verifier::Wiping;

use crate::config::Config;

pub(crate) use mark::{Mark, refusal};

/// What somebody asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) who: String,
    pub(crate) reason: String,
    /// Outside the data folder: the log and the certificate go there.
    pub(crate) folder: PathBuf,
    pub(crate) backups: bool,
    pub(crate) models: bool,
}

/// How it ended.
#[derive(Debug, Clone)]
pub(crate) struct Wiped {
    pub(crate) log: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) wiping: Wiping,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WipeError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the audit log cannot be carried out, so nothing was destroyed: {0}")]
    Log(String),
    #[error("{count} files could not be destroyed, the first of them {}: {source}. Mend that, and run the same command again", path.display())]
    Left { count: usize, path: PathBuf, source: std::io::Error },
    #[error(
        "{}: the key of the log is gone, so no certificate can be signed; everything else is destroyed",
        folder.display()
    )]
    NoKey { folder: PathBuf },
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> WipeError {
    let path = path.to_owned();
    move |source| WipeError::Io { path: path.clone(), source }
}

/// Carries the log out and makes the mark. From here on there is no way back.
pub(crate) async fn begin(config: &Config, wish: Wish) -> Result<Mark, WipeError> {
    let log_failed = |error: &dyn std::error::Error| WipeError::Log(crate::app::with_sources(error));
    DirBuilder::new().recursive(true).mode(0o700).create(&wish.folder).map_err(at(&wish.folder))?;
    let began = Timestamp::now();
    let name = began.strftime("genset-wipe-%Y-%m-%d-%H%M%S").to_string();
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "unknown".to_owned());
    let store = Store::open(&config.data_dir).map_err(|error| log_failed(&error))?;
    // What still waits in the spool belongs into the log that is carried out.
    for folder in [&config.data_dir, &config.spool_folder] {
        if store::spooled(folder).is_ok_and(|waiting| !waiting.is_empty()) {
            store.audit.keep_spool(folder).map_err(at(folder))?;
            store.audit.prove_writable().await.map_err(|error| log_failed(&error))?;
        }
    }
    let detail = json!({"reason": wish.reason, "host": host, "backups": wish.backups, "models": wish.models});
    let row = EventRow { at_ms: began.as_millisecond(), who: wish.who.clone(), what: "wiped".into(), detail };
    store.audit.event(row).await.map_err(|error| log_failed(&error))?;
    let checkpoint = store.audit.checkpoint().await.map_err(|error| log_failed(&error))?;
    let checkpoint = checkpoint.ok_or_else(|| WipeError::Log("it has no rows".to_owned()))?;
    let log = wish.folder.join(format!("{name}.log"));
    export(&store, &config.site_name, &log).await?;
    store.close().await;
    let victims = victims::of(config, wish.backups, wish.models);
    let mark = Mark {
        site: config.site_name.clone(),
        host,
        who: wish.who,
        reason: wish.reason,
        began_ms: began.as_millisecond(),
        ended_ms: None,
        log,
        rows: checkpoint.rows,
        head: checkpoint.head,
        backups: wish.backups,
        models: wish.models,
        files: victims.iter().map(|path| destroy::count(path).0).sum(),
        bytes: victims.iter().map(|path| destroy::count(path).1).sum(),
    };
    mark.save(&config.data_dir).map_err(at(&config.data_dir))?;
    Ok(mark)
}

/// Destroys all that is left, signs the certificate into the folder, and destroys the key that signed it.
pub(crate) fn finish(config: &Config, mut mark: Mark, folder: &Path) -> Result<Wiped, WipeError> {
    let mut failed = Vec::new();
    for victim in victims::of(config, mark.backups, mark.models) {
        tracing::info!("{}: destroying", victim.display());
        destroy::tree(&victim, &mut failed);
    }
    let count = failed.len();
    if let Some((path, source)) = failed.into_iter().next() {
        return Err(WipeError::Left { count, path, source });
    }
    let name = mark.log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let certificate = folder.join(format!("{name}.certificate"));
    let ended_ms = Timestamp::now().as_millisecond();
    let wiping = mark.wiping(ended_ms, victims::left(config, mark.backups, mark.models));
    let key = SigningKey::load(&config.data_dir).ok().flatten();
    match &key {
        Some(key) => write_new(&certificate, wiping.certify(key).as_bytes()).map_err(at(&certificate))?,
        // A run that was interrupted after its certificate has destroyed the key already.
        None if certificate.is_file() => {}
        None => return Err(WipeError::NoKey { folder: config.data_dir.clone() }),
    }
    let mut failed = Vec::new();
    destroy::tree(&config.data_dir.join("audit.key"), &mut failed);
    if let Some((path, source)) = failed.into_iter().next() {
        return Err(WipeError::Left { count: 1, path, source });
    }
    mark.ended_ms = Some(ended_ms);
    mark.save(&config.data_dir).map_err(at(&config.data_dir))?;
    Ok(Wiped { log: mark.log, certificate, wiping })
}

async fn export(store: &Store, site: &str, path: &Path) -> Result<(), WipeError> {
    let (audit, site, out) = (store.audit.clone(), site.to_owned(), path.to_owned());
    let made_ms = Timestamp::now().as_millisecond();
    let exported = tokio::task::spawn_blocking(move || {
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&out).map_err(at(&out))?;
        audit
            .export(&site, made_ms, BufWriter::new(&file))
            .map_err(|error| WipeError::Log(crate::app::with_sources(&error)))?;
        file.sync_all().and_then(|()| sync_folder_of(&out)).map_err(at(&out))
    });
    exported.await.map_err(|error| WipeError::Log(error.to_string()))?
}

/// One that an interrupted run left half written is replaced.
fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    sync_folder_of(path)
}

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests;

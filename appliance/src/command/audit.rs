//! `genset audit`: checks the chain of the log, hands it out, and says what others need to check it.

use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{BufWriter, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use store::durable::sync_name;
use store::{Audit, Store};
use tokio::task::spawn_blocking;
use verifier::{Anchor, Code, Trust, anchors};

use crate::cli::{AuditCommand, Failure, VerifyArgs, say, tell};
use crate::config::Config;

pub(crate) async fn run(command: AuditCommand) -> Result<ExitCode, Failure> {
    match command {
        AuditCommand::Verify(args) => verify(args).await?,
        AuditCommand::Export { output, config } => export(&super::load(&config.file)?, output).await?,
        AuditCommand::Anchor(config) => anchor(&super::load(&config.file)?).await?,
        AuditCommand::Key(config) => {
            let store = open(&super::load(&config.file)?)?;
            say(&store.audit.public_key().to_string());
            store.close().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The store of a box that has a log; a wrong path must not make an empty one.
fn open(config: &Config) -> Result<Store, Failure> {
    log_of(config)?;
    super::open_store(config)
}

fn log_of(config: &Config) -> Result<PathBuf, Failure> {
    let log = config.data_dir.join("audit.db");
    if log.exists() {
        return Ok(log);
    }
    Err(Failure::Unusable(format!("{}: there is no audit log yet", log.display())))
}

async fn verify(args: VerifyArgs) -> Result<(), Failure> {
    let log = log_of(&super::load(&args.config.file)?)?;
    let trust = trust(&args)?;
    let verified = spawn_blocking(move || store::verify_file_against(&log, trust))
        .await
        .map_err(failed)?
        .map_err(|error| Failure::Failed(error.to_string()))?;
    say(&format!(
        "{} rows, the chain is whole, {} checkpoints cover {} rows, {} anchors fit, head {}",
        verified.rows, verified.checkpoints, verified.signed_rows, verified.anchors, verified.head
    ));
    Ok(())
}

fn trust(args: &VerifyArgs) -> Result<Trust, Failure> {
    let mut known = Vec::new();
    for path in &args.anchors {
        let unusable = |why: String| Failure::Unusable(format!("--anchor {}: {why}", path.display()));
        let text = std::fs::read(path).map_err(|error| unusable(format!("cannot be read ({error})")))?;
        known.extend(anchors(&String::from_utf8_lossy(&text)).map_err(|error| unusable(error.to_string()))?);
    }
    for code in &args.codes {
        let parsed: Result<Code, _> = code.parse();
        known.push(Anchor::Code(
            parsed.map_err(|error| Failure::Unusable(format!("--code {code}: {error}")))?,
        ));
    }
    Ok(Trust { keys: args.keys.clone(), anchors: known })
}

async fn export(config: &Config, output: Option<PathBuf>) -> Result<(), Failure> {
    let store = open(config)?;
    store.audit.checkpoint().await.map_err(failed)?;
    let (audit, site) = (store.audit.clone(), config.site_name.clone());
    let rows = spawn_blocking(move || match &output {
        Some(path) => export_to_file(&audit, &site, path),
        None => written(&audit, &site, stdout().lock()).map_err(failed),
    });
    let rows = rows.await.map_err(failed)??;
    super::note(&store, "audit-exported", json!({"rows": rows})).await?;
    store.close().await;
    tell(&format!("{rows} rows are exported. `genset-verify` checks them."));
    Ok(())
}

/// The file is new, for its owner alone. It has its name only once it is whole and on disk.
fn export_to_file(audit: &Audit, site: &str, path: &Path) -> Result<u64, Failure> {
    let place = |error: &dyn std::fmt::Display| format!("--output {}: {error}", path.display());
    if path.try_exists().map_err(|error| Failure::Unusable(place(&error)))? {
        return Err(Failure::Unusable(place(&"there is such a file already; choose another name")));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .map_err(|error| Failure::Unusable(place(&error)))?;
    let exported = written(audit, site, &file).map_err(|error| place(&error)).and_then(|rows| {
        let named = file.sync_all().and_then(|()| rename(&partial, path)).and_then(|()| sync_name(path));
        named.map(|()| rows).map_err(|error| place(&error))
    });
    exported.map_err(|why| {
        let _ = remove_file(&partial);
        Failure::Failed(why)
    })
}

fn written(audit: &Audit, site: &str, out: impl Write) -> Result<u64, store::ExportError> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    audit.export(site, now_ms, BufWriter::with_capacity(1 << 16, out))
}

async fn anchor(config: &Config) -> Result<(), Failure> {
    let store = open(config)?;
    let checkpoint = store.audit.checkpoint().await.map_err(failed)?;
    store.close().await;
    let Some(checkpoint) = checkpoint else {
        return Err(Failure::Unusable("the audit log has no rows yet".to_owned()));
    };
    say(&Code::of(checkpoint.rows, &checkpoint.head.0).to_string());
    tell(&format!(
        "Write it down with the date: it stands for the {} rows of {} until {}. \
         `genset-verify EXPORT --code CODE` proves later that they are all still there.",
        checkpoint.rows,
        config.site_name,
        super::moment(checkpoint.at_ms)
    ));
    Ok(())
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::Failed(crate::app::with_sources(&error))
}

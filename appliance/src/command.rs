//! The commands of `genset`, a file each.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod cutter;
pub(crate) mod demo_cloud;
pub(crate) mod department;
pub(crate) mod doctor;
pub(crate) mod drill;
pub(crate) mod grant;
pub(crate) mod key;
pub(crate) mod model;
pub(crate) mod order;
pub(crate) mod recovery_sheet;
pub(crate) mod restore;
pub(crate) mod seal;
pub(crate) mod second_factor;
pub(crate) mod serve;
pub(crate) mod setup_code;
pub(crate) mod status;
pub(crate) mod user;
pub(crate) mod wipe;
pub(crate) mod worker;

use std::path::Path;

use store::{AccountError, COMMAND_LINE, ChangeError, EventRow, Store};

use crate::cli::Failure;
use crate::config::Config;

/// The configuration, or why it is unusable.
fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file).map_err(|error| Failure::Unusable(error.to_string()))
}

/// The store of the configuration's data folder; a running box may have it open at the same time.
fn open_store(config: &Config) -> Result<Store, Failure> {
    if let Some(wiped) = crate::wipe::refusal(&config.data_dir) {
        return Err(Failure::Unusable(wiped));
    }
    let store = Store::open(&config.data_dir).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(store.with_keep_days(config.retention.conversation_days))
}

/// The same, to change something: not while the audit log cannot be written, for then nobody could prove the change.
async fn open_to_change(config: &Config) -> Result<Store, Failure> {
    let store = open_store(config)?;
    store.audit.prove_writable().await.map_err(|error| {
        Failure::Failed(format!("nothing was changed, because nothing could be recorded: {error}"))
    })?;
    Ok(store)
}

/// Writes into the audit what is about to be changed from the command line, then makes the change.
async fn recorded<T>(
    store: &Store,
    what: &str,
    detail: serde_json::Value,
    change: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    store.recorded(COMMAND_LINE, what, detail, change).await
}

/// Writes into the audit what was done from the command line, and waits until it is on disk.
async fn note(store: &Store, what: &str, detail: serde_json::Value) -> Result<(), Failure> {
    let at_ms = jiff::Timestamp::now().as_millisecond();
    let row = EventRow { at_ms, who: COMMAND_LINE.into(), what: what.into(), detail };
    store.audit.event(row).await.map(drop).map_err(|error| Failure::Failed(error.to_string()))
}

/// Why a change of people or grants was not made, for the exit code that belongs to it.
fn unchanged(what: &str, error: &ChangeError) -> Failure {
    match error {
        ChangeError::Store(error) | ChangeError::Account(AccountError::Store(error)) => {
            Failure::Failed(error.to_string())
        }
        error => Failure::Unusable(format!("{what}: {error}")),
    }
}

/// A moment as it is printed for scripts.
fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "-".to_owned(), |at| at.to_string())
}

/// Who stands behind a command, as far as the machine knows.
fn who() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    match user.filter(|user| (1..=32).contains(&user.len()) && !user.contains(char::is_control)) {
        Some(user) => format!("{user} ({COMMAND_LINE})"),
        None => COMMAND_LINE.to_owned(),
    }
}

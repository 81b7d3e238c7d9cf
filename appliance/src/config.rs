//! The configuration file: read, checked and turned into types that cannot be wrong.

mod raw;
mod validate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use inference::ModelSpec;

use crate::audit_keeper::AnchorSettings;
use crate::directory::DirectorySettings;
use crate::listen::Proxies;
use crate::oidc::OidcSettings;

/// Everything that the file says, checked. Making one binds nothing and starts nothing.
#[derive(Debug, Clone)]
pub struct Config {
    pub file: PathBuf,
    pub site_name: String,
    pub data_dir: PathBuf,
    pub https: Option<SocketAddr>,
    pub http: Option<SocketAddr>,
    pub proxies: Proxies,
    pub gateway: gateway::Settings,
    pub locals: Vec<ModelSpec>,
    pub sign_in: store::SignInRules,
    /// None: people have passwords of the box's own alone.
    pub(crate) directory: Option<DirectorySettings>,
    /// None: everybody signs in with an account of the box.
    pub oidc: Option<OidcSettings>,
    pub anchors: AnchorSettings,
    /// Where rows wait that the audit log cannot take: the data folder, or one on another disk.
    pub spool_folder: PathBuf,
    /// None: no backups are made by themselves.
    pub backup: Option<BackupSettings>,
    pub retention: RetentionSettings,
    /// Files with keys of cloud accounts, or with the directory's password, that are not sealed.
    pub plain_keys: Vec<PathBuf>,
    /// Such files that cannot be read, so that nobody knows whether they are sealed.
    pub unread_keys: Vec<PathBuf>,
    /// What is unusable although the file is well-formed: the box runs without it, and says so.
    pub problems: Vec<Problem>,
}

/// When backups are made, where to, and how many of them are kept.
#[derive(Debug, Clone)]
pub struct BackupSettings {
    pub folder: PathBuf,
    pub at: jiff::civil::Time,
    pub time_zone: jiff::tz::TimeZone,
    pub keep: u32,
}

/// How long conversations are kept where no department says it, and when those that are over are deleted.
#[derive(Debug, Clone)]
pub struct RetentionSettings {
    /// None: as long as the account is there.
    pub conversation_days: Option<u32>,
    pub at: jiff::civil::Time,
    pub time_zone: jiff::tz::TimeZone,
}

/// Something outside the file that the file points to and that cannot be used: one line with the mend.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

/// Why a file is refused, in one line: the place, what is wrong, and the mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read ({source}). Give the path of a configuration with --config FILE.", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {what}", file.display())]
    Toml { file: PathBuf, line: usize, column: usize, what: String },
    #[error("{}: {place}: {what}", file.display())]
    Meaning { file: PathBuf, place: String, what: String },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The first thing that is wrong, in one line.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let file = std::path::absolute(file).map_err(unreadable)?;
        let raw = raw::parse(&file, &text)?;
        validate::validate(file, raw)
    }
}

#[cfg(test)]
mod tests;

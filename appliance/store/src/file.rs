//! Opening one database file: who may read it, how it syncs, that it is whole, and its schema's version.

use std::fs::{File, OpenOptions, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::OpenError;
use crate::condition::WAL_ALARM_BYTES;
use crate::durable::{make_folder, sync_folder};

/// For so long one process waits for another to let go of a file. Less than a disk may take for a commit, so that the
/// one trouble is never taken for the other.
const BUSY_PATIENCE_MS: u32 = 3000;
/// The commit that makes a log longer than so many pages (16 MiB) folds it back; `writer/folding.rs` does it sooner, and
/// beside the work.
pub(crate) const MOST_PAGES: u32 = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreFile {
    Audit,
    Core,
    Work,
}

impl StoreFile {
    /// In the order of their numbers.
    pub(crate) const ALL: [StoreFile; 3] = [StoreFile::Audit, StoreFile::Core, StoreFile::Work];

    pub(crate) fn name(self) -> &'static str {
        match self {
            StoreFile::Audit => "audit.db",
            StoreFile::Core => "core.db",
            StoreFile::Work => "work.db",
        }
    }

    /// In WAL mode FULL puts every commit on disk before it returns; NORMAL only keeps the file consistent.
    fn synchronous(self) -> &'static str {
        match self {
            // A simulated box loses no power, and a thousand of them would wear the disk out.
            _ if cfg!(feature = "simulation") => "OFF",
            StoreFile::Audit | StoreFile::Core => "FULL",
            StoreFile::Work => "NORMAL",
        }
    }

    /// One script per schema version, in order; a script that has been released is never edited.
    fn migrations(self) -> &'static [&'static str] {
        match self {
            StoreFile::Audit => &[
                include_str!("schema/audit.1.sql"),
                include_str!("schema/audit.2.sql"),
                include_str!("schema/audit.3.sql"),
            ],
            StoreFile::Core => &[
                include_str!("schema/core.1.sql"),
                include_str!("schema/core.2.sql"),
                include_str!("schema/core.3.sql"),
                include_str!("schema/core.4.sql"),
                include_str!("schema/core.5.sql"),
                include_str!("schema/core.6.sql"),
                include_str!("schema/core.7.sql"),
                include_str!("schema/core.8.sql"),
                include_str!("schema/core.9.sql"),
                include_str!("schema/core.10.sql"),
                include_str!("schema/core.11.sql"),
                include_str!("schema/core.12.sql"),
            ],
            StoreFile::Work => &[
                include_str!("schema/work.1.sql"),
                include_str!("schema/work.2.sql"),
                include_str!("schema/work.3.sql"),
                include_str!("schema/work.4.sql"),
                include_str!("schema/work.5.sql"),
            ],
        }
    }
}

/// The data folder, locked against other processes that open the store, until dropped.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    pub(crate) fn claim(path: &Path) -> Result<Folder, OpenError> {
        let claim = || {
            make_folder(path)?;
            restrict(path, 0o700)?;
            private_file(&path.join("store.lock"))?;
            let lock = File::open(path.join("store.lock"))?;
            lock.lock()?;
            Ok(lock)
        };
        let lock = claim().map_err(OpenError::folder(path))?;
        Ok(Folder { path: path.to_owned(), _lock: lock })
    }

    /// Opens a file for writing: checked, and at the newest version of its schema.
    pub(crate) fn open(&self, file: StoreFile) -> Result<Connection, OpenError> {
        let path = self.path.join(file.name());
        private_file(&path).map_err(OpenError::unusable(&path))?;
        let mut connection = connect(&path, file).map_err(OpenError::file(&path))?;
        // The order matters: the check comes before the first change, which the switch to WAL is.
        check(&connection, &path)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(OpenError::file(&path))?;
        migrate(&mut connection, &path, file.migrations())?;
        Ok(connection)
    }

    /// Makes the names of new files as durable as their contents.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        sync_folder(&self.path).map_err(OpenError::folder(&self.path))
    }
}

/// A connection with the settings that every connection has.
pub(crate) fn connect(path: &Path, file: StoreFile) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {BUSY_PATIENCE_MS}; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = {WAL_ALARM_BYTES};
         PRAGMA wal_autocheckpoint = {MOST_PAGES}; PRAGMA synchronous = {};",
        file.synchronous()
    ))?;
    // A plan never depends on what is bound, so that a statement is prepared once and not again for every `LIMIT ?`.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let finding: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(OpenError::file(path))?;
    if finding == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.to_owned(), finding }) }
}

fn migrate(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), OpenError> {
    let found = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(OpenError::file(path))?;
    if found > steps.len() {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: steps.len() });
    }
    if (1..steps.len()).contains(&found) {
        snapshot(connection, path, found)?;
    }
    for (version, step) in steps.iter().enumerate().skip(found) {
        take_step(connection, step, version + 1).map_err(|source| OpenError::Migration {
            path: path.to_owned(),
            from: version,
            source,
        })?;
    }
    Ok(())
}

fn take_step(connection: &mut Connection, script: &str, version: usize) -> rusqlite::Result<()> {
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute_batch(script)?;
    step.pragma_update(None, "user_version", version)?;
    step.commit()
}

/// Keeps the file as the older genset left it, so that the older one can be installed again.
///
/// A snapshot that was cut off by a crash has the name of a partial one and is made again.
fn snapshot(connection: &Connection, path: &Path, version: usize) -> Result<(), OpenError> {
    let kept = path.with_extension(format!("v{version}.db"));
    let partial = path.with_extension(format!("v{version}.partial"));
    let failed = || OpenError::unusable(&partial);
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed()(error)),
        _ => private_file(&partial).map_err(failed())?,
    }
    connection
        .execute("VACUUM INTO ?1", [partial.to_string_lossy()])
        .map_err(|source| OpenError::Migration { path: path.to_owned(), from: version, source })?;
    File::open(&partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&partial, &kept))
        .and_then(|()| sync_folder(path.parent().unwrap_or(Path::new("."))))
        .map_err(failed())
}

/// Makes the file before SQLite does, so that it is private from its first byte; SQLite gives the WAL and its
/// index the same mode.
///
/// A file that is there is never opened here: closing it would drop every lock that SQLite holds on it in this
/// process (POSIX locks belong to the process and the file).
pub(crate) fn private_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => restrict(path, 0o600),
        made => made.map(drop),
    }
}

pub(crate) fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    let found = std::fs::metadata(path)?.permissions().mode() & 0o7777;
    // A folder such as /tmp, named by mistake, must not be taken away from everybody else.
    if found & 0o1000 != 0 {
        return Err(io::Error::other("all users share it"));
    }
    if found == mode { Ok(()) } else { set_permissions(path, Permissions::from_mode(mode)) }
}

#[cfg(test)]
mod tests;

//! A few read connections to one file, lent for the length of one short read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::StoreError;
use crate::file::{StoreFile, connect};

/// Connections that are kept when idle; a burst of readers opens more and drops them again.
const KEPT: usize = 4;

pub(crate) struct Readers {
    file: StoreFile,
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(file: StoreFile, path: PathBuf) -> Readers {
        Readers { file, path, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` in place: it must be short, because it stands on a runtime thread.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let failed = |source| StoreError::Read { file: self.file.name(), source: Arc::new(source) };
        let connection = self.borrow().map_err(failed)?;
        let value = read(&connection).map_err(failed)?;
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(value)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn close(&self) {
        self.idle().clear();
    }

    fn borrow(&self) -> rusqlite::Result<Connection> {
        if let Some(connection) = self.idle().pop() {
            return Ok(connection);
        }
        let connection = connect(&self.path, self.file)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// The lock guards pushes and pops only, so a panic elsewhere leaves nothing half done in it.
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

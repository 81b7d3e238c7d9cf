//! `core.db`: who may use the box, and how it is set.

mod accounts;
mod attempts;
mod keys;
mod orders;
mod sessions;
mod settings;
mod setup;

use std::sync::Arc;

use rusqlite::{Connection, Transaction};

pub use accounts::{Account, AccountError};
pub use keys::{ApiKey, KeyError, KeyLane, KeyRecord};
pub use orders::{NewOrder, ORDER_LASTS, OrderError, OrderKind, OrderRecord};
pub use sessions::{Session, SignInError};
pub use setup::SetupError;

use crate::StoreError;
use crate::file::StoreFile;
use crate::password::Hashing;
use crate::readers::Readers;
use crate::writer::{Receipt, Writer};
use attempts::Attempts;

/// Between two notes of when a key or a session was last used; each note is a commit.
const NOTE_USE_EVERY_MS: i64 = 60_000;

/// The handle on `core.db`. Reads are plain calls of some microseconds; writes and password checks are async.
#[derive(Clone)]
pub struct Core(Arc<Parts>);

struct Parts {
    writer: Writer,
    readers: Readers,
    hashing: Hashing,
    sign_ins: Attempts,
    setups: Attempts,
}

impl Core {
    pub(crate) fn new(writer: Writer, readers: Readers) -> Core {
        let (sign_ins, setups) = (Attempts::default(), Attempts::default());
        Core(Arc::new(Parts { writer, readers, hashing: Hashing::new(), sign_ins, setups }))
    }

    pub(crate) fn close_readers(&self) {
        self.0.readers.close();
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.0.readers.read(read)
    }

    fn write<T, F>(&self, change: F) -> Receipt<T>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.0.writer.write(StoreFile::Core, change)
    }
}

#[cfg(test)]
mod tests;

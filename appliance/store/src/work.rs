//! `work.db`: the portal's conversations, the record of outages, the drills.
//!
//! A crash of the box loses nothing; a power cut may take the last seconds, which the portal says.

mod conversations;
mod drills;
mod ends;
mod outages;
mod second_looks;

use std::sync::Arc;

use rusqlite::{Connection, Transaction};

pub use conversations::{Conversation, Message, NewMessage};
pub use drills::DrillRecord;
pub use outages::{Outage, OutageCounts, OutageScope};
pub use second_looks::{SecondLook, SecondLookCounts};

use crate::StoreError;
use crate::file::StoreFile;
use crate::readers::Readers;
use crate::writer::{Receipt, Writer};

/// The handle on `work.db`. Reads are plain calls; writes are async.
#[derive(Clone)]
pub struct Work(Arc<Parts>);

struct Parts {
    writer: Writer,
    readers: Readers,
}

impl Work {
    pub(crate) fn new(writer: Writer, readers: Readers) -> Work {
        Work(Arc::new(Parts { writer, readers }))
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
        self.0.writer.write(StoreFile::Work, change)
    }
}

#[cfg(test)]
mod tests;

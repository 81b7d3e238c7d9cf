//! `audit.db`: the log that nobody can quietly change.
//!
//! Append only. Each row carries `h_n = SHA-256(h_{n-1} || row_n)`, so that a row which is edited, removed, put
//! in or moved breaks the chain from there on. Rows cut off the end leave a whole, shorter chain: that shows
//! only against a head that was written down elsewhere.

mod chain;
mod rows;
mod verify;

use std::sync::Arc;

pub use rows::{Entry, EventRow, OutcomeRow, Record, RequestRow};
pub use verify::{Verified, VerifyError, verify_file};

use crate::StoreError;
use crate::file::StoreFile;
use crate::readers::Readers;
use crate::writer::{Receipt, Writer};
use rows::Row;

/// The handle on `audit.db`.
///
/// A row is in the queue when the call returns, in the order of the calls; its receipt
/// gives its number once it is on disk. When the queue is full or the disk fails the receipt says so at once.
#[derive(Clone)]
pub struct Audit(Arc<Parts>);

struct Parts {
    writer: Writer,
    readers: Readers,
}

impl Audit {
    pub(crate) fn new(writer: Writer, readers: Readers) -> Audit {
        Audit(Arc::new(Parts { writer, readers }))
    }

    pub(crate) fn close_readers(&self) {
        self.0.readers.close();
    }

    /// Somebody asked.
    pub fn request(&self, row: RequestRow) -> Receipt {
        self.append(row)
    }

    /// How the asking ended.
    pub fn outcome(&self, row: OutcomeRow) -> Receipt {
        self.append(row)
    }

    /// Anything else: sign-ins, keys, flips of the site state, outages, orders.
    pub fn event(&self, row: EventRow) -> Receipt {
        self.append(row)
    }

    /// The newest `count` rows, the newest first.
    pub fn recent(&self, count: u32) -> Result<Vec<Entry>, StoreError> {
        self.0.readers.read(|audit| {
            let mut query = audit
                .prepare_cached("SELECT seq, at_ms, kind, body FROM entries ORDER BY seq DESC LIMIT ?1")?;
            query.query_map([count], rows::entry)?.collect()
        })
    }

    fn append<R: Row>(&self, row: R) -> Receipt {
        let (at_ms, body) = (row.at_ms(), row.into_body());
        self.0.writer.write(StoreFile::Audit, move |audit| chain::append(audit, at_ms, R::KIND, &body))
    }
}

#[cfg(test)]
mod tests;

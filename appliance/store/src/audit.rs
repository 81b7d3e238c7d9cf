//! `audit.db`: the log that nobody can quietly change.
//!
//! Append only. Each row carries `h_n = SHA-256(h_{n-1} || row_n)`, so that a row which is edited, removed, put
//! in or moved breaks the chain from there on. With every thousandth row, and once a minute, the box signs the head
//! of the chain. Rows cut off the end, and a chain made anew by somebody who has the box's key, show only against a
//! checkpoint that was written down elsewhere.

mod chain;
mod checkpoints;
mod export;
mod follow;
mod rows;
mod signing;
mod verify;

use std::sync::Arc;

pub use export::ExportError;
pub use rows::{Entry, EventRow, OutcomeRow, Record, RequestRow};
use rusqlite::{Connection, TransactionBehavior};
pub(crate) use signing::SigningKey;
pub use verify::{VerifyError, verify_file, verify_file_against};

use verifier::{Checkpoint, PublicKey, Signing};

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
    key: Arc<SigningKey>,
}

impl Audit {
    pub(crate) fn new(writer: Writer, readers: Readers, key: SigningKey) -> Audit {
        Audit(Arc::new(Parts { writer, readers, key: Arc::new(key) }))
    }

    /// Says in the log that the key beside it is another one than the one that has signed it so far.
    pub(crate) fn note_new_key(audit: &mut Connection, key: &SigningKey) -> rusqlite::Result<()> {
        let Some(newest) = checkpoints::newest(audit)?.filter(|newest| newest.key != key.public()) else {
            return Ok(());
        };
        let at_ms = crate::now_ms();
        let detail = serde_json::json!({"from": newest.key, "to": key.public()});
        let row = EventRow { at_ms, who: "box".to_owned(), what: "audit-key-changed".to_owned(), detail };
        let audit = audit.transaction_with_behavior(TransactionBehavior::Immediate)?;
        chain::append(&audit, key, at_ms, EventRow::KIND, &row.into_body())?;
        checkpoints::sign_now(&audit, key, at_ms)?;
        audit.commit()
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

    /// Signs the rows that no checkpoint covers yet. Gives the newest checkpoint, none for an empty log.
    pub fn checkpoint(&self) -> Receipt<Option<Checkpoint>> {
        let key = self.0.key.clone();
        self.0
            .writer
            .write(StoreFile::Audit, move |audit| checkpoints::sign_now(audit, &key, crate::now_ms()))
    }

    /// The public half of the key that signs.
    pub fn public_key(&self) -> PublicKey {
        self.0.key.public()
    }

    pub fn newest_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.0.readers.read(checkpoints::newest)
    }

    /// Checkpoints after number `after`, the oldest first.
    pub fn checkpoints(&self, after: u64, count: u32) -> Result<Vec<Checkpoint>, StoreError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.0.readers.read(|audit| checkpoints::after(audit, after, i64::MAX, count))
    }

    fn append<R: Row>(&self, row: R) -> Receipt {
        let (at_ms, body, key) = (row.at_ms(), row.into_body(), self.0.key.clone());
        self.0.writer.write(StoreFile::Audit, move |audit| chain::append(audit, &key, at_ms, R::KIND, &body))
    }
}

#[cfg(test)]
mod tests;

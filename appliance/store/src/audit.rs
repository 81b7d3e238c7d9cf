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
mod seldom;
mod signing;
mod spool;
mod verify;
mod words;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use export::ExportError;
pub use rows::{Entry, EventRow, OutcomeRow, Record, RequestRow};
use rusqlite::{Connection, Transaction, TransactionBehavior};
pub use signing::SigningKey;
pub use spool::SpoolState;
pub(crate) use spool::waiting_in;
pub use verify::{VerifyError, verify_file, verify_file_against};
pub use words::EVENT_WORDS;

use verifier::{Checkpoint, PublicKey, Signing};

use crate::StoreError;
use crate::file::StoreFile;
use crate::readers::Readers;
use crate::writer::{Receipt, Writer};
use rows::Row;
use spool::{Drained, Spool, Waiting};

/// The handle on `audit.db`.
///
/// A row is in the queue when the call returns, in the order of the calls; its receipt gives its number once it is on
/// disk, or 0 when the log could not take it and it is on disk in the spool. When the queue is full or the disk fails
/// the receipt says so at once.
#[derive(Clone)]
pub struct Audit(Arc<Parts>);

struct Parts {
    writer: Writer,
    readers: Readers,
    key: Arc<SigningKey>,
    spool: Arc<Spool>,
    /// The newest write to the log went well.
    is_well: Arc<AtomicBool>,
    written: Arc<Written>,
    told: seldom::Told,
}

/// What was put on disk since the start.
#[derive(Default)]
struct Written {
    rows: AtomicU64,
    commits: AtomicU64,
    /// A commit is being answered; the next change belongs to the next one.
    is_settling: AtomicBool,
}

impl Written {
    /// Called for each change of a commit, on the writer's thread, before anything of the next one.
    fn settled(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
        if !self.is_settling.swap(true, Ordering::Relaxed) {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Audit {
    pub(crate) fn new(writer: Writer, readers: Readers, key: SigningKey) -> Audit {
        let (spool, is_well) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        let (key, written, told) = (Arc::new(key), Arc::default(), seldom::Told::default());
        Audit(Arc::new(Parts { writer, readers, key, spool, is_well, written, told }))
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
        debug_assert!(words::is_known(&row.what), "{:?} stands in no table of events (words.rs)", row.what);
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

    /// From now on, rows that the log cannot take wait in a spool in this folder, and are chained in with the next row
    /// that it takes. For the box alone: it holds the folder.
    ///
    /// # Errors
    /// When the spool's file cannot be made or read.
    pub fn keep_spool(&self, dir: &Path) -> io::Result<()> {
        self.0.spool.keep_in(&dir.join(spool::FILE))
    }

    /// Finds out whether the spool could take a row now; [`SpoolState::has_room`] tells.
    pub fn prove_spool(&self) {
        self.0.spool.prove();
    }

    pub fn spool(&self) -> SpoolState {
        self.0.spool.state()
    }

    /// Whether the newest write to the log went well, and none hangs.
    pub fn is_well(&self) -> bool {
        self.0.is_well.load(Ordering::Acquire) && !self.hangs()
    }

    /// Whether a write to the log has had no answer from its disk for too long.
    pub fn hangs(&self) -> bool {
        self.0.writer.hangs(StoreFile::Audit)
    }

    /// Rows and commits that this process has put on disk: the rows of one commit are their quotient.
    pub fn written(&self) -> (u64, u64) {
        let written = &self.0.written;
        (written.rows.load(Ordering::Relaxed), written.commits.load(Ordering::Relaxed))
    }

    /// Writes to the log without adding to it, and chains in what waits in the spool: what follows can be recorded.
    pub fn prove_writable(&self) -> Receipt<()> {
        self.write(
            |audit| {
                // The number is written over with itself: a whole commit, and nothing that anybody reads.
                let version: i64 = audit.pragma_query_value(None, "user_version", |row| row.get(0))?;
                audit.pragma_update(None, "user_version", version)
            },
            Err,
        )
    }

    fn append<R: Row>(&self, row: R) -> Receipt {
        let (at_ms, claim) = (row.at_ms(), row.claim());
        let waiting = Arc::new(Waiting { at_ms, kind: R::KIND.to_owned(), body: row.into_body() });
        let (row, key, spool) = (waiting.clone(), self.0.key.clone(), self.0.spool.clone());
        self.write(
            move |audit| chain::append(audit, &key, at_ms, &row.kind, &row.body),
            move |error| match error {
                StoreError::Write { .. } if spool.take(&waiting, &claim) => Ok(0),
                error => Err(error),
            },
        )
    }

    /// Carries out `change` behind the rows that wait in the spool, and notes how the log is. `rescue` may save what
    /// could not be written.
    fn write<T, F, R>(&self, mut change: F, rescue: R) -> Receipt<T>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        R: FnOnce(StoreError) -> Result<T, StoreError> + Send + 'static,
    {
        let (key, spool, counted) = (self.0.key.clone(), self.0.spool.clone(), self.0.written.clone());
        let behind_spool = move |audit: &Transaction<'_>| {
            counted.is_settling.store(false, Ordering::Relaxed);
            let drained = spool.drain_into(audit, &key)?;
            Ok((change(audit)?, drained))
        };
        let (spool, is_well, counts) = (self.0.spool.clone(), self.0.is_well.clone(), self.0.written.clone());
        let settled = move |written: Result<(T, Option<Drained>), StoreError>| {
            is_well.store(written.is_ok(), Ordering::Release);
            match written {
                Ok((value, drained)) => {
                    counts.settled();
                    drained.iter().for_each(|drained| spool.drained(drained));
                    Ok(value)
                }
                Err(error) => rescue(error),
            }
        };
        self.0.writer.write_then(StoreFile::Audit, behind_spool, settled)
    }
}

#[cfg(test)]
mod tests;

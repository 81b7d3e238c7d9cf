//! Checking the chain from its first row to its last.

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};
use tokio::task::spawn_blocking;

use super::Audit;
use super::chain::{GENESIS, Hash, link};
use crate::secret::hex;

/// Rows in one read transaction: a longer one would keep the WAL from being folded back while the box writes.
const PAGE: i64 = 10_000;

/// A whole chain. Written down elsewhere, it proves later that nothing was cut off the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub rows: u64,
    /// The hash of the last row.
    pub head: [u8; 32],
}

impl Verified {
    pub fn head_hex(&self) -> String {
        hex(&self.head)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("rows", &self.rows).field("head", &self.head_hex()).finish()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The first place that does not fit; what comes after it proves nothing.
    #[error("the audit log is broken at row {seq}: {what}")]
    Broken { seq: i64, what: &'static str },
    #[error("the audit log could not be read")]
    Unreadable(#[from] rusqlite::Error),
    #[error("the check of the audit log was stopped")]
    Stopped,
}

impl Audit {
    /// Reads the whole log, off the runtime's threads; rows may be added meanwhile.
    pub async fn verify(&self) -> Result<Verified, VerifyError> {
        let path = self.0.readers.path().to_owned();
        spawn_blocking(move || verify_file(&path)).await.unwrap_or(Err(VerifyError::Stopped))
    }
}

/// Checks an audit file, also while a box writes to it.
pub fn verify_file(path: &Path) -> Result<Verified, VerifyError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let audit = Connection::open_with_flags(path, flags)?;
    audit.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")?;
    let mut chain = Chain { last: 0, head: GENESIS };
    while chain.follow_page(&audit)? > 0 {}
    Ok(Verified { rows: chain.last.unsigned_abs(), head: chain.head })
}

/// How far the chain has been followed.
struct Chain {
    last: i64,
    head: Hash,
}

impl Chain {
    /// Gives the number of rows seen. The first page also finds rows with numbers below 1.
    fn follow_page(&mut self, audit: &Connection) -> Result<u64, VerifyError> {
        let mut query = audit.prepare_cached(
            "SELECT seq, at_ms, kind, body, hash FROM entries WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let after = if self.last == 0 { i64::MIN } else { self.last };
        let mut rows = query.query([after, PAGE])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            self.follow(row)?;
            seen += 1;
        }
        Ok(seen)
    }

    fn follow(&mut self, row: &Row<'_>) -> Result<(), VerifyError> {
        let seq: i64 = row.get(0)?;
        let broken = |what| VerifyError::Broken { seq, what };
        if seq != self.last + 1 {
            return Err(broken("the rows before it are missing, or it was put in"));
        }
        let unreadable = |_| broken("it holds no readable row");
        let at_ms = row.get(1).map_err(unreadable)?;
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        let hash = link(&self.head, seq, at_ms, text(2).map_err(unreadable)?, text(3).map_err(unreadable)?);
        if row.get::<_, Hash>(4).map_err(unreadable)? != hash {
            return Err(broken("its content or its place was changed"));
        }
        (self.last, self.head) = (seq, hash);
        Ok(())
    }
}

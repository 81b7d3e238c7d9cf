//! How a row is added at the end of the chain.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use verifier::{GENESIS, Hash, Link};

use super::checkpoints;
use super::signing::SigningKey;

/// Adds a row and gives its number. The head is read inside the transaction, which has the write lock already,
/// so rows from two processes make one chain.
pub(super) fn append(
    audit: &Transaction<'_>,
    key: &SigningKey,
    at_ms: i64,
    kind: &str,
    body: &str,
) -> rusqlite::Result<u64> {
    let (last, previous) = head(audit)?;
    let seq = last + 1;
    let hash = Link { seq, at_ms, kind, body }.hash(&previous);
    audit
        .prepare_cached("INSERT INTO entries (seq, at_ms, kind, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![seq, at_ms, kind, body, hash])?;
    checkpoints::sign_when_due(audit, key, seq, &hash, crate::now_ms())?;
    Ok(seq.unsigned_abs())
}

/// The number and the hash of the last row.
pub(super) fn head(audit: &Connection) -> rusqlite::Result<(i64, Hash)> {
    let head = audit
        .prepare_cached("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(head.unwrap_or((0, GENESIS)))
}

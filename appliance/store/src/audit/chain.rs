//! The hash chain: what is hashed, and how a row is added at its end.

use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

pub(super) type Hash = [u8; 32];

/// What stands before the first row.
pub(super) const GENESIS: Hash = [0; 32];

/// `SHA-256(previous || seq || at_ms || length of kind || kind || length of body || body)`, numbers in 8 bytes,
/// big end first. The lengths keep two different rows from giving the same bytes.
pub(super) fn link(previous: &Hash, seq: i64, at_ms: i64, kind: &str, body: &str) -> Hash {
    let mut hash = Sha256::new_with_prefix(previous);
    hash.update(seq.to_be_bytes());
    hash.update(at_ms.to_be_bytes());
    for text in [kind, body] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Adds a row and gives its number. The head is read inside the transaction, which has the write lock already,
/// so rows from two processes make one chain.
pub(super) fn append(audit: &Transaction<'_>, at_ms: i64, kind: &str, body: &str) -> rusqlite::Result<u64> {
    let head = audit
        .prepare_cached("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
        .optional()?;
    let (last, previous) = head.unwrap_or((0, GENESIS));
    let seq = last + 1;
    let hash = link(&previous, seq, at_ms, kind, body);
    audit
        .prepare_cached("INSERT INTO entries (seq, at_ms, kind, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![seq, at_ms, kind, body, hash])?;
    Ok(seq.unsigned_abs())
}

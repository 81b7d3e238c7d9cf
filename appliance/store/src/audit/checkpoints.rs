//! Checkpoints in the file: one with every thousandth row, and one whenever it is asked for.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use verifier::{CHECKPOINT_ROWS, Checkpoint, Hash, Hex};

use super::chain::head;
use super::signing::SigningKey;

const COLUMNS: &str = "number, rows, head, at_ms, key, signature";

/// Reads [`COLUMNS`].
pub(super) fn checkpoint(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    Ok(Checkpoint {
        number: row.get(0)?,
        rows: row.get(1)?,
        head: Hex(row.get(2)?),
        at_ms: row.get(3)?,
        key: Hex(row.get(4)?),
        signature: Hex(row.get(5)?),
    })
}

pub(super) fn newest(audit: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    audit
        .prepare_cached(&format!("SELECT {COLUMNS} FROM checkpoints ORDER BY number DESC LIMIT 1"))?
        .query_row([], checkpoint)
        .optional()
}

/// Those after number `after` and up to `limit`, the oldest first, `count` at most.
pub(super) fn after(
    audit: &Connection,
    after: i64,
    limit: i64,
    count: u32,
) -> rusqlite::Result<Vec<Checkpoint>> {
    audit
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM checkpoints WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3"
        ))?
        .query_map(params![after, limit, count], checkpoint)?
        .collect()
}

/// Signs with the row `seq` when the newest checkpoint is as many rows behind as one may be.
pub(super) fn sign_when_due(
    audit: &Transaction<'_>,
    key: &SigningKey,
    seq: i64,
    hash: &Hash,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let rows = seq.unsigned_abs();
    let (number, signed) = newest(audit)?.map_or((0, 0), |newest| (newest.number, newest.rows));
    // Saturating, because somebody may have cut rows off that were signed already.
    if rows.saturating_sub(signed) < CHECKPOINT_ROWS {
        return Ok(());
    }
    insert(audit, &Checkpoint::sign(number + 1, rows, *hash, at_ms, key))
}

/// Signs what is not signed yet. Gives the newest checkpoint, which covers all rows; none for an empty log.
pub(super) fn sign_now(
    audit: &Transaction<'_>,
    key: &SigningKey,
    at_ms: i64,
) -> rusqlite::Result<Option<Checkpoint>> {
    let newest = newest(audit)?;
    let (seq, hash) = head(audit)?;
    let rows = seq.unsigned_abs();
    let (number, signed) = newest.map_or((0, 0), |newest| (newest.number, newest.rows));
    if rows <= signed {
        return Ok(newest);
    }
    let checkpoint = Checkpoint::sign(number + 1, rows, hash, at_ms, key);
    insert(audit, &checkpoint)?;
    Ok(Some(checkpoint))
}

fn insert(audit: &Transaction<'_>, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let Checkpoint { number, rows, head, at_ms, key, signature } = checkpoint;
    audit
        .prepare_cached(&format!("INSERT INTO checkpoints ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))?
        .execute(params![number, rows, head.0, at_ms, key.0, signature.0])
        .map(drop)
}

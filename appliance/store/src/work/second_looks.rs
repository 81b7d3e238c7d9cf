//! The list of answers that a local model gave in the cloud's place, for a second look. Never their text.

use rusqlite::{Row, params};

use super::Work;
use crate::{StoreError, now_ms};

/// Older ones are dropped.
const KEPT: i64 = 100_000;
const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// Rows between two sweeps.
const SWEEP_EVERY: i64 = 256;

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondLook {
    pub request_id: String,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The account, or `key:` and the key's name.
    pub who: String,
    pub alias: String,
    /// `local/model`.
    pub model: String,
    pub reason: String,
    pub lane: String,
    /// The portal's conversation that it stands in.
    pub conversation: Option<String>,
    pub chars: u64,
    /// When an owner marked it as looked at, and who.
    pub looked: Option<(i64, String)>,
}

/// How many there are, and how many of them nobody has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondLookCounts {
    pub all: u64,
    pub open: u64,
}

impl Work {
    /// Adds an answer. Nobody waits for it; a full queue may lose it, which the audit log does not.
    pub fn note_second_look(&self, look: SecondLook) {
        drop(self.write(move |work| {
            work.prepare_cached(
                "INSERT INTO second_looks (request_id, at_ms, who, alias, model, reason, lane, conversation, chars)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                look.request_id,
                look.at_ms,
                look.who,
                look.alias,
                look.model,
                look.reason,
                look.lane,
                look.conversation,
                look.chars,
            ])?;
            let id = work.last_insert_rowid();
            if id % SWEEP_EVERY == 0 {
                let oldest_ms = now_ms() - KEPT_MS;
                work.execute("DELETE FROM second_looks WHERE id <= ?1 OR at_ms < ?2", [id - KEPT, oldest_ms])?;
            }
            Ok(())
        }));
    }

    /// The newest `count`, the newest first; of those that nobody has looked at, or of all.
    pub fn second_looks(&self, only_open: bool, count: u32) -> Result<Vec<SecondLook>, StoreError> {
        self.read(|work| {
            let mut query = work.prepare_cached(
                "SELECT request_id, at_ms, who, alias, model, reason, lane, conversation, chars, looked_ms, looked_by
                 FROM second_looks WHERE looked_ms IS NULL OR NOT ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            query.query_map(params![only_open, count], second_look)?.collect()
        })
    }

    pub fn second_look_counts(&self) -> Result<SecondLookCounts, StoreError> {
        self.read(|work| {
            let sql = "SELECT count(*), count(*) FILTER (WHERE looked_ms IS NULL) FROM second_looks";
            let counts = |row: &Row<'_>| Ok(SecondLookCounts { all: row.get(0)?, open: row.get(1)? });
            work.prepare_cached(sql)?.query_row([], counts)
        })
    }

    /// Whether there is this answer, and nobody has looked at it.
    pub(crate) fn waits_for_a_look(&self, request_id: &str) -> Result<bool, StoreError> {
        self.read(|work| {
            work.prepare_cached("SELECT 1 FROM second_looks WHERE request_id = ?1 AND looked_ms IS NULL")?
                .exists([request_id])
        })
    }

    /// Marks one answer, or all up to now, as looked at; gives how many.
    pub async fn mark_looked(&self, request_id: Option<&str>, by: &str) -> Result<usize, StoreError> {
        let (request_id, by) = (request_id.map(str::to_owned), by.to_owned());
        let marked = self.write(move |work| {
            work.execute(
                "UPDATE second_looks SET looked_ms = ?1, looked_by = ?2
                 WHERE looked_ms IS NULL AND (?3 IS NULL OR request_id = ?3)",
                params![now_ms(), by, request_id],
            )
        });
        marked.await
    }
}

fn second_look(row: &Row<'_>) -> rusqlite::Result<SecondLook> {
    let (looked_ms, looked_by): (Option<i64>, Option<String>) = (row.get(9)?, row.get(10)?);
    Ok(SecondLook {
        request_id: row.get(0)?,
        at_ms: row.get(1)?,
        who: row.get(2)?,
        alias: row.get(3)?,
        model: row.get(4)?,
        reason: row.get(5)?,
        lane: row.get(6)?,
        conversation: row.get(7)?,
        chars: row.get(8)?,
        looked: looked_ms.map(|at_ms| (at_ms, looked_by.unwrap_or_default())),
    })
}

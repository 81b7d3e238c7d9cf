//! Drills: what was asked for, by whom, and the reports. A running box and the command line meet in this table.

use rusqlite::{OptionalExtension, Row, params};

use super::Work;
use crate::{StoreError, now_ms};

/// One drill as it is kept. Times are unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillRecord {
    pub id: i64,
    pub asked_ms: i64,
    pub asked_by: String,
    /// `site`, `key NAME` or `alias NAME`.
    pub scope: String,
    pub long: bool,
    /// `asked`, `refused`, `running`, `passed`, `failed`, `aborted` or `invalid`.
    pub state: String,
    /// Why it did not begin: a fixed word, and a sentence in records of before.
    pub refusal: Option<String>,
    /// Who wants it to end.
    pub abort_by: Option<String>,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    /// The report, JSON.
    pub report: Option<String>,
}

const SELECT: &str =
    "SELECT id, asked_ms, asked_by, scope, long, state, refusal, abort_by, started_ms, ended_ms, report
    FROM drills";

impl Work {
    /// Asks for a drill; the running box begins it or refuses it within a second.
    pub async fn ask_drill(&self, by: &str, scope: &str, long: bool) -> Result<i64, StoreError> {
        let (by, scope) = (by.to_owned(), scope.to_owned());
        let asked = self.write(move |work| {
            work.execute(
                "INSERT INTO drills (asked_ms, asked_by, scope, long, state) VALUES (?1, ?2, ?3, ?4, 'asked')",
                params![now_ms(), by, scope, long],
            )?;
            Ok(work.last_insert_rowid())
        });
        asked.await
    }

    /// Takes back what no box has answered; false when one has.
    pub async fn withdraw_drill(&self, id: i64) -> Result<bool, StoreError> {
        let withdrawn = self
            .write(move |work| work.execute("DELETE FROM drills WHERE id = ?1 AND state = 'asked'", [id]));
        withdrawn.await.map(|rows| rows > 0)
    }

    /// Wants the running drill to end; its number, or nothing when none is running.
    pub async fn abort_drill(&self, by: &str) -> Result<Option<i64>, StoreError> {
        let by = by.to_owned();
        let aborted = self.write(move |work| {
            let id = work
                .query_row("SELECT id FROM drills WHERE state = 'running'", [], |row| row.get(0))
                .optional()?;
            work.execute(
                "UPDATE drills SET abort_by = ?1 WHERE state = 'running' AND abort_by IS NULL",
                [&by],
            )?;
            Ok(id)
        });
        aborted.await
    }

    pub async fn refuse_drill(&self, id: i64, refusal: &str) -> Result<(), StoreError> {
        let refusal = refusal.to_owned();
        let refused = self.write(move |work| {
            work.execute(
                "UPDATE drills SET state = 'refused', refusal = ?2 WHERE id = ?1 AND state = 'asked'",
                params![id, refusal],
            )
        });
        refused.await.map(drop)
    }

    pub async fn begin_drill(&self, id: i64) -> Result<(), StoreError> {
        let begun = self.write(move |work| {
            work.execute(
                "UPDATE drills SET state = 'running', started_ms = ?2 WHERE id = ?1 AND state = 'asked'",
                [id, now_ms()],
            )
        });
        begun.await.map(drop)
    }

    /// Ends a drill with its result and its report.
    pub async fn end_drill(&self, id: i64, state: &str, report: &str) -> Result<(), StoreError> {
        let (state, report) = (state.to_owned(), report.to_owned());
        let ended = self.write(move |work| {
            work.execute(
                "UPDATE drills SET state = ?2, ended_ms = ?3, report = ?4 WHERE id = ?1 AND state = 'running'",
                params![id, state, now_ms(), report],
            )
        });
        ended.await.map(drop)
    }

    pub fn drill(&self, id: i64) -> Result<Option<DrillRecord>, StoreError> {
        self.read(|work| {
            work.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], drill).optional()
        })
    }

    /// Those in this state, the oldest first.
    pub fn drills_in(&self, state: &str) -> Result<Vec<DrillRecord>, StoreError> {
        self.read(|work| {
            let mut query =
                work.prepare_cached(&format!("{SELECT} WHERE state = ?1 ORDER BY id LIMIT 20"))?;
            query.query_map([state], drill)?.collect()
        })
    }

    /// The newest `count` drills, the newest first.
    pub fn drills(&self, count: u32) -> Result<Vec<DrillRecord>, StoreError> {
        self.read(|work| {
            let mut query = work.prepare_cached(&format!("{SELECT} ORDER BY id DESC LIMIT ?1"))?;
            query.query_map([count], drill)?.collect()
        })
    }

    /// When the whole site last passed a drill, a long one where that is asked.
    pub fn last_passed_drill_ms(&self, long: bool) -> Result<Option<i64>, StoreError> {
        self.read(|work| {
            work.prepare_cached(
                "SELECT max(ended_ms) FROM drills WHERE state = 'passed' AND scope = 'site' AND long >= ?1",
            )?
            .query_row([long], |row| row.get(0))
        })
    }

    /// When the newest drill ended, however it ended.
    pub fn last_drill_ms(&self) -> Result<Option<i64>, StoreError> {
        self.read(|work| work.query_row("SELECT max(ended_ms) FROM drills", [], |row| row.get(0)))
    }
}

fn drill(row: &Row<'_>) -> rusqlite::Result<DrillRecord> {
    Ok(DrillRecord {
        id: row.get(0)?,
        asked_ms: row.get(1)?,
        asked_by: row.get(2)?,
        scope: row.get(3)?,
        long: row.get(4)?,
        state: row.get(5)?,
        refusal: row.get(6)?,
        abort_by: row.get(7)?,
        started_ms: row.get(8)?,
        ended_ms: row.get(9)?,
        report: row.get(10)?,
    })
}

//! The record of outages: when the cloud was lost, what was found, how much was served without it.

use rusqlite::{Row, params};
use serde::Serialize;

use super::Work;
use crate::StoreError;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outage {
    pub id: i64,
    /// Unix milliseconds.
    pub start_ms: i64,
    /// Unix milliseconds; `None` while it lasts.
    pub end_ms: Option<i64>,
    pub verdict: Option<String>,
    /// Requests that a local model answered.
    pub served_local: u64,
}

impl Work {
    pub async fn begin_outage(&self, start_ms: i64, verdict: Option<&str>) -> Result<Outage, StoreError> {
        let verdict = verdict.map(str::to_owned);
        let begun = self.write(move |work| {
            work.execute(
                "INSERT INTO outages (start_ms, verdict) VALUES (?1, ?2)",
                params![start_ms, verdict],
            )?;
            let id = work.last_insert_rowid();
            Ok(Outage { id, start_ms, end_ms: None, verdict: verdict.clone(), served_local: 0 })
        });
        begun.await
    }

    /// Writes the outage of this id as it is now.
    pub async fn update_outage(&self, outage: &Outage) -> Result<(), StoreError> {
        let outage = outage.clone();
        let updated = self.write(move |work| {
            work.execute(
                "UPDATE outages SET end_ms = ?2, verdict = ?3, served_local = ?4 WHERE id = ?1",
                params![outage.id, outage.end_ms, outage.verdict, outage.served_local],
            )
        });
        updated.await.map(drop)
    }

    /// The newest `count` outages, the newest first. One without an end was running when the box last stopped,
    /// or runs now.
    pub fn outages(&self, count: u32) -> Result<Vec<Outage>, StoreError> {
        self.read(|work| {
            let mut query = work.prepare_cached(
                "SELECT id, start_ms, end_ms, verdict, served_local FROM outages ORDER BY id DESC LIMIT ?1",
            )?;
            query.query_map([count], outage)?.collect()
        })
    }
}

fn outage(row: &Row<'_>) -> rusqlite::Result<Outage> {
    Ok(Outage {
        id: row.get(0)?,
        start_ms: row.get(1)?,
        end_ms: row.get(2)?,
        verdict: row.get(3)?,
        served_local: row.get(4)?,
    })
}

//! The record of outages: when the cloud was lost, what was found, how much was served without it.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::Work;
use crate::StoreError;

/// Times are unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outage {
    pub id: i64,
    pub start_ms: i64,
    /// `None` while it lasts.
    pub end_ms: Option<i64>,
    /// Where the box was dead when it ended: it was after this moment, and `end_ms` is when that was found out.
    pub end_after_ms: Option<i64>,
    pub verdict: Option<String>,
    /// Requests that a local model answered.
    pub served_local: u64,
    pub scope: OutageScope,
    /// The names of the upstreams that were lost.
    pub upstreams: String,
    /// What was found, in words; no text of requests.
    pub evidence: String,
    /// The same in Korean; empty where an earlier version of the box kept the record.
    pub evidence_ko: String,
    pub is_drill: bool,
    /// The first failure that led to it.
    pub first_evidence_ms: Option<i64>,
    pub tripped_ms: Option<i64>,
    /// The first local answer after the first failure.
    pub first_local_ms: Option<i64>,
    /// When all conversations went to the cloud again.
    pub failback_ms: Option<i64>,
    /// When the box last wrote the record.
    pub seen_ms: Option<i64>,
    /// Restarts of the box while it lasted.
    pub restarts: u32,
    pub counts: OutageCounts,
}

/// Whether the whole way to the cloud was lost, or a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutageScope {
    #[default]
    Site,
    Upstream,
}

/// What happened to requests in an outage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutageCounts {
    /// Whole answers, by lane and by who gave them.
    pub served: BTreeMap<String, BTreeMap<String, u64>>,
    /// Refused or failed requests, by lane.
    pub refused: BTreeMap<String, u64>,
    /// Attempts at an upstream that failed.
    pub failovers: u64,
    /// Answers that a local model took over.
    pub seams: u64,
    /// Local answers that were started beside a late cloud.
    pub hedges: u64,
}

impl OutageScope {
    pub fn as_str(self) -> &'static str {
        match self {
            OutageScope::Site => "site",
            OutageScope::Upstream => "upstream",
        }
    }
}

impl OutageCounts {
    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &OutageCounts) -> Self {
        for (lane, served) in &other.served {
            let lane = self.served.entry(lane.clone()).or_default();
            served.iter().for_each(|(by, count)| *lane.entry(by.clone()).or_default() += count);
        }
        other
            .refused
            .iter()
            .for_each(|(lane, count)| *self.refused.entry(lane.clone()).or_default() += count);
        self.failovers += other.failovers;
        self.seams += other.seams;
        self.hedges += other.hedges;
        self
    }

    /// What has been counted since `earlier`, which this one continues.
    #[must_use]
    pub fn since(&self, earlier: &OutageCounts) -> Self {
        let mut since = OutageCounts::default();
        for (lane, served) in &self.served {
            for (by, count) in served {
                let before = earlier.served.get(lane).and_then(|lane| lane.get(by)).copied().unwrap_or(0);
                if *count > before {
                    since.served.entry(lane.clone()).or_default().insert(by.clone(), count - before);
                }
            }
        }
        for (lane, count) in &self.refused {
            let before = earlier.refused.get(lane).copied().unwrap_or(0);
            if *count > before {
                since.refused.insert(lane.clone(), count - before);
            }
        }
        since.failovers = self.failovers.saturating_sub(earlier.failovers);
        since.seams = self.seams.saturating_sub(earlier.seams);
        since.hedges = self.hedges.saturating_sub(earlier.hedges);
        since
    }

    /// Whole answers that local models gave.
    pub fn served_local(&self) -> u64 {
        let by_all = self.served.values().flatten();
        by_all.filter(|(by, _)| by.starts_with("local/")).map(|(_, count)| count).sum()
    }
}

const COLUMNS: &str = "id, start_ms, end_ms, verdict, served_local, scope, upstreams, evidence, is_drill,
    first_evidence_ms, tripped_ms, first_local_ms, failback_ms, seen_ms, restarts, counts, evidence_ko, end_after_ms";

impl Work {
    /// Writes a new record; gives it with its number.
    pub async fn begin_outage(&self, outage: Outage) -> Result<Outage, StoreError> {
        let begun = self.write(move |work| {
            work.execute("INSERT INTO outages (start_ms) VALUES (?1)", [outage.start_ms])?;
            let outage = Outage { id: work.last_insert_rowid(), ..outage.clone() };
            write(work, &outage)?;
            Ok(outage)
        });
        begun.await
    }

    /// Writes the outage of this id as it is now.
    pub async fn update_outage(&self, outage: &Outage) -> Result<(), StoreError> {
        let outage = outage.clone();
        self.write(move |work| write(work, &outage)).await.map(drop)
    }

    /// The newest `count` outages, the newest first. One without an end was running when the box last stopped,
    /// or runs now.
    pub fn outages(&self, count: u32) -> Result<Vec<Outage>, StoreError> {
        self.read(|work| {
            let sql = format!("SELECT {COLUMNS} FROM outages ORDER BY id DESC LIMIT ?1");
            work.prepare_cached(&sql)?.query_map([count], read)?.collect()
        })
    }

    /// Those without an end, the oldest first.
    pub fn open_outages(&self) -> Result<Vec<Outage>, StoreError> {
        self.read(|work| {
            let sql = format!("SELECT {COLUMNS} FROM outages WHERE end_ms IS NULL ORDER BY id");
            work.prepare_cached(&sql)?.query_map([], read)?.collect()
        })
    }

    pub fn outage(&self, id: i64) -> Result<Option<Outage>, StoreError> {
        self.read(|work| {
            let sql = format!("SELECT {COLUMNS} FROM outages WHERE id = ?1");
            work.prepare_cached(&sql)?.query_row([id], read).optional()
        })
    }
}

fn write(work: &rusqlite::Connection, outage: &Outage) -> rusqlite::Result<usize> {
    let counts = serde_json::to_string(&outage.counts).unwrap_or_else(|_| "{}".to_owned());
    work.prepare_cached(
        "UPDATE outages SET start_ms = ?2, end_ms = ?3, verdict = ?4, served_local = ?5, scope = ?6,
             upstreams = ?7, evidence = ?8, is_drill = ?9, first_evidence_ms = ?10, tripped_ms = ?11,
             first_local_ms = ?12, failback_ms = ?13, seen_ms = ?14, restarts = ?15, counts = ?16,
             evidence_ko = ?17, end_after_ms = ?18
         WHERE id = ?1",
    )?
    .execute(params![
        outage.id,
        outage.start_ms,
        outage.end_ms,
        outage.verdict,
        outage.served_local,
        outage.scope.as_str(),
        outage.upstreams,
        outage.evidence,
        outage.is_drill,
        outage.first_evidence_ms,
        outage.tripped_ms,
        outage.first_local_ms,
        outage.failback_ms,
        outage.seen_ms,
        outage.restarts,
        counts,
        outage.evidence_ko,
        outage.end_after_ms,
    ])
}

fn read(row: &Row<'_>) -> rusqlite::Result<Outage> {
    let scope =
        if row.get_ref(5)?.as_str()? == "upstream" { OutageScope::Upstream } else { OutageScope::Site };
    let counts = serde_json::from_str(row.get_ref(15)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(15, Type::Text, Box::new(error)))?;
    Ok(Outage {
        id: row.get(0)?,
        start_ms: row.get(1)?,
        end_ms: row.get(2)?,
        verdict: row.get(3)?,
        served_local: row.get(4)?,
        scope,
        upstreams: row.get(6)?,
        evidence: row.get(7)?,
        is_drill: row.get(8)?,
        first_evidence_ms: row.get(9)?,
        tripped_ms: row.get(10)?,
        first_local_ms: row.get(11)?,
        failback_ms: row.get(12)?,
        seen_ms: row.get(13)?,
        restarts: row.get(14)?,
        counts,
        evidence_ko: row.get(16)?,
        end_after_ms: row.get(17)?,
    })
}

//! What the audit log says: a request, its outcome, or an event. Never the words of a prompt or an answer.

use rusqlite::types::Type;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::spool::Claim;

/// Who asked for what, and which route was chosen first. Written before the answer's last byte leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestRow {
    pub request_id: String,
    /// Unix milliseconds; kept in a column of its own.
    #[serde(skip)]
    pub at_ms: i64,
    pub who: String,
    pub alias: String,
    pub route: String,
    pub lane: String,
    pub policy: String,
    pub bytes_in: u64,
}

/// What answered a request, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutcomeRow {
    pub request_id: String,
    /// Unix milliseconds; kept in a column of its own.
    #[serde(skip)]
    pub at_ms: i64,
    pub served_by: String,
    /// `cloud`, `local` or `none`.
    pub route: String,
    pub reason: String,
    pub outcome: String,
    pub status: u16,
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub chars_out: u64,
    /// Characters sent before a local model took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seam: Option<u64>,
    pub duration_ms: u64,
}

/// Anything else that the people in charge must be able to prove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventRow {
    /// Unix milliseconds; kept in a column of its own.
    #[serde(skip)]
    pub at_ms: i64,
    pub who: String,
    pub what: String,
    /// No secret and no person's text.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// A row as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: u64,
    pub record: Record,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Request(RequestRow),
    Outcome(OutcomeRow),
    Event(EventRow),
}

pub(super) trait Row: Serialize + Sized {
    const KIND: &'static str;

    fn at_ms(&self) -> i64;

    /// What becomes of it when the log cannot be written.
    fn claim(&self) -> Claim;

    fn into_body(self) -> String {
        serde_json::to_string(&self).expect("a row has text keys only, so it is always JSON")
    }
}

impl Row for RequestRow {
    const KIND: &'static str = "request";

    fn at_ms(&self) -> i64 {
        self.at_ms
    }

    fn claim(&self) -> Claim {
        Claim::Request { id: self.request_id.clone(), clinical: self.lane == "clinical" }
    }
}

impl Row for OutcomeRow {
    const KIND: &'static str = "outcome";

    fn at_ms(&self) -> i64 {
        self.at_ms
    }

    fn claim(&self) -> Claim {
        Claim::Outcome { id: self.request_id.clone() }
    }
}

impl Row for EventRow {
    const KIND: &'static str = "event";

    fn at_ms(&self) -> i64 {
        self.at_ms
    }

    fn claim(&self) -> Claim {
        let is_told_by_the_box = matches!(self.who.as_str(), "box" | "genset");
        let is_a_coming_or_going = self.what.starts_with("sign-in") || self.what.starts_with("sign-out");
        // What the box deletes by itself waits for a log that can be written, as what persons change does.
        let is_a_deletion = self.what == "conversations-ended";
        let has_happened = (is_told_by_the_box && !is_a_deletion) || is_a_coming_or_going;
        if has_happened { Claim::Event } else { Claim::Change }
    }
}

/// Reads the columns seq, `at_ms`, kind, body, in this order.
pub(super) fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let at_ms = row.get(1)?;
    let body = row.get_ref(3)?.as_str()?;
    let record = match row.get_ref(2)?.as_str()? {
        RequestRow::KIND => Record::Request(RequestRow { at_ms, ..parse(body)? }),
        OutcomeRow::KIND => Record::Outcome(OutcomeRow { at_ms, ..parse(body)? }),
        _ => Record::Event(EventRow { at_ms, ..parse(body)? }),
    };
    Ok(Entry { seq: row.get(0)?, record })
}

fn parse<R: DeserializeOwned>(body: &str) -> rusqlite::Result<R> {
    serde_json::from_str(body)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(3, Type::Text, Box::new(error)))
}

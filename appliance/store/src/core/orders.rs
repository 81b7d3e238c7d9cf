//! What persons in charge have ordered: each with a reason and an end, and one of each kind at a time.

use std::fmt;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::Core;
use crate::{StoreError, now_ms};

/// How long an order may stand: nothing that a person forces is forgotten for ever.
pub const ORDER_LASTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 60 * 60);

const REASON_CHARS: std::ops::RangeInclusive<usize> = 3..=200;

/// What is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// Nothing that users ask goes to any cloud.
    ForceLocal,
    /// Everything goes to the cloud first, whatever its breakers say.
    ForceCloud,
    /// Nothing that users ask goes to this upstream.
    Isolate(String),
    /// This local model is loaded, which it is not by itself.
    Load(String),
    /// This local model is not loaded, so that its memory is free for others.
    Unload(String),
}

/// An order as it is kept. Times are unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRecord {
    pub id: i64,
    pub kind: OrderKind,
    pub who: String,
    pub reason: String,
    pub given_ms: i64,
    pub lasts_ms: i64,
    left_ms: i64,
    noted_ms: i64,
    pub ended_ms: Option<i64>,
    /// Who lifted it; `None` while it stands and when it ran out by itself.
    pub ended_by: Option<String>,
}

/// An order that may be given: its reason and its length are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    pub(crate) kind: OrderKind,
    pub(crate) who: String,
    pub(crate) reason: String,
    pub(crate) lasts: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("the reason must have {} to {} characters on one line", REASON_CHARS.start(), REASON_CHARS.end())]
    BadReason,
    #[error("an order lasts 1 minute to 24 hours")]
    BadLength,
    #[error("order {} ({}) by {} stands already; lift that one first", .0.id, .0.kind, .0.who)]
    Stands(Box<OrderRecord>),
    #[error("no order with this number stands now")]
    Unknown,
    #[error("another order was given in the same moment; give this one once more")]
    AtOnce,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OrderKind {
    /// The word of the command line, of the log and of records.
    pub fn as_str(&self) -> &'static str {
        match self {
            OrderKind::ForceLocal => "force-local",
            OrderKind::ForceCloud => "force-cloud",
            OrderKind::Isolate(_) => "isolate",
            OrderKind::Load(_) => "load",
            OrderKind::Unload(_) => "unload",
        }
    }

    /// The kind of this word, and the upstream or the local model that it is about.
    pub fn of_record(word: &str, target: Option<&str>) -> Option<Self> {
        match (word, target.map(str::to_owned)) {
            ("force-local", None) => Some(OrderKind::ForceLocal),
            ("force-cloud", None) => Some(OrderKind::ForceCloud),
            ("isolate", Some(upstream)) => Some(OrderKind::Isolate(upstream)),
            ("load", Some(model)) => Some(OrderKind::Load(model)),
            ("unload", Some(model)) => Some(OrderKind::Unload(model)),
            _ => None,
        }
    }

    pub fn upstream(&self) -> Option<&str> {
        match self {
            OrderKind::Isolate(upstream) => Some(upstream),
            _ => None,
        }
    }

    /// The local model that it is about.
    pub fn model(&self) -> Option<&str> {
        match self {
            OrderKind::Load(model) | OrderKind::Unload(model) => Some(model),
            _ => None,
        }
    }

    fn target(&self) -> Option<&str> {
        self.upstream().or(self.model())
    }

    /// Whether both cannot stand at once: one of the whole site, one of each upstream, one of each local model.
    fn excludes(&self, other: &OrderKind) -> bool {
        (self.upstream(), self.model()) == (other.upstream(), other.model())
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        self.target().map_or(Ok(()), |target| write!(f, " {target}"))
    }
}

impl OrderRecord {
    /// What is left of it at this wall time: what was left when it was last noted, less the time since then. A clock
    /// that was set back takes nothing away and adds nothing, so that no order grows beyond its length.
    pub fn left(&self, now_ms: i64) -> Duration {
        let passed = now_ms.saturating_sub(self.noted_ms).max(0);
        Duration::from_millis(self.left_ms.saturating_sub(passed).max(0).unsigned_abs())
    }

    /// How it ended, in a word, or that it stands.
    pub fn end(&self) -> &'static str {
        match (self.ended_ms, &self.ended_by) {
            (None, _) => "stands",
            (Some(_), None) => "expired",
            (Some(_), Some(_)) => "lifted",
        }
    }
}

impl NewOrder {
    /// # Errors
    /// What is wrong with the reason or the length.
    pub fn checked(
        kind: OrderKind,
        who: &str,
        reason: &str,
        lasts: Duration,
    ) -> Result<NewOrder, OrderError> {
        let reason = reason.trim();
        if !REASON_CHARS.contains(&reason.chars().count()) || reason.contains(char::is_control) {
            return Err(OrderError::BadReason);
        }
        if !ORDER_LASTS.contains(&lasts) {
            return Err(OrderError::BadLength);
        }
        Ok(NewOrder { kind, who: who.to_owned(), reason: reason.to_owned(), lasts })
    }
}

impl Core {
    /// The order as it will be written down, with the number that it will have.
    pub(crate) fn order_to_be(&self, new: NewOrder) -> Result<OrderRecord, OrderError> {
        let (newest, contrary): (i64, _) = self.read(|core| {
            let newest = core.query_row("SELECT coalesce(max(id), 0) FROM orders", [], |row| row.get(0))?;
            Ok((newest, contrary(core, &new.kind)?))
        })?;
        if let Some(standing) = contrary {
            return Err(OrderError::Stands(Box::new(standing)));
        }
        let (given_ms, lasts_ms) = (now_ms(), new.lasts.as_millis() as i64);
        let NewOrder { kind, who, reason, .. } = new;
        Ok(OrderRecord {
            id: newest + 1,
            kind,
            who,
            reason,
            given_ms,
            lasts_ms,
            left_ms: lasts_ms,
            noted_ms: given_ms,
            ended_ms: None,
            ended_by: None,
        })
    }

    /// Writes an order down, unless one stands that it contradicts, or another one has got its number.
    pub(crate) async fn insert_order(&self, new: OrderRecord) -> Result<OrderRecord, OrderError> {
        let inserted = self.write(move |core| {
            if let Some(standing) = contrary(core, &new.kind)? {
                return Ok(Err(OrderError::Stands(Box::new(standing))));
            }
            let (kind, target) = (new.kind.as_str(), new.kind.target());
            let inserted = core.execute(
                "INSERT INTO orders (id, kind, target, who, reason, given_ms, lasts_ms, left_ms, noted_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?6) ON CONFLICT (id) DO NOTHING",
                params![new.id, kind, target, new.who, new.reason, new.given_ms, new.lasts_ms],
            )?;
            Ok(if inserted == 1 { Ok(new.clone()) } else { Err(OrderError::AtOnce) })
        });
        inserted.await?
    }

    /// Ends an order; `by` nobody when it ran out. `None` when it does not stand any more.
    pub(crate) async fn end_order(
        &self,
        id: i64,
        by: Option<&str>,
    ) -> Result<Option<OrderRecord>, StoreError> {
        let by = by.map(str::to_owned);
        let ended = self.write(move |core| {
            let changed = core.execute(
                "UPDATE orders SET ended_ms = ?2, ended_by = ?3 WHERE id = ?1 AND ended_ms IS NULL",
                params![id, now_ms(), by],
            )?;
            if changed == 0 {
                return Ok(None);
            }
            core.query_row(&format!("{SELECT} WHERE id = ?1"), [id], order).map(Some)
        });
        ended.await
    }

    /// Writes down what is left of a standing order by the box's own clock, for the time when the box is not running.
    pub async fn note_order(&self, id: i64, left: Duration) -> Result<(), StoreError> {
        let left_ms = left.as_millis() as i64;
        let noted = self.write(move |core| {
            core.execute(
                "UPDATE orders SET left_ms = min(left_ms, ?2), noted_ms = ?3 WHERE id = ?1 AND ended_ms IS NULL",
                params![id, left_ms, now_ms()],
            )
        });
        noted.await.map(drop)
    }

    /// The orders that stand, the oldest first.
    pub fn standing_orders(&self) -> Result<Vec<OrderRecord>, StoreError> {
        self.read(standing)
    }

    pub fn order(&self, id: i64) -> Result<Option<OrderRecord>, StoreError> {
        self.read(|core| {
            core.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?.query_row([id], order).optional()
        })
    }

    /// The newest `count` orders, the newest first.
    pub fn orders(&self, count: u32) -> Result<Vec<OrderRecord>, StoreError> {
        self.read(|core| {
            let mut query = core.prepare_cached(&format!("{SELECT} ORDER BY id DESC LIMIT ?1"))?;
            query.query_map([count], order)?.collect()
        })
    }
}

const SELECT: &str =
    "SELECT id, kind, target, who, reason, given_ms, lasts_ms, left_ms, noted_ms, ended_ms, ended_by
    FROM orders";

/// One that stands, and cannot stand beside an order of this kind.
fn contrary(core: &Connection, kind: &OrderKind) -> rusqlite::Result<Option<OrderRecord>> {
    Ok(standing(core)?.into_iter().find(|order| order.kind.excludes(kind)))
}

fn standing(core: &Connection) -> rusqlite::Result<Vec<OrderRecord>> {
    let mut query = core.prepare_cached(&format!("{SELECT} WHERE ended_ms IS NULL ORDER BY id"))?;
    query.query_map([], order)?.collect()
}

fn order(row: &Row<'_>) -> rusqlite::Result<OrderRecord> {
    let (word, target) = (row.get_ref(1)?.as_str()?, row.get::<_, Option<String>>(2)?);
    let unknown = || {
        rusqlite::Error::FromSqlConversionFailure(1, Type::Text, format!("no kind of order: {word}").into())
    };
    let kind = OrderKind::of_record(word, target.as_deref()).ok_or_else(unknown)?;
    Ok(OrderRecord {
        id: row.get(0)?,
        kind,
        who: row.get(3)?,
        reason: row.get(4)?,
        given_ms: row.get(5)?,
        lasts_ms: row.get(6)?,
        left_ms: row.get(7)?,
        noted_ms: row.get(8)?,
        ended_ms: row.get(9)?,
        ended_by: row.get(10)?,
    })
}

impl Serialize for OrderKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;

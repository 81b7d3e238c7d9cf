//! What people took in an emergency, and whether somebody else has looked at it since.

use rusqlite::{Row, params};

use super::grants::insert;
use super::{Account, Core};
use crate::access::{Grant, Grantee, NewGrant, Object, ObjectKind, Verb};
use crate::{StoreError, now_ms};

/// How long broken glass stays open.
pub const BROKEN_GLASS_LASTS_MS: i64 = 60 * 60_000;

/// One emergency. Times are unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenGlass {
    pub grant: i64,
    pub account: i64,
    pub who: String,
    pub reason: String,
    pub object: Object,
    pub broken_ms: i64,
    pub until_ms: i64,
    pub ended_ms: Option<i64>,
    pub review: Option<Review>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub at_ms: i64,
    pub by: String,
    pub finding: String,
}

const SELECT: &str = "SELECT b.grant_id, b.account, b.who, b.reason, g.object_kind, g.object, g.given_ms,
        g.expires_ms, g.ended_ms, b.reviewed_ms, b.reviewed_by, b.finding
    FROM broken_glass b JOIN grants g ON g.id = b.grant_id";

impl Core {
    pub(crate) async fn insert_broken_glass(
        &self,
        account: &Account,
        object: Object,
        reason: String,
    ) -> Result<Grant, StoreError> {
        let (id, who) = (account.id, account.name.clone());
        let broken = self.write(move |core| {
            let expires_ms = Some(now_ms() + BROKEN_GLASS_LASTS_MS);
            let verb = if object.kind == ObjectKind::Route { Verb::Manage } else { Verb::Use };
            let new = NewGrant { grantee: Grantee::Person(id), verb, object: object.clone(), expires_ms };
            let grant = insert(core, &new, &who, true)?;
            core.execute(
                "INSERT INTO broken_glass (grant_id, account, who, reason) VALUES (?1, ?2, ?3, ?4)",
                params![grant.id, id, who, reason],
            )?;
            Ok(grant)
        });
        broken.await
    }

    /// Those that nobody has looked at yet, the oldest first; then the newest of the others.
    pub fn broken_glass(&self, reviewed: u32) -> Result<Vec<BrokenGlass>, StoreError> {
        self.read(|core| {
            let open = format!("{SELECT} WHERE b.reviewed_ms IS NULL ORDER BY b.grant_id");
            let done =
                format!("{SELECT} WHERE b.reviewed_ms IS NOT NULL ORDER BY b.reviewed_ms DESC LIMIT ?1");
            let mut all: Vec<BrokenGlass> =
                core.prepare_cached(&open)?.query_map([], record)?.collect::<rusqlite::Result<_>>()?;
            for row in core.prepare_cached(&done)?.query_map([reviewed], record)? {
                all.push(row?);
            }
            Ok(all)
        })
    }

    /// How many wait for somebody to look at them.
    pub fn unreviewed_broken_glass(&self) -> Result<u64, StoreError> {
        self.read(|core| {
            core.prepare_cached("SELECT count(*) FROM broken_glass WHERE reviewed_ms IS NULL")?
                .query_row([], |row| row.get(0))
        })
    }

    /// Nobody reviews what they did themselves. False when it was reviewed before or is the reviewer's own.
    pub(crate) async fn review_broken_glass(
        &self,
        grant: i64,
        reviewer: Option<i64>,
        by: String,
        finding: String,
    ) -> Result<bool, StoreError> {
        let reviewed = self.write(move |core| {
            core.execute(
                "UPDATE broken_glass SET reviewed_ms = ?2, reviewed_by = ?3, finding = ?4
                 WHERE grant_id = ?1 AND reviewed_ms IS NULL AND account IS NOT ?5",
                params![grant, now_ms(), by, finding, reviewer],
            )
        });
        reviewed.await.map(|changed| changed == 1)
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<BrokenGlass> {
    let review = match (row.get(9)?, row.get(10)?, row.get(11)?) {
        (Some(at_ms), Some(by), Some(finding)) => Some(Review { at_ms, by, finding }),
        _ => None,
    };
    Ok(BrokenGlass {
        grant: row.get(0)?,
        account: row.get(1)?,
        who: row.get(2)?,
        reason: row.get(3)?,
        object: Object { kind: row.get(4)?, name: row.get(5)? },
        broken_ms: row.get(6)?,
        until_ms: row.get(7)?,
        ended_ms: row.get(8)?,
        review,
    })
}

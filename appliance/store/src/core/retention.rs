//! For how long the conversations of each person are kept.

use rusqlite::{OptionalExtension, Row, params};

use super::Core;
use crate::StoreError;

/// For how long somebody's conversations are kept, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// After the last message of a conversation; none: as long as the account is there.
    pub days: Option<u32>,
    /// The department whose number it is; none: it is the site's.
    pub department: Option<String>,
}

/// Each person beside the shortest of their departments' numbers. Where a department has none, the site's (`?1`) stands
/// in its place. SQLite takes the bare columns from the row that has the minimum.
const SELECT: &str =
    "SELECT a.id, min(coalesce(d.keep_days, ?1)), CASE WHEN d.keep_days IS NOT NULL THEN d.name END
    FROM accounts a
    LEFT JOIN members m ON m.member_kind = 'person' AND m.member = a.id
    LEFT JOIN departments d ON d.id = m.department";

impl Core {
    /// For how long the conversations of one person are kept, where the site keeps them for `site_days`.
    pub(crate) fn kept(&self, account: i64, site_days: Option<u32>) -> Result<Option<Kept>, StoreError> {
        self.read(|core| {
            core.prepare_cached(&format!("{SELECT} WHERE a.id = ?2 GROUP BY a.id"))?
                .query_row(params![site_days, account], |row| kept(row).map(|(_, kept)| kept))
                .optional()
        })
    }

    /// The same of everybody, by the number of the account.
    pub(crate) fn all_kept(&self, site_days: Option<u32>) -> Result<Vec<(i64, Kept)>, StoreError> {
        self.read(|core| {
            core.prepare(&format!("{SELECT} GROUP BY a.id"))?.query_map(params![site_days], kept)?.collect()
        })
    }

    /// False when there is no such department.
    pub(crate) async fn set_keep_days(&self, department: i64, days: Option<u32>) -> Result<bool, StoreError> {
        let set = self.write(move |core| {
            core.execute("UPDATE departments SET keep_days = ?2 WHERE id = ?1", params![department, days])
        });
        set.await.map(|changed| changed == 1)
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<(i64, Kept)> {
    Ok((row.get(0)?, Kept { days: row.get(1)?, department: row.get(2)? }))
}

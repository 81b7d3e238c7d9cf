//! The table of grants, and what one person or one key holds.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::departments::of_member;
use super::{Account, ApiKey, Core, Member};
use crate::access::{Grant, Grantee, Holdings, NewGrant, Object, ObjectKind, Verb};
use crate::{Role, StoreError, now_ms};

/// So long after its end a grant that ran out is still the reason that a refusal gives.
const REMEMBERED_MS: i64 = 30 * 24 * 3_600_000;

const SELECT: &str =
    "SELECT g.id, g.grantee_kind, g.grantee, g.verb, g.object_kind, g.object, g.given_by, g.given_ms,
        g.expires_ms, g.is_broken_glass,
        CASE g.grantee_kind
            WHEN 'person' THEN (SELECT name FROM accounts WHERE id = CAST(g.grantee AS INTEGER))
            WHEN 'key' THEN (SELECT name FROM api_keys WHERE id = CAST(g.grantee AS INTEGER))
            WHEN 'department' THEN (SELECT name FROM departments WHERE id = CAST(g.grantee AS INTEGER))
        END,
        CASE g.object_kind
            WHEN 'department' THEN (SELECT name FROM departments WHERE id = CAST(g.object AS INTEGER))
        END
    FROM grants g";

impl Core {
    /// What a person holds now, for [`crate::authorize`].
    pub fn holdings_of_person(&self, account: &Account) -> Result<Holdings, StoreError> {
        self.read(|core| holdings(core, Member::Person(account.id), account.role))
    }

    /// What a key holds now, for [`crate::authorize`].
    pub fn holdings_of_key(&self, key: &ApiKey) -> Result<Holdings, StoreError> {
        self.read(|core| holdings(core, Member::Key(key.id), Role::Service))
    }

    /// All grants that nobody has ended, the newest first; those that ran out for a month.
    pub fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        self.read(|core| {
            let sql = format!(
                "{SELECT} WHERE g.ended_ms IS NULL AND coalesce(g.expires_ms, ?1) >= ?1 ORDER BY g.id DESC"
            );
            core.prepare_cached(&sql)?.query_map([now_ms() - REMEMBERED_MS], grant)?.collect()
        })
    }

    /// A grant that nobody has ended.
    pub fn grant(&self, id: i64) -> Result<Option<Grant>, StoreError> {
        self.read(|core| {
            let sql = format!("{SELECT} WHERE g.id = ?1 AND g.ended_ms IS NULL");
            core.prepare_cached(&sql)?.query_row([id], grant).optional()
        })
    }

    /// What was granted to a department or a role as such, and stands.
    pub(crate) fn grants_to(&self, grantee: Grantee) -> Result<Vec<Grant>, StoreError> {
        let all = self.grants()?;
        let now = now_ms();
        Ok(all.into_iter().filter(|grant| grant.grantee == grantee && grant.stands(now)).collect())
    }

    pub(crate) async fn insert_grant(&self, new: NewGrant, by: String) -> Result<Grant, StoreError> {
        self.write(move |core| insert(core, &new, &by, false)).await
    }

    /// False when it had ended before.
    pub(crate) async fn end_grant(&self, id: i64) -> Result<bool, StoreError> {
        let ended = self.write(move |core| {
            core.execute("UPDATE grants SET ended_ms = ?2 WHERE id = ?1 AND ended_ms IS NULL", [id, now_ms()])
        });
        ended.await.map(|ended| ended == 1)
    }
}

pub(super) fn insert(
    core: &Connection,
    new: &NewGrant,
    by: &str,
    is_broken_glass: bool,
) -> rusqlite::Result<Grant> {
    let NewGrant { grantee, verb, object, expires_ms } = new;
    core.execute(
        "INSERT INTO grants (grantee_kind, grantee, verb, object_kind, object, given_by, given_ms, expires_ms,
             is_broken_glass)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            grantee.kind(),
            key_of(*grantee),
            verb,
            object.kind,
            object.name,
            by,
            now_ms(),
            expires_ms,
            is_broken_glass
        ],
    )?;
    let id = core.last_insert_rowid();
    core.query_row(&format!("{SELECT} WHERE g.id = ?1"), [id], grant)
}

fn holdings(core: &Connection, member: Member, role: Role) -> rusqlite::Result<Holdings> {
    let at_ms = now_ms();
    let departments = of_member(core, member)?;
    let sql = format!(
        "{SELECT} WHERE g.ended_ms IS NULL AND coalesce(g.expires_ms, ?4) >= ?4 AND (
             (g.grantee_kind = ?1 AND g.grantee = CAST(?2 AS TEXT))
          OR (g.grantee_kind = 'role' AND g.grantee = ?3)
          OR (g.grantee_kind = 'department' AND g.grantee IN
              (SELECT CAST(department AS TEXT) FROM members WHERE member_kind = ?1 AND member = ?2)))
         ORDER BY g.id"
    );
    let mut query = core.prepare_cached(&sql)?;
    let who = params![member.kind(), member.id(), role, at_ms - REMEMBERED_MS];
    let grants = query.query_map(who, grant)?.collect::<rusqlite::Result<_>>()?;
    Ok(Holdings { at_ms, departments, grants })
}

fn key_of(grantee: Grantee) -> String {
    match grantee {
        Grantee::Person(id) | Grantee::Key(id) | Grantee::Department(id) => id.to_string(),
        Grantee::Role(role) => role.as_str().to_owned(),
    }
}

fn grantee(kind: &str, key: &str) -> rusqlite::Result<Grantee> {
    let number = || key.parse().map_err(|_| FromSqlError::InvalidType);
    Ok(match kind {
        "person" => Grantee::Person(number()?),
        "key" => Grantee::Key(number()?),
        "department" => Grantee::Department(number()?),
        _ => Grantee::Role(Role::of_word(key).ok_or(FromSqlError::InvalidType)?),
    })
}

fn grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let key = row.get_ref(2)?.as_str()?;
    let object = Object { kind: row.get(4)?, name: row.get(5)? };
    let object_name: Option<String> = row.get(11)?;
    let grantee_name: Option<String> = row.get(10)?;
    Ok(Grant {
        id: row.get(0)?,
        grantee: grantee(row.get_ref(1)?.as_str()?, key)?,
        grantee_name: grantee_name.unwrap_or_else(|| key.to_owned()),
        verb: row.get(3)?,
        object_name: object_name.unwrap_or_else(|| object.name.clone()),
        object,
        given_by: row.get(6)?,
        given_ms: row.get(7)?,
        expires_ms: row.get(8)?,
        is_broken_glass: row.get(9)?,
    })
}

impl ToSql for Verb {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Verb {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Verb> {
        Verb::of_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for ObjectKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for ObjectKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<ObjectKind> {
        ObjectKind::of_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

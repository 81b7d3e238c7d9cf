//! Departments, and which people and keys belong to them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::Core;
use crate::{StoreError, now_ms};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Department {
    pub id: i64,
    pub name: String,
    /// For how many days after its last message a conversation of its people is kept; none: as the site says.
    pub keep_days: Option<u32>,
}

/// Who can belong to a department.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Member {
    Person(i64),
    Key(i64),
}

/// Somebody of a department, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    pub department: i64,
    pub member: Member,
    pub name: String,
}

impl Member {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Member::Person(_) => "person",
            Member::Key(_) => "key",
        }
    }

    pub(super) fn id(self) -> i64 {
        match self {
            Member::Person(id) | Member::Key(id) => id,
        }
    }
}

impl Core {
    /// All departments, by name.
    pub fn departments(&self) -> Result<Vec<Department>, StoreError> {
        self.read(|core| {
            let mut query =
                core.prepare_cached("SELECT id, name, keep_days FROM departments ORDER BY name")?;
            query.query_map([], department)?.collect()
        })
    }

    pub fn department(&self, id: i64) -> Result<Option<Department>, StoreError> {
        self.read(|core| {
            let mut query =
                core.prepare_cached("SELECT id, name, keep_days FROM departments WHERE id = ?1")?;
            query.query_row([id], department).optional()
        })
    }

    /// The department of this name, letters of either case alike.
    pub fn department_named(&self, name: &str) -> Result<Option<Department>, StoreError> {
        let name = name.trim();
        self.read(|core| {
            let mut query =
                core.prepare_cached("SELECT id, name, keep_days FROM departments WHERE name = ?1")?;
            query.query_row([name], department).optional()
        })
    }

    /// The departments that a person or a key belongs to, by name.
    pub fn departments_of(&self, member: Member) -> Result<Vec<Department>, StoreError> {
        self.read(|core| of_member(core, member))
    }

    /// Everybody of every department, by name.
    pub fn members(&self) -> Result<Vec<MemberRecord>, StoreError> {
        self.read(|core| {
            let mut query = core.prepare_cached(
                "SELECT m.department, m.member_kind, m.member, coalesce(a.name, k.name, '') AS name
                 FROM members m
                 LEFT JOIN accounts a ON m.member_kind = 'person' AND a.id = m.member
                 LEFT JOIN api_keys k ON m.member_kind = 'key' AND k.id = m.member
                 ORDER BY m.department, name",
            )?;
            query.query_map([], record)?.collect()
        })
    }

    /// `None` when the name is taken.
    pub(crate) async fn insert_department(&self, name: String) -> Result<Option<Department>, StoreError> {
        let inserted = self.write(move |core| {
            let sql = "INSERT INTO departments (name, created_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            let added = core.execute(sql, params![name, now_ms()])? == 1;
            Ok(added.then(|| Department {
                id: core.last_insert_rowid(),
                name: name.clone(),
                keep_days: None,
            }))
        });
        inserted.await
    }

    /// Its members stay people of the box; what was granted to it and on it ends.
    pub(crate) async fn delete_department(&self, id: i64) -> Result<bool, StoreError> {
        self.write(move |core| core.execute("DELETE FROM departments WHERE id = ?1", [id]))
            .await
            .map(|deleted| deleted == 1)
    }

    pub(crate) async fn insert_member(&self, department: i64, member: Member) -> Result<(), StoreError> {
        let inserted = self.write(move |core| {
            core.execute(
                "INSERT OR IGNORE INTO members (department, member_kind, member) VALUES (?1, ?2, ?3)",
                params![department, member.kind(), member.id()],
            )
        });
        inserted.await.map(drop)
    }

    pub(crate) async fn delete_member(&self, department: i64, member: Member) -> Result<bool, StoreError> {
        let deleted = self.write(move |core| {
            core.execute(
                "DELETE FROM members WHERE department = ?1 AND member_kind = ?2 AND member = ?3",
                params![department, member.kind(), member.id()],
            )
        });
        deleted.await.map(|deleted| deleted == 1)
    }
}

pub(super) fn of_member(core: &Connection, member: Member) -> rusqlite::Result<Vec<Department>> {
    let mut query = core.prepare_cached(
        "SELECT d.id, d.name, d.keep_days FROM departments d JOIN members m ON m.department = d.id
         WHERE m.member_kind = ?1 AND m.member = ?2 ORDER BY d.name",
    )?;
    query.query_map(params![member.kind(), member.id()], department)?.collect()
}

fn department(row: &Row<'_>) -> rusqlite::Result<Department> {
    Ok(Department { id: row.get(0)?, name: row.get(1)?, keep_days: row.get(2)? })
}

fn record(row: &Row<'_>) -> rusqlite::Result<MemberRecord> {
    let id = row.get(2)?;
    let member = if row.get_ref(1)?.as_str()? == "key" { Member::Key(id) } else { Member::Person(id) };
    Ok(MemberRecord { department: row.get(0)?, member, name: row.get(3)? })
}

//! The keys of programs.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;

use super::{Core, NOTE_USE_EVERY_MS};
use crate::names::checked_name;
use crate::secret::digest;
use crate::{BadName, Secret, StoreError, now_ms};

const PREFIX: &str = "gsk_";

/// Who goes first when local models are scarce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyLane {
    Clinical,
    #[default]
    Interactive,
    Batch,
}

/// What a key may have under way and ask in a minute; none: what the configuration says of every key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyShare {
    pub max_requests: Option<u32>,
    pub max_per_minute: Option<u32>,
}

impl KeyShare {
    /// From two columns of a row, the first of which has this number.
    fn from_row(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<KeyShare> {
        Ok(KeyShare { max_requests: row.get(first)?, max_per_minute: row.get(first + 1)? })
    }
}

/// A key that is valid now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    pub id: i64,
    pub name: String,
    /// The highest lane that it may ask for, and its own where it asks for none.
    pub lane: KeyLane,
    pub share: KeyShare,
}

/// What is kept of a key, revoked ones included. Times are unix milliseconds; the last use is known to the minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    pub id: i64,
    pub name: String,
    pub lane: KeyLane,
    pub share: KeyShare,
    pub created_ms: i64,
    pub last_used_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    BadName(#[from] BadName),
    #[error("there is a key with this name already; revoke it or choose another name")]
    NameTaken,
    #[error("there is no valid key with this name")]
    Unknown,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// Whether a key of this name may be made now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_new_key(&self, name: &str) -> Result<(), KeyError> {
        let name = checked_name(name)?;
        if self.key_named(&name)?.is_some() { Err(KeyError::NameTaken) } else { Ok(()) }
    }

    /// Makes a key with what the configuration gives to every key, and shows it this once; the store keeps only its hash.
    pub async fn create_key(&self, name: &str, lane: KeyLane) -> Result<Secret, KeyError> {
        self.create_key_with(name, lane, KeyShare::default()).await
    }

    /// The same, with a share of its own.
    pub async fn create_key_with(
        &self,
        name: &str,
        lane: KeyLane,
        share: KeyShare,
    ) -> Result<Secret, KeyError> {
        let name = checked_name(name)?;
        let secret = Secret::random(PREFIX);
        let hash = secret.digest();
        let created = self.write(move |core| {
            core.execute(
                "INSERT INTO api_keys (name, secret_hash, created_ms, lane, max_requests, max_per_minute)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) WHERE revoked_ms IS NULL DO NOTHING",
                params![name, hash, now_ms(), lane, share.max_requests, share.max_per_minute],
            )
        });
        if created.await? == 1 { Ok(secret) } else { Err(KeyError::NameTaken) }
    }

    /// Which key this is; `None` when it is unknown or revoked. For the hot path: it reads the file itself
    /// through SQLite's page cache, in microseconds, so a key that another process revokes is dead at once.
    pub fn key(&self, secret: &str) -> Result<Option<ApiKey>, StoreError> {
        if !secret.starts_with(PREFIX) {
            return Ok(None);
        }
        let hash = digest(secret);
        let found = self.read(|core| {
            core.prepare_cached(
                "SELECT id, name, lane, max_requests, max_per_minute, coalesce(last_used_ms, 0) FROM api_keys
                 WHERE secret_hash = ?1 AND revoked_ms IS NULL",
            )?
            .query_row([hash], |row| Ok((api_key(row)?, row.get(5)?)))
            .optional()
        })?;
        Ok(found.map(|(key, last_used_ms)| {
            self.note_use(key.id, last_used_ms, now_ms());
            key
        }))
    }

    /// The key of this number, unless it is revoked.
    pub fn live_key(&self, id: i64) -> Result<Option<ApiKey>, StoreError> {
        self.one_live_key("id = ?1", id)
    }

    /// The key of this name, letters of either case alike, unless it is revoked.
    pub fn key_named(&self, name: &str) -> Result<Option<ApiKey>, StoreError> {
        self.one_live_key("name = ?1", name.trim())
    }

    fn one_live_key(&self, which: &str, value: impl ToSql) -> Result<Option<ApiKey>, StoreError> {
        self.read(|core| {
            let sql = format!(
                "SELECT id, name, lane, max_requests, max_per_minute FROM api_keys WHERE {which} AND revoked_ms IS NULL"
            );
            core.prepare_cached(&sql)?.query_row([value], api_key).optional()
        })
    }

    /// Nobody waits for the note, and it may be lost when the queue is full.
    fn note_use(&self, id: i64, last_used_ms: i64, now_ms: i64) {
        if now_ms - last_used_ms >= NOTE_USE_EVERY_MS {
            drop(self.write(move |core| {
                core.execute("UPDATE api_keys SET last_used_ms = ?2 WHERE id = ?1", [id, now_ms])
            }));
        }
    }

    /// The next lookup, in any process, no longer finds the key.
    pub async fn revoke_key(&self, name: &str) -> Result<(), KeyError> {
        let name = name.trim().to_owned();
        let revoked = self.write(move |core| {
            core.execute(
                "UPDATE api_keys SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms IS NULL",
                params![name, now_ms()],
            )
        });
        if revoked.await? == 1 { Ok(()) } else { Err(KeyError::Unknown) }
    }

    /// All keys that ever were, the oldest first.
    pub fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.read(|core| {
            let mut query = core.prepare_cached(
                "SELECT id, name, lane, created_ms, last_used_ms, revoked_ms, max_requests, max_per_minute
                 FROM api_keys ORDER BY id",
            )?;
            let record = |row: &rusqlite::Row<'_>| {
                Ok(KeyRecord {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    lane: row.get(2)?,
                    share: KeyShare::from_row(row, 6)?,
                    created_ms: row.get(3)?,
                    last_used_ms: row.get(4)?,
                    revoked_ms: row.get(5)?,
                })
            };
            query.query_map([], record)?.collect()
        })
    }
}

fn api_key(row: &rusqlite::Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey { id: row.get(0)?, name: row.get(1)?, lane: row.get(2)?, share: KeyShare::from_row(row, 3)? })
}

impl KeyLane {
    pub const ALL: [KeyLane; 3] = [KeyLane::Clinical, KeyLane::Interactive, KeyLane::Batch];

    pub fn as_str(self) -> &'static str {
        match self {
            KeyLane::Clinical => "clinical",
            KeyLane::Interactive => "interactive",
            KeyLane::Batch => "batch",
        }
    }
}

impl ToSql for KeyLane {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for KeyLane {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<KeyLane> {
        let text = value.as_str()?;
        KeyLane::ALL.into_iter().find(|lane| lane.as_str() == text).ok_or(FromSqlError::InvalidType)
    }
}

//! The people who may sign in.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{Core, devices, sessions};
use crate::names::checked_name;
use crate::secret::random_bytes;
use crate::{BadName, BadPassword, Role, Secret, StoreError, now_ms};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    pub id: i64,
    pub name: String,
    pub role: Role,
    /// Unix milliseconds.
    pub created_ms: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(transparent)]
    BadName(#[from] BadName),
    #[error(transparent)]
    BadPassword(#[from] BadPassword),
    #[error("the role service is for keys; a person has one of the other six")]
    NotForPeople,
    #[error("there is an account with this name already")]
    NameTaken,
    #[error("there is no account with this name")]
    Unknown,
    #[error("the last two owners stay; make another owner first")]
    LastOwner,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    pub async fn create_account(
        &self,
        name: &str,
        password: Secret,
        role: Role,
    ) -> Result<Account, AccountError> {
        if role == Role::Service {
            return Err(AccountError::NotForPeople);
        }
        let name = checked_name(name)?;
        self.check_new_password(&password, &name)?;
        let hash = self.parts.hashing.hash(password).await;
        let created = self.write(move |core| {
            if find(core, &name)?.is_some() { Ok(None) } else { insert(core, &name, role, &hash).map(Some) }
        });
        created.await?.ok_or(AccountError::NameTaken)
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|core| {
            let mut query =
                core.prepare_cached("SELECT id, name, role, created_ms FROM accounts ORDER BY name")?;
            query.query_map([], account)?.collect()
        })
    }

    /// Sets a new password, ends every session of the account and forgets its devices.
    pub async fn set_password(&self, name: &str, password: Secret) -> Result<(), AccountError> {
        self.check_new_password(&password, name)?;
        let hash = self.parts.hashing.hash(password).await;
        let name = name.trim().to_owned();
        let changed = self.write(move |core| {
            let Some((account, _)) = find(core, &name)? else { return Ok(false) };
            core.execute("UPDATE accounts SET password_hash = ?2 WHERE id = ?1", params![account.id, hash])?;
            sessions::end_all(core, account.id, None)?;
            devices::forget(core, account.id, None)?;
            Ok(true)
        });
        if changed.await? { Ok(()) } else { Err(AccountError::Unknown) }
    }

    /// Removes the account and ends its sessions; the last two owners stay.
    pub async fn remove_account(&self, name: &str) -> Result<(), AccountError> {
        let name = name.trim().to_owned();
        let removed = self.write(move |core| {
            let Some((account, _)) = find(core, &name)? else { return Ok(Err(AccountError::Unknown)) };
            if is_needed_owner(core, account.id)? {
                return Ok(Err(AccountError::LastOwner));
            }
            core.execute("DELETE FROM accounts WHERE id = ?1", [account.id])?;
            Ok(Ok(()))
        });
        removed.await?
    }
}

/// The account of this name, letters of either case alike, with its password hash.
pub(super) fn find(core: &Connection, name: &str) -> rusqlite::Result<Option<(Account, String)>> {
    core.prepare_cached("SELECT id, name, role, created_ms, password_hash FROM accounts WHERE name = ?1")?
        .query_row([name], |row| Ok((account(row)?, row.get(4)?)))
        .optional()
}

pub(super) fn insert(core: &Connection, name: &str, role: Role, hash: &str) -> rusqlite::Result<Account> {
    let (id, created_ms) = (random_id(), now_ms());
    core.execute(
        "INSERT INTO accounts (id, name, role, password_hash, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id, name, role, hash, created_ms],
    )?;
    Ok(Account { id, name: name.to_owned(), role, created_ms })
}

/// 53 random bits, which JSON readers keep exact. A counter would give a removed account's number again, after a
/// restore or a reset at the latest, and with it that person's conversations in `work.db`.
fn random_id() -> i64 {
    i64::from_be_bytes(random_bytes()) & ((1 << 53) - 1)
}

/// Whether this is an owner without whom fewer than two would be left. Until there are two, the only one stays.
pub(super) fn is_needed_owner(core: &Connection, id: i64) -> rusqlite::Result<bool> {
    core.query_row(
        "SELECT role = 'owner' AND (SELECT count(*) FROM accounts WHERE role = 'owner') <= 2
         FROM accounts WHERE id = ?1",
        [id],
        |row| row.get(0),
    )
    .optional()
    .map(Option::unwrap_or_default)
}

pub(super) fn none_exists(core: &Connection) -> rusqlite::Result<bool> {
    core.query_row("SELECT NOT EXISTS (SELECT 1 FROM accounts)", [], |row| row.get(0))
}

/// Reads the columns id, name, role, `created_ms`, in this order.
pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { id: row.get(0)?, name: row.get(1)?, role: row.get(2)?, created_ms: row.get(3)? })
}

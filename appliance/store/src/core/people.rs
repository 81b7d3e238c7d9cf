//! People who are added by others: a one-time code lets them choose their first password.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, params};
use subtle::ConstantTimeEq;

use super::accounts::{self, account, find, insert};
use super::setup::{new_code, plain};
use super::{Account, AccountError, Core, devices, sessions};
use crate::names::checked_name;
use crate::secret::digest;
use crate::{Role, Secret, StoreError, now_ms};

/// Long enough for somebody who begins next Monday.
const CODE_LIFE_MS: i64 = 7 * 24 * 3_600_000;

#[derive(Debug, thiserror::Error)]
pub enum FirstPasswordError {
    /// Does not say which of the two.
    #[error("the name or the code is wrong, or the code was used")]
    Refused,
    #[error("the code is older than a week; ask for a new one")]
    Expired,
    #[error(transparent)]
    BadPassword(#[from] crate::BadPassword),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    pub fn account(&self, id: i64) -> Result<Option<Account>, StoreError> {
        self.read(|core| {
            core.prepare_cached("SELECT id, name, role, created_ms FROM accounts WHERE id = ?1")?
                .query_row([id], account)
                .optional()
        })
    }

    /// The account of this name, letters of either case alike.
    pub fn account_named(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let found = self.read(|core| find(core, name.trim()))?;
        Ok(found.map(|(account, _)| account))
    }

    /// The accounts whose password nobody has chosen yet.
    pub fn waiting_accounts(&self) -> Result<HashSet<i64>, StoreError> {
        self.read(|core| {
            let mut query = core.prepare_cached("SELECT account FROM first_codes")?;
            query.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// An account that nobody can sign in to until its code has been used.
    pub(crate) async fn invite(
        &self,
        name: &str,
        role: Role,
        department: Option<i64>,
    ) -> Result<(Account, Secret), AccountError> {
        let name = checked_name(name)?;
        let (code, code_hash) = fresh_code();
        // A real hash of what nobody knows, so that signing in to it takes as long as to any other.
        let unusable = self.parts.hashing_of_known.hash(Secret::random("")).await;
        let invited = self.write(move |core| {
            if find(core, &name)?.is_some() {
                return Ok(None);
            }
            let account = insert(core, &name, role, &unusable)?;
            core.execute(
                "INSERT INTO first_codes (account, code_hash, created_ms) VALUES (?1, ?2, ?3)",
                params![account.id, code_hash, now_ms()],
            )?;
            if let Some(department) = department {
                core.execute("INSERT INTO members VALUES (?1, 'person', ?2)", [department, account.id])?;
            }
            Ok(Some(account))
        });
        Ok((invited.await?.ok_or(AccountError::NameTaken)?, code))
    }

    /// Another code, in place of the one before; `None` when the password is chosen already.
    pub(crate) async fn renew_first_code(&self, account: i64) -> Result<Option<Secret>, StoreError> {
        let (code, code_hash) = fresh_code();
        let renewed = self.write(move |core| {
            core.execute(
                "UPDATE first_codes SET code_hash = ?2, created_ms = ?3 WHERE account = ?1",
                params![account, code_hash, now_ms()],
            )
        });
        Ok((renewed.await? == 1).then_some(code))
    }

    /// A code in place of a password that was forgotten. Ends the sessions and forgets the devices; a second factor
    /// stays, and is asked for when the code has been used.
    pub(crate) async fn forget_password(&self, account: i64) -> Result<Secret, StoreError> {
        let (code, code_hash) = fresh_code();
        let unusable = self.parts.hashing_of_known.hash(Secret::random("")).await;
        let forgotten = self.write(move |core| {
            core.execute("UPDATE accounts SET password_hash = ?2 WHERE id = ?1", params![account, unusable])?;
            core.execute(
                "INSERT OR REPLACE INTO first_codes (account, code_hash, created_ms) VALUES (?1, ?2, ?3)",
                params![account, code_hash, now_ms()],
            )?;
            sessions::end_all(core, account, None)?;
            devices::forget(core, account, None)
        });
        forgotten.await?;
        Ok(code)
    }

    /// Chooses the first password. Nothing limits the tries: a code is 80 random bits, and it is looked at before the
    /// password is hashed.
    pub async fn choose_first_password(
        &self,
        name: &str,
        code: &str,
        password: Secret,
    ) -> Result<Account, FirstPasswordError> {
        self.check_new_password(&password, name)?;
        let (name, given) = (name.trim().to_owned(), digest(&plain(code)));
        self.read(|core| check_code(core, &name, given))??;
        let password_hash = self.parts.hashing_of_known.hash(password).await;
        let chosen = self.write(move |core| {
            let account = match check_code(core, &name, given)? {
                Ok(account) => account,
                Err(refused) => return Ok(Err(refused)),
            };
            core.execute("DELETE FROM first_codes WHERE account = ?1", [account.id])?;
            core.execute(
                "UPDATE accounts SET password_hash = ?2 WHERE id = ?1",
                params![account.id, password_hash],
            )?;
            Ok(Ok(account))
        });
        chosen.await?
    }

    /// The last two owners stay owners.
    pub(crate) async fn set_role(&self, id: i64, role: Role) -> Result<(), AccountError> {
        if role == Role::Service {
            return Err(AccountError::NotForPeople);
        }
        let set = self.write(move |core| {
            if role != Role::Owner && accounts::is_needed_owner(core, id)? {
                return Ok(Err(AccountError::LastOwner));
            }
            let changed = core.execute("UPDATE accounts SET role = ?2 WHERE id = ?1", params![id, role])?;
            Ok(if changed == 1 { Ok(()) } else { Err(AccountError::Unknown) })
        });
        set.await?
    }
}

fn fresh_code() -> (Secret, [u8; 32]) {
    let code = new_code();
    let hash = digest(&plain(code.expose()));
    (code, hash)
}

fn check_code(
    core: &rusqlite::Connection,
    name: &str,
    given: [u8; 32],
) -> rusqlite::Result<Result<Account, FirstPasswordError>> {
    let Some((account, _)) = find(core, name)? else { return Ok(Err(FirstPasswordError::Refused)) };
    let stored: Option<([u8; 32], i64)> = core
        .prepare_cached("SELECT code_hash, created_ms FROM first_codes WHERE account = ?1")?
        .query_row([account.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match stored {
        Some((hash, created_ms)) if bool::from(hash.ct_eq(&given)) => {
            if now_ms() - created_ms < CODE_LIFE_MS { Ok(account) } else { Err(FirstPasswordError::Expired) }
        }
        _ => Err(FirstPasswordError::Refused),
    })
}

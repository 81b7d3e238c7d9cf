//! The rows of the people for whom the directory vouches.

use std::collections::HashSet;
use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, params};

use super::DirectoryEntry;
use crate::core::accounts::{self, account, find};
use crate::core::{Account, Core, sessions};
use crate::{Role, StoreError, now_ms};

/// An account, and who vouches for its password.
#[derive(Clone, Debug)]
pub(in crate::core) struct Known {
    pub(in crate::core) account: Account,
    /// Of the box's own password; of a person of the directory it fits none.
    pub(in crate::core) hash: String,
    pub(in crate::core) vouched: Option<Vouched>,
}

/// What the box knows of a person of the directory.
#[derive(Clone, Debug)]
pub(in crate::core) struct Vouched {
    /// Of the password that the directory took last, and when.
    pub(in crate::core) verifier: Option<(String, i64)>,
}

/// The account that signs in with this name: its own name, or another one by which the directory knew the person.
pub(in crate::core) fn known_as(core: &Connection, name: &str) -> rusqlite::Result<Option<Known>> {
    let found = match find(core, name)? {
        Some(found) => Some(found),
        None => {
            let other: Option<String> = core
                .prepare_cached(
                    "SELECT a.name FROM directory_people d JOIN accounts a ON a.id = d.account WHERE d.also = ?1",
                )?
                .query_row([name], |row| row.get(0))
                .optional()?;
            other.map(|name| find(core, &name)).transpose()?.flatten()
        }
    };
    let Some((account, hash)) = found else { return Ok(None) };
    let vouched = vouched(core, account.id)?;
    Ok(Some(Known { account, hash, vouched }))
}

fn vouched(core: &Connection, account: i64) -> rusqlite::Result<Option<Vouched>> {
    core.prepare_cached("SELECT verifier, verified_ms FROM directory_people WHERE account = ?1")?
        .query_row([account], |row| {
            let verifier: Option<String> = row.get(0)?;
            Ok(Vouched { verifier: verifier.zip(row.get(1)?) })
        })
        .optional()
}

/// A verifier to keep.
#[derive(Clone, Debug)]
pub(super) enum Verifier {
    /// The one that is there was right once more.
    AsItIs,
    New(String),
    /// None is kept.
    None,
}

impl Core {
    /// The accounts for which the directory vouches.
    pub fn people_of_directory(&self) -> Result<HashSet<i64>, StoreError> {
        self.read(|core| {
            let mut query = core.prepare_cached("SELECT account FROM directory_people")?;
            query.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Whether the directory vouches for this account.
    pub fn is_of_directory(&self, account: i64) -> Result<bool, StoreError> {
        Ok(self.read(|core| vouched(core, account))?.is_some())
    }

    /// How many people have a verifier that was proven within these times.
    pub(super) fn cached_people(&self, proven_ms: Range<i64>) -> Result<u64, StoreError> {
        self.read(|core| {
            core.prepare_cached(
                "SELECT count(*) FROM directory_people WHERE verified_ms >= ?1 AND verified_ms < ?2",
            )?
            .query_row([proven_ms.start, proven_ms.end], |row| row.get(0))
        })
    }

    /// Those who could get in, or are in, without the directory: the name and the entry.
    pub(super) fn people_to_review(&self) -> Result<Vec<(Account, String)>, StoreError> {
        self.read(|core| {
            let mut query = core.prepare_cached(
                "SELECT a.id, a.name, a.role, a.created_ms, d.entry
                 FROM directory_people d JOIN accounts a ON a.id = d.account
                 WHERE d.verifier IS NOT NULL OR EXISTS (SELECT 1 FROM sessions WHERE account = d.account)
                 ORDER BY a.name",
            )?;
            query.query_map([], |row| Ok((account(row)?, row.get(4)?)))?.collect()
        })
    }

    /// The account of an entry, whatever its name.
    pub(in crate::core) fn account_of_entry(&self, entry: &str) -> Result<Option<Account>, StoreError> {
        self.read(|core| {
            core.prepare_cached(
                "SELECT a.id, a.name, a.role, a.created_ms
                 FROM directory_people d JOIN accounts a ON a.id = d.account WHERE d.entry = ?1",
            )?
            .query_row([entry], account)
            .optional()
        })
    }

    /// `None` when the name is taken in the meantime.
    pub(super) async fn insert_person_of_directory(
        &self,
        entry: &DirectoryEntry,
        role: Role,
        unusable: String,
        departments: Vec<i64>,
    ) -> Result<Option<Account>, StoreError> {
        let (id, name) = (entry.id.clone(), entry.name.clone());
        let inserted = self.write(move |core| {
            if find(core, &name)?.is_some() {
                return Ok(None);
            }
            let account = accounts::insert(core, &name, role, &unusable)?;
            core.execute(
                "INSERT INTO directory_people (account, entry) VALUES (?1, ?2)",
                params![account.id, id],
            )?;
            for department in &departments {
                core.execute("INSERT INTO members VALUES (?1, 'person', ?2)", [*department, account.id])?;
            }
            Ok(Some(account))
        });
        inserted.await
    }

    /// False when the name is somebody else's.
    pub(super) async fn rename(&self, account: i64, name: String) -> Result<bool, StoreError> {
        let renamed = self
            .write(move |core| {
                core.execute("UPDATE OR IGNORE accounts SET name = ?2 WHERE id = ?1", params![account, name])
            })
            .await?;
        Ok(renamed == 1)
    }

    /// Keeps the proof of a password, and the other name that it was given with.
    pub(super) async fn keep_verifier(
        &self,
        account: i64,
        verifier: Verifier,
        also: Option<String>,
    ) -> Result<(), StoreError> {
        let kept = self.write(move |core| {
            match &verifier {
                Verifier::AsItIs => core.execute(
                    "UPDATE directory_people SET verified_ms = ?2 WHERE account = ?1 AND verifier IS NOT NULL",
                    params![account, now_ms()],
                )?,
                Verifier::New(hash) => core.execute(
                    "UPDATE directory_people SET verifier = ?2, verified_ms = ?3 WHERE account = ?1",
                    params![account, hash, now_ms()],
                )?,
                Verifier::None => drop_verifier(core, account)?,
            };
            if let Some(also) = &also {
                core.execute("UPDATE directory_people SET also = NULL WHERE also = ?1", [also])?;
                core.execute("UPDATE directory_people SET also = ?2 WHERE account = ?1", params![account, also])?;
            }
            Ok(())
        });
        kept.await
    }

    /// Forgets the proof of a password that is right no more.
    pub(super) async fn forget_verifier(&self, account: i64) -> Result<(), StoreError> {
        self.write(move |core| drop_verifier(core, account)).await.map(drop)
    }

    /// The same of somebody who may not get in any more; ends their sessions.
    pub(super) async fn shut_out(&self, account: i64) -> Result<(), StoreError> {
        let shut_out = self.write(move |core| {
            drop_verifier(core, account)?;
            sessions::end_all(core, account, None)
        });
        shut_out.await.map(drop)
    }

    /// Whether there is anything to take from them.
    pub(super) fn has_access(&self, account: i64) -> Result<bool, StoreError> {
        self.read(|core| {
            core.query_row(
                "SELECT EXISTS (SELECT 1 FROM directory_people WHERE account = ?1 AND verifier IS NOT NULL)
                 OR EXISTS (SELECT 1 FROM sessions WHERE account = ?1)",
                [account],
                |row| row.get(0),
            )
        })
    }
}

fn drop_verifier(core: &Connection, account: i64) -> rusqlite::Result<usize> {
    core.execute(
        "UPDATE directory_people SET verifier = NULL, verified_ms = NULL WHERE account = ?1",
        [account],
    )
}

//! Sessions: who a token belongs to, where a person is signed in, and how a session ends.

use rusqlite::{OptionalExtension, Transaction, params};

use super::accounts::account;
use super::sign_in::Session;
use super::{Account, Caller, Core, NOTE_USE_EVERY_MS, SessionLimits, VouchedBy, devices};
use crate::secret::{digest, hex};
use crate::{Role, Secret, StoreError, now_ms};

/// Sessions that one account may have at once; past it the oldest ends.
const KEPT: u32 = 50;

/// A session as its own person sees it. Times are unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Names it among the person's own; not its token.
    pub id: String,
    /// A few words such as "Firefox, Windows"; empty if unknown.
    pub device: String,
    /// Where the sign-in came from; empty if unknown.
    pub address: String,
    pub created_ms: i64,
    /// When the person last did something in it, to the minute.
    pub seen_ms: i64,
}

impl Core {
    /// Whose session this is; `None` when the token is unknown, signed out, or past one of its limits.
    /// Keeps the session awake.
    pub fn session(&self, token: &str) -> Result<Option<Account>, StoreError> {
        let Some((account, seen_ms)) = self.find_session(token)? else { return Ok(None) };
        let (hash, now) = (digest(token), now_ms());
        if now - seen_ms >= NOTE_USE_EVERY_MS {
            // Nobody waits for the note: without it the session is idle a little earlier.
            drop(self.write(move |core| {
                core.execute("UPDATE sessions SET seen_ms = ?2 WHERE token_hash = ?1", params![hash, now])
            }));
        }
        Ok(Some(account))
    }

    /// The same for what a page asks for by itself, which does not keep the session awake.
    pub fn peek_session(&self, token: &str) -> Result<Option<Account>, StoreError> {
        Ok(self.find_session(token)?.map(|(account, _)| account))
    }

    fn find_session(&self, token: &str) -> Result<Option<(Account, i64)>, StoreError> {
        let hash = digest(token);
        let found: Option<(Account, i64, i64)> = self.read(|core| {
            core.prepare_cached(
                "SELECT a.id, a.name, a.role, a.created_ms, s.created_ms, s.seen_ms
                 FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.token_hash = ?1",
            )?
            .query_row([hash], |row| Ok((account(row)?, row.get(4)?, row.get(5)?)))
            .optional()
        })?;
        Ok(found.and_then(|(account, created_ms, seen_ms)| {
            let limits = self.rules.sessions.of(account.role);
            limits.admit(created_ms, seen_ms, now_ms()).then_some((account, seen_ms))
        }))
    }

    /// Whether a session was begun on the directory's last word, because it was out of reach.
    pub fn is_by_cache(&self, token: &str) -> Result<bool, StoreError> {
        if !self.has_directory() {
            return Ok(false);
        }
        let found = self.read(|core| {
            core.prepare_cached("SELECT by_cache FROM sessions WHERE token_hash = ?1")?
                .query_row([digest(token)], |row| row.get(0))
                .optional()
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The sessions of an account that go on, the last used first.
    pub fn sessions_of(&self, account: &Account) -> Result<Vec<SessionRecord>, StoreError> {
        let limits = self.rules.sessions.of(account.role);
        let mut sessions: Vec<SessionRecord> = self.read(|core| {
            core.prepare_cached(
                "SELECT token_hash, device, address, created_ms, seen_ms FROM sessions
                 WHERE account = ?1 ORDER BY seen_ms DESC, created_ms DESC",
            )?
            .query_map([account.id], |row| {
                Ok(SessionRecord {
                    id: id_of(row.get(0)?),
                    device: row.get(1)?,
                    address: row.get(2)?,
                    created_ms: row.get(3)?,
                    seen_ms: row.get(4)?,
                })
            })?
            .collect()
        })?;
        sessions.retain(|session| limits.admit(session.created_ms, session.seen_ms, now_ms()));
        Ok(sessions)
    }

    /// How long the sessions of this role last.
    pub fn session_limits(&self, role: Role) -> SessionLimits {
        self.rules.sessions.of(role)
    }

    /// The name that [`SessionRecord::id`] gives to this token's session.
    pub fn session_id(token: &str) -> String {
        id_of(digest(token))
    }

    pub async fn sign_out(&self, token: &str) -> Result<(), StoreError> {
        let hash = digest(token);
        self.write(move |core| core.execute("DELETE FROM sessions WHERE token_hash = ?1", [hash]))
            .await
            .map(drop)
    }

    /// Another token for this session, in place of the one before, which is void: for a person who has just shown the
    /// password once more. `None` where the session is over.
    pub async fn renew_token(&self, token: &str) -> Result<Option<Secret>, StoreError> {
        let new = Secret::random("");
        let (hash, new_hash) = (digest(token), new.digest());
        let renewed = self.write(move |core| {
            core.execute("UPDATE sessions SET token_hash = ?2 WHERE token_hash = ?1", params![hash, new_hash])
        });
        Ok((renewed.await? == 1).then_some(new))
    }

    /// Ends one session of an account; false when it has no such session.
    pub async fn end_session(&self, account: i64, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let ended = self.write(move |core| {
            core.execute(
                "DELETE FROM sessions WHERE account = ?1 AND lower(hex(substr(token_hash, 1, 8))) = ?2",
                params![account, id],
            )
        });
        Ok(ended.await? > 0)
    }

    /// Ends every session of an account but the one of this token; says how many there were.
    pub async fn end_other_sessions(&self, account: i64, token: &str) -> Result<usize, StoreError> {
        let hash = digest(token);
        self.write(move |core| end_all(core, account, Some(hash))).await
    }

    /// Ends every session of an account and forgets its devices; says how many sessions there were.
    pub(crate) async fn end_sessions(&self, account: i64) -> Result<usize, StoreError> {
        let ended = self.write(move |core| {
            devices::forget(core, account, None)?;
            end_all(core, account, None)
        });
        ended.await
    }

    /// Also clears away the sessions that are over, and the one that the caller was in.
    pub(super) async fn begin_session(
        &self,
        account: Account,
        by: VouchedBy,
        caller: &Caller,
        device: Option<[u8; 32]>,
    ) -> Result<Session, StoreError> {
        let token = Secret::random("");
        // The token of a device that is known stays, else each sign-in would leave one more.
        let device_token = match (&caller.device_token, device) {
            (Some(token), Some(_)) => token.clone(),
            _ => Secret::random(""),
        };
        let (hash, device_hash, id) = (token.digest(), device_token.digest(), account.id);
        let (label, address) = (caller.device.clone(), caller.address.map(|ip| ip.to_string()));
        let before = caller.session_token.as_ref().map(Secret::digest);
        let rules = self.rules.sessions;
        let begun = self.write(move |core| {
            let now = now_ms();
            let longest = rules.staff.whole.max(rules.in_charge.whole).as_millis() as i64;
            core.execute(
                "DELETE FROM sessions WHERE created_ms <= ?1 OR token_hash = ?2",
                params![now - longest, before],
            )?;
            core.execute(
                "INSERT INTO sessions (token_hash, account, created_ms, seen_ms, device, address, by_cache)
                 VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6)",
                params![hash, id, now, label, address.as_deref().unwrap_or_default(), by == VouchedBy::Cache],
            )?;
            keep_newest(core, id)?;
            devices::remember(core, id, device_hash)
        });
        begun.await?;
        Ok(Session { token, account, by, device_token })
    }
}

/// Ends the sessions of an account; `but` is kept.
pub(super) fn end_all(
    core: &Transaction<'_>,
    account: i64,
    but: Option<[u8; 32]>,
) -> rusqlite::Result<usize> {
    core.execute("DELETE FROM sessions WHERE account = ?1 AND token_hash IS NOT ?2", params![account, but])
}

fn keep_newest(core: &Transaction<'_>, account: i64) -> rusqlite::Result<usize> {
    core.execute(
        "DELETE FROM sessions WHERE account = ?1 AND token_hash NOT IN
         (SELECT token_hash FROM sessions WHERE account = ?1 ORDER BY created_ms DESC LIMIT ?2)",
        params![account, KEPT],
    )
}

/// 64 bits of the token's hash: enough to tell sessions apart, and no way back to the token.
fn id_of(hash: [u8; 32]) -> String {
    hex(&hash[..8])
}

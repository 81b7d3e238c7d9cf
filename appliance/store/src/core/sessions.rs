//! Signing in and out, and who a session token belongs to.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use tokio::time::{Instant, sleep};

use super::accounts::{account, find};
use super::{Account, Core, NOTE_USE_EVERY_MS};
use crate::secret::digest;
use crate::{Secret, StoreError, now_ms, password};

const IDLE_LIMIT_MS: i64 = 8 * 3_600_000;
const ABSOLUTE_LIMIT_MS: i64 = 24 * 3_600_000;
/// How far the wall clock may step back before the sessions made ahead of it end.
const CLOCK_SLACK_MS: i64 = 5 * 60_000;

/// A fresh sign-in. The token goes into the cookie; the store keeps only its hash.
#[derive(Clone, Debug)]
pub struct Session {
    pub token: Secret,
    pub account: Account,
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Does not say which of the two.
    #[error("the name or the password is wrong")]
    Refused,
    #[error("too many tries; try again in {} s", .retry_after.as_secs().max(1))]
    TooManyTries { retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// Takes as long for a name that is not there as for a wrong password. From the fourth try within a minute
    /// it answers late, on purpose, by up to 8 s.
    pub async fn sign_in(&self, name: &str, password: Secret) -> Result<Session, SignInError> {
        let name = name.trim();
        let delay = self
            .0
            .sign_ins
            .admit(name, Instant::now().into_std())
            .map_err(|retry_after| SignInError::TooManyTries { retry_after })?;
        sleep(delay).await;
        if password::check(&password).is_err() {
            return Err(SignInError::Refused);
        }
        let (account, hash) = self.read(|core| find(core, name))?.unzip();
        let fits = self.0.hashing.verify(password, hash).await;
        let account = account.filter(|_| fits).ok_or(SignInError::Refused)?;
        self.0.sign_ins.forget(name);
        let token = self.begin_session(account.id).await?;
        Ok(Session { token, account })
    }

    /// Whose session this is; `None` when the token is unknown, signed out, or past one of its limits.
    pub fn session(&self, token: &str) -> Result<Option<Account>, StoreError> {
        let hash = digest(token);
        let found = self.read(|core| {
            core.prepare_cached(
                "SELECT a.id, a.name, a.role, a.created_ms, s.created_ms, s.seen_ms
                 FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.token_hash = ?1",
            )?
            .query_row([hash], |row| Ok((account(row)?, row.get(4)?, row.get(5)?)))
            .optional()
        })?;
        let now = now_ms();
        let Some((account, created_ms, seen_ms)) = found else { return Ok(None) };
        if !alive(created_ms, seen_ms, now) {
            return Ok(None);
        }
        if now - seen_ms >= NOTE_USE_EVERY_MS {
            // Nobody waits for the note: without it the session is idle a little earlier.
            drop(self.write(move |core| {
                core.execute("UPDATE sessions SET seen_ms = ?2 WHERE token_hash = ?1", params![hash, now])
            }));
        }
        Ok(Some(account))
    }

    pub async fn sign_out(&self, token: &str) -> Result<(), StoreError> {
        let hash = digest(token);
        self.write(move |core| core.execute("DELETE FROM sessions WHERE token_hash = ?1", [hash]))
            .await
            .map(drop)
    }

    /// Also clears away the sessions that are over.
    async fn begin_session(&self, account: i64) -> Result<Secret, StoreError> {
        let token = Secret::random("");
        let hash = token.digest();
        let begun = self.write(move |core| {
            let now = now_ms();
            core.execute(
                "DELETE FROM sessions WHERE created_ms <= ?1 OR seen_ms <= ?2",
                [now - ABSOLUTE_LIMIT_MS, now - IDLE_LIMIT_MS],
            )?;
            core.execute(
                "INSERT INTO sessions (token_hash, account, created_ms, seen_ms) VALUES (?1, ?2, ?3, ?3)",
                params![hash, account, now],
            )
        });
        begun.await?;
        Ok(token)
    }
}

fn alive(created_ms: i64, seen_ms: i64, now_ms: i64) -> bool {
    let age = now_ms - created_ms;
    (-CLOCK_SLACK_MS..ABSOLUTE_LIMIT_MS).contains(&age) && now_ms - seen_ms < IDLE_LIMIT_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_session_ends_after_8_idle_hours_or_24_in_all_or_when_the_clock_goes_back() {
        assert!(alive(0, 0, 8 * HOUR - 1));
        assert!(!alive(0, 0, 8 * HOUR));
        assert!(alive(0, 23 * HOUR, 24 * HOUR - 1));
        assert!(!alive(0, 24 * HOUR, 24 * HOUR));
        assert!(alive(HOUR, HOUR, HOUR - CLOCK_SLACK_MS));
        assert!(!alive(24 * HOUR, 24 * HOUR, 0));
    }
}

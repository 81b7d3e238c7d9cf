//! The second factor: codes of an authenticator (RFC 6238), and ten recovery codes for the day it is lost.
//!
//! ```text
//!            begin              confirm with a code            remove, reset
//!   none ----------> pending ----------------------> counts ----------------> none
//!                    begin again: another secret     renew: ten other recovery codes
//! ```

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::accounts::find;
use super::setup::{code_of, plain};
use super::{Account, AccountError, Core, devices, sessions};
use crate::secret::{digest, random_bytes};
use crate::{Role, Secret, StoreError, now_ms};

const RECOVERY_CODES: usize = 10;

/// A second factor that counts, as its person sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// Unix milliseconds.
    pub since_ms: i64,
    /// Recovery codes that were not used yet.
    pub codes_left: u32,
}

/// How a second step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondStep {
    Code,
    RecoveryCode,
}

#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    #[error("there is a second factor already; remove it first")]
    AlreadyThere,
    #[error("the code is wrong, or was used before")]
    WrongCode,
    #[error("this role needs a second factor; it can be replaced at the box alone")]
    Required,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// The account's second factor, if it has one that counts.
    pub fn second_factor(&self, account: i64) -> Result<Option<SecondFactor>, StoreError> {
        self.read(|core| {
            core.prepare_cached(
                "SELECT confirmed_ms, (SELECT count(*) FROM recovery_codes
                 WHERE account = ?1 AND used_ms IS NULL)
                 FROM second_factors WHERE account = ?1 AND confirmed_ms IS NOT NULL",
            )?
            .query_row([account], |row| Ok(SecondFactor { since_ms: row.get(0)?, codes_left: row.get(1)? }))
            .optional()
        })
    }

    /// Whether the rules ask this account for a second factor.
    pub fn needs_second_factor(&self, role: Role) -> bool {
        self.1.second_factor.asks(role)
    }

    /// Whether the rules ask for one that the account does not have.
    pub fn lacks_second_factor(&self, account: &Account) -> Result<bool, StoreError> {
        Ok(self.needs_second_factor(account.role) && self.second_factor(account.id)?.is_none())
    }

    /// Makes a new secret for the person's authenticator, which counts once a code has proven it. In base 32.
    pub async fn begin_second_factor(&self, account: i64) -> Result<Secret, SecondFactorError> {
        let secret = Zeroizing::new(random_bytes::<20>());
        let shown = base32(secret.as_slice());
        let begun = self.write(move |core| {
            core.execute(
                "INSERT INTO second_factors (account, secret, last_step) VALUES (?1, ?2, 0)
                 ON CONFLICT (account) DO UPDATE SET secret = excluded.secret WHERE confirmed_ms IS NULL",
                params![account, secret.as_slice()],
            )
        });
        if begun.await? == 1 { Ok(shown) } else { Err(SecondFactorError::AlreadyThere) }
    }

    /// The secret that waits for its first code. In base 32.
    pub fn pending_second_factor(&self, account: i64) -> Result<Option<Secret>, StoreError> {
        let found: Option<Vec<u8>> = self.read(|core| {
            core.query_row(
                "SELECT secret FROM second_factors WHERE account = ?1 AND confirmed_ms IS NULL",
                [account],
                |row| row.get(0),
            )
            .optional()
        })?;
        Ok(found.map(Zeroizing::new).map(|secret| base32(&secret)))
    }

    /// Makes the pending secret count, and gives ten recovery codes, this once. Ends the person's other sessions,
    /// which were begun without it.
    pub async fn confirm_second_factor(
        &self,
        account: i64,
        code: &str,
        token: &str,
    ) -> Result<Vec<Secret>, SecondFactorError> {
        let codes = new_codes();
        let hashes = hashes(&codes);
        let (code, session) = (Zeroizing::new(code.to_owned()), digest(token));
        let confirmed = self.write(move |core| {
            let Some(step) = fitting_step(core, account, &code, Counts::NotYet)? else { return Ok(false) };
            core.execute(
                "UPDATE second_factors SET confirmed_ms = ?2, last_step = ?3 WHERE account = ?1",
                params![account, now_ms(), step],
            )?;
            replace_codes(core, account, &hashes)?;
            sessions::end_all(core, account, Some(session))?;
            Ok(true)
        });
        if confirmed.await? { Ok(codes) } else { Err(SecondFactorError::WrongCode) }
    }

    /// Ten other recovery codes, against one more code; the ones before are void.
    pub async fn renew_recovery_codes(
        &self,
        account: i64,
        code: &str,
    ) -> Result<Vec<Secret>, SecondFactorError> {
        let codes = new_codes();
        let hashes = hashes(&codes);
        let given = Zeroizing::new(code.to_owned());
        let renewed = self.write(move |core| {
            let fits = take(core, account, &given)?.is_some();
            if fits {
                replace_codes(core, account, &hashes)?;
            }
            Ok(fits)
        });
        if renewed.await? { Ok(codes) } else { Err(SecondFactorError::WrongCode) }
    }

    /// Takes a code of the authenticator, or a recovery code; each works once.
    pub(crate) async fn take_second_step(
        &self,
        account: i64,
        given: &str,
    ) -> Result<SecondStep, SecondFactorError> {
        let given = Zeroizing::new(given.to_owned());
        let taken = self.write(move |core| take(core, account, &given));
        taken.await?.ok_or(SecondFactorError::WrongCode)
    }

    /// Removes the person's own second factor, against one more code.
    pub async fn remove_second_factor(&self, account: &Account, code: &str) -> Result<(), SecondFactorError> {
        if self.needs_second_factor(account.role) {
            return Err(SecondFactorError::Required);
        }
        self.take_second_step(account.id, code).await?;
        let id = account.id;
        self.write(move |core| remove(core, id)).await?;
        Ok(())
    }

    /// For whoever has lost the authenticator and the recovery codes: the password alone lets in again. Ends the
    /// account's sessions and forgets its devices. False when there was nothing to reset.
    pub async fn reset_second_factor(&self, name: &str) -> Result<bool, AccountError> {
        let name = name.trim().to_owned();
        let reset = self.write(move |core| {
            let Some((account, _)) = find(core, &name)? else { return Ok(None) };
            let was_there = remove(core, account.id)?;
            sessions::end_all(core, account.id, None)?;
            devices::forget(core, account.id, None)?;
            Ok(Some(was_there))
        });
        reset.await?.ok_or(AccountError::Unknown)
    }
}

/// Which secret a code is held against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Already,
    NotYet,
}

/// The time step that the code belongs to: now, the one before or the one after, and none that was used.
fn fitting_step(
    core: &Connection,
    account: i64,
    code: &str,
    counts: Counts,
) -> rusqlite::Result<Option<i64>> {
    let found: Option<(Vec<u8>, i64)> = core
        .query_row(
            "SELECT secret, last_step FROM second_factors
             WHERE account = ?1 AND (confirmed_ms IS NOT NULL) = ?2",
            params![account, counts == Counts::Already],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(found.and_then(|(secret, last_step)| {
        let digits: String = code.chars().filter(|symbol| !symbol.is_whitespace()).collect();
        let seconds = u64::try_from(now_ms() / 1000).ok()?;
        let step = authenticator(secret).check(&digits, seconds)?;
        i64::try_from(step).ok().filter(|step| *step > last_step)
    }))
}

fn take(core: &Transaction<'_>, account: i64, given: &str) -> rusqlite::Result<Option<SecondStep>> {
    if let Some(step) = fitting_step(core, account, given, Counts::Already)? {
        core.execute("UPDATE second_factors SET last_step = ?2 WHERE account = ?1", [account, step])?;
        return Ok(Some(SecondStep::Code));
    }
    let used = core.execute(
        "UPDATE recovery_codes SET used_ms = ?3 WHERE account = ?1 AND code_hash = ?2 AND used_ms IS NULL",
        params![account, digest(&plain(given)), now_ms()],
    )?;
    Ok((used == 1).then_some(SecondStep::RecoveryCode))
}

fn remove(core: &Transaction<'_>, account: i64) -> rusqlite::Result<bool> {
    core.execute("DELETE FROM recovery_codes WHERE account = ?1", [account])?;
    Ok(core.execute("DELETE FROM second_factors WHERE account = ?1", [account])? > 0)
}

fn replace_codes(core: &Transaction<'_>, account: i64, hashes: &[[u8; 32]]) -> rusqlite::Result<()> {
    core.execute("DELETE FROM recovery_codes WHERE account = ?1", [account])?;
    for hash in hashes {
        core.execute(
            "INSERT INTO recovery_codes (account, code_hash) VALUES (?1, ?2)",
            params![account, hash],
        )?;
    }
    Ok(())
}

/// As every authenticator reckons it: SHA-1, six digits, half a minute.
fn authenticator(secret: Vec<u8>) -> Totp {
    Builder::new().with_secret(secret).build_noncompliant()
}

fn base32(secret: &[u8]) -> Secret {
    authenticator(secret.to_vec()).secret().to_base32().into()
}

/// 120 random bits each: a code that waits in a drawer for years has only a fast hash around it.
fn new_codes() -> Vec<Secret> {
    (0..RECOVERY_CODES).map(|_| code_of::<24>()).collect()
}

fn hashes(codes: &[Secret]) -> Vec<[u8; 32]> {
    codes.iter().map(|code| digest(&plain(code.expose()))).collect()
}

#[cfg(test)]
mod tests;

//! The second factor: codes of an authenticator (RFC 6238), and ten recovery codes for the day it is lost. The secrets
//! are sealed with the box's key, so that a copy of the database shows no codes.
//!
//! ```text
//!            begin              confirm with a code            remove, reset
//!   none ----------> pending ----------------------> counts ----------------> none
//!                    begin again: another secret     renew: ten other recovery codes
//! ```

use std::error::Error;
use std::io;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::accounts::find;
use super::setup::{code_of, plain};
use super::{Account, AccountError, Core, SecondFactorRule, devices, sessions};
use crate::sealing::Sealing;
use crate::secret::{digest, random_bytes};
use crate::{Secret, StoreError, now_ms};

const RECOVERY_CODES: usize = 10;
/// Bytes of a secret that is not sealed.
const SECRET: usize = 20;

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

    /// Whether the rules ask this account for a second factor. How somebody was proven whom an identity provider
    /// vouches for is its business, unless everybody means everybody.
    pub fn needs_second_factor(&self, account: &Account) -> Result<bool, StoreError> {
        let rule = self.rules.second_factor;
        let is_asked = rule.asks(account.role);
        Ok(is_asked && (rule == SecondFactorRule::Everybody || self.has_password(account.id)?))
    }

    /// Whether the rules ask for one that the account does not have.
    pub fn lacks_second_factor(&self, account: &Account) -> Result<bool, StoreError> {
        Ok(self.needs_second_factor(account)? && self.second_factor(account.id)?.is_none())
    }

    /// Makes a new secret for the person's authenticator, which counts once a code has proven it. In base 32.
    pub async fn begin_second_factor(&self, account: i64) -> Result<Secret, SecondFactorError> {
        self.check_sealing()?;
        let secret = Zeroizing::new(random_bytes::<SECRET>());
        let shown = base32(secret.as_slice());
        let sealed = self.parts.sealing.seal(&purpose(account), secret.as_slice());
        let sealed = sealed.map_err(|error| StoreError::sealing(&error))?;
        let begun = self.write(move |core| {
            core.execute(
                "INSERT INTO second_factors (account, secret, last_step) VALUES (?1, ?2, 0)
                 ON CONFLICT (account) DO UPDATE SET secret = excluded.secret WHERE confirmed_ms IS NULL",
                params![account, sealed],
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
        let opened = found.map(|stored| opened(&self.parts.sealing, account, stored));
        let opened = opened.transpose().map_err(|error| StoreError::sealing(&error))?;
        Ok(opened.map(|secret| base32(&secret)))
    }

    /// Where the key of sealed secrets is gone, another one would only hide that.
    fn check_sealing(&self) -> Result<(), StoreError> {
        let sealed: Option<(i64, Vec<u8>)> = self.read(|core| {
            let sql = "SELECT account, secret FROM second_factors WHERE length(secret) <> ?1 LIMIT 1";
            core.query_row(sql, [SECRET], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        let Some((account, stored)) = sealed else { return Ok(()) };
        opened(&self.parts.sealing, account, stored).map(drop).map_err(|error| StoreError::sealing(&error))
    }

    /// Seals the secrets that an earlier version has left as they are. One that cannot be sealed now works as it is,
    /// and is tried again at the next start.
    pub(crate) fn seal_factors(core: &mut Connection, sealing: &Sealing) {
        match seal_all(core, sealing) {
            Ok(0) => {}
            Ok(count) => tracing::info!("{count} secrets of second factors are sealed now"),
            Err(error) => tracing::error!("secrets of second factors could not be sealed ({error})"),
        }
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
        let sealing = self.parts.sealing.clone();
        let confirmed = self.write(move |core| {
            let step = fitting_step(core, &sealing, account, &code, Counts::NotYet)?;
            let Some(step) = step else { return Ok(false) };
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
        let (given, sealing) = (Zeroizing::new(code.to_owned()), self.parts.sealing.clone());
        let renewed = self.write(move |core| {
            let fits = take(core, &sealing, account, &given)?.is_some();
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
        let (given, sealing) = (Zeroizing::new(given.to_owned()), self.parts.sealing.clone());
        let taken = self.write(move |core| take(core, &sealing, account, &given));
        taken.await?.ok_or(SecondFactorError::WrongCode)
    }

    /// Removes the person's own second factor, against one more code.
    pub async fn remove_second_factor(&self, account: &Account, code: &str) -> Result<(), SecondFactorError> {
        if self.needs_second_factor(account)? {
            return Err(SecondFactorError::Required);
        }
        let (id, code, sealing) = (account.id, Zeroizing::new(code.to_owned()), self.parts.sealing.clone());
        // In one: a code that was used up for nothing would be lost.
        let removed =
            self.write(move |core| Ok(take(core, &sealing, id, &code)?.is_some() && remove(core, id)?));
        if removed.await? { Ok(()) } else { Err(SecondFactorError::WrongCode) }
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
    sealing: &Sealing,
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
    let Some((stored, last_step)) = found else { return Ok(None) };
    // A recovery code still lets in where the key is gone.
    let secret = opened(sealing, account, stored)
        .inspect_err(|error| tracing::error!("a second factor cannot be checked: {error}"));
    Ok(secret.ok().and_then(|secret| {
        let digits: String = code.chars().filter(|symbol| !symbol.is_whitespace()).collect();
        let seconds = u64::try_from(now_ms() / 1000).ok()?;
        let step = authenticator(secret.to_vec()).check(&digits, seconds)?;
        i64::try_from(step).ok().filter(|step| *step > last_step)
    }))
}

fn take(
    core: &Transaction<'_>,
    sealing: &Sealing,
    account: i64,
    given: &str,
) -> rusqlite::Result<Option<SecondStep>> {
    if let Some(step) = fitting_step(core, sealing, account, given, Counts::Already)? {
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

/// What a secret is sealed for: the one of another account does not open in its place.
fn purpose(account: i64) -> String {
    format!("second factor of account {account}")
}

/// The secret as the authenticator has it; one that is not sealed yet is that already.
fn opened(sealing: &Sealing, account: i64, stored: Vec<u8>) -> io::Result<Zeroizing<Vec<u8>>> {
    if stored.len() == SECRET {
        return Ok(Zeroizing::new(stored));
    }
    let opened = sealing.open(&purpose(account), &stored)?;
    opened
        .ok_or_else(|| io::Error::other("it was sealed with another key; restore keys/box.key from a backup"))
}

/// Gives the number of secrets that were not sealed.
fn seal_all(core: &mut Connection, sealing: &Sealing) -> Result<usize, Box<dyn Error>> {
    let is_plain = "SELECT 1 FROM second_factors WHERE length(secret) = ?1";
    if !core.prepare(is_plain)?.exists([SECRET])? {
        return Ok(0);
    }
    let core_now = core.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let plain: Vec<(i64, Zeroizing<Vec<u8>>)> = core_now
        .prepare("SELECT account, secret FROM second_factors WHERE length(secret) = ?1")?
        .query_map([SECRET], |row| Ok((row.get(0)?, Zeroizing::new(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    for (account, secret) in &plain {
        let sealed = sealing.seal(&purpose(*account), secret)?;
        core_now
            .execute("UPDATE second_factors SET secret = ?2 WHERE account = ?1", params![account, sealed])?;
    }
    core_now.commit()?;
    if !plain.is_empty() {
        // What stood there is overwritten in the file; the log beside it still holds the old pages.
        core.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(plain.len())
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

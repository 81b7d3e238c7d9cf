//! The first visit: a one-time code, shown on the console, makes the owner's account.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, sleep};

use super::attempts::Try;
use super::{Account, AccountError, Caller, Core, accounts};
use crate::names::checked_name;
use crate::secret::{digest, random_bytes};
use crate::{Role, Secret, StoreError, now_ms};

/// Crockford's base 32: no I, L, O or U, so nothing looks like something else.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LIFE_MS: i64 = 24 * 3_600_000;

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the setup code is wrong; it stands on the box's console")]
    WrongCode,
    #[error("the setup code is older than a day; restart the box for a new one")]
    Expired,
    #[error("the box is set up already; sign in instead")]
    AlreadyDone,
    #[error("too many tries; try again in {} s", .retry_after.as_secs().max(1))]
    TooManyTries { retry_after: Duration },
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// While there is no account: a new code, like `7KQ2-M0XD-RW4T-9HJA`, good for a day and once, which
    /// replaces the one before. After that: `None`.
    pub async fn begin_setup(&self) -> Result<Option<Secret>, StoreError> {
        let code = new_code();
        let hash = digest(&plain(code.expose()));
        let begun = self.write(move |core| {
            if !accounts::none_exists(core)? {
                return Ok(false);
            }
            let row = params![hash, now_ms()];
            core.execute(
                "INSERT OR REPLACE INTO setup_code (only_row, code_hash, created_ms) VALUES (1, ?1, ?2)",
                row,
            )?;
            Ok(true)
        });
        Ok(begun.await?.then_some(code))
    }

    /// Whether the first account is still to be made.
    pub fn needs_setup(&self) -> Result<bool, StoreError> {
        self.read(accounts::none_exists)
    }

    /// Makes the owner's account. The code may be typed in either case, with or without its dashes.
    pub async fn finish_setup(
        &self,
        code: &str,
        account_name: &str,
        password: Secret,
        caller: &Caller,
    ) -> Result<Account, SetupError> {
        let name = checked_name(account_name).map_err(AccountError::from)?;
        self.check_new_password(&password, &name).map_err(AccountError::from)?;
        let admitted =
            self.parts.setups.admit(&Try::new("", caller.address, None), Instant::now().into_std());
        sleep(admitted.map_err(|refused| SetupError::TooManyTries { retry_after: refused.retry_after })?)
            .await;
        let code_hash = digest(&plain(code));
        self.read(|core| check_code(core, code_hash))??;
        let password_hash = self.parts.hashing.hash(password).await;
        // Checked again where the account is made, because two people may hold the code at once.
        let made = self.write(move |core| {
            if let Err(refusal) = check_code(core, code_hash)? {
                return Ok(Err(refusal));
            }
            core.execute("DELETE FROM setup_code", [])?;
            accounts::insert(core, &name, Role::Owner, &password_hash).map(Ok)
        });
        made.await?
    }
}

fn check_code(core: &Connection, given: [u8; 32]) -> rusqlite::Result<Result<(), SetupError>> {
    if !accounts::none_exists(core)? {
        return Ok(Err(SetupError::AlreadyDone));
    }
    let stored: Option<([u8; 32], i64)> = core
        .query_row("SELECT code_hash, created_ms FROM setup_code", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match stored {
        Some((hash, created_ms)) if bool::from(hash.ct_eq(&given)) => {
            if now_ms() - created_ms < CODE_LIFE_MS { Ok(()) } else { Err(SetupError::Expired) }
        }
        _ => Err(SetupError::WrongCode),
    })
}

/// 80 random bits in four groups of four, for a code that works for some days at most.
pub(super) fn new_code() -> Secret {
    code_of::<16>()
}

/// `N` symbols of five random bits each, in groups of four.
pub(super) fn code_of<const N: usize>() -> Secret {
    let symbols = random_bytes::<N>().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let groups: Vec<String> = symbols.chunks(4).map(|group| group.iter().collect()).collect();
    Secret::from(groups.join("-"))
}

/// The code as it is hashed: what people type for its symbols, in capitals, without the dashes.
pub(super) fn plain(code: &str) -> String {
    let typed = code.chars().filter(char::is_ascii_alphanumeric).map(|symbol| symbol.to_ascii_uppercase());
    typed
        .map(|symbol| match symbol {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_four_groups_of_unambiguous_symbols_and_is_read_as_people_type_it() {
        let code = new_code();
        let groups: Vec<&str> = code.expose().split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [4, 4, 4, 4]);
        assert_eq!(plain(&code.expose().to_lowercase().replace('-', " ")), code.expose().replace('-', ""));
        assert_eq!(plain("o0-iL1"), "00111");
    }
}

//! A person changes the own password: the old one is asked, and every other session ends.

use std::time::Duration;

use rusqlite::params;
use tokio::time::{Instant, sleep};

use super::attempts::Try;
use super::directory::known_as;
use super::vouching::Attempt;
use super::{Account, Caller, Core, SignInError, devices, sessions};
use crate::secret::digest;
use crate::{BadPassword, Secret, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum OwnPasswordError {
    #[error("the password that is in use now is not this one")]
    Wrong,
    #[error("too many tries; try again in {} s", .retry_after.as_secs().max(1))]
    TooManyTries { retry_after: Duration },
    #[error("the password is the directory's, and is changed there")]
    OfDirectory,
    #[error(transparent)]
    BadPassword(#[from] BadPassword),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// Asks a person who is signed in for the password once more. Someone at an unlocked screen has as few tries as
    /// a stranger at the door.
    pub async fn confirm_password(
        &self,
        account: &Account,
        given: Secret,
        token: &str,
    ) -> Result<(), OwnPasswordError> {
        let new = Try::new(&account.name, None, Some(digest(token)));
        let admitted = self.parts.own_passwords.admit(&new, Instant::now().into_std());
        let too_many = |refused: super::attempts::Refused| OwnPasswordError::TooManyTries {
            retry_after: refused.retry_after,
        };
        sleep(admitted.map_err(too_many)?).await;
        let known = self.read(|core| known_as(core, &account.name))?;
        if known.as_ref().is_none_or(|known| known.account.id != account.id) {
            return Err(OwnPasswordError::Wrong);
        }
        let caller = Caller::default();
        let attempt = Attempt {
            name: &account.name,
            password: given,
            caller: &caller,
            known,
            is_on_known_device: true,
        };
        match self.vouch(attempt).await {
            Ok(_) => {}
            Err(SignInError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(OwnPasswordError::Wrong),
        }
        self.parts.own_passwords.give_back(&new);
        Ok(())
    }

    /// Sets another password for the person of this session, ends the person's other sessions, and forgets all
    /// devices but this one.
    pub async fn change_own_password(
        &self,
        account: &Account,
        old: Secret,
        new: Secret,
        token: &str,
        caller: &Caller,
    ) -> Result<(), OwnPasswordError> {
        if self.is_of_directory(account.id)? {
            return Err(OwnPasswordError::OfDirectory);
        }
        self.check_new_password(&new, &account.name)?;
        self.confirm_password(account, old, token).await?;
        let hash = self.parts.hashing_of_known.hash(new).await;
        let (id, session) = (account.id, digest(token));
        let device = self.known_device(id, caller)?;
        let changed = self.write(move |core| {
            core.execute("UPDATE accounts SET password_hash = ?2 WHERE id = ?1", params![id, hash])?;
            sessions::end_all(core, id, Some(session))?;
            devices::forget(core, id, device)
        });
        changed.await?;
        Ok(())
    }
}

//! Signing in: who may try how often, the password, and the session that begins.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::accounts::find;
use super::attempts::{Refused, Try};
use super::{Account, Caller, Core};
use crate::{Secret, StoreError, password};

/// A fresh sign-in. The tokens go into cookies; the store keeps only their hashes.
#[derive(Clone, Debug)]
pub struct Session {
    pub token: Secret,
    pub account: Account,
    /// By which the device is known the next time.
    pub device_token: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Does not say which of the two.
    #[error("the name or the password is wrong")]
    Refused {
        /// The account's name for the log, if there is such an account. What was typed may be a password.
        account: Option<String>,
    },
    #[error("too many tries; try again in {} s", .retry_after.as_secs().max(1))]
    TooManyTries {
        retry_after: Duration,
        /// To be told in the log; the others of the same minute are not.
        is_news: bool,
        account: Option<String>,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// Takes as long for a name that is not there as for a wrong password. From the fourth try within a minute
    /// it answers late, on purpose, by up to 8 s.
    pub async fn sign_in(
        &self,
        name: &str,
        password: Secret,
        caller: &Caller,
    ) -> Result<Session, SignInError> {
        let name = name.trim();
        let (account, hash) = self.read(|core| find(core, name))?.unzip();
        let device = match &account {
            Some(account) => self.known_device(account.id, caller)?,
            None => None,
        };
        let new = Try::new(name, caller.address, device);
        let account_name = || account.as_ref().map(|account| account.name.clone());
        self.wait_for_turn(&new, account_name).await?;
        let refused = || SignInError::Refused { account: account_name() };
        if password::check(&password).is_err() {
            return Err(refused());
        }
        // Strangers queue for one place, however many they are, and persons on their own devices for another.
        let hashing = if device.is_some() { &self.0.hashing_of_known } else { &self.0.hashing };
        if !hashing.verify(password, hash).await {
            return Err(refused());
        }
        self.0.sign_ins.give_back(&new);
        let account = account.ok_or(SignInError::Refused { account: None })?;
        Ok(self.begin_session(account, caller, device).await?)
    }

    async fn wait_for_turn(
        &self,
        new: &Try,
        account: impl FnOnce() -> Option<String>,
    ) -> Result<(), SignInError> {
        match self.0.sign_ins.admit(new, Instant::now().into_std()) {
            Ok(delay) => {
                sleep(delay).await;
                Ok(())
            }
            Err(Refused { retry_after, is_news }) => {
                Err(SignInError::TooManyTries { retry_after, is_news, account: account() })
            }
        }
    }
}

#[cfg(test)]
mod tests;

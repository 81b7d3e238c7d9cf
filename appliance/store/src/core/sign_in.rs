//! Signing in: who may try how often, the password, the second step, and the session that begins.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::accounts::find;
use super::attempts::{Attempts, Refused, Try};
use super::half_signed_in::Half;
use super::{Account, Caller, Core, SecondFactorError, SecondStep};
use crate::{Secret, StoreError, password};

/// A fresh sign-in. The tokens go into cookies; the store keeps only their hashes.
#[derive(Clone, Debug)]
pub struct Session {
    pub token: Secret,
    pub account: Account,
    /// By which the device is known the next time.
    pub device_token: Secret,
}

/// What a right password leads to.
#[derive(Clone, Debug)]
pub enum Entered {
    Session(Session),
    /// To the second step, with this ticket; good for five minutes.
    SecondStep(Secret),
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Does not say which of the two.
    #[error("the name or the password is wrong")]
    Refused {
        /// The account's name for the log, if there is such an account. What was typed may be a password.
        account: Option<String>,
    },
    #[error("the code is wrong, or was used before")]
    WrongCode { account: String },
    #[error("the second step came too late; sign in again")]
    TooLate,
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
    ) -> Result<Entered, SignInError> {
        let name = name.trim();
        let (account, hash) = self.read(|core| find(core, name))?.unzip();
        let device = match &account {
            Some(account) => self.known_device(account.id, caller)?,
            None => None,
        };
        let new = Try::new(name, caller.address, device);
        let account_name = || account.as_ref().map(|account| account.name.clone());
        wait_for_turn(&self.0.sign_ins, &new, account_name).await?;
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
        if self.second_factor(account.id)?.is_some() {
            let now = Instant::now().into_std();
            return Ok(Entered::SecondStep(self.0.half_signed_in.insert(account, device, now)));
        }
        Ok(Entered::Session(self.begin_session(account, caller, device).await?))
    }

    /// The second step: a code of the authenticator, or a recovery code.
    pub async fn second_step(
        &self,
        ticket: &str,
        code: &str,
        caller: &Caller,
    ) -> Result<(Session, SecondStep), SignInError> {
        let half = self.0.half_signed_in.get(ticket, Instant::now().into_std());
        let Half { account, device, .. } = half.ok_or(SignInError::TooLate)?;
        let new = Try::new(&account.name, caller.address, device).at_this_account_alone();
        wait_for_turn(&self.0.second_steps, &new, || Some(account.name.clone())).await?;
        let taken = self.take_second_step(account.id, code).await.map_err(|error| match error {
            SecondFactorError::Store(error) => SignInError::Store(error),
            _ => SignInError::WrongCode { account: account.name.clone() },
        });
        let step = taken?;
        self.0.second_steps.give_back(&new);
        self.0.half_signed_in.remove(ticket);
        Ok((self.begin_session(account, caller, device).await?, step))
    }

    /// Whether this ticket may still take its second step.
    pub fn awaits_second_step(&self, ticket: &str) -> bool {
        self.0.half_signed_in.get(ticket, Instant::now().into_std()).is_some()
    }
}

async fn wait_for_turn(
    attempts: &Attempts,
    new: &Try,
    account: impl FnOnce() -> Option<String>,
) -> Result<(), SignInError> {
    match attempts.admit(new, Instant::now().into_std()) {
        Ok(delay) => {
            sleep(delay).await;
            Ok(())
        }
        Err(Refused { retry_after, is_news }) => {
            Err(SignInError::TooManyTries { retry_after, is_news, account: account() })
        }
    }
}

#[cfg(test)]
mod tests;

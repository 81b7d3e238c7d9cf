//! Signing in: who may try how often, the password, the second step, and the session that begins.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::attempts::{Attempts, Refused, Try};
use super::directory::known_as;
use super::half_signed_in::Half;
use super::vouching::{Attempt, VouchedBy};
use super::{Account, Caller, Core, SecondFactorError, SecondStep};
use crate::{Secret, StoreError};

/// A fresh sign-in. The tokens go into cookies; the store keeps only their hashes.
#[derive(Clone, Debug)]
pub struct Session {
    pub token: Secret,
    pub account: Account,
    pub by: VouchedBy,
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
        /// For the log, too.
        why: Refusal,
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

/// Why nobody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Wrong,
    /// The same of an account of the box, where a directory is asked about every other name: it was not asked here, or
    /// its person of this name was turned away.
    LocalAccount,
    /// The directory is out of reach, and its last word does not fit, is too old or is none.
    OutOfReach,
    /// The password was right, and no group gives a role.
    NoAccess,
    /// The password was right, and must be changed in the directory first.
    PasswordExpired,
    Locked,
    Disabled,
    /// The directory knows nobody of this name.
    Gone,
    /// The directory knows more than one person of this name.
    Several,
    /// The account belongs to somebody who had this name in the directory before.
    OtherPerson,
    /// What the directory calls the person cannot be the name of an account.
    BadName,
}

impl Refusal {
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Wrong => "wrong",
            Refusal::LocalAccount => "local-account",
            Refusal::OutOfReach => "out-of-reach",
            Refusal::NoAccess => "no-group",
            Refusal::PasswordExpired => "password-expired",
            Refusal::Locked => "locked",
            Refusal::Disabled => "disabled",
            Refusal::Gone => "gone",
            Refusal::Several => "several",
            Refusal::OtherPerson => "other-person",
            Refusal::BadName => "bad-name",
        }
    }

    /// The directory knows that whoever had this account may not get in any more.
    pub(super) fn ends_access(self) -> bool {
        matches!(self, Refusal::Disabled | Refusal::Gone | Refusal::OtherPerson)
    }

    pub(super) fn of(self, account: String) -> SignInError {
        SignInError::Refused { account: Some(account), why: self }
    }
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
        let known = self.read(|core| known_as(core, name))?;
        let account_name = || known.as_ref().map(|known| known.account.name.clone());
        let device = match &known {
            Some(known) => self.known_device(known.account.id, caller)?,
            None => None,
        };
        let new = Try::new(&account_name().unwrap_or_else(|| name.to_owned()), caller.address, device);
        wait_for_turn(&self.parts.sign_ins, &new, account_name).await?;
        let is_on_known_device = device.is_some();
        let (account, by) = self.vouch(Attempt { name, password, caller, known, is_on_known_device }).await?;
        self.parts.sign_ins.give_back(&new);
        if self.second_factor(account.id)?.is_some() {
            let now = Instant::now().into_std();
            return Ok(Entered::SecondStep(self.parts.half_signed_in.insert(account, by, device, now)));
        }
        Ok(Entered::Session(self.begin_session(account, by, caller, device).await?))
    }

    /// The second step: a code of the authenticator, or a recovery code.
    pub async fn second_step(
        &self,
        ticket: &str,
        code: &str,
        caller: &Caller,
    ) -> Result<(Session, SecondStep), SignInError> {
        let half = self.parts.half_signed_in.get(ticket, Instant::now().into_std());
        let Half { account, by, device, .. } = half.ok_or(SignInError::TooLate)?;
        let new = Try::new(&account.name, caller.address, device).at_this_account_alone();
        wait_for_turn(&self.parts.second_steps, &new, || Some(account.name.clone())).await?;
        let taken = self.take_second_step(account.id, code).await.map_err(|error| match error {
            SecondFactorError::Store(error) => SignInError::Store(error),
            _ => SignInError::WrongCode { account: account.name.clone() },
        });
        let step = taken?;
        self.parts.second_steps.give_back(&new);
        self.parts.half_signed_in.remove(ticket);
        Ok((self.begin_session(account, by, caller, device).await?, step))
    }

    /// Whether this ticket may still take its second step.
    pub fn awaits_second_step(&self, ticket: &str) -> bool {
        self.parts.half_signed_in.get(ticket, Instant::now().into_std()).is_some()
    }
}

pub(super) async fn wait_for_turn(
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

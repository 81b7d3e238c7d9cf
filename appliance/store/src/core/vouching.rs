//! Who vouches for a password: the box itself, the building's directory, or the directory's last word.

use super::attempts::Try;
use super::directory::{Known, Reception};
use super::sign_in::{Refusal, SignInError, wait_for_turn};
use super::{Account, Caller, Core, DirectoryEntry, Found, Proof};
use crate::password::{self, Hashing};
use crate::{Secret, StoreError};

/// Whose word let somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VouchedBy {
    /// The password is one of the box's own.
    Box,
    Directory,
    /// The identity provider.
    Provider,
    /// The directory took this password before, and was out of reach this time.
    Cache,
}

impl VouchedBy {
    pub fn as_str(self) -> &'static str {
        match self {
            VouchedBy::Box => "local",
            VouchedBy::Directory => "directory",
            VouchedBy::Provider => "provider",
            VouchedBy::Cache => "cache",
        }
    }
}

/// One try at a password, which was counted.
pub(super) struct Attempt<'a> {
    /// As it was typed.
    pub(super) name: &'a str,
    pub(super) password: Secret,
    pub(super) caller: &'a Caller,
    pub(super) known: Option<Known>,
    /// Strangers queue for one place, however many they are, and persons on their own devices for another.
    pub(super) is_on_known_device: bool,
}

impl Attempt<'_> {
    fn account(&self) -> Option<&Account> {
        self.known.as_ref().map(|known| &known.account)
    }

    fn is_by_own_name(&self) -> bool {
        self.account().is_some_and(|account| is_same_name(&account.name, self.name))
    }
}

/// What the directory made of it.
enum Answer {
    Right(DirectoryEntry),
    Refused(Refusal),
    OutOfReach,
}

impl Core {
    /// Takes as long for a name that is not there as for a wrong password. An account of the box is its own matter, also
    /// where the directory knows the same name.
    pub(super) async fn vouch(&self, attempt: Attempt<'_>) -> Result<(Account, VouchedBy), SignInError> {
        let refused =
            |why: Refusal| SignInError::Refused { account: attempt.account().map(|a| a.name.clone()), why };
        if password::is_hopeless(&attempt.password) {
            return Err(refused(Refusal::Wrong));
        }
        let hashing =
            if attempt.is_on_known_device { &self.parts.hashing_of_known } else { &self.parts.hashing };
        let is_local = attempt.known.as_ref().is_some_and(|known| known.vouched.is_none());
        if let Some(reception) = self.reception.as_ref().filter(|_| !is_local) {
            return self.ask(reception, hashing, attempt).await;
        }
        // Where a directory is asked about other names, a short password must not tell which are the box's own.
        if self.reception.is_none() && password::check(&attempt.password).is_err() {
            return Err(refused(Refusal::Wrong));
        }
        let Attempt { password, known, .. } = attempt;
        let (account, hash) = known.map(|known| (known.account, known.hash)).unzip();
        let fits = hashing.verify(password, hash).await;
        let why = if self.reception.is_some() { Refusal::LocalAccount } else { Refusal::Wrong };
        match account {
            Some(account) if fits => Ok((account, VouchedBy::Box)),
            account => Err(SignInError::Refused { account: account.map(|account| account.name), why }),
        }
    }

    /// Asks the directory, and makes the slow hash beside it: of its last word where there is one, of nothing where
    /// there is none. Neither the name nor the answer changes how long that takes.
    async fn ask(
        &self,
        reception: &Reception,
        hashing: &Hashing,
        attempt: Attempt<'_>,
    ) -> Result<(Account, VouchedBy), SignInError> {
        let vouched = attempt.known.as_ref().and_then(|known| known.vouched.as_ref());
        let (hash, verified_ms) = vouched.and_then(|vouched| vouched.verifier.clone()).unzip();
        let fitting = hashing.verify(attempt.password.clone(), hash);
        let (fits, answer) = tokio::join!(fitting, self.answer(reception, &attempt));
        match (answer?, attempt.account()) {
            (Answer::Right(entry), account) => {
                let of_entry = self.account_of_entry(&entry.id)?;
                let is_kept = fits && of_entry.map(|own| own.id) == account.map(|account| account.id);
                let hash = if is_kept { None } else { Some(hashing.hash(attempt.password.clone()).await) };
                let account = self.settle(reception, &entry, attempt.name, hash).await?;
                Ok((account, VouchedBy::Directory))
            }
            (Answer::OutOfReach, Some(account))
                if fits && verified_ms.is_some_and(|at_ms| reception.admitted().contains(&at_ms)) =>
            {
                reception.note_cached_sign_in();
                Ok((account.clone(), VouchedBy::Cache))
            }
            (Answer::OutOfReach, account) => {
                let account = account.map(|account| account.name.clone());
                Err(SignInError::Refused { account, why: Refusal::OutOfReach })
            }
            (Answer::Refused(why), Some(account)) => {
                if why == Refusal::Wrong && fits {
                    self.forget_old_password(reception, account).await?;
                }
                if why.ends_access() && attempt.is_by_own_name() {
                    self.end_access(reception, account, why.as_str()).await?;
                }
                Err(why.of(account.name.clone()))
            }
            (Answer::Refused(why), None) => Err(SignInError::Refused { account: None, why }),
        }
    }

    async fn answer(&self, reception: &Reception, attempt: &Attempt<'_>) -> Result<Answer, SignInError> {
        if reception.is_out_of_reach() {
            return Ok(Answer::OutOfReach);
        }
        let directory = &reception.directory;
        let found = match directory.find(attempt.name).await {
            Ok(Found::Entry(entry)) => self.checked(&entry)?.map_or(Ok(entry), Err),
            Ok(Found::Nobody) => Err(Refusal::Gone),
            Ok(Found::Several) => Err(Refusal::Several),
            Err(_) => return Ok(Answer::OutOfReach),
        };
        let entry = match found {
            Ok(entry) => entry,
            Err(refusal) => {
                // What it says is of no interest; that it was asked takes the time that it takes.
                let _ = directory.prove(None, &attempt.password).await;
                return Ok(Answer::Refused(refusal));
            }
        };
        let counted = attempt.account().map_or(attempt.name, |account| &account.name);
        let by_entry = Try::new(&entry.name, attempt.caller.address, None).at_this_account_alone();
        let is_other_name = !is_same_name(counted, &entry.name);
        if is_other_name {
            // However many ways there are to write a name, its account has ten tries.
            wait_for_turn(&self.parts.sign_ins, &by_entry, || Some(entry.name.clone())).await?;
        }
        let Ok(proof) = directory.prove(Some(&entry), &attempt.password).await else {
            return Ok(Answer::OutOfReach);
        };
        if proof == Proof::Right && is_other_name {
            self.parts.sign_ins.give_back(&by_entry);
        }
        Ok(match proof {
            Proof::Right => Answer::Right(entry),
            Proof::Wrong if !entry.is_locked => Answer::Refused(Refusal::Wrong),
            Proof::Wrong | Proof::Locked => Answer::Refused(Refusal::Locked),
            Proof::Expired => Answer::Refused(Refusal::PasswordExpired),
            Proof::Disabled => Answer::Refused(Refusal::Disabled),
        })
    }

    /// Why no password of this entry is tried, if it is not.
    fn checked(&self, entry: &DirectoryEntry) -> Result<Option<Refusal>, StoreError> {
        let refusal = self.why_name_is_taken(entry)?;
        Ok(refusal.or_else(|| entry.is_disabled.then_some(Refusal::Disabled)))
    }
}

fn is_same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

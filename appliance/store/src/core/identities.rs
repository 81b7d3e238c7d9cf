//! Accounts of persons whom an identity provider outside vouches for: bound to its issuer and subject, without a
//! password.

use rusqlite::{OptionalExtension, params};
use tokio::time::Instant;

use super::accounts::{account, find, insert};
use super::attempts::{Refused, Try};
use super::{Account, Caller, Core, Entered, SignInError, VouchedBy};
use crate::{Role, Secret, StoreError, now_ms};

impl Core {
    /// Whether the account has a password of this box. Nobody knows one where an identity provider vouches.
    pub fn has_password(&self, account: i64) -> Result<bool, StoreError> {
        Ok(self.issuer_of(account)?.is_none())
    }

    /// The identity provider that vouches for this account.
    pub fn issuer_of(&self, account: i64) -> Result<Option<String>, StoreError> {
        self.read(|core| {
            core.prepare_cached("SELECT issuer FROM identities WHERE account = ?1")?
                .query_row([account], |row| row.get(0))
                .optional()
        })
    }

    /// Counts a sign-in that begins or comes back; [`Core::arrived`] gives it back when it was a good one. Nothing can
    /// be guessed here, so nobody waits: the limit of an address keeps its nonsense out of the log.
    pub fn admit_arrival(&self, caller: &Caller) -> Result<(), SignInError> {
        let admitted =
            self.parts.arrivals.admit(&Try::at_no_account(caller.address), Instant::now().into_std());
        admitted.map(drop).map_err(|Refused { retry_after, is_news }| SignInError::TooManyTries {
            retry_after,
            is_news,
            account: None,
        })
    }

    /// Takes back what [`Core::admit_arrival`] counted.
    pub fn arrived(&self, caller: &Caller) {
        self.parts.arrivals.give_back(&Try::at_no_account(caller.address));
    }

    pub(crate) fn account_of_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Account>, StoreError> {
        self.read(|core| {
            core.prepare_cached(
                "SELECT a.id, a.name, a.role, a.created_ms FROM accounts a
                 JOIN identities i ON i.account = a.id WHERE i.issuer = ?1 AND i.subject = ?2",
            )?
            .query_row([issuer, subject], account)
            .optional()
        })
    }

    /// Makes the account and binds it, both or neither; `None` when the name is taken.
    pub(crate) async fn insert_identified(
        &self,
        (issuer, subject): (String, String),
        name: &str,
        role: Role,
    ) -> Result<Option<Account>, StoreError> {
        let name = name.to_owned();
        let unusable = self.parts.hashing_of_known.hash(Secret::random("")).await;
        let inserted = self.write(move |core| {
            if find(core, &name)?.is_some() {
                return Ok(None);
            }
            let account = insert(core, &name, role, &unusable)?;
            core.execute(
                "INSERT INTO identities (issuer, subject, account, bound_ms) VALUES (?1, ?2, ?3, ?4)",
                params![issuer, subject, account.id, now_ms()],
            )?;
            Ok(Some(account))
        });
        inserted.await
    }

    /// Lets in a person who is vouched for: at once, or to the second step where the person has set one up here.
    pub(crate) async fn enter(&self, account: Account, caller: &Caller) -> Result<Entered, StoreError> {
        let device = self.known_device(account.id, caller)?;
        if self.second_factor(account.id)?.is_some() {
            let now = Instant::now().into_std();
            return Ok(Entered::SecondStep(self.parts.half_signed_in.insert(
                account,
                VouchedBy::Provider,
                device,
                now,
            )));
        }
        Ok(Entered::Session(self.begin_session(account, VouchedBy::Provider, caller, device).await?))
    }
}

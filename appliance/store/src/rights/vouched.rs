//! Persons whom an identity provider outside vouches for: their account follows what it says, each change a row of
//! the log before it is made.

use serde_json::json;

use super::{ChangeError, means_something_else};
use crate::core::Member;
use crate::names::checked_name;
use crate::{Account, AccountError, BadName, Caller, Entered, Role, Store, StoreError, Subject};

/// Who acts in the log when an account follows the identity provider.
pub const IDENTITY_PROVIDER: &str = "identity provider";

const BY: Subject<'_> = Subject::Console(IDENTITY_PROVIDER);

/// Somebody as the identity provider described them, read by the rules of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    pub issuer: String,
    /// Who this is to the issuer, for good.
    pub subject: String,
    /// What the account is called when it is made. It keeps that name.
    pub name: String,
    /// `None` where no group of the person may enter.
    pub role: Option<Role>,
    /// Every department that the rules name, and whether the person belongs to it. The others are left alone.
    pub departments: Vec<(String, bool)>,
}

#[derive(Debug, thiserror::Error)]
pub enum VouchedError {
    #[error("no group of this person may enter")]
    NoRole {
        /// Of an earlier time when one might.
        account: Option<String>,
    },
    #[error("an account of this box that is bound to nobody there has this name already")]
    NameTaken { account: String },
    #[error("the identity provider gives no name that an account can have")]
    BadName(#[from] BadName),
    #[error(transparent)]
    Change(ChangeError),
}

impl From<StoreError> for VouchedError {
    fn from(error: StoreError) -> VouchedError {
        VouchedError::Change(error.into())
    }
}

impl Store {
    /// Signs in a person who is vouched for. The first time makes the account, later ones bring its role and its
    /// departments up to date. An account is found by issuer and subject alone, never by its name.
    pub async fn enter_vouched(&self, who: &Vouched, caller: &Caller) -> Result<Entered, VouchedError> {
        let known = self.core.account_of_identity(&who.issuer, &who.subject)?;
        let Some(role) = who.role else {
            if let Some(account) = &known {
                self.core.end_sessions(account.id).await?;
            }
            return Err(VouchedError::NoRole { account: known.map(|account| account.name) });
        };
        let account = match known {
            Some(account) => self.follow_role(account, role).await?,
            None => self.add_vouched(who, role).await?,
        };
        for (department, belongs) in &who.departments {
            self.follow_department(&account, department, *belongs).await.map_err(VouchedError::Change)?;
        }
        Ok(self.core.enter(account, caller).await?)
    }

    async fn add_vouched(&self, who: &Vouched, role: Role) -> Result<Account, VouchedError> {
        let name = checked_name(&who.name)?;
        let taken = self.core.account_named(&name)?;
        if taken.is_some() || means_something_else(&name) {
            return Err(VouchedError::NameTaken { account: name });
        }
        let detail = json!({"name": name, "role": role, "issuer": who.issuer});
        let identity = (who.issuer.clone(), who.subject.clone());
        let added = async {
            let added = self.core.insert_identified(identity, &name, role).await?;
            Ok(added.ok_or(AccountError::NameTaken)?)
        };
        match self.changed(&BY, "person-added", detail, added).await {
            Ok(account) => Ok(account),
            // Two first sign-ins at once: the other one has made it.
            Err(ChangeError::Account(AccountError::NameTaken)) => self
                .core
                .account_of_identity(&who.issuer, &who.subject)?
                .ok_or(VouchedError::NameTaken { account: name.clone() }),
            Err(error) => Err(VouchedError::Change(error)),
        }
    }

    /// The last two owners stay owners, whatever the identity provider says of them; the log tells it.
    async fn follow_role(&self, account: Account, role: Role) -> Result<Account, VouchedError> {
        if account.role == role {
            return Ok(account);
        }
        let detail = json!({"name": account.name, "was": account.role, "role": role});
        let set = async { Ok(self.core.set_role(account.id, role).await?) };
        match self.changed(&BY, "role-changed", detail, set).await {
            Ok(()) => Ok(Account { role, ..account }),
            Err(ChangeError::Account(AccountError::LastOwner)) => Ok(account),
            Err(error) => Err(VouchedError::Change(error)),
        }
    }

    /// A department that the rules name and the box lacks is made for its first member.
    async fn follow_department(
        &self,
        account: &Account,
        name: &str,
        belongs: bool,
    ) -> Result<(), ChangeError> {
        let member = Member::Person(account.id);
        if belongs && self.core.department_named(name)?.is_none() {
            match self.add_department(&BY, name).await {
                // Somebody else's sign-in at the same moment has made it.
                Ok(_) | Err(ChangeError::DepartmentNameTaken) => {}
                Err(error) => return Err(error),
            }
        }
        let Some(department) = self.core.department_named(name)? else { return Ok(()) };
        let is_member = self.department_ids(member)?.contains(&department.id);
        match (is_member, belongs) {
            (false, true) => self.join(&BY, department.id, member).await,
            (true, false) => self.leave(&BY, department.id, member).await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

//! What becomes of a person whose password the directory took: the account, the role and the departments follow it,
//! as far as the rules of the house go.

use serde_json::json;

use super::people::Verifier;
use super::{DirectoryEntry, Reception};
use crate::core::sign_in::{Refusal, SignInError};
use crate::core::{Account, AccountError, Core, Member};
use crate::names::checked_name;
use crate::rights::means_something_else;
use crate::{Role, Secret, StoreError};

impl Core {
    /// Brings the account to what the directory says, making it the first time, and keeps the proof of the password.
    /// Each change is in the log before it is made.
    pub(in crate::core) async fn settle(
        &self,
        reception: &Reception,
        entry: &DirectoryEntry,
        typed: &str,
        hash: Option<String>,
    ) -> Result<Account, SignInError> {
        let _one_at_a_time = reception.settling.lock().await;
        let known = self.account_of_entry(&entry.id)?;
        let Some(role) = entry.role else {
            if let Some(account) = known {
                self.end_access(reception, &account, "no-group").await?;
            }
            return Err(Refusal::NoAccess.of(entry.name.clone()));
        };
        let departments = self.departments_named(reception, &entry.departments).await?;
        let account = match known {
            Some(account) => self.follow(reception, account, entry, role, &departments).await?,
            None => self.first_time(reception, entry, role, departments).await?,
        };
        let verifier = match hash {
            _ if reception.rules.cached_for.is_zero() => Verifier::None,
            None => Verifier::AsItIs,
            Some(hash) => Verifier::New(hash),
        };
        let also = (typed.to_lowercase() != account.name.to_lowercase()).then(|| typed.to_owned());
        self.keep_verifier(account.id, verifier, also).await?;
        Ok(account)
    }

    async fn first_time(
        &self,
        reception: &Reception,
        entry: &DirectoryEntry,
        role: Role,
        departments: Vec<i64>,
    ) -> Result<Account, SignInError> {
        let usable = checked_name(&entry.name).is_ok_and(|name| !means_something_else(&name));
        if !usable {
            return Err(Refusal::BadName.of(entry.name.clone()));
        }
        if let Some(refusal) = self.why_name_is_taken(entry)? {
            return Err(refusal.of(entry.name.clone()));
        }
        let detail =
            json!({"name": entry.name, "role": role, "departments": entry.departments, "from": "directory"});
        reception.record("person-added", detail).await?;
        // A real hash of what nobody knows: where no directory is asked, no password fits.
        let unusable = self.parts.hashing_of_known.hash(Secret::random("")).await;
        let inserted = self.insert_person_of_directory(entry, role, unusable, departments).await?;
        inserted.ok_or_else(|| Refusal::LocalAccount.of(entry.name.clone()))
    }

    /// An account of the box is never taken over, nor one of somebody else who had this name in the directory before.
    pub(in crate::core) fn why_name_is_taken(
        &self,
        entry: &DirectoryEntry,
    ) -> Result<Option<Refusal>, StoreError> {
        let Some(account) = self.account_named(&entry.name)? else { return Ok(None) };
        if self.account_of_entry(&entry.id)?.is_some_and(|own| own.id == account.id) {
            return Ok(None);
        }
        let is_of_directory = self.is_of_directory(account.id)?;
        Ok(Some(if is_of_directory { Refusal::OtherPerson } else { Refusal::LocalAccount }))
    }

    async fn follow(
        &self,
        reception: &Reception,
        mut account: Account,
        entry: &DirectoryEntry,
        role: Role,
        departments: &[i64],
    ) -> Result<Account, StoreError> {
        if account.role != role {
            let (was, name) = (account.role, &account.name);
            let detail = json!({"name": name, "was": was, "role": role, "from": "directory"});
            reception.record("role-changed", detail).await?;
            match self.set_role(account.id, role).await {
                Ok(()) => account.role = role,
                Err(AccountError::Store(error)) => return Err(error),
                Err(error) => {
                    let detail = json!({"what": "role-changed", "why": error.to_string()});
                    reception.record("change-refused", detail).await?;
                }
            }
        }
        let is_renamed = account.name.to_lowercase() != entry.name.to_lowercase();
        if is_renamed && self.account_named(&entry.name)?.is_none() && checked_name(&entry.name).is_ok() {
            let detail = json!({"was": account.name, "name": entry.name, "from": "directory"});
            reception.record("person-renamed", detail).await?;
            if self.rename(account.id, entry.name.clone()).await? {
                account.name.clone_from(&entry.name);
            }
        }
        self.follow_departments(reception, &account, departments).await?;
        Ok(account)
    }

    /// Departments that no group leads to are left as they are.
    async fn follow_departments(
        &self,
        reception: &Reception,
        account: &Account,
        wanted: &[i64],
    ) -> Result<(), StoreError> {
        let member = Member::Person(account.id);
        let is = self.departments_of(member)?;
        let all = self.departments()?.into_iter();
        let is_followed = |name: &str| {
            reception.rules.departments.iter().any(|known| known.to_lowercase() == name.to_lowercase())
        };
        for department in all.filter(|department| is_followed(&department.name)) {
            let belongs = is.contains(&department);
            let detail = json!({"department": department.name, "member": format!("person {}", account.name)});
            match (belongs, wanted.contains(&department.id)) {
                (false, true) => {
                    reception.record("department-joined", detail).await?;
                    self.insert_member(department.id, member).await?;
                }
                (true, false) => {
                    reception.record("department-left", detail).await?;
                    self.delete_member(department.id, member).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The numbers of departments, which are made where they are missing.
    async fn departments_named(
        &self,
        reception: &Reception,
        names: &[String],
    ) -> Result<Vec<i64>, StoreError> {
        let mut ids = Vec::new();
        for name in names {
            let department = match self.department_named(name)? {
                Some(department) => Some(department),
                None => {
                    reception.record("department-added", json!({"name": name})).await?;
                    self.insert_department(name.clone()).await?.or(self.department_named(name)?)
                }
            };
            ids.extend(department.map(|department| department.id));
        }
        Ok(ids)
    }

    /// The directory knows that this person may not get in any more. The account stays, and its last proof goes.
    pub(in crate::core) async fn end_access(
        &self,
        reception: &Reception,
        account: &Account,
        why: &str,
    ) -> Result<(), StoreError> {
        // Somebody who tries again and again does not fill the log.
        if !self.has_access(account.id)? {
            return Ok(());
        }
        reception.record("directory-access-ended", json!({"name": account.name, "why": why})).await?;
        self.shut_out(account.id).await
    }

    /// The directory takes another password than the one it took last.
    pub(in crate::core) async fn forget_old_password(
        &self,
        reception: &Reception,
        account: &Account,
    ) -> Result<(), StoreError> {
        let detail = json!({"name": account.name, "why": "password-changed"});
        reception.record("directory-verifier-dropped", detail).await?;
        self.forget_verifier(account.id).await
    }
}

//! Changes of people, departments and grants: whether the one who asks for it may, the change, and its row in the
//! audit log, which belong together.

use serde_json::{Value, json};

use crate::access::authorize;
use crate::access::{Denied, Grant, Grantee, Need, NewGrant, Object, ObjectKind, Right, Role, Subject, Verb};
use crate::core::Member;
use crate::names::checked_name;
use crate::retention::KEEP_DAYS;
use crate::{Account, AccountError, Department, Secret, Store, StoreError, now_ms};

mod vouched;

pub use vouched::{IDENTITY_PROVIDER, Vouched, VouchedError};

const REASON_CHARS: std::ops::RangeInclusive<usize> = 3..=200;

#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("there is nobody with this name or number")]
    NobodyThere,
    #[error("there is no such department")]
    NoSuchDepartment,
    #[error("there is a department with this name already")]
    DepartmentNameTaken,
    #[error("no such grant stands")]
    NoSuchGrant,
    #[error("a grant that runs out must run out later than now")]
    OverAlready,
    #[error("the reason must have {} to {} characters on one line", REASON_CHARS.start(), REASON_CHARS.end())]
    BadReason,
    #[error("conversations are kept for {} to {} days", KEEP_DAYS.start(), KEEP_DAYS.end())]
    BadDays,
    #[error("this person has chosen a password already")]
    PasswordChosen,
    #[error("this person's password is the directory's, and is changed there")]
    OfDirectory,
    #[error("this person signs in at the identity provider, and has no password here")]
    NoPassword,
    #[error("this glass is broken already, and open still")]
    BrokenAlready,
    #[error("it was reviewed before, or is the reviewer's own: somebody else reviews it")]
    NotToReview,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Adds a person, who chooses the password with the code.
    pub async fn add_person(
        &self,
        by: &Subject<'_>,
        name: &str,
        role: Role,
        department: Option<&Department>,
    ) -> Result<(Account, Secret), ChangeError> {
        if role == Role::Service {
            return Err(AccountError::NotForPeople.into());
        }
        let name = checked_name(name).map_err(AccountError::from)?;
        if means_something_else(&name) {
            return Err(AccountError::NameTaken.into());
        }
        let departments: Vec<i64> = department.iter().map(|department| department.id).collect();
        authorize(by, Need::Person { verb: Verb::Manage, role, departments: &departments })?;
        self.check_holds_all(by, Grantee::Role(role))?;
        if let Some(department) = department {
            self.check_may_fill(by, department.id)?;
        }
        let detail = json!({"name": name, "role": role, "department": department.map(|d| &d.name)});
        let invited = async { Ok(self.core.invite(&name, role, department.map(|d| d.id)).await?) };
        self.changed(by, "person-added", detail, invited).await
    }

    /// A new code for somebody who has not chosen a password yet; at the box itself, also for somebody who has
    /// forgotten it. From elsewhere nobody may: whoever makes the code could sign in with it and read on.
    pub async fn renew_first_code(&self, by: &Subject<'_>, id: i64) -> Result<Secret, ChangeError> {
        let account = self.person(by, id)?;
        if self.core.is_of_directory(id)? {
            return Err(ChangeError::OfDirectory);
        }
        if !self.core.has_password(account.id)? {
            return Err(ChangeError::NoPassword);
        }
        let renewed = async {
            match by {
                Subject::Console(_) => Ok(self.core.forget_password(account.id).await?),
                _ => self.core.renew_first_code(account.id).await?.ok_or(ChangeError::PasswordChosen),
            }
        };
        self.changed(by, "first-code-made", json!({"name": account.name}), renewed).await
    }

    /// Gives a person another role.
    pub async fn change_role(&self, by: &Subject<'_>, id: i64, role: Role) -> Result<(), ChangeError> {
        check_not_oneself(by, id)?;
        let account = self.person(by, id)?;
        let departments = self.department_ids(Member::Person(id))?;
        authorize(by, Need::Person { verb: Verb::Manage, role, departments: &departments })?;
        self.check_holds_all(by, Grantee::Role(role))?;
        let detail = json!({"name": account.name, "was": account.role, "role": role});
        self.changed(by, "role-changed", detail, async { Ok(self.core.set_role(id, role).await?) }).await
    }

    /// Ends all sessions of a person, wherever they are; says how many there were. The password lets in again.
    pub async fn end_sessions_of(&self, by: &Subject<'_>, id: i64) -> Result<usize, ChangeError> {
        let account = self.person(by, id)?;
        let ended = async { Ok(self.core.end_sessions(account.id).await?) };
        self.changed(by, "sessions-ended", json!({"name": account.name}), ended).await
    }

    /// Removes a person for good, and their conversations. What a crash leaves of those ends with the next sweep.
    pub async fn remove_person(&self, by: &Subject<'_>, id: i64) -> Result<(), ChangeError> {
        let account = self.person(by, id)?;
        let detail = json!({"name": account.name, "role": account.role});
        let removed = async {
            self.core.remove_account(&account.name).await?;
            self.work.delete_conversations(account.id).await?;
            Ok(())
        };
        self.changed(by, "person-removed", detail, removed).await
    }

    pub async fn add_department(&self, by: &Subject<'_>, name: &str) -> Result<Department, ChangeError> {
        authorize(by, Need::Object(Verb::Manage, &Object::every(ObjectKind::Department)))?;
        let name = checked_name(name).map_err(AccountError::from)?;
        let detail = json!({"name": name});
        let added =
            async { self.core.insert_department(name).await?.ok_or(ChangeError::DepartmentNameTaken) };
        self.changed(by, "department-added", detail, added).await
    }

    /// Its people stay; what was granted to it and on it ends.
    pub async fn remove_department(&self, by: &Subject<'_>, id: i64) -> Result<(), ChangeError> {
        authorize(by, Need::Object(Verb::Manage, &Object::every(ObjectKind::Department)))?;
        let department = self.core.department(id)?.ok_or(ChangeError::NoSuchDepartment)?;
        let removed = async {
            let removed = self.core.delete_department(id).await?;
            removed.then_some(()).ok_or(ChangeError::NoSuchDepartment)
        };
        self.changed(by, "department-removed", json!({"name": department.name}), removed).await
    }

    /// Makes somebody a member of a department.
    pub async fn join(&self, by: &Subject<'_>, department: i64, member: Member) -> Result<(), ChangeError> {
        if let Member::Person(id) = member {
            check_not_oneself(by, id)?;
        }
        self.check_may_fill(by, department)?;
        self.check_may_take(by, member)?;
        let detail = self.membership(department, member)?;
        let joined = async { Ok(self.core.insert_member(department, member).await?) };
        self.changed(by, "department-joined", detail, joined).await
    }

    /// Takes somebody out of a department.
    pub async fn leave(&self, by: &Subject<'_>, department: i64, member: Member) -> Result<(), ChangeError> {
        authorize(by, Need::Object(Verb::Manage, &Object::department(department)))?;
        let detail = self.membership(department, member)?;
        let left = async {
            let left = self.core.delete_member(department, member).await?;
            left.then_some(()).ok_or(ChangeError::NobodyThere)
        };
        self.changed(by, "department-left", detail, left).await
    }

    pub async fn give_grant(&self, by: &Subject<'_>, new: NewGrant) -> Result<Grant, ChangeError> {
        if new.expires_ms.is_some_and(|end| end <= now_ms()) {
            return Err(ChangeError::OverAlready);
        }
        let grantee = self.name_of(new.grantee)?;
        let departments = self.departments_of_grantee(new.grantee)?;
        authorize(by, Need::Grant { grant: &new, departments: &departments })?;
        let detail = json!({
            "to": format!("{} {grantee}", new.grantee.kind()), "verb": new.verb,
            "object": new.object, "expires_ms": new.expires_ms,
        });
        let given = async { Ok(self.core.insert_grant(new, by.who()).await?) };
        self.changed(by, "grant-given", detail, given).await
    }

    /// Ends a grant before its time. Whoever may give it may end it, and everybody may end what they hold themselves.
    pub async fn end_grant(&self, by: &Subject<'_>, id: i64) -> Result<(), ChangeError> {
        let grant = self.core.grant(id)?.ok_or(ChangeError::NoSuchGrant)?;
        let is_own =
            matches!(by, Subject::Person(account, _) if grant.grantee == Grantee::Person(account.id));
        if !is_own {
            let new = NewGrant {
                grantee: grant.grantee,
                verb: grant.verb,
                object: grant.object.clone(),
                expires_ms: Some(now_ms()),
            };
            let departments = self.departments_of_grantee(grant.grantee)?;
            authorize(by, Need::Grant { grant: &new, departments: &departments })?;
        }
        let detail = json!({
            "grant": id, "to": format!("{} {}", grant.grantee.kind(), grant.grantee_name),
            "verb": grant.verb, "object": grant.object,
        });
        let ended = async { self.core.end_grant(id).await?.then_some(()).ok_or(ChangeError::NoSuchGrant) };
        self.changed(by, "grant-ended", detail, ended).await
    }

    /// Takes what was not granted, for an hour, in an emergency. The log knows it before it is in force.
    pub async fn break_glass(
        &self,
        by: &Subject<'_>,
        object: Object,
        reason: &str,
    ) -> Result<Grant, ChangeError> {
        authorize(by, Right::BreakGlass)?;
        let Subject::Person(account, holdings) = by else { return Err(Denied::NotSignedIn.into()) };
        let reason = checked_reason(reason)?;
        let is_open =
            |grant: &Grant| grant.is_broken_glass && grant.object == object && grant.stands(holdings.at_ms);
        if holdings.grants.iter().any(is_open) {
            return Err(ChangeError::BrokenAlready);
        }
        let detail =
            json!({"object": object, "reason": reason, "lasts_s": crate::BROKEN_GLASS_LASTS_MS / 1000});
        let broken = async { Ok(self.core.insert_broken_glass(account, object, reason).await?) };
        self.changed(by, "glass-broken", detail, broken).await
    }

    /// Somebody else has looked at an emergency.
    pub async fn review_broken_glass(
        &self,
        by: &Subject<'_>,
        grant: i64,
        finding: &str,
    ) -> Result<(), ChangeError> {
        authorize(by, Right::ReviewBreakGlass)?;
        let finding = checked_reason(finding)?;
        let reviewer = if let Subject::Person(account, _) = by { Some(account.id) } else { None };
        let detail = json!({"grant": grant, "finding": finding});
        let reviewed = async {
            let reviewed = self.core.review_broken_glass(grant, reviewer, by.who(), finding).await?;
            reviewed.then_some(()).ok_or(ChangeError::NotToReview)
        };
        self.changed(by, "glass-reviewed", detail, reviewed).await
    }

    /// A person of this number whom `by` may change.
    fn person(&self, by: &Subject<'_>, id: i64) -> Result<Account, ChangeError> {
        let account = self.core.account(id)?.ok_or(ChangeError::NobodyThere)?;
        let departments = self.department_ids(Member::Person(id))?;
        authorize(by, Need::Person { verb: Verb::Manage, role: account.role, departments: &departments })?;
        Ok(account)
    }

    /// Whoever puts somebody into a department gives them all that the department holds.
    fn check_may_fill(&self, by: &Subject<'_>, department: i64) -> Result<(), ChangeError> {
        authorize(by, Need::Object(Verb::Manage, &Object::department(department)))?;
        self.check_holds_all(by, Grantee::Department(department))
    }

    /// Whoever looks after some departments takes in only whom they look after already: in a department somebody is
    /// within reach of its manager.
    fn check_may_take(&self, by: &Subject<'_>, member: Member) -> Result<(), ChangeError> {
        let role = match member {
            Member::Person(id) => self.core.account(id)?.ok_or(ChangeError::NobodyThere)?.role,
            Member::Key(_) => Role::Service,
        };
        let departments = self.department_ids(member)?;
        authorize(by, Need::Person { verb: Verb::View, role, departments: &departments })?;
        Ok(())
    }

    fn check_holds_all(&self, by: &Subject<'_>, grantee: Grantee) -> Result<(), ChangeError> {
        for grant in self.core.grants_to(grantee)? {
            authorize(by, Need::Object(grant.verb, &grant.object))?;
        }
        Ok(())
    }

    fn department_ids(&self, member: Member) -> Result<Vec<i64>, StoreError> {
        let departments = self.core.departments_of(member)?;
        Ok(departments.into_iter().map(|department| department.id).collect())
    }

    fn departments_of_grantee(&self, grantee: Grantee) -> Result<Vec<i64>, StoreError> {
        match grantee {
            Grantee::Person(id) => self.department_ids(Member::Person(id)),
            Grantee::Key(id) => self.department_ids(Member::Key(id)),
            Grantee::Department(id) => Ok(vec![id]),
            Grantee::Role(_) => Ok(Vec::new()),
        }
    }

    fn membership(&self, department: i64, member: Member) -> Result<Value, ChangeError> {
        let department = self.core.department(department)?.ok_or(ChangeError::NoSuchDepartment)?;
        let grantee = match member {
            Member::Person(id) => Grantee::Person(id),
            Member::Key(id) => Grantee::Key(id),
        };
        let name = self.name_of(grantee)?;
        Ok(json!({"department": department.name, "member": format!("{} {name}", grantee.kind())}))
    }

    fn name_of(&self, grantee: Grantee) -> Result<String, ChangeError> {
        let name = match grantee {
            Grantee::Person(id) => self.core.account(id)?.map(|account| account.name),
            Grantee::Key(id) => self.core.live_key(id)?.map(|key| key.name),
            Grantee::Department(id) => self.core.department(id)?.map(|department| department.name),
            Grantee::Role(role) => Some(role.as_str().to_owned()),
        };
        name.ok_or(ChangeError::NobodyThere)
    }

    /// Writes the row, then makes the change: no change is unknown to the log, and none is made while the log cannot
    /// be written. Where the change was refused after all, a second row says so.
    pub(crate) async fn changed<T>(
        &self,
        by: &Subject<'_>,
        what: &str,
        detail: Value,
        change: impl Future<Output = Result<T, ChangeError>>,
    ) -> Result<T, ChangeError> {
        self.recorded(&by.who(), what, detail, change).await
    }
}

fn check_not_oneself(by: &Subject<'_>, id: i64) -> Result<(), Denied> {
    match by {
        Subject::Person(account, _) if account.id == id => Err(Denied::Oneself),
        _ => Ok(()),
    }
}

/// Names that the log gives to what is no person.
pub(crate) fn means_something_else(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("key:")
        || name.ends_with("command line)")
        || ["box", "genset", "nobody", "command line", crate::DIRECTORY, IDENTITY_PROVIDER]
            .contains(&name.as_str())
}

fn checked_reason(reason: &str) -> Result<String, ChangeError> {
    let reason = reason.trim();
    let fits = REASON_CHARS.contains(&reason.chars().count()) && !reason.contains(char::is_control);
    fits.then(|| reason.to_owned()).ok_or(ChangeError::BadReason)
}

#[cfg(test)]
mod tests;

//! Decisions and refusals of the store, in the reader's words.

use store::{
    AccountError, Allowed, ChangeError, Denied, Department, Grant, Grantee, Object, ObjectKind, Role, Verb,
};

use crate::error_page::log;
use crate::moment::Clock;
use crate::text::{DirectoryText, ProviderText, RetentionText, RightsText, WhyText};
use crate::visit::Visit;

/// A decision as a page shows it.
pub(crate) struct WhyView {
    pub(crate) may: bool,
    pub(crate) word: &'static str,
    pub(crate) sentence: String,
}

/// Puts decisions, grants and refusals into words.
#[derive(Clone, Copy)]
pub(crate) struct Teller<'a> {
    pub(crate) text: &'static RightsText,
    retention: &'static RetentionText,
    directory: &'static DirectoryText,
    provider: &'static ProviderText,
    clock: &'a Clock,
}

impl<'a> Teller<'a> {
    pub(crate) fn of(visit: &'a Visit) -> Teller<'a> {
        let text = visit.text();
        let clock = visit.portal.clock();
        let (retention, directory, provider) = (&text.retention, &text.directory, &text.provider);
        Teller { text: &text.rights, retention, directory, provider, clock }
    }

    pub(crate) fn decision(&self, decided: &Result<Allowed, Denied>) -> WhyView {
        let text: &WhyText = &self.text.why;
        match decided {
            Ok(allowed) => WhyView { may: true, word: text.yes, sentence: self.allowed(allowed) },
            Err(denied) => WhyView { may: false, word: text.no, sentence: self.denied(denied) },
        }
    }

    pub(crate) fn allowed(&self, allowed: &Allowed) -> String {
        let text = &self.text.why;
        match allowed {
            Allowed::Console => text.at_the_box.to_owned(),
            Allowed::Role(role) => (text.by_role)(self.role(*role)),
            Allowed::OpenAlias(role) => (text.open_alias)(self.role(*role)),
            Allowed::Manager(Department { name, .. }) => (text.as_manager)(name),
            Allowed::Grant(grant) => {
                (text.by_grant)(grant.id, &self.grantee(grant), &grant.given_by, &self.end(grant))
            }
        }
    }

    pub(crate) fn denied(&self, denied: &Denied) -> String {
        let text = &self.text.why;
        match denied {
            Denied::NotSignedIn => text.not_signed_in.to_owned(),
            Denied::RoleLacks(role) => (text.role_lacks)(self.role(*role)),
            Denied::Restricted => text.restricted.to_owned(),
            Denied::RanOut(grant) => {
                (text.ran_out)(grant.id, &self.clock.full(grant.expires_ms.unwrap_or_default()))
            }
            Denied::NotHeld(..) => text.not_held.to_owned(),
            Denied::RoleHoldsMore(role) => (text.role_holds_more)(self.role(*role)),
            Denied::OtherDepartment => text.other_department.to_owned(),
            Denied::MayNotGive => text.may_not_give.to_owned(),
            Denied::HoldsShorter { until_ms } => (text.holds_shorter)(&self.clock.full(*until_ms)),
            Denied::Oneself => text.oneself.to_owned(),
        }
    }

    /// Why a change was not made.
    pub(crate) fn problem(&self, error: &ChangeError) -> String {
        let RightsText { people, grants, glass, .. } = self.text;
        let words = match error {
            ChangeError::Denied(denied) => return self.denied(denied),
            ChangeError::Account(AccountError::BadName(_)) => people.bad_name,
            ChangeError::Account(AccountError::NameTaken) => people.name_taken,
            ChangeError::Account(AccountError::LastOwner) => people.last_owner,
            ChangeError::NobodyThere
            | ChangeError::Account(
                AccountError::Unknown | AccountError::NotForPeople | AccountError::BadPassword(_),
            ) => people.nobody_there,
            ChangeError::NoSuchDepartment => people.no_such_department,
            ChangeError::DepartmentNameTaken => people.department_taken,
            ChangeError::NoSuchGrant => grants.no_such_grant,
            ChangeError::OverAlready => grants.over_already,
            ChangeError::BadReason => glass.bad_reason,
            ChangeError::BadDays => self.retention.bad_days,
            ChangeError::PasswordChosen => people.password_chosen,
            ChangeError::OfDirectory => self.directory.no_code,
            ChangeError::NoPassword => self.provider.has_no_password,
            ChangeError::BrokenAlready => glass.broken_already,
            ChangeError::NotToReview => glass.not_to_review,
            ChangeError::Account(AccountError::Store(error)) | ChangeError::Store(error) => {
                log(error);
                people.store_failed
            }
        };
        words.to_owned()
    }

    pub(crate) fn role(&self, role: Role) -> &'static str {
        at(&Role::ALL, role, &self.text.roles)
    }

    pub(crate) fn verb(&self, verb: Verb) -> &'static str {
        at(&Verb::ALL, verb, &self.text.verbs)
    }

    pub(crate) fn kind(&self, kind: ObjectKind) -> &'static str {
        at(&ObjectKind::ALL, kind, &self.text.kinds)
    }

    /// Until when a grant stands.
    pub(crate) fn end(&self, grant: &Grant) -> String {
        let text = &self.text.why;
        grant.expires_ms.map_or_else(|| text.until_ended.to_owned(), |at| (text.until)(&self.clock.full(at)))
    }

    pub(crate) fn grantee(&self, grant: &Grant) -> String {
        let [person, key, department, role] = self.text.grantees;
        match grant.grantee {
            Grantee::Person(_) => format!("{person} {}", grant.grantee_name),
            Grantee::Key(_) => format!("{key} {}", grant.grantee_name),
            Grantee::Department(_) => format!("{department} {}", grant.grantee_name),
            Grantee::Role(word) => format!("{role} {}", self.role(word)),
        }
    }

    pub(crate) fn object(&self, object: &Object, name: &str) -> String {
        let name = if object.is_every() { self.text.every } else { name };
        format!("{} {name}", self.kind(object.kind))
    }
}

/// The word that stands where the value stands in its list.
fn at<T: PartialEq + Copy>(all: &[T], value: T, words: &[&'static str]) -> &'static str {
    all.iter().position(|known| *known == value).map_or("", |index| words[index])
}

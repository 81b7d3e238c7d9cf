//! Who may do what: one function, whose answer says why, and all that is not written in it is refused.
//!
//! A role gives rights that are the same everywhere; grants add to them, one object at a time, and nothing takes away.
//! The function reads no clock and no file: what counts is in the [`Subject`], as it was at one moment.

mod decision;
mod grant;
mod need;
mod role;

pub use decision::{Allowed, Denied};
pub use grant::{EVERY, Grant, Grantee, NewGrant, Object, ObjectKind, Verb};
pub use need::{Need, Right};
pub use role::Role;

use crate::{Account, ApiKey, Department};

/// What somebody has beside a role, and when that was looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The departments that the person or the key belongs to.
    pub departments: Vec<Department>,
    /// What was granted to the person or the key itself, to its departments and to its role. Grants that have run out
    /// are here for a while, so that a refusal can say so.
    pub grants: Vec<Grant>,
}

/// Who is asking, with all that counts for the answer.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Person(&'a Account, &'a Holdings),
    Key(&'a ApiKey, &'a Holdings),
    /// Whoever may read and write the box's own files: the command line. The text is the name for the audit log.
    Console(&'a str),
    Nobody,
}

impl Subject<'_> {
    /// The name as the audit log has it.
    pub fn who(&self) -> String {
        match self {
            Subject::Person(account, _) => account.name.clone(),
            Subject::Key(key, _) => format!("key:{}", key.name),
            Subject::Console(who) => (*who).to_owned(),
            Subject::Nobody => "nobody".to_owned(),
        }
    }
}

/// The one decision of the box.
///
/// # Errors
/// Why not: [`Denied::NotSignedIn`] when nobody asks, else what is lacking.
pub fn authorize<'a>(subject: &Subject<'_>, need: impl Into<Need<'a>>) -> Result<Allowed, Denied> {
    let asker = match subject {
        Subject::Nobody => return Err(Denied::NotSignedIn),
        Subject::Console(_) => return Ok(Allowed::Console),
        Subject::Person(account, holdings) => Asker { role: account.role, holdings },
        Subject::Key(_, holdings) => Asker { role: Role::Service, holdings },
    };
    match need.into() {
        Need::Right(right) => asker.has(right),
        Need::Alias { name, restricted } => asker.may_ask(name, restricted),
        Need::Object(verb, object) => asker.holds(verb, object),
        Need::Person { verb, role, departments } => asker.may_act_on_person(verb, role, departments),
        Need::Grant { grant, departments } => asker.may_give(grant, departments),
    }
}

struct Asker<'a> {
    role: Role,
    holdings: &'a Holdings,
}

impl Asker<'_> {
    fn has(&self, right: Right) -> Result<Allowed, Denied> {
        if self.role.has(right) {
            return Ok(Allowed::Role(self.role));
        }
        self.by_grant(|grant| right.is_carried_by(grant)).unwrap_or(Err(Denied::RoleLacks(self.role)))
    }

    /// An alias is open to everybody who may ask at all, unless it is marked restricted.
    fn may_ask(&self, name: &str, restricted: bool) -> Result<Allowed, Denied> {
        let asks = self.role.has(Right::Ask);
        if asks && !restricted {
            return Ok(Allowed::OpenAlias(self.role));
        }
        if asks && self.role.holds_of_all(ObjectKind::Alias) >= Some(Verb::Use) {
            return Ok(Allowed::Role(self.role));
        }
        let lacking = if asks { Denied::Restricted } else { Denied::RoleLacks(self.role) };
        self.by_grant(|grant| grant.reaches(Verb::Use, ObjectKind::Alias, name)).unwrap_or(Err(lacking))
    }

    fn holds(&self, verb: Verb, object: &Object) -> Result<Allowed, Denied> {
        if self.role.holds_of_all(object.kind) >= Some(verb) {
            return Ok(Allowed::Role(self.role));
        }
        if let Some(department) = self.managed(object) {
            return Ok(Allowed::Manager(department.clone()));
        }
        self.by_grant(|grant| grant.reaches(verb, object.kind, &object.name))
            .unwrap_or_else(|| Err(Denied::NotHeld(verb, object.clone())))
    }

    /// The department that this object is, where the asker belongs to it as its manager.
    fn managed(&self, object: &Object) -> Option<&Department> {
        let manages = self.role == Role::DepartmentManager && object.kind == ObjectKind::Department;
        let mut departments = self.holdings.departments.iter();
        departments.find(|department| manages && object.name == department.id.to_string())
    }

    /// The first grant that is meant and stands allows; one that has run out is the reason why not.
    fn by_grant(&self, is_meant: impl Fn(&Grant) -> bool) -> Option<Result<Allowed, Denied>> {
        let mut meant = self.holdings.grants.iter().filter(|grant| is_meant(grant)).peekable();
        let first = *meant.peek()?;
        Some(match meant.find(|grant| grant.stands(self.holdings.at_ms)) {
            Some(grant) => Ok(Allowed::Grant(Box::new(grant.clone()))),
            None => Err(Denied::RanOut(Box::new(first.clone()))),
        })
    }

    /// Whoever manages all departments acts on everybody whose role holds no more than the own one. Whoever manages
    /// some acts on the staff of those alone.
    fn may_act_on_person(&self, verb: Verb, role: Role, departments: &[i64]) -> Result<Allowed, Denied> {
        let every = Object::every(ObjectKind::Department);
        if let Ok(allowed) = self.holds(verb, &every) {
            let covered = verb == Verb::View || self.role.covers(role);
            return if covered { Ok(allowed) } else { Err(Denied::RoleHoldsMore(role)) };
        }
        let held = |id: &i64| self.holds(verb, &Object::department(*id));
        if verb == Verb::View {
            return departments.iter().find_map(|id| held(id).ok()).ok_or(Denied::OtherDepartment);
        }
        if role != Role::Staff {
            return Err(Denied::RoleHoldsMore(role));
        }
        let mut first = None;
        for id in departments {
            first = first.or(Some(held(id).map_err(|_| Denied::OtherDepartment)?));
        }
        first.ok_or(Denied::OtherDepartment)
    }

    /// Nobody grants what they do not hold themselves, nor for longer, nor from behind broken glass.
    fn may_give(&self, new: &NewGrant, departments: &[i64]) -> Result<Allowed, Denied> {
        let NewGrant { grantee, verb, object, expires_ms } = new;
        let of_role = self.role.holds_of_all(object.kind) >= Some(*verb) || self.managed(object).is_some();
        let mut own = self.holdings.grants.iter().filter(|grant| {
            grant.reaches(*verb, object.kind, &object.name)
                && grant.stands(self.holdings.at_ms)
                && !grant.is_broken_glass
        });
        let outlives = |grant: &Grant| match (grant.expires_ms, *expires_ms) {
            (None, _) => true,
            (Some(held), Some(given)) => given <= held,
            (Some(_), None) => false,
        };
        let longest = own.clone().filter_map(|grant| grant.expires_ms).max();
        let by = if of_role {
            Allowed::Role(self.role)
        } else {
            match (own.find(|grant| outlives(grant)), longest) {
                (Some(grant), _) => Allowed::Grant(Box::new(grant.clone())),
                (None, Some(until_ms)) => return Err(Denied::HoldsShorter { until_ms }),
                (None, None) => return Err(Denied::NotHeld(*verb, object.clone())),
            }
        };
        let runs_people = self.role.holds_of_all(ObjectKind::Department) == Some(Verb::Manage);
        let manages = |object: &Object| match self.holds(Verb::Manage, object) {
            Ok(Allowed::Grant(grant)) => !grant.is_broken_glass,
            other => other.is_ok(),
        };
        let manages_grantee = || departments.iter().any(|id| manages(&Object::department(*id)));
        let may = match grantee {
            Grantee::Role(_) => runs_people,
            _ => runs_people || manages(object) || manages_grantee(),
        };
        if may { Ok(by) } else { Err(Denied::MayNotGive) }
    }
}

#[cfg(test)]
mod tests;

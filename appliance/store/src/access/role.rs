//! The seven fixed roles, and what each one holds.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use super::{ObjectKind, Right, Verb};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers for the box: everything.
    Owner,
    /// Runs the system: people, departments, keys, who may use what. Reads neither the log nor conversations.
    Admin,
    /// Watches over the site: gives orders, runs drills.
    Operator,
    /// Reads the log and who may do what; changes nothing and asks nothing.
    Auditor,
    /// Works with the portal, and looks after the people and grants of the own departments.
    DepartmentManager,
    /// Works with the portal.
    Staff,
    /// A program with an API key.
    Service,
}

impl Role {
    pub const ALL: [Role; 7] = [
        Role::Owner,
        Role::Admin,
        Role::Operator,
        Role::Auditor,
        Role::DepartmentManager,
        Role::Staff,
        Role::Service,
    ];

    /// The roles of people, who sign in; programs have keys.
    pub const OF_PEOPLE: [Role; 6] =
        [Role::Owner, Role::Admin, Role::Operator, Role::Auditor, Role::DepartmentManager, Role::Staff];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Operator => "operator",
            Role::Auditor => "auditor",
            Role::DepartmentManager => "department-manager",
            Role::Staff => "staff",
            Role::Service => "service",
        }
    }

    pub fn of_word(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What a role may do on every box, whatever was granted.
    pub fn rights(self) -> &'static [Right] {
        use Right::{
            Ask, BreakGlass, GiveOrders, ManageGrants, ManageKeys, ManagePeople, OrderSite, ReadAudit,
            ReadFindings, ReadPeople, ReadRights, ReadStatus, ReviewBreakGlass,
        };
        match self {
            Role::Owner => &Right::ALL,
            Role::Admin => &[
                Ask,
                ReadStatus,
                ReadFindings,
                ReadPeople,
                ManagePeople,
                ManageKeys,
                ReadRights,
                ManageGrants,
                BreakGlass,
            ],
            Role::Operator => &[Ask, ReadStatus, ReadFindings, OrderSite, GiveOrders, BreakGlass],
            Role::Auditor => &[ReadStatus, ReadFindings, ReadAudit, ReadPeople, ReadRights, ReviewBreakGlass],
            // The last four reach the people of the own departments alone: the object decides.
            Role::DepartmentManager => {
                &[Ask, ReadStatus, BreakGlass, ReadPeople, ManagePeople, ReadRights, ManageGrants]
            }
            Role::Staff => &[Ask, ReadStatus, BreakGlass],
            Role::Service => &[Ask, ReadStatus],
        }
    }

    pub(super) fn has(self, right: Right) -> bool {
        self.rights().contains(&right)
    }

    /// The strongest verb that the role has on all objects of a kind.
    pub(super) fn holds_of_all(self, kind: ObjectKind) -> Option<Verb> {
        match (self, kind) {
            (Role::Owner, _)
            | (Role::Admin, ObjectKind::Alias | ObjectKind::Department)
            | (Role::Operator, ObjectKind::Route) => Some(Verb::Manage),
            (Role::Auditor, ObjectKind::Department) => Some(Verb::View),
            _ => None,
        }
    }

    /// Whether the other role holds nothing that this one lacks: only then may this one make such a person.
    pub fn covers(self, other: Role) -> bool {
        let rights = other.rights().iter().all(|right| self.has(*right));
        let objects =
            ObjectKind::ALL.into_iter().all(|kind| self.holds_of_all(kind) >= other.holds_of_all(kind));
        rights && objects
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ToSql for Role {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Role> {
        Role::of_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

//! The answer of [`super::authorize`]: yes or no, and why, in a form that pages and commands put into words.

use super::{Grant, Object, Role, Verb};
use crate::Department;

/// Why somebody may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// At the box itself.
    Console,
    /// The role holds it.
    Role(Role),
    /// The alias is open to everybody who may ask, and this role may.
    OpenAlias(Role),
    /// As the manager of the department.
    Manager(Department),
    Grant(Box<Grant>),
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("sign in first, or send a valid key")]
    NotSignedIn,
    #[error("the role {0} does not include this, and no grant gives it")]
    RoleLacks(Role),
    #[error("this alias is restricted, and no grant opens it to them")]
    Restricted,
    #[error("{0} opened it, and has run out")]
    RanOut(Box<Grant>),
    #[error("nothing gives them \"{} {}\"", .0.as_str(), .1)]
    NotHeld(Verb, Object),
    #[error("the role {0} holds more than theirs does, or is not theirs to give")]
    RoleHoldsMore(Role),
    #[error("that belongs to a department which is not theirs to look after")]
    OtherDepartment,
    #[error("they hold it, but may not give it to others")]
    MayNotGive,
    #[error("they hold it for a time only, and may not give it for longer")]
    HoldsShorter {
        /// Unix milliseconds.
        until_ms: i64,
    },
    #[error("nobody changes their own role or adds themselves to a department; ask somebody else to do it")]
    Oneself,
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Allowed::Console => f.write_str("whoever sits at the box itself may do everything"),
            Allowed::Role(role) => write!(f, "the role {role} includes it"),
            Allowed::OpenAlias(role) => {
                write!(f, "the alias is open to everybody who may ask, and the role {role} may ask")
            }
            Allowed::Manager(department) => write!(f, "as the manager of {}", department.name),
            Allowed::Grant(grant) => write!(f, "{grant} gives it"),
        }
    }
}

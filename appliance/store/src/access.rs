//! Who may do what: one function, and all that is not written in it is refused.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use crate::{Account, ApiKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the box: everything.
    Owner,
    /// Works with the portal.
    Staff,
    /// A program with an API key.
    Service,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Owner, Role::Staff, Role::Service];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Staff => "staff",
            Role::Service => "service",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Ask a model, through the portal or the API.
    Ask,
    /// See the state of the site, its upstreams and its local models.
    ReadStatus,
    ReadAudit,
    ManageAccounts,
    ManageKeys,
    /// Force a route, start a drill, cut the demo cloud.
    OrderSite,
}

impl Right {
    pub const ALL: [Right; 6] = [
        Right::Ask,
        Right::ReadStatus,
        Right::ReadAudit,
        Right::ManageAccounts,
        Right::ManageKeys,
        Right::OrderSite,
    ];
}

/// Who is asking.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Person(&'a Account),
    Key(&'a ApiKey),
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("sign in first, or send a valid key")]
    NotSignedIn,
    #[error("your account or key is not allowed to do this; an owner of the box can change that")]
    NotAllowed,
}

/// # Errors
/// [`Denied::NotSignedIn`] when nobody asks, [`Denied::NotAllowed`] when the subject's role lacks the right.
pub fn authorize(subject: &Subject<'_>, right: Right) -> Result<(), Denied> {
    let role = match subject {
        Subject::Person(account) => account.role,
        Subject::Key(_) => Role::Service,
        Subject::Nobody => return Err(Denied::NotSignedIn),
    };
    let allowed = match role {
        Role::Owner => true,
        Role::Staff | Role::Service => matches!(right, Right::Ask | Right::ReadStatus),
    };
    if allowed { Ok(()) } else { Err(Denied::NotAllowed) }
}

impl ToSql for Role {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Role> {
        let text = value.as_str()?;
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(FromSqlError::InvalidType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyLane;

    #[test]
    fn an_owner_may_do_all_staff_and_keys_may_ask_and_look_and_nobody_may_do_anything() {
        let account = |role| Account { id: 1, name: "a".to_owned(), role, created_ms: 0 };
        let key = ApiKey { id: 1, name: "k".to_owned(), lane: KeyLane::Interactive };
        let (owner, staff) = (account(Role::Owner), account(Role::Staff));
        for right in Right::ALL {
            let for_all = matches!(right, Right::Ask | Right::ReadStatus);
            let expected = if for_all { Ok(()) } else { Err(Denied::NotAllowed) };
            assert_eq!(authorize(&Subject::Person(&owner), right), Ok(()));
            assert_eq!(authorize(&Subject::Person(&staff), right), expected);
            assert_eq!(authorize(&Subject::Key(&key), right), expected);
            assert_eq!(authorize(&Subject::Nobody, right), Err(Denied::NotSignedIn));
        }
    }
}

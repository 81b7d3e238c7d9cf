//! What can be asked of [`super::authorize`]: a right that a page declares, or something with one object.

use super::{Grant, NewGrant, Object, ObjectKind, Role, Verb};

/// What every route of the portal and of the API declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Ask a model, through the portal or the API; which one, the alias decides.
    Ask,
    /// See the state of the site, its upstreams and its local models.
    ReadStatus,
    /// Read what upstreams said, and who gave which order.
    ReadFindings,
    /// Read who asked for what. Never the texts.
    ReadAudit,
    ReadPeople,
    ManagePeople,
    ManageKeys,
    ReadRights,
    ManageGrants,
    /// Start a drill, cut the demo cloud.
    OrderSite,
    /// Give orders; which ones, the route decides.
    GiveOrders,
    BreakGlass,
    ReviewBreakGlass,
}

impl Right {
    pub const ALL: [Right; 13] = [
        Right::Ask,
        Right::ReadStatus,
        Right::ReadFindings,
        Right::ReadAudit,
        Right::ReadPeople,
        Right::ManagePeople,
        Right::ManageKeys,
        Right::ReadRights,
        Right::ManageGrants,
        Right::OrderSite,
        Right::GiveOrders,
        Right::BreakGlass,
        Right::ReviewBreakGlass,
    ];

    /// Whether a grant opens the pages of this right to somebody whose role does not.
    pub(super) fn is_carried_by(self, grant: &Grant) -> bool {
        let (verb, kind) = (grant.verb, grant.object.kind);
        match self {
            Right::Ask => kind == ObjectKind::Alias && verb >= Verb::Use,
            Right::OrderSite => kind == ObjectKind::Route && verb == Verb::Manage && grant.object.is_every(),
            Right::GiveOrders => kind == ObjectKind::Route && verb == Verb::Manage,
            Right::ReadPeople => kind == ObjectKind::Department,
            Right::ManagePeople => kind == ObjectKind::Department && verb == Verb::Manage,
            Right::ReadRights | Right::ManageGrants => verb == Verb::Manage && !grant.is_broken_glass,
            Right::ReadStatus
            | Right::ReadFindings
            | Right::ReadAudit
            | Right::ManageKeys
            | Right::BreakGlass
            | Right::ReviewBreakGlass => false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Need<'a> {
    Right(Right),
    /// To ask this alias.
    Alias {
        name: &'a str,
        /// Marked so in the configuration.
        restricted: bool,
    },
    Object(Verb, &'a Object),
    /// To see, or to make, change or remove, a person of this role in these departments.
    Person {
        verb: Verb,
        role: Role,
        departments: &'a [i64],
    },
    /// To give or to end a grant.
    Grant {
        grant: &'a NewGrant,
        /// The departments of the grantee; of a department, itself.
        departments: &'a [i64],
    },
}

impl From<Right> for Need<'_> {
    fn from(right: Right) -> Self {
        Need::Right(right)
    }
}

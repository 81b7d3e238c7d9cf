//! A grant: who may do what with which object, and until when.

use serde::Serialize;

use super::Role;

/// Stands for all objects of a kind.
pub const EVERY: &str = "*";

/// How far the wall clock may step back before grants that run out, made ahead of it, stop standing.
const CLOCK_SLACK_MS: i64 = 5 * 60_000;

/// What may be done; each one carries those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// See it.
    View,
    /// Ask it, work with it.
    Use,
    /// Change it, and let others use it.
    Manage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    Alias,
    DocumentSet,
    Department,
    /// An upstream: whoever manages it may isolate it, whoever manages all may give every order.
    Route,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Object {
    pub kind: ObjectKind,
    /// The name; of a department, its number in digits; [`EVERY`] for all of the kind.
    pub name: String,
}

/// Whom something is granted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grantee {
    Person(i64),
    Key(i64),
    Department(i64),
    Role(Role),
}

/// A grant as it is kept. Times are unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: i64,
    pub grantee: Grantee,
    /// The grantee's name, for people to read.
    pub grantee_name: String,
    pub verb: Verb,
    pub object: Object,
    /// The object's name, for people to read.
    pub object_name: String,
    pub given_by: String,
    pub given_ms: i64,
    /// `None`: until somebody ends it.
    pub expires_ms: Option<i64>,
    /// Taken in an emergency by the grantee, with a reason that others review.
    pub is_broken_glass: bool,
}

/// A grant that is to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    pub grantee: Grantee,
    pub verb: Verb,
    pub object: Object,
    pub expires_ms: Option<i64>,
}

impl Verb {
    pub const ALL: [Verb; 3] = [Verb::View, Verb::Use, Verb::Manage];

    pub fn as_str(self) -> &'static str {
        match self {
            Verb::View => "view",
            Verb::Use => "use",
            Verb::Manage => "manage",
        }
    }

    pub fn of_word(word: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.as_str() == word)
    }
}

impl ObjectKind {
    pub const ALL: [ObjectKind; 4] =
        [ObjectKind::Alias, ObjectKind::DocumentSet, ObjectKind::Department, ObjectKind::Route];

    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Alias => "alias",
            ObjectKind::DocumentSet => "document-set",
            ObjectKind::Department => "department",
            ObjectKind::Route => "route",
        }
    }

    pub fn of_word(word: &str) -> Option<ObjectKind> {
        ObjectKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Object {
    pub fn new(kind: ObjectKind, name: &str) -> Object {
        Object { kind, name: name.to_owned() }
    }

    pub fn every(kind: ObjectKind) -> Object {
        Object::new(kind, EVERY)
    }

    pub fn department(id: i64) -> Object {
        Object { kind: ObjectKind::Department, name: id.to_string() }
    }

    pub fn is_every(&self) -> bool {
        self.name == EVERY
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

impl Grantee {
    pub fn kind(&self) -> &'static str {
        match self {
            Grantee::Person(_) => "person",
            Grantee::Key(_) => "key",
            Grantee::Department(_) => "department",
            Grantee::Role(_) => "role",
        }
    }
}

impl Grant {
    /// Whether it is in force. A clock that was set back makes no grant longer.
    pub fn stands(&self, at_ms: i64) -> bool {
        self.expires_ms.is_none_or(|end| at_ms < end && at_ms >= self.given_ms - CLOCK_SLACK_MS)
    }

    pub(super) fn reaches(&self, verb: Verb, kind: ObjectKind, name: &str) -> bool {
        self.verb >= verb && self.object.kind == kind && (self.object.is_every() || self.object.name == name)
    }
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, verb, kind) = (self.id, self.verb.as_str(), self.object.kind.as_str());
        let (to, to_name, name) = (self.grantee.kind(), &self.grantee_name, &self.object_name);
        write!(f, "grant {id} ({verb} {kind} {name}, to {to} {to_name}, by {})", self.given_by)
    }
}

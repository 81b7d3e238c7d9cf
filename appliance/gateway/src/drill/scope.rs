//! Who takes part in a drill.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::tally::is_synthetic;
use crate::answer::{Caller, CallerKind};

/// `site`, `key NAME` (the programs of a department), or `alias NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Site,
    Key(String),
    Alias(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no scope; write site, \"key NAME\" or \"alias NAME\"")]
pub struct BadScope(String);

impl Scope {
    /// Whether a request takes part.
    pub(crate) fn covers(&self, caller: &Caller, alias: &str) -> bool {
        match self {
            _ if is_synthetic(caller) => true,
            Scope::Site => true,
            Scope::Key(name) => {
                caller.kind == CallerKind::Key && caller.who.strip_prefix("key:") == Some(name)
            }
            Scope::Alias(name) => alias == name,
        }
    }
}

impl FromStr for Scope {
    type Err = BadScope;

    fn from_str(text: &str) -> Result<Scope, BadScope> {
        let named = |rest: &str| {
            let name = rest.trim();
            let fits = (1..=64).contains(&name.chars().count()) && !name.contains(char::is_control);
            fits.then(|| name.to_owned())
        };
        let scope = match text.trim().split_once(' ') {
            None if text.trim() == "site" => Some(Scope::Site),
            Some(("key", name)) => named(name).map(Scope::Key),
            Some(("alias", name)) => named(name).map(Scope::Alias),
            _ => None,
        };
        scope.ok_or_else(|| BadScope(text.chars().filter(|c| !c.is_control()).take(64).collect()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Site => f.write_str("site"),
            Scope::Key(name) => write!(f, "key {name}"),
            Scope::Alias(name) => write!(f, "alias {name}"),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_as_it_is_written() {
        for text in ["site", "key ward-3", "alias assistant", "key 간호 3병동"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in ["", "house", "key", "key ", "alias \u{7}", "Site", "department 3"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}

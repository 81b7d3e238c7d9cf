//! One model of an upstream that routes use: its own circuit, and whether the upstream's list has it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};

use inference::Kind;

use crate::{circuit::Circuit, clock, settings::UpstreamSettings};

pub(crate) struct CloudModel {
    pub name: String,
    /// What it is asked for.
    pub kind: Kind,
    /// Failures of the answers themselves; those of the way and of the account are the upstream's.
    pub circuit: Circuit,
    standing: AtomicU8,
}

/// The names in an upstream's list of models, or `None` where it has no such list.
pub(crate) type Listed = Option<HashSet<String>>;

/// Not every upstream lists every model that it serves, so only one that was there can be missing.
const NEVER_LISTED: u8 = 0;
const LISTED: u8 = 1;
const MISSING: u8 = 2;

impl CloudModel {
    pub(super) fn new(name: String, kind: Kind, settings: &UpstreamSettings) -> Self {
        let circuit = Circuit::new(settings.thresholds.clone(), settings.failback.clone(), clock::unix_ms());
        CloudModel { name, kind, circuit, standing: AtomicU8::new(NEVER_LISTED) }
    }

    /// Takes a new list into account; true when the model has just gone missing from it.
    pub(crate) fn notice(&self, listed: &Listed) -> bool {
        let Some(names) = listed else { return false };
        let before = self.standing.load(Ordering::Relaxed);
        let after = match names.contains(&self.name) {
            true => LISTED,
            false if before == NEVER_LISTED => NEVER_LISTED,
            false => MISSING,
        };
        self.standing.store(after, Ordering::Relaxed);
        before == LISTED && after == MISSING
    }

    /// The newest list no longer has it: there is no sense in trying it.
    pub(crate) fn is_missing(&self) -> bool {
        self.standing.load(Ordering::Relaxed) == MISSING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Listed {
        Some(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_a_model_that_was_listed_can_go_missing() {
        let model = CloudModel::new("large".into(), Kind::Chat, &UpstreamSettings::for_tests("cloud"));
        assert!(!model.notice(&list(&["small"])) && !model.is_missing(), "some lists are not complete");
        assert!(!model.notice(&list(&["small", "large"])));
        assert!(!model.notice(&None), "no list says nothing");
        assert!(model.notice(&list(&["small"])) && model.is_missing());
        assert!(!model.notice(&list(&["small"])), "it is told once");
        assert!(!model.notice(&list(&["large"])) && !model.is_missing());
    }
}

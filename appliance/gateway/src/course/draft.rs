//! A course while its routes are being asked: which are let in, in which order, and the first reason.

use std::collections::VecDeque;

use super::needs::Wants;
use super::{Candidate, Course, Say};
use crate::reason::Reason;

/// A course while its routes are being asked.
#[derive(Default)]
pub(super) struct Draft {
    candidates: VecDeque<Candidate>,
    last: Vec<Candidate>,
    passed_over: Vec<(Candidate, Reason)>,
    reason: Option<Reason>,
}

impl Draft {
    pub(super) fn take(&mut self, candidate: Candidate, said: Say) {
        match said {
            Say::Pass => self.candidates.push_back(candidate),
            Say::Ordered(reason) => {
                self.note(reason);
                self.candidates.push_back(candidate);
            }
            Say::Last(reason) => {
                self.note(reason);
                self.last.push(candidate);
            }
            Say::Never(reason) => {
                self.note(reason);
                self.passed_over.push((candidate, reason));
            }
        }
    }

    /// Only what stands before the first route that is left is a reason for its being chosen.
    fn note(&mut self, reason: Reason) {
        if self.candidates.is_empty() {
            self.reason.get_or_insert(reason);
        }
    }

    pub(super) fn course(self, wants: Wants) -> Course {
        let Draft { mut candidates, last, passed_over, reason } = self;
        candidates.extend(last);
        let is_for_good = |reason: Reason| reason.is_a_lack() || reason == Reason::LocalOnly;
        let lacks_for_good =
            candidates.is_empty() && passed_over.iter().all(|(_, reason)| is_for_good(*reason));
        let reason = reason.unwrap_or(Reason::FirstRoute);
        Course { candidates, passed_over, lacks_for_good, wants, reason }
    }
}

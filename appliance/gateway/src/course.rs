//! The course of one request: the routes that may serve it, in order, and why the earlier ones do not.

mod filters;

use std::collections::VecDeque;

use inference::{Lane, LocalModel, Status};

use crate::answer::{Ask, Route};
use crate::gateway::Gateway;
use crate::settings::{AliasSettings, CloudRoute};
use filters::{CLOUD, Look, STANDBY};

/// A route that a request may try.
#[derive(Clone)]
pub(crate) enum Candidate {
    Cloud(CloudRoute),
    Local(LocalModel),
}

/// What a filter says of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Say {
    Pass,
    /// Passes whatever the filters after this one would say.
    Ordered(&'static str),
    /// After all others: better than no answer at all.
    Last(&'static str),
    Never(&'static str),
}

pub(crate) struct Course {
    candidates: VecDeque<Candidate>,
    /// Why not the first route: a short fixed word.
    pub reason: &'static str,
}

impl Course {
    /// The cloud routes, then the standby, each asked through its filters in order: the first filter that does not
    /// let a route pass decides on it.
    pub(crate) fn plan(gateway: &Gateway, alias: &AliasSettings, ask: &Ask, request_id: &str) -> Self {
        let look = Look::new(gateway, ask, request_id);
        let mut draft = Draft::default();
        for route in &alias.cloud {
            draft.take(
                Candidate::Cloud(route.clone()),
                first_word(CLOUD.iter().map(|filter| filter(&look, route))),
            );
        }
        for model in alias.standby.iter().filter_map(|name| gateway.local(name)) {
            let said = first_word(STANDBY.iter().map(|filter| filter(&look, model)));
            draft.take(Candidate::Local(model.clone()), said);
        }
        draft.course()
    }

    pub(crate) fn next(&mut self) -> Option<Candidate> {
        self.candidates.pop_front()
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// The first standby that could begin at once, for a start beside a cloud attempt that is late.
    pub(crate) fn spare(&self, lane: Lane) -> Option<&LocalModel> {
        self.candidates.iter().find_map(|candidate| match candidate {
            Candidate::Local(model) if is_ready(model) && has_room(model, lane) => Some(model),
            _ => None,
        })
    }

    /// The standby serves, or has refused: it is not tried again.
    pub(crate) fn strike(&mut self, model: &LocalModel) {
        self.candidates.retain(
            |candidate| !matches!(candidate, Candidate::Local(other) if other.name() == model.name()),
        );
    }

    /// From here on only local models: the request has begun to be answered, or may not leave the building.
    pub(crate) fn stay_local(&mut self) {
        self.candidates.retain(|candidate| matches!(candidate, Candidate::Local(_)));
    }

    /// The name of the first route, for the log.
    pub(crate) fn first(&self) -> String {
        self.candidates.front().map_or_else(|| "none".into(), Candidate::label)
    }
}

impl Candidate {
    pub(crate) fn route(&self) -> Route {
        match self {
            Candidate::Cloud(_) => Route::Cloud,
            Candidate::Local(_) => Route::Local,
        }
    }

    /// `upstream/model` or `local/model`.
    pub(crate) fn label(&self) -> String {
        match self {
            Candidate::Cloud(route) => route.label.clone(),
            Candidate::Local(model) => format!("local/{}", model.name()),
        }
    }
}

fn is_ready(model: &LocalModel) -> bool {
    matches!(*model.status().borrow(), Status::Ready { .. })
}

/// A job that came now would not have to wait, and keeps nobody waiting.
fn has_room(model: &LocalModel, lane: Lane) -> bool {
    model.occupancy().next[lane as usize].expected.is_zero()
}

fn first_word(mut said: impl Iterator<Item = Say>) -> Say {
    said.find(|say| *say != Say::Pass).unwrap_or(Say::Pass)
}

/// A course while its routes are being asked.
#[derive(Default)]
struct Draft {
    candidates: VecDeque<Candidate>,
    last: Vec<Candidate>,
    reason: Option<&'static str>,
}

impl Draft {
    fn take(&mut self, candidate: Candidate, said: Say) {
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
            Say::Never(reason) => self.note(reason),
        }
    }

    /// Only what stands before the first route that is left is a reason for its being chosen.
    fn note(&mut self, reason: &'static str) {
        if self.candidates.is_empty() {
            self.reason.get_or_insert(reason);
        }
    }

    fn course(mut self) -> Course {
        self.candidates.extend(self.last);
        Course { candidates: self.candidates, reason: self.reason.unwrap_or("first-route") }
    }
}

#[cfg(test)]
mod tests;

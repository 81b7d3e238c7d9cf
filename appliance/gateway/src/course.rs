//! The course of one request: the routes that may serve it, in order, and why the earlier ones do not.

mod draft;
mod filters;
pub(crate) mod needs;

use std::collections::VecDeque;

use inference::{Lane, LocalModel, Status};

use crate::answer::{Ask, Route};
use crate::gateway::Gateway;
use crate::reason::Reason;
use crate::settings::{AliasSettings, CloudRoute, RouteFacts};
use draft::Draft;
use filters::{CLOUD, Look, STANDBY};
use needs::{Wants, facts_of};

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
    Ordered(Reason),
    /// After all others: better than no answer at all.
    Last(Reason),
    Never(Reason),
}

pub(crate) struct Course {
    candidates: VecDeque<Candidate>,
    /// Routes that were not let in, and why.
    passed_over: Vec<(Candidate, Reason)>,
    /// Every route was left out for what the request is, and none for how things stand: to ask again is of no use.
    pub lacks_for_good: bool,
    wants: Wants,
    /// Why not the first route.
    pub reason: Reason,
}

impl Course {
    /// The cloud routes, then the standby, each asked through its filters in order: the first filter that does not
    /// let a route pass decides on it.
    pub(crate) fn plan(gateway: &Gateway, alias: &AliasSettings, ask: &Ask, request_id: &str) -> Self {
        let look = Look::new(gateway, alias, ask, request_id);
        let mut draft = Draft::default();
        for route in &alias.cloud {
            let said = first_word(CLOUD.iter().map(|filter| filter(&look, route)));
            draft.take(Candidate::Cloud(route.clone()), said);
        }
        for model in alias.standby.iter().filter_map(|name| gateway.local(name)) {
            let said = first_word(STANDBY.iter().map(|filter| filter(&look, model)));
            draft.take(Candidate::Local(model.clone()), said);
        }
        draft.course(look.wants)
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

    /// By the ladder of scarcity a smaller standby is to be asked before this one, and it would begin at once: whoever
    /// came before that was so need not wait longer than those who come now.
    pub(crate) fn has_smaller_at_once(&self, gateway: &Gateway, ask: &Ask, model: &LocalModel) -> bool {
        let Ok(alias) = gateway.alias(&ask.request.model) else { return false };
        let smaller = filters::smaller_than(gateway, alias, ask.lane, model);
        smaller.zip(self.spare(ask.lane)).is_some_and(|(smaller, spare)| smaller.name() == spare.name())
    }

    /// The standby serves, or has refused: it is not tried again.
    pub(crate) fn strike(&mut self, model: &LocalModel) {
        self.candidates.retain(
            |candidate| !matches!(candidate, Candidate::Local(other) if other.name() == model.name()),
        );
    }

    /// A route has refused the conversation as too long: those with as little room are not asked.
    pub(crate) fn need_more_than(&mut self, context: Option<u32>) {
        let Some(context) = context else { return };
        self.candidates.retain(|candidate| match candidate {
            Candidate::Cloud(route) => route.facts.context.is_none_or(|more| more > context),
            Candidate::Local(_) => true,
        });
    }

    /// Routes that were left out for the length of the conversation.
    pub(crate) fn too_short(&self) -> impl Iterator<Item = &Candidate> {
        let by_length = |(_, reason): &&(Candidate, Reason)| reason.is_the_length();
        self.passed_over.iter().filter(by_length).map(|(candidate, _)| candidate)
    }

    /// What the request needs and a route that was left out for it cannot do, with that route's name.
    pub(crate) fn lack(&self, gateway: &Gateway) -> Option<(String, &'static str)> {
        self.passed_over.iter().find_map(|(candidate, reason)| {
            let facts = reason.is_a_lack().then(|| candidate.facts(gateway))?;
            Some((candidate.label(), self.wants.lacking(&facts)?))
        })
    }

    pub(crate) fn least_tokens(&self) -> u64 {
        self.wants.least_tokens
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

    pub(crate) fn facts(&self, gateway: &Gateway) -> RouteFacts {
        match self {
            Candidate::Cloud(route) => route.facts.clone(),
            Candidate::Local(model) => facts_of(gateway, model),
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

#[cfg(test)]
mod tests;

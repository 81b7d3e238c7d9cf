//! The course of one request: the routes that may serve it, in order, and why the earlier ones do not.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use inference::{LocalModel, Status};

use crate::{
    answer::{Ask, Route},
    board::now,
    gateway::Gateway,
    settings::AliasSettings,
};

/// A route that a request may try.
pub(crate) enum Candidate {
    Cloud { upstream: usize, model: String, label: String },
    Local(LocalModel),
}

pub(crate) struct Course {
    candidates: VecDeque<Candidate>,
    /// Why not the first route: a short fixed word.
    pub reason: &'static str,
}

impl Course {
    /// Cloud routes whose breaker is closed, then the standby in order. A cloud route that is held back only by the
    /// ramp of failback, or because the conversation began on a local model, comes last: better than no answer at all.
    pub(crate) fn plan(gateway: &Gateway, alias: &AliasSettings, ask: &Ask, request_id: &str) -> Self {
        let mut reason = "first-route";
        let mut note = |word| {
            if reason == "first-route" {
                reason = word;
            }
        };
        let (mut candidates, mut held_back) = (VecDeque::new(), Vec::new());
        let draw = conversation_draw(ask.conversation.as_deref().unwrap_or(request_id));
        let began_locally =
            ask.conversation.as_deref().and_then(|id| gateway.homes().of(id)) == Some(Route::Local);
        for route in &alias.cloud {
            let circuit = &gateway.board().upstreams[route.upstream].circuit;
            let candidate = Candidate::Cloud {
                upstream: route.upstream,
                model: route.model.clone(),
                label: route.label.clone(),
            };
            if ask.local_only {
                note("local-only");
            } else if !circuit.admits_requests() {
                note("circuit-open");
            } else if began_locally {
                note("conversation");
                held_back.push(candidate);
            } else if circuit.admits_conversation(now(), draw) {
                candidates.push_back(candidate);
            } else {
                note("recovering");
                held_back.push(candidate);
            }
        }
        let standby = alias.standby.iter().filter_map(|name| gateway.local(name));
        let (usable, failed): (Vec<_>, Vec<_>) = standby.partition(|model| !has_failed(model));
        if !failed.is_empty() && candidates.is_empty() {
            note("standby-unready");
        }
        candidates.extend(usable.into_iter().map(|model| Candidate::Local(model.clone())));
        candidates.extend(held_back);
        Course { candidates, reason }
    }

    pub(crate) fn next(&mut self) -> Option<Candidate> {
        self.candidates.pop_front()
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// From here on only local models: the request has begun to be answered, or may not leave the building.
    pub(crate) fn stay_local(&mut self) {
        self.candidates.retain(|candidate| matches!(candidate, Candidate::Local(_)));
    }

    /// The name of the first route, for the log.
    pub(crate) fn first(&self) -> String {
        match self.candidates.front() {
            Some(Candidate::Cloud { label, .. }) => label.clone(),
            Some(Candidate::Local(model)) => format!("local/{}", model.name()),
            None => "none".into(),
        }
    }
}

fn has_failed(model: &LocalModel) -> bool {
    matches!(*model.status().borrow(), Status::Failed { .. })
}

/// Where a conversation stands in the ramp; the same conversation always stands at the same place.
fn conversation_draw(conversation: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    conversation.hash(&mut hasher);
    hasher.finish()
}

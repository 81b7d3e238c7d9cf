//! Opening a route: the attempts, one after the other, until one of them answers.

use super::cloud::{self, Answers};
use super::{Source, local};
use crate::answer::{Ask, Refusal, Route, Served};
use crate::board::RouteId;
use crate::course::{Candidate, Course};
use crate::gateway::Gateway;
use crate::settings::CloudRoute;
use crate::upstream::Upstream;

/// What every attempt of one request has in common.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub gateway: &'a Gateway,
    pub ask: &'a Ask,
}

impl<'a> Opening<'a> {
    pub(super) fn upstream(&self, route: &CloudRoute) -> &'a Upstream {
        &self.gateway.board().upstreams[route.upstream]
    }

    pub(super) fn id(&self, route: &CloudRoute) -> RouteId {
        self.gateway.board().route(route.upstream, &route.model)
    }
}

/// Why a route gave no answer.
pub(super) enum Closed {
    /// The request itself is refused, and no other route may be asked.
    Refused(Box<Refusal>),
    /// The conversation is too long for this route, in its own words.
    TooLong(Box<Refusal>),
    /// The next route's turn. `refusal` says more than «nothing is left», should it be the last.
    Next { reason: &'static str, refusal: Option<Refusal> },
}

/// Tries the rest of the course in order. `begun` is the text that the answer has already; only a local model
/// can go on from one.
pub(super) async fn first_that_answers(
    opening: Opening<'_>,
    course: &mut Course,
    begun: &str,
) -> Result<(Served, Source), Refusal> {
    let mut tried = Tried::default();
    while let Some(candidate) = course.next() {
        let (by, route) = (candidate.label(), candidate.route());
        let opened = match &candidate {
            Candidate::Cloud(route) => cloud::open(&opening, course, route).await,
            Candidate::Local(model) => local::open(&opening, model, begun).await.map(Answers::Cloud),
        };
        let closed = match opened {
            Ok(Answers::Cloud(source)) => return Ok((served(&opening, course, by, route), source)),
            Ok(Answers::Standby(model, source, reason)) => {
                course.reason = reason;
                let by = Candidate::Local(model).label();
                return Ok((served(&opening, course, by, Route::Local), source));
            }
            Err(closed) => closed,
        };
        let reason = match closed {
            Closed::Refused(refusal) => return Err(*refusal),
            Closed::TooLong(refusal) => {
                tried.too_long.get_or_insert(*refusal);
                "context"
            }
            Closed::Next { reason, refusal } => {
                tried.refusal = refusal.or(tried.refusal);
                reason
            }
        };
        if course.reason == "first-route" || route == Route::Cloud {
            course.reason = reason;
        }
        tried.routes.push(format!("{by}: {reason}"));
    }
    Err(tried.refusal(opening.ask, course))
}

fn served(opening: &Opening<'_>, course: &Course, by: String, route: Route) -> Served {
    Served { by, route, reason: course.reason, site_state: opening.gateway.board().site_state() }
}

/// What the routes before have said.
#[derive(Default)]
struct Tried {
    routes: Vec<String>,
    /// The first upstream's own words about the length.
    too_long: Option<Refusal>,
    /// The newest refusal that says more than that nothing is left.
    refusal: Option<Refusal>,
}

impl Tried {
    fn refusal(self, ask: &Ask, course: &Course) -> Refusal {
        let refusal = self.too_long.or(self.refusal);
        refusal.unwrap_or_else(|| nothing_left(ask, course, &self.routes))
    }
}

fn nothing_left(ask: &Ask, course: &Course, tried: &[String]) -> Refusal {
    let (alias, reason) = (&ask.request.model, course.reason);
    if ask.local_only {
        let message = format!(
            "This request may not leave the building, and no local model can answer for \"{alias}\" now ({reason})."
        );
        return Refusal::unavailable("no_local_route", message).retry_after(10);
    }
    let tried = if tried.is_empty() { reason.to_owned() } else { tried.join("; ") };
    let message = format!(
        "Neither the cloud nor a local model can answer for \"{alias}\" now ({tried}). Try again soon."
    );
    Refusal::unavailable("no_route", message).retry_after(5)
}

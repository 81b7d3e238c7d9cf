//! Opening a route: the attempts, one after the other, until one of them answers.

use dialect::openai::ChatRequest;
use tokio::time::Instant;

use super::cloud::{self, Answers};
use super::tried::Tried;
use super::{Source, local, shorter};
use crate::answer::{Ask, Refusal, Route, Served};
use crate::board::RouteId;
use crate::course::{Candidate, Course};
use crate::gateway::Gateway;
use crate::reason::Reason;
use crate::settings::CloudRoute;
use crate::upstream::Upstream;

/// What every attempt of one request has in common.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub gateway: &'a Gateway,
    pub ask: &'a Ask,
    /// When the request came: what the cloud may take of its time counts from there.
    pub asked: Instant,
}

impl<'a> Opening<'a> {
    pub(super) fn upstream(&self, route: &CloudRoute) -> &'a Upstream {
        &self.gateway.board().upstreams[route.upstream]
    }

    pub(super) fn id(&self, route: &CloudRoute) -> RouteId {
        self.gateway.board().route(route.upstream, &route.model)
    }
}

/// A route that answers.
pub(super) struct Opened {
    pub served: Served,
    pub source: Source,
    /// The request as it was answered, where its oldest turns were left out.
    pub shortened: Option<ChatRequest>,
}

/// Why a route gave no answer.
pub(super) enum Closed {
    /// The request itself is refused, and no other route may be asked.
    Refused(Box<Refusal>),
    /// The conversation is too long for this route, in its own words, and as it counts, where it has told.
    TooLong { refusal: Box<Refusal>, size: Option<Size> },
    /// The next route's turn. `refusal` says more than «nothing is left», should it be the last.
    Next { reason: Reason, refusal: Option<Box<Refusal>> },
}

/// How long a conversation is, and how long it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub tokens: u64,
    pub limit: u32,
}

/// Tries the rest of the course in order. `begun` is the text that the answer has already; only a local model
/// can go on from one.
pub(super) async fn first_that_answers(
    opening: Opening<'_>,
    course: &mut Course,
    begun: &str,
) -> Result<Opened, Refusal> {
    the_rest(opening, course, begun, Tried::default()).await
}

/// The same after `candidate`, which had taken the request in and gave it back.
pub(super) async fn next_that_answers(
    opening: Opening<'_>,
    course: &mut Course,
    candidate: &Candidate,
    closed: Closed,
) -> Result<Opened, Refusal> {
    let mut tried = Tried::default();
    pass_over(course, &mut tried, candidate, closed)?;
    the_rest(opening, course, "", tried).await
}

async fn the_rest(
    opening: Opening<'_>,
    course: &mut Course,
    begun: &str,
    mut tried: Tried,
) -> Result<Opened, Refusal> {
    while let Some(candidate) = course.next() {
        match one(&opening, course, &candidate, begun).await {
            Ok(opened) => return Ok(opened),
            Err(closed) => pass_over(course, &mut tried, &candidate, closed)?,
        }
    }
    if begun.is_empty()
        && let Some(opened) = shorter::first_that_answers(opening, course, &mut tried).await
    {
        return Ok(opened);
    }
    Err(tried.refusal(opening, course))
}

/// Takes note of a route that gave no answer.
///
/// # Errors
/// The request itself is refused, and no other route may be asked.
fn pass_over(
    course: &mut Course,
    tried: &mut Tried,
    candidate: &Candidate,
    closed: Closed,
) -> Result<(), Refusal> {
    if let Closed::Refused(refusal) = closed {
        return Err(*refusal);
    }
    let reason = tried.note(course, candidate, closed);
    if course.reason == Reason::FirstRoute || candidate.route() == Route::Cloud {
        course.reason = reason;
    }
    Ok(())
}

/// Asks one route.
pub(super) async fn one(
    opening: &Opening<'_>,
    course: &mut Course,
    candidate: &Candidate,
    begun: &str,
) -> Result<Opened, Closed> {
    let (mut by, mut route) = (candidate.label(), candidate.route());
    let source = match candidate {
        Candidate::Local(model) => local::open_or_queue(opening, course, model, begun).await?,
        Candidate::Cloud(cloud) => match cloud::open(opening, course, cloud).await? {
            Answers::Cloud(source) => source,
            Answers::Standby(model, source, reason) => {
                course.reason = reason;
                (by, route) = (Candidate::Local(model).label(), Route::Local);
                source
            }
        },
    };
    let site_state = opening.gateway.board().site_state();
    let brown_out = if let Source::Local { brown_out, .. } = source { brown_out } else { 0 };
    let served = Served { by, route, reason: course.reason, site_state, shortened: None, brown_out };
    Ok(Opened { served, source, shortened: None })
}

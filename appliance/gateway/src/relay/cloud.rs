//! One cloud route: the tries at it, and the local start beside a try that is late.

use std::time::Duration;

use inference::LocalModel;
use tokio::time::Instant;

use super::Source;
use super::local;
use super::open::{Closed, Opening};
use crate::answer::CallerKind;
use crate::board::now;
use crate::circuit::draw;
use crate::course::Course;
use crate::fault::Fault;
use crate::reason::Reason;
use crate::settings::CloudRoute;
use crate::upstream::{Patience, Reply, Upstream, Way};

/// The first token of an upstream for a person in the portal.
const PORTAL_PATIENCE: Duration = Duration::from_secs(8);

/// A Retry-After as long as this is waited for; a longer one is the next route's turn.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Who answers after a cloud route was asked.
pub(super) enum Answers {
    Cloud(Source),
    /// The standby that was started beside it, and why it serves.
    Standby(LocalModel, Source, Reason),
}

/// What one try came to.
enum Try {
    /// Nothing was sent: an order or a breaker forbids it by now.
    Kept(Reason),
    Cloud(Result<Reply, Fault>),
    /// The local start gave its token, and this is what there is to say of the cloud.
    Standby(LocalModel, Source, Fault),
}

/// Asks one cloud route, once more where that makes sense.
pub(super) async fn open(
    opening: &Opening<'_>,
    course: &mut Course,
    route: &CloudRoute,
) -> Result<Answers, Closed> {
    let upstream = opening.upstream(route);
    upstream.retries.request();
    let mut tried = one_try(opening, course, route, Way::Kept).await;
    if let Try::Cloud(Err(fault)) = &tried
        && let Some(another) = another_try(upstream, fault)
    {
        note(opening, route, fault);
        // What this try taught may have opened a breaker.
        if why_not(opening, route).is_some() {
            return Err(Closed::Next { reason: fault.reason(), refusal: None });
        }
        tokio::time::sleep(another.after).await;
        tried = one_try(opening, course, route, another.way).await;
    }
    match tried {
        Try::Kept(reason) => Err(Closed::Next { reason, refusal: None }),
        Try::Cloud(Ok(Reply::Stream(stream))) => {
            Ok(Answers::Cloud(Source::Chunks { route: opening.id(route), stream }))
        }
        Try::Cloud(Ok(Reply::Whole(completion))) => {
            Ok(Answers::Cloud(Source::Whole { route: opening.id(route), completion, told: false }))
        }
        Try::Cloud(Err(fault)) => {
            note(opening, route, &fault);
            Err(closed(fault))
        }
        Try::Standby(model, source, fault) => {
            note(opening, route, &fault);
            Ok(Answers::Standby(model, source, fault.reason()))
        }
    }
}

/// Why the route may not be asked now, by order, by its breakers or for want of time. The course may have been planned
/// long before. A throttle is no open breaker: who is here waits for its end, or has nobody else to ask.
fn why_not(opening: &Opening<'_>, route: &CloudRoute) -> Option<Reason> {
    let orders = opening.gateway.orders().current();
    let kept = orders.keeps_from(&opening.upstream(route).settings.name);
    if time_left(opening, opening.upstream(route)).is_zero() {
        return Some(Reason::Slow);
    }
    if kept.is_some() || orders.forces_cloud() {
        return kept;
    }
    opening.gateway.board().admits(opening.id(route)).err().filter(|reason| *reason != Reason::Throttled)
}

/// What is left of the time that all cloud routes together have for one request.
fn time_left(opening: &Opening<'_>, upstream: &Upstream) -> Duration {
    upstream.settings.deadlines.whole_answer.saturating_sub(opening.asked.elapsed())
}

/// A fault goes to the breakers and into the numbers.
fn note(opening: &Opening<'_>, route: &CloudRoute, fault: &Fault) {
    let upstream = opening.upstream(route);
    opening.gateway.board().record(opening.id(route), Some(fault));
    opening.gateway.metrics().failed_over(&upstream.settings.name, fault.reason());
    opening.gateway.tally().failed_over();
}

/// A second try: after which pause, and over which connection.
pub(crate) struct Another {
    pub after: Duration,
    pub way: Way,
}

/// The second try after this fault; `None` where none makes sense, or the budget is spent.
pub(crate) fn another_try(upstream: &Upstream, fault: &Fault) -> Option<Another> {
    let (after, way) = match fault {
        Fault::Throttled { retry_after: Some(pause) } if *pause <= MAX_PAUSE => (*pause, Way::Kept),
        // Only a new connection tells whether anything is wrong.
        Fault::Dropped => (Duration::ZERO, Way::Anew),
        fault if fault.retry_at_once() => (Duration::from_millis(200 + (draw() * 400.0) as u64), Way::Kept),
        _ => return None,
    };
    upstream.retries.take().then_some(Another { after, way })
}

fn closed(fault: Fault) -> Closed {
    match fault {
        Fault::ContextTooLong(refusal) => Closed::TooLong { refusal, size: None },
        Fault::Caller(error) | Fault::ContentFilter(error) => Closed::Refused(error),
        fault => Closed::Next { reason: fault.reason(), refusal: None },
    }
}

/// Sends the request once. When its first token is later than is usual for the route, a standby that could begin at
/// once is started beside it; the first to give a token answers, and the other is dropped.
async fn one_try(opening: &Opening<'_>, course: &mut Course, route: &CloudRoute, way: Way) -> Try {
    if let Some(reason) = why_not(opening, route) {
        return Try::Kept(reason);
    }
    // By order a request waits for the cloud also where its breaker gives it up.
    let has_alternative = course.has_more() && !opening.gateway.orders().current().forces_cloud();
    let begun = Instant::now();
    let attempt = attempt(opening, has_alternative, route, way);
    tokio::pin!(attempt);
    if !has_alternative {
        return Try::Cloud(attempt.await);
    }
    if let Ok(reply) = tokio::time::timeout(hedge_delay(opening, route), &mut attempt).await {
        return Try::Cloud(reply);
    }
    let Some(standby) = course.spare(opening.ask.lane).cloned() else { return Try::Cloud(attempt.await) };
    opening.gateway.metrics().hedged();
    opening.gateway.tally().hedged();
    let start = local::open(opening, &standby, "");
    tokio::pin!(start);
    let (fault, opened) = tokio::select! {
        biased;
        reply = &mut attempt => match reply {
            Err(fault) if fault.refusal().is_none() => (fault, start.await),
            reply => return Try::Cloud(reply),
        },
        opened = &mut start => (Fault::Slow(begun.elapsed()), opened),
    };
    course.strike(&standby);
    match (opened, fault) {
        (Ok(source), fault) => Try::Standby(standby.clone(), source, fault),
        // The standby refused while the cloud was waited for, which is all that is left.
        (Err(_), Fault::Slow(_)) => Try::Cloud(attempt.await),
        (Err(_), fault) => Try::Cloud(Err(fault)),
    }
}

fn hedge_delay(opening: &Opening<'_>, route: &CloudRoute) -> Duration {
    let settings = &opening.upstream(route).settings;
    opening.gateway.first_tokens().delay(route, settings.hedge, settings.deadlines.first_token, now())
}

/// Waits for the upstream only as long as there is sense in it, when something else could answer.
async fn attempt(
    opening: &Opening<'_>,
    has_alternative: bool,
    route: &CloudRoute,
    way: Way,
) -> Result<Reply, Fault> {
    let upstream = opening.upstream(route);
    let begun = Instant::now();
    let chat = async {
        let reply =
            upstream.chat(&opening.ask.request, &route.model, way, patience(opening, upstream)).await?;
        opening.gateway.first_tokens().came(route, begun.elapsed(), now());
        Ok(reply)
    };
    if !has_alternative {
        return chat.await;
    }
    tokio::select! {
        biased;
        reply = chat => reply,
        fault = opening.gateway.board().lost(opening.id(route)) => Err(fault),
    }
}

/// A person in front of a page is told sooner than a program that nothing comes.
fn patience(opening: &Opening<'_>, upstream: &Upstream) -> Patience {
    let deadlines = upstream.settings.deadlines;
    let first_token = match opening.ask.caller.kind {
        CallerKind::Key => deadlines.first_token,
        CallerKind::Person => deadlines.first_token.min(PORTAL_PATIENCE),
    };
    Patience {
        headers: deadlines.headers.min(first_token),
        first_token,
        whole_answer: time_left(opening, upstream),
    }
}

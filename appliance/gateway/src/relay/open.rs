//! Opening a route: the attempts, one after the other, until one of them answers.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use inference::{Event, Job, JobError, LocalModel, Message, Penalties, Place, Sampling, Status};

use super::Source;
use crate::admission;
use crate::answer::{Ask, CallerKind, Lane, Refusal, Route, Served};
use crate::board::{Board, RouteId};
use crate::course::{Candidate, Course};
use crate::fault::Fault;
use crate::gateway::{Gateway, READY_PATIENCE};
use crate::upstream::{Reply, Upstream, Wait};

/// How long a request may wait in a local model's queue for its first token.
const LOCAL_PATIENCE: Duration = Duration::from_secs(120);

/// The first token of an upstream for a person in the portal.
const PORTAL_PATIENCE: Duration = Duration::from_secs(8);

/// Tries the rest of the course in order. `begun` is the text that the answer has already; only a local model
/// can go on from one.
pub(super) async fn first_that_answers(
    gateway: &Gateway,
    ask: &Ask,
    course: &mut Course,
    begun: &str,
) -> Result<(Served, Source), Refusal> {
    let mut tried = Vec::new();
    let mut refusal = None;
    while let Some(candidate) = course.next() {
        let opened = match &candidate {
            Candidate::Cloud { upstream, model, .. } => {
                cloud(gateway, ask, course.has_more(), *upstream, model).await
            }
            Candidate::Local(model) => local(gateway, ask, model, begun).await,
        };
        let by = candidate.label();
        let route = if matches!(candidate, Candidate::Cloud { .. }) { Route::Cloud } else { Route::Local };
        match opened {
            Ok(source) => {
                let site_state = gateway.board().site_state();
                return Ok((Served { by, route, reason: course.reason, site_state }, source));
            }
            Err(Closed::Refused(error)) => return Err(*error),
            Err(Closed::Next { reason, refusal: why }) => {
                if course.reason == "first-route" || route == Route::Cloud {
                    course.reason = reason;
                }
                tried.push(format!("{by}: {reason}"));
                refusal = why.or(refusal);
            }
        }
    }
    Err(refusal.unwrap_or_else(|| nothing_left(ask, course, &tried)))
}

/// Why a route gave no answer.
enum Closed {
    /// The request itself is refused, and no other route may be asked.
    Refused(Box<Refusal>),
    /// The next route's turn. `refusal` says more than «nothing is left», should it be the last.
    Next { reason: &'static str, refusal: Option<Refusal> },
}

async fn cloud(
    gateway: &Gateway,
    ask: &Ask,
    has_alternative: bool,
    index: usize,
    model: &str,
) -> Result<Source, Closed> {
    let (board, route) = (gateway.board(), gateway.board().route(index, model));
    let upstream = &board.upstreams[index];
    let orders = gateway.orders().current();
    // The course may have been planned before the order was given.
    if let Some(reason) = orders.keeps_from(&upstream.settings.name) {
        return Err(Closed::Next { reason, refusal: None });
    }
    // By order a request waits for the cloud also where its breaker gives it up.
    let has_alternative = has_alternative && !orders.forces_cloud();
    let body = Bytes::from(ask.request.body_for(model));
    match attempt(board, route, body, patience(ask, upstream), has_alternative).await {
        Ok(Reply::Stream(stream)) => Ok(Source::Chunks { route, stream }),
        Ok(Reply::Whole(completion)) => Ok(Source::Whole { route, completion, told: false }),
        Err(fault) => {
            board.record(route, Some(&fault));
            gateway.metrics().failed_over(&upstream.settings.name, fault.reason());
            match fault.refusal() {
                Some(error) => Err(Closed::Refused(Box::new(error.clone()))),
                None => Err(Closed::Next { reason: fault.reason(), refusal: None }),
            }
        }
    }
}

/// A person in front of a page is told sooner than a program that nothing comes.
fn patience(ask: &Ask, upstream: &Upstream) -> Wait {
    let first_token = upstream.settings.deadlines.first_token;
    match (ask.request.stream, ask.caller.kind) {
        (false, _) => Wait::ForWholeAnswer,
        (true, CallerKind::Key) => Wait::ForFirstToken(first_token),
        (true, CallerKind::Person) => Wait::ForFirstToken(first_token.min(PORTAL_PATIENCE)),
    }
}

/// Waits for the upstream only as long as there is sense in it, when something else could answer.
async fn attempt(
    board: &Board,
    route: RouteId,
    body: Bytes,
    wait: Wait,
    has_alternative: bool,
) -> Result<Reply, Fault> {
    let chat = board.upstreams[route.upstream].chat(body, wait, |fault| {
        board.record(route, Some(fault));
        board.admits(route).is_ok()
    });
    if !has_alternative {
        return chat.await;
    }
    tokio::select! {
        biased;
        reply = chat => reply,
        fault = board.lost(route) => Err(fault),
    }
}

async fn local(gateway: &Gateway, ask: &Ask, model: &LocalModel, begun: &str) -> Result<Source, Closed> {
    if let Some(lack) = lacks(ask) {
        let message =
            format!("This request needs {lack}, and the local model {} cannot do that.", model.name());
        let refusal = Refusal::unavailable("standby_lacks", message).retry_after(30);
        return Err(Closed::Next { reason: "standby-lacks", refusal: Some(refusal) });
    }
    wait_until_ready(model).await?;
    let mut generation = model.generate(job(ask, begun, gateway.settings().limits.local_max_tokens));
    let first = tokio::time::timeout(LOCAL_PATIENCE, async {
        loop {
            match generation.next().await {
                Some(Ok(Event::Started { .. })) => {}
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) => return Err(error),
                None => return Err(JobError::Internal),
            }
        }
    });
    match first.await {
        Ok(Ok(event)) => Ok(Source::Local { generation, first: Some(event) }),
        Ok(Err(error)) => Err(job_refused(model, &error)),
        Err(_) => {
            Err(Closed::Next { reason: "standby-busy", refusal: Some(busy(model, generation.waiting())) })
        }
    }
}

/// A model that is being loaded or restarted is waited for; one that has failed is not.
async fn wait_until_ready(model: &LocalModel) -> Result<(), Closed> {
    let unready = || Closed::Next { reason: "standby-unready", refusal: None };
    let mut status = model.status();
    let settled = status.wait_for(|s| matches!(s, Status::Ready { .. } | Status::Failed { .. }));
    match tokio::time::timeout(READY_PATIENCE, settled).await {
        Ok(Ok(status)) if matches!(*status, Status::Ready { .. }) => Ok(()),
        _ => Err(unready()),
    }
}

/// What the request needs that a local model of this version does not do.
fn lacks(ask: &Ask) -> Option<&'static str> {
    let needs = ask.request.needs;
    match () {
        () if needs.tools => Some("tools"),
        () if needs.images => Some("to see an image, or to hear or read a file"),
        () if needs.json => Some("an answer in guaranteed JSON"),
        () if needs.logprobs => Some("the probabilities of tokens"),
        () if needs.several_choices => Some("several answers at once"),
        () => None,
    }
}

fn job(ask: &Ask, begun: &str, max_tokens: u32) -> Job {
    let request = &ask.request;
    let role = |role: &str| if role == "developer" { "system".to_owned() } else { role.to_owned() };
    Job {
        messages: request
            .messages
            .iter()
            .map(|message| Message { role: role(&message.role), content: message.text.clone() })
            .collect(),
        answer_prefix: begun.to_owned(),
        max_tokens: request.max_tokens.unwrap_or(max_tokens),
        sampling: Sampling {
            // An emergency model says its likeliest words unless it is asked to vary them.
            temperature: request.temperature.unwrap_or(0.0),
            top_p: request.top_p.unwrap_or(1.0),
            top_k: request.top_k.unwrap_or(0),
            min_p: request.min_p.unwrap_or(0.0),
            seed: request.seed,
            penalties: Penalties {
                presence: request.presence_penalty.unwrap_or(0.0),
                frequency: request.frequency_penalty.unwrap_or(0.0),
                ..Penalties::default()
            },
        },
        stop: request.stop.clone(),
        lane: ask.lane,
    }
}

fn job_refused(model: &LocalModel, error: &JobError) -> Closed {
    let name = model.name();
    let next = |reason, refusal| Closed::Next { reason, refusal: Some(refusal) };
    match error {
        JobError::ContextTooLong { tokens, limit } => next(
            "standby-context",
            Refusal::invalid(
                "context_length_exceeded",
                "messages",
                format!(
                    "The conversation has {tokens} tokens; the local model {name} can hold {limit}. Shorten it."
                ),
            ),
        ),
        JobError::TooLarge { bytes, limit } => next(
            "standby-context",
            Refusal::invalid(
                "context_length_exceeded",
                "messages",
                format!(
                    "The conversation has {bytes} bytes; the local model {name} takes {limit}. Shorten it."
                ),
            ),
        ),
        JobError::BadTemplate(why) => next(
            "standby-template",
            Refusal::invalid(
                "invalid_messages",
                "messages",
                format!("The chat template of the local model {name} refuses this conversation: {why}"),
            ),
        ),
        JobError::QueueFull { position, wait_ms } => {
            let expected = Duration::from_millis(*wait_ms);
            next("standby-busy", busy(model, Some(Place { position: *position, expected })))
        }
        JobError::Unready(_) => Closed::Next { reason: "standby-unready", refusal: None },
        JobError::WorkerLost | JobError::Internal => Closed::Next { reason: "standby-failed", refusal: None },
    }
}

/// `place` is the one that the request has or would have had in the model's queue.
fn busy(model: &LocalModel, place: Option<Place>) -> Refusal {
    let lowest = model.occupancy().next[Lane::Batch as usize];
    admission::no_room(model.name(), place.unwrap_or(lowest))
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

//! One standby: what is asked of it, and what it refuses.

use std::time::Duration;

use futures_util::StreamExt;
use inference::{Event, Job, JobError, LocalModel, Message, Penalties, Place, Sampling, Status};

use super::Source;
use super::open::{Closed, Opening, Size};
use crate::admission;
use crate::answer::{Ask, Lane, Refusal};
use crate::gateway::READY_PATIENCE;

/// How long a request may wait in a local model's queue for its first token.
const LOCAL_PATIENCE: Duration = Duration::from_secs(120);

/// Asks a local model, and waits for its first token. `begun` is the text that the answer has already.
pub(super) async fn open(opening: &Opening<'_>, model: &LocalModel, begun: &str) -> Result<Source, Closed> {
    let ask = opening.ask;
    wait_until_ready(model).await?;
    let mut generation = model.generate(job(ask, begun, opening.gateway.settings().limits.local_max_tokens));
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
        JobError::ContextTooLong { tokens, limit } => Closed::TooLong {
            refusal: Box::new(too_long(format!(
                "The conversation has {tokens} tokens; the local model {name} can hold {limit}. Shorten it."
            ))),
            size: Some(Size { tokens: u64::from(*tokens), limit: *limit }),
        },
        JobError::TooLarge { bytes, limit } => Closed::TooLong {
            refusal: Box::new(too_long(format!(
                "The conversation has {bytes} bytes; the local model {name} takes {limit}. Shorten it."
            ))),
            size: None,
        },
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

fn too_long(message: String) -> Refusal {
    Refusal::invalid("context_length_exceeded", "messages", message)
}

/// `place` is the one that the request has or would have had in the model's queue.
fn busy(model: &LocalModel, place: Option<Place>) -> Refusal {
    let lowest = model.occupancy().next[Lane::Batch as usize];
    admission::no_room(model.name(), place.unwrap_or(lowest))
}

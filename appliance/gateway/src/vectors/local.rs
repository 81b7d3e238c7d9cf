//! Vectors and scores of a local model.

use std::sync::Arc;
use std::time::Duration;

use dialect::openai::{self, EmbeddingRequest, Usage};
use inference::{Computation, Facts, JobError, LocalModel, Place, Status, VectorJob, Vectors};

use super::{Gave, VectorAsk, Wanted};
use crate::admission;
use crate::answer::{Refusal, Served};
use crate::gateway::{Gateway, READY_PATIENCE};
use crate::reason::Reason;

/// How long a request may wait in a model's queue before its first text is read.
const QUEUE_PATIENCE: Duration = Duration::from_secs(120);

/// How often a request that waits looks whether it still does.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Asks a local model, and waits for all that it gives.
pub(super) async fn ask(
    gateway: &Gateway,
    ask: &VectorAsk,
    name: &str,
    request_id: &str,
    served: &Served,
) -> Gave {
    let Some(model) = gateway.local(name) else { return Gave::Next(Reason::StandbyUnready, None) };
    let Some(facts) = ready(model).await else { return Gave::Next(Reason::StandbyUnready, None) };
    let job = match job(ask, model, &facts) {
        Ok(job) => job,
        Err(refusal) => return Gave::Refused(Box::new(refusal)),
    };
    match whole(model, &ask.caller.id(), job).await {
        Ok(vectors) => Gave::Answer {
            tokens: vectors.tokens,
            body: written(&ask.wanted, model, &vectors, request_id, served),
        },
        Err(error) => refused(ask, model, &error),
    }
}

/// A model that is being loaded or restarted is waited for; one that has failed or is not loaded is not.
async fn ready(model: &LocalModel) -> Option<Arc<Facts>> {
    let mut status = model.status();
    let settled = status.wait_for(|status| !status.is_coming());
    match tokio::time::timeout(READY_PATIENCE, settled).await.ok()?.ok()?.clone() {
        Status::Ready { facts, .. } => Some(facts),
        _ => None,
    }
}

/// # Errors
/// What the model cannot do, before any work.
fn job(ask: &VectorAsk, model: &LocalModel, facts: &Facts) -> Result<VectorJob, Refusal> {
    let name = model.name();
    let (texts, query) = match &ask.wanted {
        Wanted::Rerank(request) => (request.documents.clone(), Some(request.query.clone())),
        Wanted::Embeddings(EmbeddingRequest { texts, dimensions, .. }) => {
            let own = facts.vectors.map(|vectors| vectors.dimensions);
            if let (Some(wanted), Some(own)) = (*dimensions, own)
                && wanted != own
            {
                let message = format!(
                    "The local model {name} makes vectors of {own} numbers, and was not trained for {wanted}. Leave \
                     \"dimensions\" out."
                );
                return Err(Refusal::invalid("dimensions_not_supported", "dimensions", message));
            }
            (texts.clone().ok_or_else(|| openai::no_tokens_here(name))?, None)
        }
    };
    Ok(VectorJob { texts, query, lane: ask.lane })
}

/// Whoever has gone takes the job along: what is dropped is cancelled.
async fn whole(model: &LocalModel, caller: &str, job: VectorJob) -> Result<Vectors, JobError> {
    let mut computation: Computation = model.compute_for(caller, job);
    let begun = tokio::time::Instant::now();
    loop {
        if let Ok(end) = tokio::time::timeout(LOOK_EVERY, &mut computation).await {
            return end;
        }
        if let Some(place) = computation.waiting().filter(|_| begun.elapsed() > QUEUE_PATIENCE) {
            let wait_ms = place.expected.as_millis() as u64;
            return Err(JobError::QueueFull { position: place.position, wait_ms });
        }
    }
}

fn written(wanted: &Wanted, model: &LocalModel, vectors: &Vectors, id: &str, served: &Served) -> Vec<u8> {
    let (name, extension) = (model.name(), served.extension(None));
    match wanted {
        Wanted::Embeddings(request) => {
            let usage = Usage { prompt_tokens: vectors.tokens, ..Usage::default() };
            openai::embeddings(name, &vectors.list, request.encoding, usage, &extension)
        }
        Wanted::Rerank(request) => {
            let scores: Vec<f32> = vectors.list.iter().filter_map(|score| score.first().copied()).collect();
            request.answer(&format!("rerank-{id}"), name, &scores, vectors.tokens, &extension)
        }
    }
}

fn refused(ask: &VectorAsk, model: &LocalModel, error: &JobError) -> Gave {
    let name = model.name();
    let field = match ask.wanted {
        Wanted::Embeddings(_) => "input",
        Wanted::Rerank(_) => "documents",
    };
    let invalid =
        |code, param: &str, message: String| Gave::Refused(Box::new(Refusal::invalid(code, param, message)));
    match error {
        JobError::TextTooLong { index, tokens, limit } => {
            let place = format!("{field}[{index}]");
            let with = if field == "documents" { " with the query" } else { "" };
            let message = format!(
                "\"{place}\" has at least {tokens} tokens{with}, and the local model {name} reads {limit} at most. Cut it into \
                 shorter ones; nothing is left out silently."
            );
            invalid("context_length_exceeded", &place, message)
        }
        JobError::TextEmpty { index } => {
            let place = format!("{field}[{index}]");
            let message = format!("\"{place}\" has nothing in it that the local model {name} can read.");
            invalid("invalid_input", &place, message)
        }
        JobError::TooLarge { bytes, limit } => invalid(
            "request_too_large",
            field,
            format!(
                "The texts have {bytes} bytes; the local model {name} takes {limit} at once. Send fewer."
            ),
        ),
        JobError::QueueFull { position, wait_ms } => {
            let place = Place { position: *position, expected: Duration::from_millis(*wait_ms) };
            Gave::Next(Reason::StandbyBusy, Some(Box::new(admission::no_room(name, place))))
        }
        JobError::Unready(_) | JobError::WrongKind => Gave::Next(Reason::StandbyUnready, None),
        JobError::Internal => {
            let message = format!(
                "The local model {name} made something of these texts that is no vector. Send them one by one to find \
                 the one that it can't read."
            );
            let refusal = Refusal::new(502, "server_error", "no_vector", message);
            Gave::Next(Reason::StandbyFailed, Some(Box::new(refusal)))
        }
        _ => Gave::Next(Reason::StandbyFailed, None),
    }
}

//! One standby: what is asked of it, and what it refuses.

use std::time::Duration;

use inference::{JobError, LocalModel, Place, Status};
use tokio::time::Instant;

use super::answers::{Answers, Heard};
use super::open::{Closed, Opening, Size};
use super::{Progress, Source, asked, said};
use crate::admission::{self, Relief};
use crate::answer::{Lane, Mode, Refusal};
use crate::course::Course;
use crate::gateway::READY_PATIENCE;
use crate::reason::Reason;

/// How long a request may wait in a local model's queue. Once its prompt is being read it is waited for as long as that
/// takes: the keeper sees to it that the model gets on.
pub(super) const LOCAL_PATIENCE: Duration = Duration::from_secs(120);

/// Who waits for the first word of a stream is told the place in the queue so often.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(3);

/// Asks a local model, and waits for its first token. `begun` is the text that the answer has already.
pub(super) async fn open(opening: &Opening<'_>, model: &LocalModel, begun: &str) -> Result<Source, Closed> {
    let mut begun = start(opening, model, begun).await?;
    let first = loop {
        if let Ok(first) = tokio::time::timeout(LOCAL_PATIENCE, begun.answers.first()).await {
            break first;
        }
        if let Some(place) = begun.answers.waiting() {
            return Err(busy(model, Some(place)));
        }
    };
    opened(model, begun, first)
}

/// The same; but a stream that stands in the queue begins before its first token, so that its place can be told. Who
/// waits may go to the rest of the course.
pub(super) async fn open_or_queue(
    opening: &Opening<'_>,
    course: &Course,
    model: &LocalModel,
    begun: &str,
) -> Result<Source, Closed> {
    if !begun.is_empty() {
        return open(opening, model, begun).await;
    }
    let is_told = opening.ask.mode == Mode::Stream && opening.ask.request.stream;
    let mut begun = start(opening, model, begun).await?;
    let patience = begun.asked + LOCAL_PATIENCE;
    loop {
        if let Ok(first) = tokio::time::timeout(TELL_EVERY, begun.answers.first()).await {
            return opened(model, begun, first);
        }
        let Some(place) = begun.answers.waiting() else { continue };
        if Instant::now() >= patience {
            return Err(busy(model, Some(place)));
        }
        if course.has_smaller_at_once(opening.gateway, opening.ask, model) {
            return Err(gives_way(model, place));
        }
        if is_told {
            return Ok(begun.awaited());
        }
    }
}

/// A job on its way, and the step of the ladder of scarcity that it gave something up for.
struct Begun {
    answers: Answers,
    brown_out: u8,
    asked: Instant,
}

impl Begun {
    fn awaited(self) -> Source {
        let progress = Progress::Awaited { since: self.asked, place_told: false };
        Source::Local { answers: self.answers, progress, brown_out: self.brown_out }
    }

    fn begun(self, first: Heard) -> Source {
        Source::Local { answers: self.answers, progress: Progress::Begun(first), brown_out: self.brown_out }
    }
}

fn opened(model: &LocalModel, begun: Begun, first: Result<Heard, JobError>) -> Result<Source, Closed> {
    match first {
        Ok(heard) => Ok(begun.begun(heard)),
        Err(error) => Err(refused(model, &error)),
    }
}

async fn start(opening: &Opening<'_>, model: &LocalModel, begun: &str) -> Result<Begun, Closed> {
    let (ask, gateway) = (opening.ask, opening.gateway);
    if let Some(refusal) = asked::refusal(&ask.request) {
        return Err(Closed::Next { reason: Reason::StandbyLacks, refusal: Some(Box::new(refusal)) });
    }
    wait_until_ready(model).await?;
    let relief = match gateway.admission().relief(ask.lane, model) {
        Ok(relief) => relief,
        // An answer that has begun is not given up for one that has not.
        Err(_) if !begun.is_empty() => Relief::default(),
        Err(refusal) => {
            return Err(Closed::Next { reason: Reason::BrownOut, refusal: Some(Box::new(refusal)) });
        }
    };
    let jobs = asked::jobs(ask, begun, gateway.settings().limits.local_max_tokens);
    let caller = ask.caller.id();
    let generations = jobs.into_iter().map(|mut job| {
        job.max_tokens = job.max_tokens.min(relief.max_tokens.unwrap_or(u32::MAX));
        model.generate_for(&caller, job)
    });
    let answers = Answers::new(generations.collect());
    Ok(Begun { answers, brown_out: relief.step, asked: Instant::now() })
}

/// A model that is being loaded or restarted is waited for; one that has failed or is not loaded is not.
async fn wait_until_ready(model: &LocalModel) -> Result<(), Closed> {
    let unready = || Closed::Next { reason: Reason::StandbyUnready, refusal: None };
    let mut status = model.status();
    let settled = status.wait_for(|status| !status.is_coming());
    match tokio::time::timeout(READY_PATIENCE, settled).await {
        Ok(Ok(status)) if matches!(*status, Status::Ready { .. }) => Ok(()),
        _ => Err(unready()),
    }
}

/// What a job's error says of the request and of the model.
pub(super) fn refused(model: &LocalModel, error: &JobError) -> Closed {
    let name = model.name();
    let next = |reason, refusal| Closed::Next { reason, refusal: Some(Box::new(refusal)) };
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
            Reason::StandbyTemplate,
            Refusal::invalid(
                "invalid_messages",
                "messages",
                format!("The chat template of the local model {name} refuses this conversation: {why}"),
            ),
        ),
        JobError::BadFormat(why) => next(
            Reason::StandbyLacks,
            Refusal::invalid(
                "invalid_response_format",
                "response_format",
                format!("The local model {name} can't hold its answer to this form: {why}"),
            ),
        ),
        JobError::BadTool(why) => next(
            Reason::StandbyLacks,
            Refusal::invalid(
                "invalid_tools",
                "tools",
                format!("The local model {name} can't be held to the arguments of the function {why}"),
            ),
        ),
        JobError::NoSuchToken { token, tokens } => next(
            Reason::StandbyLacks,
            Refusal::invalid(
                "invalid_value",
                "logit_bias",
                format!(
                    "\"logit_bias\" names the token {token}; the local model {name} has tokens 0 to {}.",
                    tokens.saturating_sub(1)
                ),
            ),
        ),
        JobError::NoTools => next(
            Reason::StandbyLacks,
            Refusal::unavailable(
                "standby_lacks",
                format!("This request needs tools, and the local model {name} has none."),
            )
            .retry_after(30),
        ),
        JobError::CallCut => Closed::Refused(Box::new(said::call_cut())),
        JobError::FormatMissed => next(
            Reason::StandbyFailed,
            Refusal::new(
                502,
                "server_error",
                "format_missed",
                format!("The answer of the local model {name} did not get the form that was asked for."),
            ),
        ),
        JobError::QueueFull { position, wait_ms } => {
            let expected = Duration::from_millis(*wait_ms);
            busy(model, Some(Place { position: *position, expected }))
        }
        JobError::TextTooLong { .. } | JobError::TextEmpty { .. } | JobError::WrongKind => {
            Closed::Next { reason: Reason::StandbyLacks, refusal: None }
        }
        JobError::Unready(_) => Closed::Next { reason: Reason::StandbyUnready, refusal: None },
        JobError::WorkerLost | JobError::Internal => {
            Closed::Next { reason: Reason::StandbyFailed, refusal: None }
        }
    }
}

fn too_long(message: String) -> Refusal {
    Refusal::invalid("context_length_exceeded", "messages", message)
}

/// There was no room in time. `place` is the one that the request has or would have had in the model's queue.
pub(super) fn busy(model: &LocalModel, place: Option<Place>) -> Closed {
    let lowest = model.occupancy().next[Lane::Batch as usize];
    let refusal = admission::no_room(model.name(), place.unwrap_or(lowest));
    Closed::Next { reason: Reason::StandbyBusy, refusal: Some(Box::new(refusal)) }
}

/// There is a smaller model that would begin at once.
pub(super) fn gives_way(model: &LocalModel, place: Place) -> Closed {
    let refusal = admission::no_room(model.name(), place);
    Closed::Next { reason: Reason::BrownOut, refusal: Some(Box::new(refusal)) }
}

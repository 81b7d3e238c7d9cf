//! What a local model says to one request: one answer, or several side by side.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use inference::{Event, FinishReason, Generation, JobError, Place, Usage};

/// One generation for each answer that is wanted. The first that fails is the end of all.
pub(super) struct Answers {
    each: Vec<Option<Generation>>,
    /// Who is looked at first: they take turns.
    turn: usize,
    usage: Usage,
    /// How the first answer ended.
    reason: FinishReason,
    is_told: bool,
}

/// A step of one of the answers, or the end of all.
pub(super) enum Heard {
    Of {
        choice: u32,
        event: Event,
    },
    /// This one of several is whole; the others may go on.
    Ended {
        choice: u32,
        reason: FinishReason,
    },
    Finished {
        reason: FinishReason,
        usage: Usage,
    },
}

impl Answers {
    pub(super) fn new(each: Vec<Generation>) -> Answers {
        let each = each.into_iter().map(Some).collect();
        Answers { each, turn: 0, usage: Usage::default(), reason: FinishReason::Stop, is_told: false }
    }

    pub(super) fn are_several(&self) -> bool {
        self.each.len() > 1
    }

    /// The place in the queue of an answer that waits, while none has begun; `None` once one has.
    pub(super) fn waiting(&self) -> Option<Place> {
        let places: Vec<Option<Place>> = self.each.iter().flatten().map(Generation::waiting).collect();
        places.into_iter().collect::<Option<Vec<Place>>>()?.into_iter().min_by_key(|place| place.position)
    }

    pub(super) async fn next(&mut self) -> Option<Result<Heard, JobError>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Heard, JobError>>> {
        if self.each.iter().all(Option::is_none) {
            let end = Heard::Finished { reason: self.reason, usage: self.usage };
            return Poll::Ready((!std::mem::replace(&mut self.is_told, true)).then_some(Ok(end)));
        }
        let count = self.each.len();
        for choice in (0..count).map(|step| (self.turn + step) % count) {
            let Some(generation) = &mut self.each[choice] else { continue };
            let Poll::Ready(event) = Pin::new(generation).poll_next(context) else { continue };
            self.turn = (choice + 1) % count;
            return Poll::Ready(Some(self.take(choice, event.unwrap_or(Err(JobError::Internal)))));
        }
        Poll::Pending
    }

    fn take(&mut self, choice: usize, event: Result<Event, JobError>) -> Result<Heard, JobError> {
        match event? {
            Event::Finished { reason, usage } => {
                self.each[choice] = None;
                // The prompt is one, however many answers it has.
                let completion_tokens = self.usage.completion_tokens.saturating_add(usage.completion_tokens);
                self.usage = Usage { completion_tokens, ..usage };
                if choice == 0 {
                    self.reason = reason;
                }
                if !self.are_several() {
                    self.is_told = true;
                    return Ok(Heard::Finished { reason, usage });
                }
                Ok(Heard::Ended { choice: choice as u32, reason })
            }
            event => Ok(Heard::Of { choice: choice as u32, event }),
        }
    }

    /// The first step with something of an answer in it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn first(&mut self) -> Result<Heard, JobError> {
        loop {
            match self.next().await {
                Some(Ok(Heard::Of { event: Event::Started { .. }, .. })) => {}
                Some(heard) => return heard,
                None => return Err(JobError::Internal),
            }
        }
    }
}

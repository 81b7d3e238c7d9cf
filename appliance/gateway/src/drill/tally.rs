//! What is counted during a drill: every answer from its request to its end, real ones and those of the load bank apart.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::time::Instant;

use super::report::Served;
use super::scope::Scope;
use crate::answer::{Answer, AnswerEvent, Ask, Caller, Events, Refusal, Route};

/// Who asks for the sake of load.
pub(super) const LOAD_BANK: &str = "drill:load-bank";

/// First tokens that are kept for the figures; a drill with more is judged by the first ones.
const MAX_FIRST_TOKENS: usize = 200_000;

/// A slow answer among fewer than these is no distribution.
const MIN_FIRST_TOKENS: usize = 20;

/// Counts while a drill runs, and costs nothing else.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Shared>);

#[derive(Default)]
struct Shared {
    runs: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    scope: Option<Scope>,
    cut_at: Option<Instant>,
    transfer: Option<Duration>,
    first_tokens: Vec<Duration>,
    cloud_answers: u64,
    real: Served,
    synthetic: Served,
    by_model: BTreeMap<String, u64>,
}

/// What has been counted so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub transfer: Option<Duration>,
    pub p50: Option<Duration>,
    pub p95: Option<Duration>,
    /// Known well enough for a limit.
    pub p95_is_known: bool,
    pub cloud_answers: u64,
    pub real: Served,
    pub synthetic: Served,
    pub by_model: Vec<(String, u64)>,
}

pub(super) fn is_synthetic(caller: &Caller) -> bool {
    caller.who == LOAD_BANK
}

impl Tally {
    pub(super) fn begin(&self, scope: Scope) {
        *self.counts() = Counts { scope: Some(scope), ..Counts::default() };
        self.0.runs.store(true, Ordering::Release);
    }

    pub(super) fn cut(&self) {
        self.counts().cut_at = Some(Instant::now());
    }

    pub(super) fn end(&self) -> Counted {
        self.0.runs.store(false, Ordering::Release);
        self.counted()
    }

    pub(super) fn counted(&self) -> Counted {
        let counts = self.counts();
        let mut sorted = counts.first_tokens.clone();
        sorted.sort_unstable();
        let at =
            |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Counted {
            transfer: counts.transfer,
            p50: at(50),
            p95: at(95),
            p95_is_known: sorted.len() >= MIN_FIRST_TOKENS,
            cloud_answers: counts.cloud_answers,
            real: counts.real,
            synthetic: counts.synthetic,
            by_model: counts.by_model.iter().map(|(model, count)| (model.clone(), *count)).collect(),
        }
    }

    /// A request that takes part in the drill, from now to its end.
    pub(crate) fn watch(&self, ask: &Ask) -> Option<Watch> {
        if !self.0.runs.load(Ordering::Acquire) {
            return None;
        }
        let mut counts = self.counts();
        if !counts.scope.as_ref().is_some_and(|scope| scope.covers(&ask.caller, &ask.request.model)) {
            return None;
        }
        let synthetic = is_synthetic(&ask.caller);
        counts.side(synthetic).asked += 1;
        Some(Watch { tally: self.clone(), synthetic, asked_at: Instant::now(), over: false })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn side(&mut self, synthetic: bool) -> &mut Served {
        if synthetic { &mut self.synthetic } else { &mut self.real }
    }
}

/// One request that is counted.
pub(crate) struct Watch {
    tally: Tally,
    synthetic: bool,
    asked_at: Instant,
    over: bool,
}

impl Watch {
    /// The request was answered or refused; an answer is watched to its end.
    pub(crate) fn over(mut self, result: Result<Answer, Refusal>) -> Result<Answer, Refusal> {
        match result {
            Ok(answer) => {
                self.began(&answer);
                let Answer { request_id, served, events } = answer;
                let events = Box::pin(Watched { events, watch: self });
                Ok(Answer { request_id, served, events })
            }
            Err(refusal) => {
                self.over = true;
                // What is wrong with the request itself is no loss.
                if refusal.status >= 500 || refusal.status == 429 {
                    self.tally.counts().side(self.synthetic).refused += 1;
                }
                Err(refusal)
            }
        }
    }

    fn began(&self, answer: &Answer) {
        let now = Instant::now();
        let mut counts = self.tally.counts();
        let side = counts.side(self.synthetic);
        match answer.served.route {
            Route::Cloud => side.by_cloud += 1,
            Route::Local => side.by_local += 1,
        }
        *counts.by_model.entry(answer.served.by.clone()).or_default() += 1;
        let Some(cut_at) = counts.cut_at.filter(|cut_at| self.asked_at >= *cut_at) else { return };
        if counts.first_tokens.len() < MAX_FIRST_TOKENS {
            counts.first_tokens.push(now - self.asked_at);
        }
        let went_over = answer.served.route == Route::Local && answer.served.reason.shows_the_transfer();
        if went_over && counts.transfer.is_none() {
            counts.transfer = Some(now - cut_at);
        }
        if answer.served.route == Route::Cloud {
            counts.cloud_answers += 1;
        }
    }

    fn see(&mut self, event: &AnswerEvent) {
        let now = Instant::now();
        let mut counts = self.tally.counts();
        match event {
            AnswerEvent::Seam { served, .. } => {
                counts.side(self.synthetic).seams += 1;
                *counts.by_model.entry(served.by.clone()).or_default() += 1;
                // An answer that was under way at the cut is the first to be carried over.
                if let (Some(cut_at), None, Route::Local) = (counts.cut_at, counts.transfer, served.route) {
                    counts.transfer = Some(now - cut_at);
                }
            }
            AnswerEvent::Finished { .. } => {
                counts.side(self.synthetic).whole += 1;
                self.over = true;
            }
            AnswerEvent::Failed(_) => {
                counts.side(self.synthetic).broken += 1;
                self.over = true;
            }
            AnswerEvent::Waiting { .. }
            | AnswerEvent::Delta { .. }
            | AnswerEvent::Odds(_)
            | AnswerEvent::Of { .. }
            | AnswerEvent::Ended { .. }
            | AnswerEvent::Reasoning(_)
            | AnswerEvent::Call { .. }
            | AnswerEvent::Arguments { .. } => {}
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.over {
            self.tally.counts().side(self.synthetic).left += 1;
        }
    }
}

struct Watched {
    events: Events,
    watch: Watch,
}

impl Stream for Watched {
    type Item = AnswerEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<AnswerEvent>> {
        let event = std::task::ready!(self.events.as_mut().poll_next(cx));
        if let Some(event) = &event {
            self.watch.see(event);
        }
        Poll::Ready(event)
    }
}

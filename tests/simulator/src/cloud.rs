//! The simulated upstreams: they answer in numbered words, and write down what they really did.

mod answer;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::DuplexStream;

use crate::book::{Attempt, Book};
use crate::dice::Dice;
use crate::network::{ONE_WAY, is_black_hole};
use crate::plan::{MODELS, UPSTREAMS, cloud_mark};
use crate::sabotage::Sabotage;
use crate::weather::{Break, Episode, Fault, Weather};
use answer::{Script, Step};
use wire::{Call, Wire};

pub(crate) struct Cloud {
    pub(crate) weather: Arc<Weather>,
    pub(crate) book: Book,
    pub(crate) dice: Mutex<Dice>,
    pub(crate) sabotage: Option<Sabotage>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    Reset,
}

impl Ending {
    pub(crate) fn is_reset(self) -> bool {
        self == Ending::Reset
    }
}

/// The client went away.
pub(crate) struct Gone;

impl Cloud {
    /// Answers the requests of one connection until either side ends it.
    pub(crate) async fn serve(&self, upstream: usize, bytes: &mut DuplexStream) -> Ending {
        let mut wire = Wire::new(bytes);
        loop {
            let Some(call) = wire.read_call().await else { return Ending::Closed };
            let answered = match self.deliver(upstream, &mut wire).await {
                Ok(()) if call.is_list() => self.list_models(upstream, &mut wire).await,
                Ok(()) => self.chat(upstream, &call, &mut wire).await,
                Err(gone) => Err(gone),
            };
            match answered {
                Ok(None) => {}
                Ok(Some(ending)) => return ending,
                Err(Gone) => return Ending::Closed,
            }
        }
    }

    /// The request's way to the upstream.
    async fn deliver(&self, upstream: usize, wire: &mut Wire<'_>) -> Result<(), Gone> {
        while let Some(until) = self.weather.blocked_until(upstream, self.book.now(), is_black_hole) {
            wire.wait(until.saturating_sub(self.book.now()) + Duration::from_millis(200)).await?;
        }
        let latency = self.weather.at(upstream, self.book.now()).find_map(|episode| match episode.fault {
            Fault::Latency(pause) => Some(pause),
            _ => None,
        });
        wire.wait(ONE_WAY + latency.unwrap_or_default()).await
    }

    /// Bytes on their way to the box; they wait while nothing passes.
    async fn send(&self, upstream: usize, wire: &mut Wire<'_>, bytes: &[u8]) -> Result<(), Gone> {
        let blocks = |fault: &Fault| matches!(fault, Fault::BlackHole | Fault::OneWay);
        while let Some(until) = self.weather.blocked_until(upstream, self.book.now(), blocks) {
            wire.wait(until.saturating_sub(self.book.now()) + Duration::from_millis(200)).await?;
        }
        wire.send(bytes).await
    }

    async fn list_models(&self, upstream: usize, wire: &mut Wire<'_>) -> Result<Option<Ending>, Gone> {
        let fault = self.fault(upstream, |fault| fault.meets_probes() || *fault == Fault::Withdrawn);
        if fault == Some(Fault::Reset) {
            return Ok(Some(Ending::Reset));
        }
        let response = match fault.as_ref().and_then(answer::refusal) {
            Some(refusal) => refusal,
            None if fault == Some(Fault::Withdrawn) => answer::model_list(&["another-model"]),
            None => answer::model_list(&MODELS),
        };
        wire.wait(ONE_WAY).await?;
        self.send(upstream, wire, &response).await.map(|()| None)
    }

    async fn chat(&self, upstream: usize, call: &Call, wire: &mut Wire<'_>) -> Result<Option<Ending>, Gone> {
        let name = UPSTREAMS[upstream];
        let fault = self.fault(upstream, |_| true);
        let Some(order) = call.order() else {
            // A chat without a message is a probe: it is refused as the caller's fault, and bills nothing.
            self.book.tell(format!("{name}/{}: a chat to try the model, meets {fault:?}", call.model()));
            let response = fault.as_ref().and_then(answer::refusal).unwrap_or_else(answer::empty_chat);
            wire.wait(ONE_WAY).await?;
            return self.send(upstream, wire, &response).await.map(|()| None);
        };
        let model = call.model();
        let number = self.book.attempt(Attempt {
            upstream,
            model: model.clone(),
            request: order.request,
            at: self.book.now(),
            answered: false,
            prompt_tokens: 0,
            completion_tokens: 0,
            billed: false,
            at_limit: false,
            finish: None,
            what: "arrived",
        });
        self.book.tell(format!("{name}/{model}: request {} arrives, meets {fault:?}", order.request));
        let script = {
            let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
            let mark = cloud_mark(upstream, &model);
            Script::write(call, &order, mark, fault.as_ref(), number, &mut dice, self.sabotage)
        };
        let usage = script.usage;
        self.book.change_attempt(number, |attempt| {
            (attempt.prompt_tokens, attempt.completion_tokens) = usage;
        });
        let ended = self.play(upstream, number, script, wire).await;
        let what = match &ended {
            Ok(None) => "over",
            Ok(Some(Ending::Reset)) => "reset",
            Ok(Some(Ending::Closed)) => "closed",
            Err(Gone) => "left",
        };
        self.book.change_attempt(number, |attempt| attempt.what = what);
        self.book.tell(format!("{name}/{model}: request {}: {what}", order.request));
        ended
    }

    async fn play(
        &self,
        upstream: usize,
        number: usize,
        script: Script,
        wire: &mut Wire<'_>,
    ) -> Result<Option<Ending>, Gone> {
        for step in script.steps {
            match step {
                Step::Wait(pause) => wire.wait(pause).await?,
                Step::Sign(bytes) => self.send(upstream, wire, &bytes).await?,
                Step::Say(bytes) => {
                    self.send(upstream, wire, &bytes).await?;
                    self.book.change_attempt(number, |attempt| attempt.answered = true);
                }
                Step::Said(finish) => {
                    self.book.change_attempt(number, |attempt| attempt.finish = Some(finish));
                }
                Step::AtLimit => self.book.change_attempt(number, |attempt| attempt.at_limit = true),
                Step::Billed => self.book.change_attempt(number, |attempt| attempt.billed = true),
                Step::End(Break::Close) => return Ok(Some(Ending::Closed)),
                Step::End(Break::Reset) => return Ok(Some(Ending::Reset)),
                Step::End(Break::HalfClose) => {
                    wire.shut().await;
                    wire.wait(Duration::from_secs(600)).await?;
                }
                Step::End(Break::Stall) => wire.wait(Duration::from_secs(600)).await?,
            }
        }
        Ok(None)
    }

    /// The fault that one request meets.
    fn fault(&self, upstream: usize, meets: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = |fault: &Fault| matches!(fault, Fault::OneWay | Fault::Latency(_) | Fault::BlackHole);
        let mut now = self.weather.at(upstream, self.book.now());
        let mut hits = |episode: &&Episode| {
            meets(&episode.fault) && !passes(&episode.fault) && dice.percent(episode.percent)
        };
        now.find(&mut hits).map(|episode| episode.fault.clone())
    }
}

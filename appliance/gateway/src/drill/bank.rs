//! The load bank: fills up the load that real requests do not bring, with known questions in the batch lane.
//!
//! At the cut it asks as any client does, which measures the transfer on a box that nobody uses. From the first local
//! answer on it asks for local answers only, so that none of its questions is ever a cloud's business.

use std::pin::Pin;

use dialect::openai::ChatRequest;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

use super::tally::LOAD_BANK;
use crate::answer::{AnswerEvent, Ask, Caller, CallerKind, Lane, Mode};
use crate::gateway::Gateway;

/// Until the transfer so many questions are under way at most, and a new one begins after so long.
const SCOUTS: usize = 4;
const SCOUT_EVERY: Duration = Duration::from_millis(500);

/// So many more than wanted are let be: dropped ones are work for nothing.
const SPARE: usize = 2;

/// How much one look says about the questions that no model is answering.
const LOOK_WEIGHT: f64 = 0.1;
/// A machine that is slower than this allows for keeps the load down, and the report says so.
const MOST_BETWEEN: usize = 64;

/// A question that was refused is not asked again at once.
const REFUSED_PAUSE: Duration = Duration::from_millis(500);

/// Everybody may read them: they are the same on every box.
const QUESTIONS: [&str; 6] = [
    "What should we do when the internet is down?",
    "Write a short checklist for a handover.",
    "Are you ready?",
    "인터넷이 끊기면 무엇을 해야 합니까?",
    "Explain in three sentences what an emergency generator does.",
    "비상 발전기가 하는 일을 세 문장으로 설명해 주십시오.",
];

type Question<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

pub(super) struct Bank<'a> {
    gateway: &'a Gateway,
    alias: String,
    running: FuturesUnordered<Question<'a>>,
    asked: usize,
    last_scout: Option<Instant>,
    /// Questions under way that no model is answering, on the average of the last looks: they are on their way in, they
    /// wait, or their last row is on its way to the disk.
    between: f64,
}

impl<'a> Bank<'a> {
    pub(super) fn new(gateway: &'a Gateway, alias: String) -> Self {
        Bank { gateway, alias, running: FuturesUnordered::new(), asked: 0, last_scout: None, between: 0.0 }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Takes into account how many answers the models are writing now, the bank's own and others: that is the load.
    pub(super) fn look(&mut self, answers: u32) {
        let between = self.running.len().saturating_sub(answers as usize);
        self.between += LOOK_WEIGHT * (between as f64 - self.between);
    }

    /// Looks for the first local answer, on the way that every request takes.
    pub(super) fn scout(&mut self, now: Instant) {
        let is_time = self.last_scout.is_none_or(|last| now.saturating_duration_since(last) >= SCOUT_EVERY);
        if is_time && self.running.len() < SCOUTS {
            self.last_scout = Some(now);
            self.ask(false);
        }
    }

    /// Keeps `wanted` questions in the models; what is too many gives way to real work at once.
    pub(super) fn fill(&mut self, wanted: usize) {
        let wanted = if wanted == 0 { 0 } else { wanted + self.between() };
        if self.running.len() > wanted + SPARE {
            let mut kept = std::mem::take(&mut self.running).into_iter().take(wanted).collect::<Vec<_>>();
            self.running.extend(kept.drain(..));
        }
        while self.running.len() < wanted {
            self.ask(true);
        }
    }

    /// Drops what is under way; a dropped question is taken back from its model.
    pub(super) fn stop(&mut self) {
        self.running.clear();
    }

    /// Resolves when a question is over.
    pub(super) async fn next(&mut self) {
        if self.running.is_empty() {
            std::future::pending::<()>().await;
        }
        self.running.next().await;
    }

    fn between(&self) -> usize {
        (self.between.round() as usize).min(MOST_BETWEEN)
    }

    fn ask(&mut self, local_only: bool) {
        let question = QUESTIONS[self.asked % QUESTIONS.len()];
        self.asked += 1;
        let body = json!({
            "model": self.alias, "stream": true, "max_tokens": 64, "temperature": 0,
            "messages": [{"role": "user", "content": question}],
        });
        let Ok(request) = ChatRequest::parse(body.to_string().as_bytes()) else { return };
        let ask = Ask {
            caller: Caller { who: LOAD_BANK.into(), kind: CallerKind::Key },
            request,
            lane: Lane::Batch,
            mode: Mode::Stream,
            local_only,
            conversation: None,
        };
        self.running.push(Box::pin(carry(self.gateway, ask)));
    }
}

async fn carry(gateway: &Gateway, ask: Ask) {
    let asked = async {
        let place = gateway.enter_for_itself(LOAD_BANK, ask.lane)?;
        gateway.ask(ask, place).await
    };
    match Box::pin(asked).await {
        Ok(mut answer) => {
            while answer.events.next().await.is_some_and(|event| !matches!(event, AnswerEvent::Failed(_))) {}
        }
        Err(_) => tokio::time::sleep(REFUSED_PAUSE).await,
    }
}

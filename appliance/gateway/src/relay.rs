//! One answer on its way: from the route that serves it to whoever asked, and over to another when it breaks.

mod answers;
mod asked;
mod cloud;
mod local;
mod open;
mod said;
mod shorter;
mod takeover;
mod tried;

use std::time::Duration;

use bytes::Bytes;
use dialect::openai::{Assembly, Completion, Usage};
use futures_util::{StreamExt, stream};
use inference::{JobError, LocalModel};
use tokio::time::Instant;

use crate::admission;
use crate::answer::{Answer, AnswerEvent, Ask, Refusal, Served};
use crate::board::RouteId;
use crate::course::{Candidate, Course};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::homes::Beginning;
use crate::ledger::{Ending, Ledger, unrecorded};
use crate::places::Place;
use crate::upstream::{Chunk, ChunkStream};
use answers::{Answers, Heard};
pub(crate) use cloud::another_try;
use open::{Closed, Opened, Opening};
use takeover::{After, Broken};

/// Where the answer comes from at the moment.
///
/// ```text
///  nothing shown: ┌────────┐      prose shown:             ┌───────┐ nothing shown: any route
///  any route      │ CHUNKS ├──────────────────────────────▶│ LOCAL ├──┐
///            ┌───▶└───┬────┘      a standby goes on        └───┬───┘◀─┘ prose: the next standby
///            └────────┤ cut, stalled, silent, …                │ worker lost for good
///                     │                                        │
///                     │ finish_reason                          │ Finished
///                     ▼                                        ▼
///  ┌────────────────────────────────────────────────────────────────┐      any other break
///  │ OVER: exactly one Finished or Failed was given                  │◀──── gives Failed
///  └────────────────────────────────────────────────────────────────┘
/// ```
enum Source {
    Chunks {
        route: RouteId,
        stream: ChunkStream,
    },
    /// `told` once its text was given to those who do not read the body.
    Whole {
        route: RouteId,
        completion: Completion,
        told: bool,
    },
    Local {
        answers: Answers,
        progress: Progress,
        /// The step of the ladder of scarcity that touches it.
        brown_out: u8,
    },
    Over,
}

/// How far an answer of a local model is.
enum Progress {
    /// Nothing of it is here: it stands in the queue, or its prompt is being read.
    Awaited {
        /// When the model was asked.
        since: Instant,
        /// Its place in the queue has been told before.
        place_told: bool,
    },
    /// Its first step is here, and not yet taken.
    Begun(Heard),
    Speaking,
}

/// An answer that has begun, with all that is needed to end it properly.
pub(crate) struct Relay {
    gateway: Gateway,
    ask: Ask,
    request_id: String,
    course: Course,
    ledger: Ledger,
    served: Served,
    source: Source,
    /// The text so far: a local model that takes over goes on from it.
    sent: String,
    /// Something was sent that no other model can go on with: a part of a tool call.
    is_bound: bool,
    /// Calls that a local model has begun, by answer.
    calls: Vec<u32>,
    /// Puts the chunks together again for a caller who wants the answer whole.
    assembly: Assembly,
    /// Pieces with a token so far: the count of an upstream that tells none itself.
    tokens_seen: u64,
    /// The most tokens that the caller wants, whoever says them.
    max_tokens: Option<u32>,
    usage: Option<Usage>,
    finish_reason: Option<String>,
    /// Its first token is in the numbers.
    has_begun: bool,
    /// Freed when the answer is over or nobody wants it any more.
    _place: Place,
}

/// What one step of the source brought.
enum Step {
    /// Nothing that anybody is to be told.
    Nothing,
    Event(AnswerEvent),
    Whole(Option<Completion>),
}

impl Relay {
    /// Opens the first route of the course that answers.
    pub(crate) async fn begin(
        gateway: Gateway,
        mut ask: Ask,
        request_id: String,
        mut course: Course,
        mut ledger: Ledger,
        place: Place,
    ) -> Result<Self, Refusal> {
        let opened = open::first_that_answers(
            Opening { gateway: &gateway, ask: &ask, asked: ledger.started() },
            &mut course,
            "",
        )
        .await;
        let Opened { served, source, shortened } = opened.inspect_err(|refusal| {
            gateway.metrics().refused(refusal);
            ledger.close(Ending { outcome: "refused", status: refusal.status, usage: Usage::default() });
        })?;
        if let Some(request) = shortened {
            ask.request = request;
        }
        let max_tokens = ask.request.max_tokens;
        ledger.serve(&served);
        if let Some(conversation) = &ask.conversation {
            let began = Beginning { route: served.route, reason: served.reason };
            gateway.homes().served(conversation, began);
        }
        let mut relay = Relay {
            gateway,
            ask,
            request_id,
            course,
            ledger,
            served,
            source,
            sent: String::new(),
            is_bound: false,
            calls: Vec::new(),
            assembly: Assembly::default(),
            tokens_seen: 0,
            max_tokens,
            usage: None,
            finish_reason: None,
            has_begun: false,
            _place: place,
        };
        relay.note_beginning();
        Ok(relay)
    }

    /// The answer as it is made.
    pub(crate) fn stream(self) -> Answer {
        let (request_id, served) = (self.request_id.clone(), self.served.clone());
        let events = stream::unfold(self, |mut relay| async move { Some((relay.next().await?, relay)) });
        Answer { request_id, served, events: events.boxed() }
    }

    /// The answer once it is whole, from one model.
    pub(crate) async fn collect(mut self) -> Result<Answer, Refusal> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            match event {
                // Another model started over: nothing of the first one's answer is shown.
                AnswerEvent::Seam { .. } => events.clear(),
                AnswerEvent::Failed(refusal) => return Err(refusal),
                // Who wants one piece gets the text as one.
                AnswerEvent::Delta { .. } if !self.ask.request.stream => {}
                event => events.push(event),
            }
        }
        if !self.ask.request.stream {
            let text = std::mem::take(&mut self.sent);
            events.insert(0, AnswerEvent::Delta { text, raw: None, closing: false });
        }
        Ok(Answer { request_id: self.request_id, served: self.served, events: stream::iter(events).boxed() })
    }

    async fn next(&mut self) -> Option<AnswerEvent> {
        if matches!(self.source, Source::Over) {
            return None;
        }
        loop {
            return Some(match self.step().await {
                Ok(Step::Nothing) => continue,
                Ok(Step::Event(event)) => event,
                Ok(Step::Whole(body)) => self.finish(body).await,
                Err(fault) => self.take_over(&fault).await,
            });
        }
    }

    /// Waits for the first step of a local answer. While it stands in the queue its place is told, at once and then from
    /// time to time. An answer that gets no room there, or is given back, goes to the next route.
    async fn wait_for_first(&mut self) -> Option<AnswerEvent> {
        let Source::Local { answers, progress: Progress::Awaited { since, place_told }, .. } =
            &mut self.source
        else {
            return None;
        };
        let model = self.gateway.local(self.served.model())?.clone();
        loop {
            let place = answers.waiting();
            if let Some(place) = place {
                if since.elapsed() >= local::LOCAL_PATIENCE {
                    return Some(self.leave_queue(&model, local::busy(&model, Some(place))).await);
                }
                if self.course.has_smaller_at_once(&self.gateway, &self.ask, &model) {
                    return Some(self.leave_queue(&model, local::gives_way(&model, place)).await);
                }
            }
            let is_news = place.is_some() && !std::mem::replace(place_told, true);
            let pause = if is_news { Duration::ZERO } else { local::TELL_EVERY };
            match tokio::time::timeout(pause, answers.first()).await {
                Ok(Ok(first)) => {
                    self.begin_local(first);
                    return None;
                }
                Ok(Err(error)) => {
                    return Some(self.leave_queue(&model, local::refused(&model, &error)).await);
                }
                Err(_) => {
                    let Some(place) = place else { continue };
                    let expected_wait_s = admission::wait_s(place.expected);
                    return Some(AnswerEvent::Waiting { position: place.position, expected_wait_s });
                }
            }
        }
    }

    fn begin_local(&mut self, first: Heard) {
        if let Source::Local { progress, .. } = &mut self.source {
            *progress = Progress::Begun(first);
        }
        self.note_beginning();
    }

    /// The first token of the request goes into the numbers, whichever route gave it.
    fn note_beginning(&mut self) {
        let is_awaited = matches!(self.source, Source::Local { progress: Progress::Awaited { .. }, .. });
        if !is_awaited && !std::mem::replace(&mut self.has_begun, true) {
            self.gateway.metrics().began(&self.served, self.ledger.elapsed());
        }
    }

    /// A model that gives back a job that waited is like one that did not take it: the next route's turn.
    async fn leave_queue(&mut self, model: &LocalModel, closed: Closed) -> AnswerEvent {
        self.source = Source::Over;
        let opening = Opening { gateway: &self.gateway, ask: &self.ask, asked: self.ledger.started() };
        let candidate = Candidate::Local(model.clone());
        match open::next_that_answers(opening, &mut self.course, &candidate, closed).await {
            Ok(opened) => self.go_on_with(opened),
            Err(refusal) => self.fail(refusal),
        }
    }

    async fn step(&mut self) -> Result<Step, Fault> {
        if let Some(event) = self.wait_for_first().await {
            return Ok(Step::Event(event));
        }
        match &mut self.source {
            Source::Chunks { route, stream } => {
                let upstream = &self.gateway.board().upstreams[route.upstream];
                let deadlines = upstream.settings.deadlines;
                let chunk = tokio::select! {
                    chunk = stream.next(deadlines.between_tokens) => chunk?,
                    fault = silence(&upstream.circuit, deadlines.suspicion) => return Err(fault),
                };
                Ok(match chunk {
                    Some(chunk) => self.take_chunk(chunk),
                    None => Step::Whole(None),
                })
            }
            Source::Whole { completion, told, .. } => {
                if !std::mem::replace(told, true) {
                    let text = completion.text().to_owned();
                    return Ok(Step::Event(self.take_text(text, None, false)));
                }
                self.usage = completion.usage();
                self.finish_reason = Some(completion.finish_reason().to_owned());
                Ok(Step::Whole(Some(completion.clone())))
            }
            Source::Local { answers, progress, .. } => {
                let heard = match std::mem::replace(progress, Progress::Speaking) {
                    Progress::Begun(heard) => Ok(heard),
                    _ => answers.next().await.unwrap_or(Err(JobError::Internal)),
                };
                let are_several = answers.are_several();
                self.hear(heard, are_several)
            }
            Source::Over => Ok(Step::Whole(None)),
        }
    }

    fn take_chunk(&mut self, chunk: Chunk) -> Step {
        let Chunk { facts, raw, closing } = chunk;
        self.is_bound |= facts.is_bound;
        self.tokens_seen += u64::from(facts.has_token);
        self.usage = facts.usage.or(self.usage);
        if facts.finish_reason.is_some() {
            self.finish_reason = facts.finish_reason;
        }
        if !self.ask.request.stream {
            self.assembly.push(&raw);
        }
        // The box asks every upstream for its usage; whoever did not ask for it is not told.
        if facts.is_usage_alone && !self.ask.request.include_usage {
            return Step::Nothing;
        }
        Step::Event(self.take_text(facts.text, Some(raw), closing))
    }

    fn take_text(&mut self, text: String, raw: Option<Bytes>, closing: bool) -> AnswerEvent {
        self.sent.push_str(&text);
        self.ledger.chars_out += text.chars().count() as u64;
        AnswerEvent::Delta { text, raw, closing }
    }

    /// The answer is whole. Its request is proven on disk before anybody is told.
    async fn finish(&mut self, body: Option<Completion>) -> AnswerEvent {
        self.record(None);
        let is_streamed = matches!(self.source, Source::Chunks { .. });
        self.source = Source::Over;
        if let Err(error) = self.ledger.on_disk().await {
            tracing::error!(%error, "the audit log cannot be written: this answer is withheld");
            return self.fail(unrecorded());
        }
        let body = match body {
            None if is_streamed && !self.ask.request.stream => {
                std::mem::take(&mut self.assembly).completion()
            }
            body => body,
        };
        let reason = self.finish_reason.take().unwrap_or_else(|| "stop".into());
        let usage = self.usage.unwrap_or_else(|| self.estimated_usage());
        self.gateway.metrics().finished(&self.served, self.ledger.elapsed());
        self.ledger.close(Ending { outcome: "success", status: 200, usage });
        AnswerEvent::Finished { reason, usage, usage_is_estimated: self.usage.is_none(), body }
    }

    /// An upstream that tells no usage is counted as well as can be: its chunks, and a token for every four bytes asked.
    fn estimated_usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.ask.request.text_bytes().div_ceil(4),
            completion_tokens: self.tokens_seen,
            cached_tokens: 0,
        }
    }

    /// What the source has shown of its upstream; `None` is a success.
    fn record(&self, fault: Option<&Fault>) {
        if let Source::Chunks { route, .. } | Source::Whole { route, .. } = &self.source {
            self.gateway.board().record(*route, fault);
        }
    }

    /// The source broke: the answer starts over, goes on, or fails.
    async fn take_over(&mut self, fault: &Fault) -> AnswerEvent {
        self.record(Some(fault));
        self.source = Source::Over;
        if let Some(refusal) = fault.refusal() {
            // What the upstream says of the request itself is passed on and never routed around.
            return self.fail(refusal.clone());
        }
        self.course.reason = fault.reason();
        let broken = Broken {
            mode: self.ask.mode,
            has_text: !self.sent.is_empty(),
            is_bound: self.is_bound,
            is_json: self.ask.request.needs.json,
        };
        match broken.after() {
            After::StartOver => self.forget(),
            After::GoOn if self.has_said_all_that_it_may() => {
                self.finish_reason = Some("length".into());
                return self.finish(None).await;
            }
            After::GoOn => self.course.stay_local(),
            After::GiveUp(why) => return self.fail(cut(fault, why)),
        }
        let opening = Opening { gateway: &self.gateway, ask: &self.ask, asked: self.ledger.started() };
        match open::first_that_answers(opening, &mut self.course, &self.sent).await {
            Ok(opened) => self.go_on_with(opened),
            Err(refusal) => {
                // What the other routes said, of a prefix that they do not take for instance, is between them and the box.
                let is_told =
                    !broken.has_text || refusal.code == "standby_lacks" || refusal.code == "standby_busy";
                let why = if is_told { &refusal.message } else { "no local model could go on with it" };
                self.fail(cut(fault, why))
            }
        }
    }

    /// Nothing was shown yet, so the answer is made anew, whole, by one model.
    fn forget(&mut self) {
        self.sent.clear();
        self.is_bound = false;
        self.calls.clear();
        self.assembly = Assembly::default();
        self.tokens_seen = 0;
        self.ask.request.max_tokens = self.max_tokens;
        self.usage = None;
        self.ledger.chars_out = 0;
    }

    /// What was said counts towards the most that the caller wants; whoever goes on may say what is left of it. Pieces
    /// are taken for tokens, but no three bytes for more than one: some upstreams send letter by letter.
    fn has_said_all_that_it_may(&mut self) -> bool {
        let said = self.tokens_seen.min(self.sent.len() as u64 / 3);
        let left = self.max_tokens.map(|most| u64::from(most).saturating_sub(said) as u32);
        self.ask.request.max_tokens = left;
        left == Some(0)
    }

    fn go_on_with(&mut self, opened: Opened) -> AnswerEvent {
        let Opened { mut served, source, shortened } = opened;
        served.shortened = served.shortened.or(self.served.shortened);
        if let Some(request) = shortened {
            self.ask.request = request;
        }
        let chars = self.sent.chars().count() as u64;
        self.ledger.serve(&served);
        // An answer that started over has no seam in it to count or to record.
        if chars > 0 {
            self.gateway.metrics().seam(served.reason);
            self.ledger.seam = Some(chars);
        }
        (self.finish_reason, self.usage) = (None, None);
        self.source = source;
        self.served = served.clone();
        self.note_beginning();
        AnswerEvent::Seam { served, chars }
    }

    fn fail(&mut self, refusal: Refusal) -> AnswerEvent {
        self.source = Source::Over;
        self.gateway.metrics().refused(&refusal);
        let usage = self.usage.unwrap_or_default();
        self.ledger.close(Ending { outcome: "failed", status: refusal.status, usage });
        AnswerEvent::Failed(refusal)
    }
}

/// Resolves when a stream that stays silent should not be waited for: its circuit is open, or a probe misses too.
async fn silence(circuit: &crate::circuit::Circuit, suspicion: Duration) -> Fault {
    tokio::time::sleep(suspicion).await;
    circuit.lost(Duration::ZERO).await
}

fn cut(fault: &Fault, why: &str) -> Refusal {
    let message = format!(
        "The answer broke off before its end ({}), and it could not be completed: {}. What came is not whole.",
        fault.reason(),
        why.trim_end_matches('.')
    );
    Refusal::new(502, "upstream_error", "answer_cut", message)
}

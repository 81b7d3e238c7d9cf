//! One answer on its way: from the route that serves it to whoever asked, and over to another when it breaks.

mod open;

use std::time::Duration;

use bytes::Bytes;
use dialect::openai::{Completion, Usage};
use futures_util::{StreamExt, stream};
use inference::{Event, FinishReason, Generation};
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{Answer, AnswerEvent, Ask, Mode, Refusal, Served};
use crate::board::RouteId;
use crate::course::Course;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::ledger::{Ending, Ledger};
use crate::upstream::{Chunk, ChunkStream};

/// Where the answer comes from at the moment.
///
/// ```text
///            cut, stalled, silent and a probe missed
///  ┌────────┐   (prose only, a standby is left)    ┌───────┐
///  │ CHUNKS ├─────────────────────────────────────▶│ LOCAL ├──┐ worker lost for good:
///  └───┬────┘                                      └───┬───┘◀─┘ the next standby
///      │ finish_reason                                 │ Finished
///      ▼                                               ▼
///  ┌────────────────────────────────────────────────────────┐      any other break
///  │ OVER: exactly one Finished or Failed was given          │◀──── gives Failed
///  └────────────────────────────────────────────────────────┘
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
        generation: Generation,
        first: Option<Event>,
    },
    Over,
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
    committed_to_source: bool,
    usage: Usage,
    finish_reason: Option<String>,
    /// The room of this request; freed when the answer is over or nobody wants it any more.
    _permit: OwnedSemaphorePermit,
}

/// What one step of the source brought.
enum Step {
    Event(AnswerEvent),
    Whole(Option<Completion>),
}

impl Relay {
    /// Opens the first route of the course that answers.
    pub(crate) async fn begin(
        gateway: Gateway,
        ask: Ask,
        request_id: String,
        mut course: Course,
        mut ledger: Ledger,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Refusal> {
        let opened = open::first_that_answers(&gateway, &ask, &mut course, "").await;
        let (served, source) = opened.inspect_err(|refusal| {
            gateway.metrics().refused(refusal);
            ledger.close(Ending { outcome: "refused", status: refusal.status, usage: Usage::default() });
        })?;
        ledger.serve(&served);
        gateway.metrics().began(&served, ledger.elapsed());
        if let Some(conversation) = &ask.conversation {
            gateway.homes().served(conversation, served.route);
        }
        Ok(Relay {
            gateway,
            ask,
            request_id,
            course,
            ledger,
            served,
            source,
            sent: String::new(),
            committed_to_source: false,
            usage: Usage::default(),
            finish_reason: None,
            _permit: permit,
        })
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
                event => events.push(event),
            }
        }
        Ok(Answer { request_id: self.request_id, served: self.served, events: stream::iter(events).boxed() })
    }

    async fn next(&mut self) -> Option<AnswerEvent> {
        if matches!(self.source, Source::Over) {
            return None;
        }
        let event = match self.step().await {
            Ok(Step::Event(event)) => event,
            Ok(Step::Whole(body)) => self.finish(body).await,
            Err(fault) => self.take_over(&fault).await,
        };
        Some(event)
    }

    async fn step(&mut self) -> Result<Step, Fault> {
        match &mut self.source {
            Source::Chunks { route, stream } => {
                let upstream = &self.gateway.board().upstreams[route.upstream];
                let deadlines = upstream.settings.deadlines;
                let chunk = tokio::select! {
                    chunk = stream.next(deadlines.between_tokens) => chunk?,
                    fault = silence(&upstream.circuit, deadlines.suspicion) => return Err(fault),
                };
                Ok(match chunk {
                    Some(chunk) => Step::Event(self.take_chunk(chunk)),
                    None => Step::Whole(None),
                })
            }
            Source::Whole { completion, told, .. } => {
                if !std::mem::replace(told, true) {
                    let text = completion.text().to_owned();
                    return Ok(Step::Event(self.take_text(text, None, false)));
                }
                self.usage = completion.usage().unwrap_or_default();
                self.finish_reason = Some(completion.finish_reason().to_owned());
                Ok(Step::Whole(Some(completion.clone())))
            }
            Source::Local { generation, first } => {
                let event = match first.take() {
                    Some(event) => Ok(event),
                    None => generation.next().await.unwrap_or(Err(inference::JobError::Internal)),
                };
                match event {
                    Ok(Event::Started { prompt_tokens }) => {
                        self.usage.prompt_tokens = u64::from(prompt_tokens);
                        Ok(Step::Event(self.take_text(String::new(), None, false)))
                    }
                    Ok(Event::Text(text)) => Ok(Step::Event(self.take_text(text, None, false))),
                    Ok(Event::Finished { reason, usage }) => {
                        self.usage = Usage {
                            prompt_tokens: u64::from(usage.prompt_tokens),
                            completion_tokens: u64::from(usage.completion_tokens),
                        };
                        self.finish_reason =
                            Some(if reason == FinishReason::Stop { "stop" } else { "length" }.into());
                        Ok(Step::Whole(None))
                    }
                    Err(_) => Err(Fault::Cut),
                }
            }
            Source::Over => Ok(Step::Whole(None)),
        }
    }

    fn take_chunk(&mut self, chunk: Chunk) -> AnswerEvent {
        self.committed_to_source |= chunk.facts.has_tool_call;
        if let Some(usage) = chunk.facts.usage {
            self.usage = usage;
        }
        let closing = chunk.facts.finish_reason.is_some();
        if closing {
            self.finish_reason = chunk.facts.finish_reason;
        }
        self.take_text(chunk.facts.text, Some(chunk.raw), closing)
    }

    fn take_text(&mut self, text: String, raw: Option<Bytes>, closing: bool) -> AnswerEvent {
        self.sent.push_str(&text);
        self.ledger.chars_out += text.chars().count() as u64;
        AnswerEvent::Delta { text, raw, closing }
    }

    /// The answer is whole. Its request is proven on disk before anybody is told.
    async fn finish(&mut self, body: Option<Completion>) -> AnswerEvent {
        if let Source::Chunks { route, .. } | Source::Whole { route, .. } = self.source {
            self.gateway.board().record(route, None);
        }
        self.source = Source::Over;
        if let Err(error) = self.ledger.on_disk().await {
            tracing::error!(%error, "the audit log cannot be written: this answer is withheld");
            let message =
                "The box cannot write its audit log, so it must not end this answer. Tell the administrator.";
            return self.fail(Refusal::unavailable("audit_unavailable", message));
        }
        let reason = self.finish_reason.take().unwrap_or_else(|| "stop".into());
        self.gateway.metrics().finished(&self.served, self.ledger.elapsed());
        self.ledger.close(Ending { outcome: "success", status: 200, usage: self.usage });
        AnswerEvent::Finished { reason, usage: self.usage, body }
    }

    /// The source broke. A local model goes on, or starts over where nothing was shown; else the answer fails.
    async fn take_over(&mut self, fault: &Fault) -> AnswerEvent {
        if let Source::Chunks { route, .. } | Source::Whole { route, .. } = self.source {
            self.gateway.board().record(route, Some(fault));
        }
        self.source = Source::Over;
        self.course.stay_local();
        self.course.reason = fault.reason();
        if self.ask.mode == Mode::Committed {
            // Nothing was shown yet, so the answer is made anew, whole, by one model.
            self.sent.clear();
            self.ledger.chars_out = 0;
        } else if self.committed_to_source || (self.ask.request.needs.json && !self.sent.is_empty()) {
            return self
                .fail(broken(fault, "no other model can go on in the middle of a tool call or of JSON"));
        }
        match open::first_that_answers(&self.gateway, &self.ask, &mut self.course, &self.sent).await {
            Ok((served, source)) => self.go_on_with(served, source),
            Err(refusal) => self.fail(broken(fault, &refusal.message)),
        }
    }

    fn go_on_with(&mut self, served: Served, source: Source) -> AnswerEvent {
        let chars = self.sent.chars().count() as u64;
        self.ledger.serve(&served);
        // In committed mode the answer started over, so there is no seam in it to count or to record.
        if self.ask.mode == Mode::Stream {
            self.gateway.metrics().seam(served.reason);
            self.ledger.seam = Some(chars);
        }
        self.finish_reason = None;
        self.source = source;
        self.served = served.clone();
        AnswerEvent::Seam { served, chars }
    }

    fn fail(&mut self, refusal: Refusal) -> AnswerEvent {
        self.source = Source::Over;
        self.gateway.metrics().refused(&refusal);
        self.ledger.close(Ending { outcome: "failed", status: refusal.status, usage: self.usage });
        AnswerEvent::Failed(refusal)
    }
}

/// Resolves when a stream that stays silent should not be waited for: its circuit is open, or a probe misses too.
async fn silence(circuit: &crate::circuit::Circuit, suspicion: Duration) -> Fault {
    tokio::time::sleep(suspicion).await;
    circuit.lost(Duration::ZERO).await
}

fn broken(fault: &Fault, why: &str) -> Refusal {
    let message = format!(
        "The answer broke off before its end ({}), and it could not be completed: {why}. What came is not whole.",
        fault.reason()
    );
    Refusal::new(502, "upstream_error", "answer_cut", message)
}

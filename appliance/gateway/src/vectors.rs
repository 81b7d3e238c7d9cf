//! Vectors of texts and scores of documents: what is asked of a model that does not answer in words.
//!
//! Vectors of two models cannot be compared, and whoever keeps them in an index would not notice. So there is no course
//! over routes here: an alias has one route, unless its configuration says that all of them are the same model.

mod cloud;
mod local;

use dialect::openai::{EmbeddingRequest, Usage};
use dialect::rerank::RerankRequest;
use inference::{Kind, Lane};
use store::Subject;
use tokio::time::Instant;

use crate::answer::{Caller, Refusal, Route, Served};
use crate::gateway::{Gateway, new_id};
use crate::ledger::{Asking, Ending, Ledger, unrecorded};
use crate::places::Place;
use crate::reason::Reason;
use crate::settings::{AliasSettings, CloudRoute};

/// One request for vectors or scores.
#[derive(Debug, Clone)]
pub(crate) struct VectorAsk {
    pub caller: Caller,
    pub wanted: Wanted,
    pub lane: Lane,
    /// Nothing of this request may leave the building.
    pub local_only: bool,
}

/// What is wanted of the texts.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Embeddings(EmbeddingRequest),
    Rerank(RerankRequest),
}

/// A whole answer.
pub(crate) struct VectorAnswer {
    pub served: Served,
    pub body: Vec<u8>,
}

/// What a route gave.
enum Gave {
    Answer {
        body: Vec<u8>,
        tokens: u64,
    },
    /// The request itself is refused, and no other route may be asked.
    Refused(Box<Refusal>),
    /// The next route's turn; the refusal says more than that nothing is left.
    Next(Reason, Option<Box<Refusal>>),
}

impl Wanted {
    fn alias(&self) -> &str {
        match self {
            Wanted::Embeddings(request) => &request.model,
            Wanted::Rerank(request) => &request.model,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Wanted::Embeddings(_) => Kind::Embedding,
            Wanted::Rerank(_) => Kind::Rerank,
        }
    }

    fn text_bytes(&self) -> u64 {
        match self {
            Wanted::Embeddings(request) => request.text_bytes(),
            Wanted::Rerank(request) => request.text_bytes(),
        }
    }
}

impl Gateway {
    /// Serves one request for vectors or scores, of somebody who is [let in](Gateway::enter) and may use its alias.
    ///
    /// # Errors
    /// A sentence for the caller, with a status; as [`Gateway::ask_as`], and `wrong_kind`.
    pub(crate) async fn vectors_as(
        &self,
        subject: &Subject<'_>,
        ask: VectorAsk,
        _place: Place,
    ) -> Result<VectorAnswer, Refusal> {
        let alias = self.alias(ask.wanted.alias())?;
        self.may_use(subject, alias).await?;
        alias.must_be(ask.wanted.kind())?;
        let request_id = new_id("req");
        let asking = Asking {
            caller: &ask.caller,
            alias: &alias.name,
            lane: ask.lane,
            local_only: ask.local_only,
            conversation: None,
            bytes_in: ask.wanted.text_bytes(),
            may_be_looked_at_again: false,
        };
        let mut way = Way::plan(self, alias, &ask);
        let mut ledger = Ledger::open(self, &request_id, &asking, &way.first());
        ledger.recorded_first().await?;
        let made = self.first_that_gives(&ask, alias, &request_id, &mut way, &mut ledger).await;
        // Its request is proven on disk before anybody is told.
        let proven = match made {
            Ok(made) => ledger.on_disk().await.map(|()| made).map_err(|error| {
                tracing::error!(%error, "the audit log cannot be written: this answer is withheld");
                unrecorded()
            }),
            Err(refusal) => Err(refusal),
        };
        let (answer, tokens) = proven.inspect_err(|refusal| {
            self.metrics().refused(refusal);
            let outcome = if refusal.code == "audit_unavailable" { "failed" } else { "refused" };
            ledger.close(Ending { outcome, status: refusal.status, usage: Usage::default() });
        })?;
        self.metrics().finished(&answer.served, ledger.elapsed());
        let usage = Usage { prompt_tokens: tokens, ..Usage::default() };
        ledger.close(Ending { outcome: "success", status: 200, usage });
        Ok(answer)
    }

    async fn first_that_gives(
        &self,
        ask: &VectorAsk,
        alias: &AliasSettings,
        request_id: &str,
        way: &mut Way<'_>,
        ledger: &mut Ledger,
    ) -> Result<(VectorAnswer, u64), Refusal> {
        let mut told = None;
        while let Some(route) = way.next() {
            let served = Served {
                by: route.label(),
                route: route.route(),
                reason: way.reason,
                site_state: self.board().site_state(),
                shortened: None,
                brown_out: 0,
            };
            let gave = match route {
                Candidate::Cloud(route) => {
                    let asked = cloud::Asked { at: ledger.started(), has_alternative: !way.left.is_empty() };
                    cloud::ask(self, ask, route, &served, asked).await
                }
                Candidate::Local(name) => local::ask(self, ask, name, request_id, &served).await,
            };
            match gave {
                Gave::Answer { body, tokens } => {
                    ledger.serve(&served);
                    return Ok((VectorAnswer { served, body }, tokens));
                }
                Gave::Refused(refusal) => return Err(*refusal),
                Gave::Next(reason, refusal) => {
                    way.failed(&served, reason);
                    told = refusal.or(told);
                }
            }
        }
        Err(told.map_or_else(|| nothing_left(alias, ask, way), |refusal| *refusal))
    }
}

impl AliasSettings {
    /// # Errors
    /// `wrong_kind`, with the path that this alias is for.
    pub(crate) fn must_be(&self, wanted: Kind) -> Result<(), Refusal> {
        if self.kind == wanted {
            return Ok(());
        }
        let (is, path) = match self.kind {
            Kind::Chat => ("answers in words", "/v1/chat/completions"),
            Kind::Embedding => ("makes vectors of texts", "/v1/embeddings"),
            Kind::Rerank => ("scores documents", "/v1/rerank"),
        };
        let name = &self.name;
        let message =
            format!("\"{name}\" {is}: POST to {path}, or ask another model (GET /v1/models lists them).");
        Err(Refusal::invalid("wrong_kind", "model", message))
    }
}

/// A route that may be asked.
#[derive(Clone, Copy)]
enum Candidate<'a> {
    Cloud(&'a CloudRoute),
    Local(&'a str),
}

impl Candidate<'_> {
    fn route(self) -> Route {
        match self {
            Candidate::Cloud(_) => Route::Cloud,
            Candidate::Local(_) => Route::Local,
        }
    }

    fn label(self) -> String {
        match self {
            Candidate::Cloud(route) => route.label.clone(),
            Candidate::Local(name) => format!("local/{name}"),
        }
    }
}

/// The routes of an alias that may serve a request, in order, and what became of the others.
struct Way<'a> {
    left: std::collections::VecDeque<Candidate<'a>>,
    /// Each route that did not serve, with its reason.
    past: Vec<String>,
    reason: Reason,
}

impl<'a> Way<'a> {
    fn plan(gateway: &Gateway, alias: &'a AliasSettings, ask: &VectorAsk) -> Way<'a> {
        let mut way = Way { left: Vec::new().into(), past: Vec::new(), reason: Reason::FirstRoute };
        let mut last = Vec::new();
        for route in &alias.cloud {
            match cloud::why_not(gateway, ask, route) {
                None => way.left.push_back(Candidate::Cloud(route)),
                // Better than no answer at all.
                Some(reason @ (Reason::Throttled | Reason::Recovering)) => {
                    way.note(reason);
                    last.push(Candidate::Cloud(route));
                }
                Some(reason) => {
                    way.note(reason);
                    way.past.push(format!("{}: {reason}", route.label));
                }
            }
        }
        way.left.extend(alias.standby.iter().map(|name| Candidate::Local(name)));
        way.left.extend(last);
        way
    }

    /// Only what stands before the first route that is left is a reason for its being chosen.
    fn note(&mut self, reason: Reason) {
        if self.left.is_empty() && self.reason == Reason::FirstRoute {
            self.reason = reason;
        }
    }

    fn next(&mut self) -> Option<Candidate<'a>> {
        self.left.pop_front()
    }

    fn failed(&mut self, served: &Served, reason: Reason) {
        self.past.push(format!("{}: {reason}", served.by));
        if self.reason == Reason::FirstRoute || served.route == Route::Cloud {
            self.reason = reason;
        }
    }

    /// The name of the first route, for the log.
    fn first(&self) -> String {
        self.left.front().map_or_else(|| "none".into(), |route| route.label())
    }
}

/// What the caller is told when nothing answers.
fn nothing_left(alias: &AliasSettings, ask: &VectorAsk, way: &Way<'_>) -> Refusal {
    let name = &alias.name;
    if ask.local_only && alias.standby.is_empty() {
        let message = format!(
            "This request may not leave the building, and \"{name}\" has no local model. Vectors of another model \
             could not be compared with its own."
        );
        return Refusal::unavailable("no_local_route", message);
    }
    let tried = way.past.join("; ");
    let message = match alias.kind {
        Kind::Embedding => format!(
            "\"{name}\" gives no vectors now ({tried}). Those of another model could not be compared with its own, so \
             none answers in its place. Try again soon."
        ),
        Kind::Rerank | Kind::Chat => format!("\"{name}\" cannot answer now ({tried}). Try again soon."),
    };
    Refusal::unavailable("no_route", message).retry_after(5)
}

/// When all routes of one request must have answered, counted from its beginning.
fn time_left(asked: Instant, whole: std::time::Duration) -> std::time::Duration {
    whole.saturating_sub(asked.elapsed())
}

#[cfg(test)]
mod tests;

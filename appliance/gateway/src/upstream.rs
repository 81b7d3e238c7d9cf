//! One cloud upstream: its connections, its circuit, and the two things that the box asks of it.

mod client;
mod gate;
mod model;
mod probe;
mod reply;
mod retry;
mod retry_after;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dialect::openai::{ChatRequest, Completion, Delivery, EmbeddingAnswer};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use inference::Kind;
use tokio::time::Instant;
use zeroize::Zeroizing;

pub use client::ClientError;
pub(crate) use model::{CloudModel, Listed};
pub(crate) use reply::{Chunk, ChunkStream, Reply};
pub(crate) use retry::RetryBudget;

use crate::{circuit::Circuit, clock, fault, fault::Fault, settings::UpstreamSettings};
use client::Client;
pub(crate) use gate::Gate;
use gate::Served;
use reply::Ends;

/// An answer or an error text of an upstream longer than this is not read further.
const MAX_ANSWER_BYTES: usize = 32 << 20;
const MAX_ERROR_BYTES: usize = 64 << 10;
/// As many vectors as one request may ask for, of the longest that there are, written with all their digits.
const MAX_VECTORS_BYTES: usize = 256 << 20;

pub(crate) struct Upstream {
    pub settings: UpstreamSettings,
    pub circuit: Circuit,
    /// The models of it that routes use.
    pub models: Vec<CloudModel>,
    /// What a drill cuts.
    pub gate: Gate,
    /// Over connections that are kept.
    client: Client,
    /// Over a new connection for each request.
    anew: Client,
    authorization: Option<HeaderValue>,
    /// What second tries may cost.
    pub retries: RetryBudget,
    /// The upstream has refused `stream_options` before, so it is not asked for them again.
    refuses_stream_options: AtomicBool,
}

/// How long one try waits for each step of its answer, from the moment that the request leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub headers: Duration,
    pub first_token: Duration,
    pub whole_answer: Duration,
}

/// Over which connection a try goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One that is kept, where there is one.
    Kept,
    /// A new one: where one that was kept is gone, all others may be gone with it.
    Anew,
}

impl Upstream {
    /// Makes the client; connects to nothing. `models` are those that routes use, each once.
    ///
    /// # Errors
    /// When the extra roots are no certificates.
    pub(crate) fn build(
        settings: UpstreamSettings,
        models: Vec<(String, Kind)>,
    ) -> Result<Self, ClientError> {
        let gate = Gate::default();
        let client = client::build(&settings, gate.clone())?;
        let anew = client::build_anew(&settings, gate.clone())?;
        let authorization = settings.api_key.as_ref().and_then(|key| {
            let text = Zeroizing::new(format!("Bearer {}", key.reveal()));
            let mut value = HeaderValue::from_str(&text).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let circuit = Circuit::new(settings.thresholds.clone(), settings.failback.clone(), clock::unix_ms());
        let models = models.into_iter().map(|(name, kind)| CloudModel::new(name, kind, &settings)).collect();
        Ok(Upstream {
            circuit,
            models,
            gate,
            client,
            anew,
            authorization,
            retries: RetryBudget::default(),
            refuses_stream_options: AtomicBool::new(false),
            settings,
        })
    }

    /// Sends a chat once and waits for its first token. The upstream is asked for a stream also when the caller wants
    /// the answer whole, so that an answer that does not come, or stops, is noticed in time.
    ///
    /// # Errors
    /// The fault of this try.
    pub(crate) async fn chat(
        &self,
        request: &ChatRequest,
        model: &str,
        way: Way,
        patience: Patience,
    ) -> Result<Reply, Fault> {
        let delivery = self.delivery(request);
        let ask = |delivery| self.attempt(request, model, delivery, way, patience);
        match (ask(delivery).await, delivery) {
            (Err(Fault::Caller(error)), Delivery::StreamWithUsage) if names(&error, "stream_options") => {
                self.refuses_stream_options.store(true, Ordering::Relaxed);
                ask(Delivery::Stream).await
            }
            (Err(Fault::Caller(error)), Delivery::StreamWithUsage | Delivery::Stream)
                if !request.stream && error.param.as_deref() == Some("stream") =>
            {
                ask(Delivery::Whole).await
            }
            (answer, _) => answer,
        }
    }

    fn delivery(&self, request: &ChatRequest) -> Delivery {
        if !request.stream && !request.can_be_streamed() {
            Delivery::Whole
        } else if self.refuses_stream_options.load(Ordering::Relaxed) {
            Delivery::Stream
        } else {
            Delivery::StreamWithUsage
        }
    }

    async fn attempt(
        &self,
        request: &ChatRequest,
        model: &str,
        delivery: Delivery,
        way: Way,
        patience: Patience,
    ) -> Result<Reply, Fault> {
        let begun = Instant::now();
        let body = request.body_for(model, delivery).into();
        let sent = self.send(way, self.request(Method::POST, "/chat/completions", body)?);
        if delivery == Delivery::Whole {
            let answer = async {
                let bytes = read_body(no_page(sent.await?)?, MAX_ANSWER_BYTES).await?;
                Completion::read(&bytes).map(Reply::Whole).ok_or(Fault::Malformed)
            };
            let whole = tokio::time::timeout(patience.whole_answer, answer).await;
            return whole.unwrap_or(Err(Fault::WholeTimeout(patience.whole_answer)));
        }
        let response = tokio::time::timeout(patience.headers, sent).await;
        let response = response.unwrap_or(Err(Fault::HeadersTimeout(patience.headers)))?;
        let ends = Ends { at: begun + patience.whole_answer, after: patience.whole_answer };
        let stream = ChunkStream::begin(response, request.choices, ends);
        let stream = tokio::time::timeout_at(begun + patience.first_token, stream).await;
        stream.unwrap_or(Err(Fault::FirstTokenTimeout(patience.first_token))).map(Reply::Stream)
    }

    /// Asks for `count` vectors once, and waits for all of them.
    ///
    /// # Errors
    /// The fault of this try.
    pub(crate) async fn embeddings(
        &self,
        body: Vec<u8>,
        count: usize,
        way: Way,
        patience: Patience,
    ) -> Result<EmbeddingAnswer, Fault> {
        let begun = Instant::now();
        let sent = self.send(way, self.request(Method::POST, "/embeddings", body.into())?);
        let response = tokio::time::timeout(patience.headers, sent).await;
        let response = no_page(response.unwrap_or(Err(Fault::HeadersTimeout(patience.headers)))?)?;
        let read =
            tokio::time::timeout_at(begun + patience.whole_answer, read_body(response, MAX_VECTORS_BYTES));
        let bytes = read.await.unwrap_or(Err(Fault::WholeTimeout(patience.whole_answer)))?;
        EmbeddingAnswer::read(&bytes, count).ok_or_else(|| fault::of_error_inside(&bytes, Fault::Malformed))
    }

    /// Sends a request and sorts out every status that is not an answer.
    async fn send(&self, way: Way, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Fault> {
        let client = match way {
            Way::Kept => &self.client,
            Way::Anew => &self.anew,
        };
        let response = client.request(request).await.map_err(|error| fault_of(&error))?;
        response.extensions().get::<Served>().inspect(|served| served.note());
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let (pause, is_page) = (retry_after::of(response.headers()), is_page(&response));
        let body = match status.is_client_error() {
            true => read_body(response, MAX_ERROR_BYTES).await.unwrap_or_default(),
            false => Bytes::new(),
        };
        Err(fault::of_answer(status.as_u16(), is_page, pause, &body))
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Fault> {
        let authorization = self.authorization.clone().ok_or(Fault::NoKey)?;
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.settings.base_url))
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("genset/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|_| Fault::NoKey)
    }
}

/// A refusal that is about this field of the request.
fn names(error: &dialect::ApiError, field: &str) -> bool {
    error.param.as_deref().is_some_and(|param| param.starts_with(field)) || error.message.contains(field)
}

async fn read_body(response: http::Response<Incoming>, limit: usize) -> Result<Bytes, Fault> {
    let collected = Limited::new(response.into_body(), limit).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|_| Fault::Cut)
}

/// A connection that has brought answers before and is gone when the next request is on it shows no fault yet.
fn fault_of(error: &client::Error) -> Fault {
    let mut told = http::Extensions::new();
    error.connect_info().inspect(|connection| connection.get_extras(&mut told));
    match Fault::from_client(error) {
        Fault::Reset if told.get::<Served>().is_some_and(Served::has) => Fault::Dropped,
        fault => fault,
    }
}

/// A web page in place of an answer.
fn is_page<B>(response: &http::Response<B>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

fn no_page<B>(response: http::Response<B>) -> Result<http::Response<B>, Fault> {
    if is_page(&response) { Err(Fault::Intercepted) } else { Ok(response) }
}

#[cfg(test)]
mod tests;

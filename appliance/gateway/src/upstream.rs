//! One cloud upstream: its connections, its circuit, and the two things that the box asks of it.

mod client;
mod model;
mod probe;
mod reply;
mod retry;

use std::time::Duration;

use bytes::Bytes;
use dialect::openai::Completion;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::time::Instant;

pub use client::ClientError;
pub(crate) use model::{CloudModel, Listed};
pub(crate) use reply::{Chunk, ChunkStream, Reply};

use crate::{circuit::Circuit, clock, fault, fault::Fault, settings::UpstreamSettings};
use client::Client;
use retry::RetryBudget;

/// An answer or an error text of an upstream longer than this is not read further.
const MAX_ANSWER_BYTES: usize = 32 << 20;
const MAX_ERROR_BYTES: usize = 64 << 10;

pub(crate) struct Upstream {
    pub settings: UpstreamSettings,
    pub circuit: Circuit,
    /// The models of it that routes use.
    pub models: Vec<CloudModel>,
    client: Client,
    authorization: Option<HeaderValue>,
    retries: RetryBudget,
}

/// What an attempt waits for, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wait {
    /// The request asks for a stream.
    ForFirstToken(Duration),
    /// The request asks for the answer in one piece, and nothing comes before it is done.
    ForWholeAnswer,
}

impl Upstream {
    /// Makes the client; connects to nothing. `models` are those that routes use, each once.
    ///
    /// # Errors
    /// When the extra roots are no certificates.
    pub(crate) fn build(settings: UpstreamSettings, models: Vec<String>) -> Result<Self, ClientError> {
        let client = client::build(&settings)?;
        let authorization = settings.api_key.as_ref().and_then(|key| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal())).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let circuit = Circuit::new(settings.thresholds.clone(), settings.failback.clone(), clock::unix_ms());
        let models = models.into_iter().map(|name| CloudModel::new(name, &settings)).collect();
        Ok(Upstream { circuit, models, client, authorization, retries: RetryBudget::default(), settings })
    }

    /// Host and port.
    pub(crate) fn host(&self) -> &str {
        let after_scheme = self.settings.base_url.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.split('/').next().unwrap_or_default()
    }

    /// Sends a chat and waits for its first token, or for the whole answer when it is not streamed.
    ///
    /// # Errors
    /// The fault of this attempt. One more try is made inside, where one makes sense and `may_try_again` agrees: it is
    /// told of the first fault, which nobody else is told of.
    pub(crate) async fn chat(
        &self,
        body: Bytes,
        wait: Wait,
        may_try_again: impl Fn(&Fault) -> bool,
    ) -> Result<Reply, Fault> {
        self.retries.request();
        match self.attempt(body.clone(), wait).await {
            Err(fault) if fault.retry_at_once() && self.retries.take() && may_try_again(&fault) => {
                let jitter = Duration::from_millis(200 + (crate::circuit::draw() * 400.0) as u64);
                tokio::time::sleep(jitter).await;
                self.attempt(body, wait).await
            }
            Err(fault @ Fault::Throttled { retry_after: Some(pause) })
                if pause <= Duration::from_secs(5) && self.retries.take() =>
            {
                may_try_again(&fault);
                tokio::time::sleep(pause).await;
                self.attempt(body, wait).await
            }
            other => other,
        }
    }

    async fn attempt(&self, body: Bytes, wait: Wait) -> Result<Reply, Fault> {
        let (started, whole_answer) = (Instant::now(), self.settings.deadlines.whole_answer);
        let patience = match wait {
            Wait::ForFirstToken(patience) => patience,
            Wait::ForWholeAnswer => whole_answer,
        };
        let request = self.request(Method::POST, "/chat/completions", body)?;
        let answer = tokio::time::timeout(patience, async {
            let response = self.send(request).await?;
            if matches!(wait, Wait::ForFirstToken(_)) {
                ChunkStream::begin(response, started + whole_answer).await.map(Reply::Stream)
            } else {
                let bytes = read_body(response, MAX_ANSWER_BYTES).await?;
                Completion::read(&bytes).map(Reply::Whole).ok_or(Fault::Malformed)
            }
        });
        answer.await.unwrap_or(Err(Fault::Silent(patience)))
    }

    /// Sends a request and sorts out every status that is not an answer.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Fault> {
        let response = self.client.request(request).await.map_err(|error| Fault::from_client(&error))?;
        let status = response.status();
        let is_page = content_type(&response).starts_with("text/html");
        if status == StatusCode::OK && !is_page {
            return Ok(response);
        }
        let pause = retry_after(&response);
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

async fn read_body(response: http::Response<Incoming>, limit: usize) -> Result<Bytes, Fault> {
    let collected = Limited::new(response.into_body(), limit).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|_| Fault::Cut)
}

fn content_type<B>(response: &http::Response<B>) -> &str {
    response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

fn retry_after<B>(response: &http::Response<B>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse::<f64>().ok().filter(|s| (0.0..86_400.0).contains(s)).map(Duration::from_secs_f64)
}

//! The probes: the upstream's list of models with the real key, and a request that no model has to answer. Neither
//! bills anything.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use inference::Kind;
use serde::Deserialize;
use serde_json::json;

use super::{CloudModel, Listed, MAX_ERROR_BYTES, Upstream, Way, no_page, read_body};
use crate::fault::Fault;

/// A list of models longer than this is no list of models.
const MAX_LIST_BYTES: usize = 64 * MAX_ERROR_BYTES;

/// A model under load may take its time to refuse a chat.
const CHAT_DEADLINE: Duration = Duration::from_secs(10);

impl Upstream {
    /// Asks for the list of models within the probe's deadline: proves name, TLS, key and shape.
    ///
    /// # Errors
    /// What is wrong with the way to the upstream.
    pub(crate) async fn probe(&self) -> Result<Listed, Fault> {
        let deadline = self.settings.probe.deadline;
        tokio::time::timeout(deadline, self.ask_for_models()).await.unwrap_or(Err(Fault::Silent(deadline)))
    }

    /// Sends a chat without messages, or asks for the vectors of no texts: an upstream that is well refuses it as the caller's fault, before any model
    /// has work with it; one that is ill says so, or nothing.
    ///
    /// # Errors
    /// What is wrong with the model or with the way to it.
    pub(crate) async fn probe_model(&self, model: &CloudModel) -> Result<(), Fault> {
        let deadline = CHAT_DEADLINE;
        tokio::time::timeout(deadline, self.ask_nothing_of(model))
            .await
            .unwrap_or(Err(Fault::HeadersTimeout(deadline)))
    }

    async fn ask_for_models(&self) -> Result<Listed, Fault> {
        let request = self.request(Method::GET, "/models", Bytes::new())?;
        let response = match self.send(Way::Anew, request).await {
            // Some upstreams have no list; that they answer in their own shape is proof enough of the way.
            Err(fault) if fault.refusal().is_some() || matches!(fault, Fault::ModelWithdrawn) => {
                return Ok(None);
            }
            other => other?,
        };
        let body = read_body(no_page(response)?, MAX_LIST_BYTES).await?;
        // A page that is not called one is a page all the same.
        let wrong =
            if body.trim_ascii_start().starts_with(b"<") { Fault::Intercepted } else { Fault::Malformed };
        let (List::Named { data } | List::Bare(data)) = serde_json::from_slice(&body).map_err(|_| wrong)?;
        Ok(Some(data.into_iter().filter_map(|model| model.id).collect::<HashSet<_>>()))
    }

    async fn ask_nothing_of(&self, model: &CloudModel) -> Result<(), Fault> {
        let name = &model.name;
        let (path, body) = match model.kind {
            Kind::Embedding => ("/embeddings", json!({"model": name, "input": []})),
            Kind::Chat | Kind::Rerank => (
                "/chat/completions",
                json!({"model": name, "messages": [], "max_tokens": 1, "stream": false}),
            ),
        };
        let request = self.request(Method::POST, path, Bytes::from(body.to_string()))?;
        match self.send(Way::Anew, request).await.and_then(no_page) {
            Err(fault) if fault.refusal().is_none() => Err(fault),
            _ => Ok(()),
        }
    }
}

/// Some upstreams leave out what stands around the list.
#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Named { data: Vec<Entry> },
    Bare(Vec<Entry>),
}

#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
}

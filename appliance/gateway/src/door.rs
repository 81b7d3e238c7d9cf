//! The API's door: who may come in, what is asked, and the answer in the caller's dialect.

mod chat;
mod headers;
mod health;
mod identity;
mod refusal;
mod vectors;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use prometheus_client::registry::Registry;
use store::Right;

use crate::gateway::Gateway;
use identity::{Access, KeyHolder, admit};

/// The address at the other end of the connection; the listener puts it among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What the routes of the door share.
#[derive(Clone)]
pub struct Door {
    gateway: Gateway,
    registry: Arc<Registry>,
}

impl FromRef<Door> for Gateway {
    fn from_ref(door: &Door) -> Gateway {
        door.gateway.clone()
    }
}

struct Entry {
    path: &'static str,
    access: Access,
    handlers: fn() -> MethodRouter<Door>,
}

const fn entry(path: &'static str, access: Access, handlers: fn() -> MethodRouter<Door>) -> Entry {
    Entry { path, access, handlers }
}

/// Every route of the API with the right that it needs. What is not here is refused in the API's own error shape.
static ROUTES: [Entry; 11] = [
    entry("/v1/chat/completions", Access::With(Right::Ask), || {
        post(chat::completions).fallback(refusal::wrong_method)
    }),
    entry("/v1/embeddings", Access::With(Right::Ask), || {
        post(vectors::embeddings).fallback(refusal::wrong_method)
    }),
    entry("/v1/rerank", Access::With(Right::Ask), || post(vectors::rerank).fallback(refusal::wrong_method)),
    entry("/v1/models", Access::With(Right::Ask), || get(models).fallback(refusal::wrong_method)),
    entry("/api/status", Access::OnTheBoxOr(Right::ReadStatus), || get(health::status)),
    entry("/livez", Access::Anybody, || get(health::livez)),
    entry("/readyz", Access::Anybody, || get(health::readyz)),
    entry("/metrics", Access::Anybody, || get(health::metrics)),
    entry("/v1", Access::Anybody, || any(refusal::no_such_path)),
    entry("/v1/", Access::Anybody, || any(refusal::no_such_path)),
    entry("/v1/{*path}", Access::Anybody, || any(refusal::no_such_path)),
];

impl Door {
    pub fn new(gateway: Gateway, registry: Arc<Registry>) -> Self {
        Door { gateway, registry }
    }

    /// All routes of the API. A wrong method is refused before anybody is asked for a key.
    pub fn router(self) -> Router {
        let mut router = Router::new();
        for Entry { path, access, handlers } in &ROUTES {
            let handlers = match access {
                Access::Anybody => handlers(),
                closed => handlers().route_layer(from_fn_with_state((self.clone(), *closed), admit)),
            };
            router = router.route(path, handlers);
        }
        router.layer(map_response(headers::secure)).with_state(self)
    }
}

/// The aliases that the holder of the key may use.
async fn models(State(gateway): State<Gateway>, holder: KeyHolder) -> Response {
    let created_s = gateway.site().borrow().started_ms / 1000;
    let list = dialect::openai::model_list(gateway.aliases_for(&holder.subject()), created_s);
    refusal::json(200, &list)
}

#[cfg(test)]
mod tests;

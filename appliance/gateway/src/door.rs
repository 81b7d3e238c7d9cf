//! The API's door: who may come in, what is asked, and the answer in the caller's dialect.

mod chat;
mod health;
mod identity;
mod refusal;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::Response;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;

use crate::gateway::Gateway;
use identity::KeyHolder;

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

impl Door {
    pub fn new(gateway: Gateway, registry: Arc<Registry>) -> Self {
        Door { gateway, registry }
    }

    /// Every route of the API. What is not here is refused in the API's own error shape.
    pub fn router(self) -> Router {
        let api = Router::new()
            .route("/chat/completions", post(chat::completions))
            .route("/models", get(models))
            .fallback(refusal::no_such_path)
            .method_not_allowed_fallback(refusal::wrong_method);
        Router::new()
            .nest("/v1", api)
            .route("/livez", get(health::livez))
            .route("/readyz", get(health::readyz))
            .route("/metrics", get(health::metrics))
            .route("/api/status", get(health::status))
            .with_state(self)
    }
}

async fn models(State(gateway): State<Gateway>, _holder: KeyHolder) -> Response {
    let created_s = gateway.site().borrow().started_ms / 1000;
    let list = dialect::openai::model_list(gateway.alias_names(), created_s);
    refusal::json(200, &list)
}

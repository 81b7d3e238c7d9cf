//! The control door of the demo cloud: cut the line, let it go silent, restore it, and say how it stands.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::door::Order;
use super::{DemoError, Line};

#[derive(Clone)]
struct Controls {
    orders: mpsc::Sender<Order>,
    line: watch::Receiver<Line>,
}

/// Serves the control door until `cancel`.
pub(super) async fn serve(
    listener: TcpListener,
    orders: mpsc::Sender<Order>,
    line: watch::Receiver<Line>,
    cancel: CancellationToken,
) -> Result<(), DemoError> {
    let router = Router::new()
        .route("/cut", post(|controls| change(controls, Line::Cut)))
        .route("/silent", post(|controls| change(controls, Line::Silent)))
        .route("/restore", post(|controls| change(controls, Line::Up)))
        .route("/state", get(state))
        .with_state(Controls { orders, line });
    axum::serve(listener, super::api::labelled(router))
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await
        .map_err(|source| DemoError::Serve { door: "control door", source })
}

async fn state(State(controls): State<Controls>) -> Json<serde_json::Value> {
    let line = *controls.line.borrow();
    Json(json!({ "demo": true, "state": line.as_str() }))
}

async fn change(State(controls): State<Controls>, line: Line) -> Response {
    let (done, changed) = oneshot::channel();
    if controls.orders.send(Order { line, done }).await.is_err() {
        return refusal("the demo cloud is stopping");
    }
    match changed.await {
        Ok(Ok(())) => state(State(controls)).await.into_response(),
        Ok(Err(error)) => refusal(&error.to_string()),
        Err(_) => refusal("the demo cloud is stopping"),
    }
}

fn refusal(message: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "demo": true, "error": message }))).into_response()
}

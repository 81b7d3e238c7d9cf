//! Refusals as responses: the OpenAI error shape, with the status that belongs to it.

use axum::body::Body;
use axum::extract::OriginalUri;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::answer::Refusal;

/// A response with a JSON body.
pub(super) fn json(status: u16, body: &Value) -> Response {
    json_bytes(status, body.to_string().into_bytes())
}

pub(super) fn json_bytes(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn response(refusal: &Refusal) -> Response {
    let mut response = json(refusal.status, &refusal.to_json());
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The dialect knows nothing of HTTP frameworks, so its error becomes a response here.
pub(super) struct Refused(pub(super) Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Refused(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        response(&self.0)
    }
}

pub(super) async fn no_such_path(OriginalUri(uri): OriginalUri) -> Refused {
    let path: String = uri.path().chars().take(80).collect();
    let message = format!(
        "There is nothing at {path}. This box serves /v1/chat/completions, /v1/embeddings, /v1/rerank and /v1/models."
    );
    Refused(Refusal::new(404, "invalid_request_error", "unknown_url", message))
}

pub(super) async fn wrong_method() -> Refused {
    let message = "This path does not take this method: POST to /v1/chat/completions, /v1/embeddings and /v1/rerank, GET \
                   /v1/models.";
    Refused(Refusal::new(405, "invalid_request_error", "method_not_allowed", message))
}

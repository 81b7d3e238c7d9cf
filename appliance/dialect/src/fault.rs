//! The error that a caller of the API reads, before a dialect gives it its shape.

use std::borrow::Cow;

use serde_json::{Value, json};

/// No client is told to stay away for longer than this.
const MAX_RETRY_AFTER_S: u32 = 120;

/// What is wrong with a request, in the words and the status of the OpenAI error shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The family of the error, for example `invalid_request_error`.
    pub kind: Cow<'static, str>,
    /// A short fixed word for programs, for example `model_not_found`.
    pub code: Cow<'static, str>,
    /// One sentence for people: what, where, and the mend. Never text of a prompt or an answer.
    pub message: String,
    /// The field of the request that is to blame.
    pub param: Option<String>,
    /// Seconds after which a new attempt makes sense; goes into `Retry-After`.
    pub retry_after_s: Option<u32>,
    /// The place in the queue that the request would have had, where it is refused for lack of room.
    pub queue: Option<Queue>,
}

/// A place in a queue, and the seconds until it would have been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    pub position: u32,
    pub expected_wait_s: u32,
}

impl ApiError {
    /// A request that cannot be served as it is, whatever serves it: status 400.
    pub fn invalid(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        ApiError { param: Some(param.to_owned()), ..Self::new(400, "invalid_request_error", code, message) }
    }

    pub fn new(status: u16, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        ApiError {
            status,
            kind: kind.into(),
            code: code.into(),
            message: message.into(),
            param: None,
            retry_after_s: None,
            queue: None,
        }
    }

    /// The box cannot serve this now: status 503.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(503, "service_unavailable", code, message)
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A refusal for lack of room: when to come again follows from the place in the queue.
    #[must_use]
    pub fn in_queue(mut self, queue: Queue) -> Self {
        self.retry_after_s = Some(queue.expected_wait_s.clamp(1, MAX_RETRY_AFTER_S));
        self.queue = Some(queue);
        self
    }

    /// `{"error": {"message", "type", "param", "code"}}`, as the official clients expect it; with `position` and
    /// `expected_wait_s` where the request would have had to wait.
    pub fn to_json(&self) -> Value {
        let mut error =
            json!({"message": self.message, "type": self.kind, "param": self.param, "code": self.code});
        if let Some(queue) = self.queue {
            error["position"] = queue.position.into();
            error["expected_wait_s"] = queue.expected_wait_s.into();
        }
        json!({ "error": error })
    }
}

/// The error that an upstream sent, read leniently: what it does not say gets plain words.
pub fn read_upstream_error(status: u16, body: &[u8]) -> ApiError {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = parsed.get("error").unwrap_or(&parsed);
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    ApiError {
        status,
        kind: text("type").map_or(Cow::Borrowed("invalid_request_error"), Cow::Owned),
        code: text("code").map_or(Cow::Borrowed("upstream_refused"), Cow::Owned),
        message: text("message")
            .unwrap_or_else(|| format!("The upstream refused this request with status {status}.")),
        param: text("param"),
        retry_after_s: None,
        queue: None,
    }
}

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
    let parsed = parsed(body);
    let error = inner(&parsed);
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let message = text("message").or_else(|| text("detail")).or_else(|| error.as_str().map(str::to_owned));
    ApiError {
        status,
        kind: text("type").map_or(Cow::Borrowed("invalid_request_error"), Cow::Owned),
        code: text("code").map_or(Cow::Borrowed("upstream_refused"), Cow::Owned),
        message: message
            .unwrap_or_else(|| format!("The upstream refused this request with status {status}.")),
        param: text("param"),
        retry_after_s: None,
        queue: None,
    }
}

/// The HTTP status that an error inside an answer gives itself, as a number or as its digits.
pub fn status_inside(body: &[u8]) -> Option<u16> {
    let parsed = parsed(body);
    let error = inner(&parsed);
    let number = |value: &Value| match value {
        Value::String(digits) => digits.parse().ok(),
        value => value.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    let named =
        ["code", "status", "status_code"].into_iter().filter_map(|name| error.get(name).and_then(number));
    named.into_iter().find(|status| (400..600).contains(status))
}

/// Some upstreams wrap their one error into a list.
fn parsed(body: &[u8]) -> Value {
    match serde_json::from_slice(body).unwrap_or_default() {
        Value::Array(mut list) if !list.is_empty() => list.swap_remove(0),
        other => other,
    }
}

fn inner(parsed: &Value) -> &Value {
    parsed.get("error").filter(|error| !error.is_null()).unwrap_or(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_understood_in_every_shape_that_upstreams_have() {
        let table: [(&str, &str, &str); 7] = [
            (r#"{"error": {"message": "no", "code": "c"}}"#, "no", "c"),
            (r#"[{"error": {"message": "no", "code": 400, "status": "INVALID"}}]"#, "no", "upstream_refused"),
            (r#"{"error": "no"}"#, "no", "upstream_refused"),
            (r#"{"error": null, "message": "no", "code": "c"}"#, "no", "c"),
            (r#"{"object": "error", "message": "no", "code": 40401}"#, "no", "upstream_refused"),
            (r#"{"detail": "no"}"#, "no", "upstream_refused"),
            ("<html>", "The upstream refused this request with status 418.", "upstream_refused"),
        ];
        for (body, message, code) in table {
            let error = read_upstream_error(418, body.as_bytes());
            assert_eq!((error.message.as_str(), error.code.as_ref()), (message, code), "{body}");
        }
    }

    #[test]
    fn an_error_inside_an_answer_may_say_its_status() {
        let table = [
            (r#"{"error": {"code": 429}}"#, Some(429)),
            (r#"{"error": {"code": "502"}}"#, Some(502)),
            (r#"{"error": {"code": "overloaded", "status_code": 529}}"#, Some(529)),
            (r#"{"object": "error", "code": 400}"#, Some(400)),
            (r#"{"error": {"code": 40401}}"#, None),
            (r#"{"error": {"code": "server_error"}}"#, None),
        ];
        for (body, expected) in table {
            assert_eq!(status_inside(body.as_bytes()), expected, "{body}");
        }
    }
}

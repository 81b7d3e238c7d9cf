//! Reading the fault out of what an upstream answers when it gives no answer: its status, and its own words.

use dialect::{ApiError, read_upstream_error};

use super::Fault;
use std::time::Duration;

/// Words in an error's code or text that mean money, whatever the status: upstreams say it with 400, 402, 403 and 429.
const QUOTA: [&str; 9] = [
    "insufficient_quota",
    "insufficient quota",
    "insufficient balance",
    "insufficient credit",
    "exceeded your current quota",
    "credit balance",
    "billing",
    "payment required",
    "spending limit",
];

/// What upstreams call a model that is not theirs, or no longer.
const MODEL_GONE: [&str; 8] = [
    "model_not_found",
    "model not found",
    "does not exist",
    "decommissioned",
    "deprecated",
    "no longer available",
    "no longer supported",
    "unknown model",
];

const CONTEXT: [&str; 5] =
    ["context_length_exceeded", "context length", "context window", "maximum context", "prompt is too long"];

const FILTER: [&str; 5] =
    ["content_filter", "content filter", "content_policy", "content management policy", "moderation"];

/// Reads a status that is no success. `is_page`: the body is a web page, which no upstream's API sends for a fault of
/// the request. `body` is what was read of it, within its bound; nothing of it is kept but what the caller of the API
/// is told of its own request.
pub(crate) fn of_answer(status: u16, is_page: bool, retry_after: Option<Duration>, body: &[u8]) -> Fault {
    match status {
        300..=399 | 407 | 511 => return Fault::Intercepted,
        ..500 if is_page => return Fault::Intercepted,
        ..300 | 408 | 500.. => return Fault::Status(status),
        _ => {}
    }
    let error = read_upstream_error(status, body);
    let said = Said::of(&error);
    match status {
        402 => Fault::Quota(status),
        400 | 403 | 429 if said.any(&QUOTA) => Fault::Quota(status),
        429 => Fault::Throttled { retry_after },
        410 => Fault::ModelWithdrawn,
        400 | 403 | 404 if said.is_of_the_model() => Fault::ModelWithdrawn,
        403 if said.any(&FILTER) => Fault::ContentFilter(Box::new(error)),
        401 | 403 => Fault::KeyRejected(status),
        // A bare 404 can only mean the one thing in the path that a configuration may have wrong.
        404 if error.code == "upstream_refused" => Fault::ModelWithdrawn,
        400 | 413 | 422 if said.any(&CONTEXT) => Fault::ContextTooLong(Box::new(error)),
        400 | 422 if said.any(&FILTER) => Fault::ContentFilter(Box::new(error)),
        _ => Fault::Caller(Box::new(error)),
    }
}

/// Reads an error that came inside an answer with status 200: what it says of the request or of the account holds as
/// if its status had said so, and anything else is `otherwise`.
pub(crate) fn of_error_inside(body: &[u8], otherwise: Fault) -> Fault {
    match of_answer(400, false, None, body) {
        Fault::Caller(_) => otherwise,
        told => told,
    }
}

/// The words of an error, in lower case, to look for others in them. They are never shown.
struct Said(String);

impl Said {
    fn of(error: &ApiError) -> Self {
        Said(format!("{} {} {}", error.kind, error.code, error.message).to_lowercase())
    }

    fn any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.0.contains(word))
    }

    fn is_of_the_model(&self) -> bool {
        self.0.contains("model") && self.any(&MODEL_GONE)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(status: u16, code: &str, message: &str) -> &'static str {
        let body = json!({"error": {"message": message, "type": "invalid_request_error", "code": code}});
        word(&of_answer(status, false, None, body.to_string().as_bytes()))
    }

    fn word(fault: &Fault) -> &'static str {
        match fault {
            Fault::Caller(_) => "caller",
            Fault::ContextTooLong(_) => "context",
            Fault::ContentFilter(_) => "filter",
            other => other.reason().as_str(),
        }
    }

    #[test]
    fn the_words_of_an_error_say_more_than_its_status() {
        let table = [
            (401, "invalid_api_key", "Incorrect API key provided", "key-rejected"),
            (403, "forbidden", "You may not do this", "key-rejected"),
            (402, "", "Insufficient Balance", "quota"),
            (429, "insufficient_quota", "You exceeded your current quota, please check your plan", "quota"),
            (429, "rate_limit_exceeded", "Rate limit reached for requests", "throttled"),
            (403, "billing_not_active", "Your account is not active", "quota"),
            (400, "invalid_request_error", "Your credit balance is too low to access the API", "quota"),
            (400, "billing_hard_limit_reached", "Billing hard limit has been reached", "quota"),
            (
                404,
                "model_not_found",
                "The model `x` does not exist or you do not have access",
                "model-withdrawn",
            ),
            (403, "model_not_found", "Project does not have access to model `x`", "model-withdrawn"),
            (400, "model_decommissioned", "The model `x` has been decommissioned", "model-withdrawn"),
            (410, "gone", "This model was retired", "model-withdrawn"),
            (404, "file_not_found", "No such file", "caller"),
            (400, "context_length_exceeded", "This model's maximum context length is 8192 tokens", "context"),
            (413, "too_large", "prompt is too long: 9000 tokens", "context"),
            (413, "too_large", "Request body too large", "caller"),
            (400, "content_filter", "The response was filtered", "filter"),
            (403, "", "Your chosen model requires moderation and your input was flagged", "filter"),
            (400, "invalid_value", "temperature must be at most 2", "caller"),
            (422, "invalid", "messages must not be empty", "caller"),
            (407, "", "", "intercepted"),
            (511, "", "", "intercepted"),
            (302, "", "", "intercepted"),
            (408, "", "", "upstream-error"),
            (500, "billing", "billing service down", "upstream-error"),
            (503, "", "model is overloaded", "upstream-error"),
        ];
        for (status, code, message, expected) in table {
            assert_eq!(error(status, code, message), expected, "{status} {code}: {message}");
        }
    }

    #[test]
    fn a_page_is_no_refusal_and_a_bare_404_is_the_model() {
        let table = [
            (200, true, "intercepted"),
            (403, true, "intercepted"),
            (404, true, "intercepted"),
            (502, true, "upstream-error"),
            (404, false, "model-withdrawn"),
        ];
        for (status, is_page, expected) in table {
            assert_eq!(word(&of_answer(status, is_page, None, b"")), expected, "{status} {is_page}");
        }
    }

    #[test]
    fn a_throttle_keeps_the_time_that_the_upstream_asks_for() {
        let pause = Some(Duration::from_secs(7));
        let fault = of_answer(429, false, pause, b"{}");
        assert!(matches!(fault, Fault::Throttled { retry_after } if retry_after == pause));
    }
}

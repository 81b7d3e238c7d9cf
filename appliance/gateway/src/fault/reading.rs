//! Reading the fault out of what an upstream answers when it gives no answer: its status, and its own words.

use dialect::{ApiError, read_upstream_error, status_inside};

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

/// What upstreams call a key that is none, where they say it with 400.
const KEY: [&str; 5] =
    ["invalid_api_key", "api_key_invalid", "invalid api key", "api key not valid", "incorrect api key"];

/// What upstreams call a model that is not theirs, or no longer.
const MODEL_GONE: [&str; 14] = [
    "model_not_found",
    "model not found",
    "model_not_available",
    "does not exist",
    "decommissioned",
    "deprecated",
    "no longer available",
    "no longer supported",
    "unknown model",
    "invalid_model",
    "invalid model",
    "not a valid model",
    "unable to access model",
    "does not work with the specified model",
];

const CONTEXT: [&str; 5] =
    ["context_length_exceeded", "context length", "context window", "maximum context", "prompt is too long"];

const FILTER: [&str; 5] =
    ["content_filter", "content filter", "content_policy", "content management policy", "moderation"];

const THROTTLED: [&str; 4] = ["rate_limit", "rate limit", "too many requests", "throttl"];

/// Reads a status that is no success. `is_page`: the body is a web page, which no upstream's API sends for a fault of
/// the request. `body` is what was read of it, within its bound; nothing of it is kept but what the caller of the API
/// is told of its own request.
pub(crate) fn of_answer(status: u16, is_page: bool, retry_after: Option<Duration>, body: &[u8]) -> Fault {
    match status {
        300..=399 | 407 | 511 => return Fault::Intercepted,
        ..500 if is_page => return Fault::Intercepted,
        // Of the statuses below 500 only these can be about the request or the account: a conflict, an early or a
        // misdirected request, a client that went away are troubles on the upstream's own way.
        400..=404 | 410 | 413..=415 | 422 | 429 | 431 | 451 => {}
        _ => return Fault::Status(status),
    }
    let error = read_upstream_error(status, body);
    let (said, of_account) = (Said::of(&error), Said::of_account(&error));
    match status {
        402 => Fault::Quota(status),
        400 | 403 | 429 if of_account.any(&QUOTA) => Fault::Quota(status),
        400 if of_account.any(&KEY) => Fault::KeyRejected(status),
        429 => Fault::Throttled { retry_after },
        410 => Fault::ModelWithdrawn,
        400 | 403 | 404 if of_account.is_of_the_model() => Fault::ModelWithdrawn,
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
    let status = status_inside(body).filter(|status| matches!(status, 401..=403 | 429));
    match of_answer(status.unwrap_or(400), false, None, body) {
        Fault::Caller(error) if Said::of(&error).any(&THROTTLED) => Fault::Throttled { retry_after: None },
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

    /// What is said of the account or of the model, which holds for everybody's requests: what the upstream quotes is
    /// the caller's, and so is a sentence about a field other than the model. A tool named «billing» spends no quota.
    fn of_account(error: &ApiError) -> Self {
        let is_of_a_field = error.param.as_deref().is_some_and(|param| !param.is_empty() && param != "model");
        let message = if is_of_a_field { String::new() } else { without_quotations(&error.message) };
        Said(format!("{} {} {message}", error.kind, error.code).to_lowercase())
    }

    fn any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.0.contains(word))
    }

    /// Azure calls the place of a model its deployment.
    fn is_of_the_model(&self) -> bool {
        (self.0.contains("model") || self.0.contains("deployment")) && self.any(&MODEL_GONE)
    }
}

/// A sentence without what stands in quotation marks in it. An apostrophe within a word is none.
fn without_quotations(sentence: &str) -> String {
    let letters: Vec<char> = sentence.chars().collect();
    let is_in_word =
        |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric());
    let closes = |from: usize, mark: char| {
        (from..letters.len()).find(|&at| letters[at] == mark && !is_in_word(Some(at + 1)))
    };
    let (mut kept, mut at) = (String::new(), 0);
    while at < letters.len() {
        let opens = match letters[at] {
            mark @ ('"' | '\'' | '`') if !is_in_word(at.checked_sub(1)) => Some(mark),
            '\u{201c}' => Some('\u{201d}'),
            '\u{2018}' => Some('\u{2019}'),
            _ => None,
        };
        match opens.and_then(|mark| closes(at + 1, mark)) {
            // One of the two spaces around it goes with it.
            Some(end) => {
                at = end + 1 + usize::from(kept.ends_with(' ') && letters.get(end + 1) == Some(&' '));
            }
            None => {
                kept.push(letters[at]);
                at += 1;
            }
        }
    }
    kept
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
            (400, "invalid_model", "Invalid model: x", "model-withdrawn"),
            (400, "", "x is not a valid model ID", "model-withdrawn"),
            (
                404,
                "DeploymentNotFound",
                "The API deployment for this resource does not exist.",
                "model-withdrawn",
            ),
            (404, "", "model 'x' not found, try pulling it first", "model-withdrawn"),
            (400, "", "API key not valid. Please pass a valid API key.", "key-rejected"),
            (407, "", "", "intercepted"),
            (511, "", "", "intercepted"),
            (302, "", "", "intercepted"),
            (408, "", "", "upstream-error"),
            (409, "lock_timeout", "Another request holds the lock", "upstream-error"),
            (421, "", "", "upstream-error"),
            (425, "", "Too early", "upstream-error"),
            (499, "", "Client closed request", "upstream-error"),
            (520, "", "", "upstream-error"),
            (451, "", "Not in your country", "caller"),
            (500, "billing", "billing service down", "upstream-error"),
            (503, "", "model is overloaded", "upstream-error"),
        ];
        for (status, code, message, expected) in table {
            assert_eq!(error(status, code, message), expected, "{status} {code}: {message}");
        }
    }

    #[test]
    fn what_a_caller_wrote_says_nothing_of_the_account_or_of_the_model() {
        let table = [
            "Invalid schema for function 'get_billing_record': object schema missing properties",
            "Invalid value: 'the model does not exist'. Supported values are: 'text' and 'json_object'.",
            "This model's limit is one file, and \"model_not_found.pdf\" is the second",
            "Unknown field `deprecated model`",
            "The name \u{201c}insufficient balance\u{201d} is taken",
        ];
        for message in table {
            assert_eq!(error(400, "invalid_value", message), "caller", "{message}");
        }
        let body = json!({"error": {"message": "The functions field is deprecated for this model", "param": "functions",
            "type": "invalid_request_error", "code": null}});
        assert_eq!(word(&of_answer(400, false, None, body.to_string().as_bytes())), "caller");
    }

    #[test]
    fn an_error_inside_an_answer_is_read_by_its_number_and_by_its_words() {
        let table = [
            (r#"{"error": {"code": 429, "message": "slow down"}}"#, "throttled"),
            (r#"{"error": {"code": "rate_limit_exceeded", "message": "slow down"}}"#, "throttled"),
            (r#"{"error": {"code": 402, "message": "no more"}}"#, "quota"),
            (r#"{"error": {"code": 401, "message": "who are you"}}"#, "key-rejected"),
            (r#"{"error": {"code": 502, "message": "provider died"}}"#, "cut"),
            (r#"{"error": {"code": 400, "message": "provider refused"}}"#, "cut"),
            (r#"{"error": "engine died"}"#, "cut"),
        ];
        for (body, expected) in table {
            assert_eq!(word(&of_error_inside(body.as_bytes(), Fault::Cut)), expected, "{body}");
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

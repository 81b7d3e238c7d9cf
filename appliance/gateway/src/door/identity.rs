//! Who calls the API: the holder of a key, in whichever header the caller's dialect puts it.

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};
use store::{ApiKey, KeyLane, Right, Subject, authorize};

use super::Door;
use super::refusal::Refused;
use crate::answer::{Caller, CallerKind, Lane, Refusal};

/// A caller with a valid key and the right to ask, and the highest lane that the key may use.
pub(super) struct KeyHolder(pub(super) Caller, pub(super) Lane);

impl FromRequestParts<Door> for KeyHolder {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Refused> {
        let secret = presented(&parts.headers).ok_or_else(missing)?;
        let found = door.gateway.store().core.key(secret).map_err(|error| {
            tracing::error!(%error, "the keys cannot be read");
            Refusal::unavailable(
                "keys_unavailable",
                "The box cannot read its keys now. Tell the administrator.",
            )
        })?;
        let key = found.ok_or_else(wrong)?;
        authorize(&Subject::Key(&key), Right::Ask)
            .map_err(|denied| Refusal::new(403, "permission_error", "not_allowed", denied.to_string()))?;
        let caller = Caller { who: format!("key:{}", key.name), kind: CallerKind::Key };
        Ok(KeyHolder(caller, lane_of(&key)))
    }
}

fn lane_of(key: &ApiKey) -> Lane {
    match key.lane {
        KeyLane::Clinical => Lane::Clinical,
        KeyLane::Interactive => Lane::Interactive,
        KeyLane::Batch => Lane::Batch,
    }
}

/// The key in `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`.
pub(super) fn presented(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| text("x-api-key")).or_else(|| text("x-goog-api-key"))
}

fn missing() -> Refusal {
    let message = "No API key was sent. Send one as \"Authorization: Bearer …\"; an administrator makes it with \
        \"genset key create NAME\".";
    Refusal::new(401, "invalid_request_error", "api_key_missing", message)
}

fn wrong() -> Refusal {
    let message = "This API key is not valid here: it is unknown or was revoked. An administrator makes a new one \
        with \"genset key create NAME\".";
    Refusal::new(401, "invalid_request_error", "invalid_api_key", message)
}

//! Who calls the API: the one gate before every route of the door, and the holder of a key behind it.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header, request::Parts};
use serde_json::json;
use store::{ApiKey, EventRow, Holdings, KeyLane, Right, Subject, authorize};

use super::refusal::Refused;
use super::{Door, Peer};
use crate::answer::{Caller, CallerKind, Lane, Refusal};
use crate::clock;

const MISSING: &str = "api_key_missing";

/// Who may use a route of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody: what machines ask of the process itself, and refusals.
    Anybody,
    /// Whoever calls from the box itself; from elsewhere the holder of a key with this right.
    OnTheBoxOr(Right),
    /// The holder of a key with this right.
    With(Right),
}

/// The holder of a valid key, with what the key holds.
#[derive(Clone)]
pub(super) struct KeyHolder {
    key: ApiKey,
    holdings: Holdings,
}

impl KeyHolder {
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject::Key(&self.key, &self.holdings)
    }

    pub(super) fn caller(&self) -> Caller {
        Caller { who: self.subject().who(), kind: CallerKind::Key }
    }

    /// The highest lane that the key may use.
    pub(super) fn highest_lane(&self) -> Lane {
        match self.key.lane {
            KeyLane::Clinical => Lane::Clinical,
            KeyLane::Interactive => Lane::Interactive,
            KeyLane::Batch => Lane::Batch,
        }
    }
}

/// Lets a request through to its handler, or answers in the handler's place.
pub(super) async fn admit(
    State((door, access)): State<(Door, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let right = match access {
        Access::Anybody => return next.run(request).await,
        Access::OnTheBoxOr(_) if is_on_the_box(&request) => return next.run(request).await,
        Access::OnTheBoxOr(right) | Access::With(right) => right,
    };
    match holder(&door, request.headers(), right) {
        Ok(holder) => {
            request.extensions_mut().insert(holder);
            next.run(request).await
        }
        Err(refusal) => {
            let from = request.extensions().get::<Peer>().copied();
            note(&door, from, &refusal).await;
            Refused(refusal).into_response()
        }
    }
}

/// The log knows who came with a key that opens nothing; one who came without any only asked for the way.
async fn note(door: &Door, from: Option<Peer>, refusal: &Refusal) {
    if refusal.code == MISSING {
        return;
    }
    let row = EventRow {
        at_ms: clock::unix_ms(),
        who: "nobody".to_owned(),
        what: "key-refused".to_owned(),
        detail: json!({"address": from.map(|Peer(address)| address.to_string()), "why": refusal.code}),
    };
    if let Err(error) = door.gateway.store().audit.refusal(row).await {
        tracing::error!(%error, "that a key was refused could not be written down");
    }
}

fn is_on_the_box(request: &Request) -> bool {
    request.extensions().get::<Peer>().is_some_and(|Peer(address)| address.is_loopback())
}

fn holder(door: &Door, headers: &HeaderMap, right: Right) -> Result<KeyHolder, Refusal> {
    let unreadable = |error: store::StoreError| {
        tracing::error!(%error, "the keys cannot be read");
        let message = "The box cannot read its keys now. Tell the administrator.";
        Refusal::unavailable("keys_unavailable", message)
    };
    let core = &door.gateway.store().core;
    let secret = presented(headers).ok_or_else(missing)?;
    let key = core.key(secret).map_err(unreadable)?.ok_or_else(wrong)?;
    let holdings = core.holdings_of_key(&key).map_err(unreadable)?;
    let holder = KeyHolder { key, holdings };
    authorize(&holder.subject(), right)
        .map_err(|denied| Refusal::new(403, "permission_error", "not_allowed", denied.to_string()))?;
    Ok(holder)
}

impl<S: Sync> FromRequestParts<S> for KeyHolder {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        // The gate stands before every handler, so this is a fault of the route table; nobody gets in by it.
        Ok(parts.extensions.get::<KeyHolder>().cloned().ok_or_else(missing)?)
    }
}

/// The key in `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`.
fn presented(headers: &HeaderMap) -> Option<&str> {
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
    Refusal::new(401, "invalid_request_error", MISSING, message)
}

fn wrong() -> Refusal {
    let message = "This API key is not valid here: it is unknown or was revoked. An administrator makes a new one \
        with \"genset key create NAME\".";
    Refusal::new(401, "invalid_request_error", "invalid_api_key", message)
}

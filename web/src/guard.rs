//! The one gate before every handler: setup first, then who comes, then the form's origin and token.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde::Deserialize;
use store::{Denied, EventRow, Right, authorize};

use crate::Portal;
use crate::csrf;
use crate::error_page::{Failed, Fault, RefusedTo, log};
use crate::moment::Clock;
use crate::visit::{Form, Visit};

/// The most that a form may weigh.
const BODY_LIMIT_BYTES: usize = 64 * 1024;
/// A browser that trickles its form holds a connection for so long at most.
const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody at any time: static files, the band, the language.
    Anybody,
    /// Anybody, once there is an owner.
    Visitor,
    /// Anybody, until there is an owner.
    Setup,
    /// Whoever is signed in.
    Person,
    /// Whoever is signed in and has this right.
    With(Right),
}

impl Access {
    /// What changes the box or what others may do, other than asking and one's own affairs.
    fn is_administration(self) -> bool {
        match self {
            Access::Anybody | Access::Visitor | Access::Person => false,
            Access::Setup => true,
            Access::With(right) => right != Right::Ask,
        }
    }
}

/// Lets a request through to its handler, with its [`Visit`], or answers in the handler's place.
pub(crate) async fn admit(
    State((portal, access, path)): State<(Portal, Access, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let response = match check(&portal, access, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    if let Some(refused) = response.extensions().get::<RefusedTo>().cloned() {
        note_refusal(&portal, path, refused, response.status()).await;
    }
    response
}

/// The log knows who was refused what: a right that is lacking, a form of another site, a number of what belongs to
/// others or is not there.
async fn note_refusal(portal: &Portal, path: &'static str, to: RefusedTo, status: StatusCode) {
    let RefusedTo { who, address } = to;
    let named_something = status == StatusCode::NOT_FOUND && path.contains('{');
    if status != StatusCode::FORBIDDEN && !named_something {
        return;
    }
    let detail = serde_json::json!({
        "path": path, "status": status.as_u16(), "address": address.map(|ip| ip.to_string()),
    });
    let what = "access-refused".to_owned();
    let row = EventRow { at_ms: Clock::now_ms(), who, what, detail };
    if let Err(error) = portal.store().audit.refusal(row).await {
        log(&error);
    }
}

async fn check(portal: &Portal, access: Access, request: Request) -> Result<Request, Failed> {
    let (mut parts, body) = request.into_parts();
    let failed = |error: store::StoreError| Visit::of_nobody(portal, &parts).internal(&error);
    let needs_setup = portal.needs_setup().map_err(failed)?;
    let visit = Visit::of(portal, &parts).map_err(failed)?;
    check_setup(&visit, access, needs_setup)?;
    check_second_factor(&visit, access)?;
    let is_first_page = parts.method == Method::GET && parts.uri.path() == "/" && visit.form == Form::Page;
    match check_right(&visit, access) {
        // Whoever may not ask begins with what they may read.
        Err(_) if is_first_page && visit.person.is_some() => return Err(visit.lead_to("/status").into()),
        decided => decided?,
    }
    let body = if parts.method == Method::GET || parts.method == Method::HEAD {
        body
    } else {
        if !csrf::is_from_here(&parts) {
            return Err(visit.fail(Fault::StaleForm));
        }
        let read = tokio::time::timeout(BODY_PATIENCE, axum::body::to_bytes(body, BODY_LIMIT_BYTES)).await;
        let read = read.map_err(|_| visit.fail(Fault::BadRequest))?;
        let bytes = read.map_err(|_| visit.fail(Fault::TooLarge))?;
        check_token(&visit, access, &parts, &bytes).await?;
        if access.is_administration() {
            check_recording(&visit).await?;
        }
        Body::from(bytes)
    };
    parts.extensions.insert(visit);
    Ok(Request::from_parts(parts, body))
}

fn check_setup(visit: &Visit, access: Access, needs_setup: bool) -> Result<(), Failed> {
    match (access, needs_setup) {
        (Access::Anybody, _) | (Access::Setup, true) => Ok(()),
        (Access::Setup, false) => Err(visit.fail(Fault::NotFound)),
        (_, true) => Err(visit.lead_to("/setup").into()),
        (_, false) => Ok(()),
    }
}

/// Whoever must have a second factor and has none is led to where it is set up; the own account is open all the same.
fn check_second_factor(visit: &Visit, access: Access) -> Result<(), Failed> {
    let lacks = visit.person.as_ref().is_some_and(|person| person.lacks_second_factor);
    match access {
        Access::With(_) if lacks => Err(visit.lead_to("/account/second-factor").into()),
        _ => Ok(()),
    }
}

fn check_right(visit: &Visit, access: Access) -> Result<(), Failed> {
    let right = match access {
        Access::Anybody | Access::Visitor | Access::Setup => return Ok(()),
        Access::Person => None,
        Access::With(right) => Some(right),
    };
    let Some(person) = &visit.person else { return Err(lead_to_sign_in(visit)) };
    let decided = right.map_or(Ok(()), |right| authorize(&person.subject(), right).map(drop));
    match decided {
        Ok(()) => Ok(()),
        Err(Denied::NotSignedIn) => Err(lead_to_sign_in(visit)),
        Err(_) => Err(visit.fail(Fault::Forbidden)),
    }
}

/// What cannot be recorded may not be changed: the log is written to before the handler changes anything.
async fn check_recording(visit: &Visit) -> Result<(), Failed> {
    visit.portal.store().audit.prove_writable().await.map_err(|error| {
        log(&error);
        visit.fail(Fault::Unrecorded)
    })
}

/// A page goes to the sign-in and comes back after it; the chat's script is told in a sentence.
fn lead_to_sign_in(visit: &Visit) -> Failed {
    if visit.form == Form::Stream {
        let line = serde_json::json!({"kind": "failed", "sentence": visit.text().account.session_over});
        return (StatusCode::UNAUTHORIZED, axum::Json(line)).into_response().into();
    }
    match visit.path.as_str() {
        "/" => visit.lead_to("/sign-in").into(),
        path => visit.lead_to(&format!("/sign-in?back={path}")).into(),
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    csrf: String,
}

/// Every form of a signed-in person carries the session's token; the other forms act for nobody.
async fn check_token(
    visit: &Visit,
    access: Access,
    parts: &http::request::Parts,
    bytes: &Bytes,
) -> Result<(), Failed> {
    if matches!(access, Access::Anybody | Access::Visitor | Access::Setup) {
        return Ok(());
    }
    let Some(person) = &visit.person else { return Err(lead_to_sign_in(visit)) };
    let copy = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let form = axum::Form::<Token>::from_request(copy, &()).await;
    match form {
        Ok(axum::Form(token)) if csrf::fits(&token.csrf, &person.csrf) => Ok(()),
        _ => Err(visit.fail(Fault::StaleForm)),
    }
}

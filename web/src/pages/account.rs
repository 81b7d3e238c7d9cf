//! A person's own account: where one is signed in, and the password.

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use store::{Core, OwnPasswordError, Secret, SessionRecord};

use crate::confirmed::Confirmed;
use crate::error_page::{Failed, Fault, log};
use crate::frame::{Frame, Place};
use crate::posted::{Path, Posted, Query};
use crate::text::{AccountText, OwnAccountText};
use crate::visit::{Person, Signed, Visit};

#[derive(Template)]
#[template(path = "pages/account.html")]
struct AccountPage {
    frame: Frame,
    csrf: String,
    who: String,
    limits: String,
    second_factor: String,
    kept: String,
    /// Changed there, and not here.
    is_of_directory: bool,
    has_password: bool,
    /// This session first.
    sessions: Vec<SessionView>,
    problem: Option<&'static str>,
    done: Option<&'static str>,
}

struct SessionView {
    id: String,
    device: String,
    address: String,
    since: String,
    last_seen: String,
    is_this: bool,
    end_label: String,
}

#[derive(Deserialize)]
pub(crate) struct Arrival {
    #[serde(default)]
    done: String,
}

/// What whoever has no password of this box gives for it.
pub(crate) fn nothing() -> Secret {
    Secret::from("")
}

#[derive(Deserialize)]
pub(crate) struct EndForm {
    #[serde(default = "nothing")]
    password: Secret,
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    old: Secret,
    password: Secret,
    again: Secret,
}

/// `GET /account`.
pub(crate) async fn show(
    Signed(visit, person): Signed,
    Query(arrival): Query<Arrival>,
) -> Result<Response, Failed> {
    let text = &visit.text().own_account;
    let done = match arrival.done.as_str() {
        "ended" => Some(text.ended),
        "password" => Some(text.password_changed),
        "second-factor-removed" => Some(visit.text().second_factor.removed),
        _ => None,
    };
    page(&visit, &person, None, done)
}

/// `POST /account/sessions/{session}/end`.
pub(crate) async fn end_one(
    Signed(visit, person): Signed,
    Path(session): Path<String>,
    Posted(form): Posted<EndForm>,
) -> Result<Response, Failed> {
    if let Err((status, problem)) = confirm_password(&visit, &person, form.password).await {
        return refuse(&visit, &person, status, problem);
    }
    let ended = visit.portal.store().core.end_session(person.account.id, &session).await;
    if !ended.map_err(|error| visit.internal(&error))? {
        return Err(visit.fail(Fault::NotFound));
    }
    Ok(ended_with(&visit, &person, 1).await)
}

/// `POST /account/sessions/end-others`.
pub(crate) async fn end_others(
    Signed(visit, person): Signed,
    Posted(form): Posted<EndForm>,
) -> Result<Response, Failed> {
    if let Err((status, problem)) = confirm_password(&visit, &person, form.password).await {
        return refuse(&visit, &person, status, problem);
    }
    let core = &visit.portal.store().core;
    let ended = core.end_other_sessions(person.account.id, &person.token).await;
    let sessions = ended.map_err(|error| visit.internal(&error))?;
    Ok(ended_with(&visit, &person, sessions).await)
}

async fn ended_with(visit: &Visit, person: &Arc<Person>, sessions: usize) -> Response {
    visit.portal.note_with(&person.account.name, "session-ended", json!({"sessions": sessions})).await;
    Confirmed::of(visit, person).await.hand(Redirect::to("/account?done=ended").into_response())
}

/// `POST /account/password`.
pub(crate) async fn change_password(
    Signed(visit, person): Signed,
    Posted(form): Posted<PasswordForm>,
) -> Result<Response, Failed> {
    let texts = visit.text();
    let core = &visit.portal.store().core;
    if core.is_of_directory(person.account.id).map_err(|error| visit.internal(&error))? {
        let problem = texts.directory.own_password;
        return refuse(&visit, &person, StatusCode::UNPROCESSABLE_ENTITY, problem);
    }
    if form.password.expose() != form.again.expose() {
        return refuse(&visit, &person, StatusCode::UNPROCESSABLE_ENTITY, texts.account.passwords_differ);
    }
    let changed = core
        .change_own_password(&person.account, form.old, form.password, &person.token, &visit.caller)
        .await;
    match changed {
        Ok(()) => {
            visit.portal.note(&person.account.name, "password-changed").await;
            let response = Redirect::to("/account?done=password").into_response();
            Ok(Confirmed::of(&visit, &person).await.hand(response))
        }
        Err(error) => {
            visit.portal.note(&person.account.name, "password-change-refused").await;
            let (status, problem) = problem(&error, &texts.account, &texts.own_account);
            refuse(&visit, &person, status, problem)
        }
    }
}

/// Asks for the password once more, where there is one; what is wrong is said beside the form.
pub(crate) async fn confirm_password(
    visit: &Visit,
    person: &Person,
    password: Secret,
) -> Result<(), (StatusCode, &'static str)> {
    if !person.has_password {
        return Ok(());
    }
    let core = &visit.portal.store().core;
    let confirmed = core.confirm_password(&person.account, password, &person.token).await;
    let text = visit.text();
    confirmed.map_err(|error| problem(&error, &text.account, &text.own_account))
}

/// What a person is told when the password was not accepted.
fn problem(
    error: &OwnPasswordError,
    text: &'static AccountText,
    own: &'static OwnAccountText,
) -> (StatusCode, &'static str) {
    match error {
        OwnPasswordError::Wrong | OwnPasswordError::OfDirectory => {
            (StatusCode::UNPROCESSABLE_ENTITY, own.wrong_old_password)
        }
        OwnPasswordError::BadPassword(bad) => (StatusCode::UNPROCESSABLE_ENTITY, text.bad_password(*bad)),
        OwnPasswordError::TooManyTries { .. } => (StatusCode::TOO_MANY_REQUESTS, text.too_many_tries),
        OwnPasswordError::Store(error) => {
            log(error);
            (StatusCode::SERVICE_UNAVAILABLE, text.store_failed)
        }
    }
}

fn refuse(
    visit: &Visit,
    person: &Person,
    status: StatusCode,
    problem: &'static str,
) -> Result<Response, Failed> {
    Ok((status, page(visit, person, Some(problem), None)?).into_response())
}

fn page(
    visit: &Visit,
    person: &Person,
    problem: Option<&'static str>,
    done: Option<&'static str>,
) -> Result<Response, Failed> {
    let (core, text) = (&visit.portal.store().core, &visit.text().own_account);
    let this = Core::session_id(&person.token);
    let listed = core.sessions_of(&person.account).map_err(|error| visit.internal(&error))?;
    let mut sessions: Vec<_> = listed.into_iter().map(|record| view(visit, record, &this)).collect();
    sessions.sort_by_key(|session| !session.is_this);
    let limits = core.session_limits(person.account.role);
    let second = core.second_factor(person.account.id).map_err(|error| visit.internal(&error))?;
    let second_text = &visit.text().second_factor;
    visit.show(&AccountPage {
        frame: Frame::of(visit, Place::Account),
        csrf: person.csrf.clone(),
        who: (text.who)(&person.account.name, (text.role)(person.account.role.as_str())),
        limits: (text.limits)(limits.idle.as_secs() / 60, limits.whole.as_secs() / 3600),
        second_factor: match second {
            Some(on) => (second_text.is_on)(&visit.portal.clock().short(on.since_ms), on.codes_left),
            None if !person.has_password => visit.text().provider.vouched.to_owned(),
            None => second_text.is_off.to_owned(),
        },
        kept: super::people::kept(visit, person.account.id)?,
        is_of_directory: core.is_of_directory(person.account.id).map_err(|error| visit.internal(&error))?,
        has_password: person.has_password,
        sessions,
        problem,
        done,
    })
}

fn view(visit: &Visit, record: SessionRecord, this: &str) -> SessionView {
    let (text, clock) = (&visit.text().own_account, visit.portal.clock());
    let device = if record.device.is_empty() { text.unknown_device.to_owned() } else { record.device };
    let since = clock.short(record.created_ms);
    SessionView {
        end_label: (text.end_label)(&device, &since),
        is_this: record.id == this,
        id: record.id,
        device,
        address: record.address,
        since,
        last_seen: clock.short(record.seen_ms),
    }
}

//! The second factor of a person's own account: set up with a QR code, proven by a code, renewed, removed.

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::{SecondFactorError, Secret};

use crate::confirmed::Confirmed;
use crate::error_page::{Failed, log};
use crate::frame::{Frame, Place};
use crate::pages::account::{confirm_password, nothing};
use crate::posted::Posted;
use crate::qr::QrView;
use crate::visit::{Person, Signed, Visit};

#[derive(Template)]
#[template(path = "pages/second_factor.html")]
struct SecondFactorPage {
    frame: Frame,
    csrf: String,
    problem: Option<&'static str>,
    is_required: bool,
    has_password: bool,
    state: State,
}

/// How far the person is.
enum State {
    Off,
    /// The secret waits for its first code.
    Pending {
        secret: String,
        qr: Option<QrView>,
    },
    On {
        since: String,
        codes_left: u32,
    },
    /// Just now, and this once.
    Codes(Vec<String>),
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    #[serde(default = "nothing")]
    password: Secret,
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    code: Secret,
}

#[derive(Deserialize)]
pub(crate) struct BothForm {
    #[serde(default = "nothing")]
    password: Secret,
    code: Secret,
}

type Problem = (StatusCode, &'static str);

/// `GET /account/second-factor`.
pub(crate) async fn show(Signed(visit, person): Signed) -> Result<Response, Failed> {
    let state = standing(&visit, &person)?;
    page(&visit, &person, None, state)
}

/// `POST /account/second-factor`: a new secret, which does not count yet.
pub(crate) async fn begin(
    Signed(visit, person): Signed,
    Posted(form): Posted<PasswordForm>,
) -> Result<Response, Failed> {
    if let Err(problem) = confirm_password(&visit, &person, form.password).await {
        return refuse(&visit, &person, problem, standing(&visit, &person)?);
    }
    match visit.portal.store().core.begin_second_factor(person.account.id).await {
        Ok(secret) => shown(&visit, &person, pending(&visit, &person, &secret)).await,
        Err(error) => refuse(&visit, &person, told(&visit, &error), standing(&visit, &person)?),
    }
}

/// `POST /account/second-factor/confirm`: the first code makes it count, and the recovery codes are shown.
pub(crate) async fn confirm(
    Signed(visit, person): Signed,
    Posted(form): Posted<CodeForm>,
) -> Result<Response, Failed> {
    let core = &visit.portal.store().core;
    match core.confirm_second_factor(person.account.id, form.code.expose(), &person.token).await {
        Ok(codes) => {
            visit.portal.note(&person.account.name, "second-factor-set-up").await;
            shown(&visit, &person, State::Codes(exposed(&codes))).await
        }
        Err(error) => {
            let waiting = core.pending_second_factor(person.account.id);
            let state = match waiting.map_err(|error| visit.internal(&error))? {
                Some(secret) => pending(&visit, &person, &secret),
                None => standing(&visit, &person)?,
            };
            refuse(&visit, &person, told(&visit, &error), state)
        }
    }
}

/// `POST /account/second-factor/codes`: ten other recovery codes, against the password and one more code.
pub(crate) async fn renew(
    Signed(visit, person): Signed,
    Posted(form): Posted<BothForm>,
) -> Result<Response, Failed> {
    let core = &visit.portal.store().core;
    let is_on = core.second_factor(person.account.id).map_err(|error| visit.internal(&error))?.is_some();
    if !is_on {
        return Ok(Redirect::to("/account/second-factor").into_response());
    }
    if let Err(problem) = confirm_password(&visit, &person, form.password).await {
        return refuse(&visit, &person, problem, standing(&visit, &person)?);
    }
    match core.renew_recovery_codes(person.account.id, form.code.expose()).await {
        Ok(codes) => {
            visit.portal.note(&person.account.name, "recovery-codes-renewed").await;
            shown(&visit, &person, State::Codes(exposed(&codes))).await
        }
        Err(error) => refuse(&visit, &person, told(&visit, &error), standing(&visit, &person)?),
    }
}

/// `POST /account/second-factor/remove`.
pub(crate) async fn remove(
    Signed(visit, person): Signed,
    Posted(form): Posted<BothForm>,
) -> Result<Response, Failed> {
    if let Err(problem) = confirm_password(&visit, &person, form.password).await {
        return refuse(&visit, &person, problem, standing(&visit, &person)?);
    }
    match visit.portal.store().core.remove_second_factor(&person.account, form.code.expose()).await {
        Ok(()) => {
            visit.portal.note(&person.account.name, "second-factor-removed").await;
            let response = Redirect::to("/account?done=second-factor-removed").into_response();
            Ok(Confirmed::of(&visit, &person).await.hand(response))
        }
        Err(error) => {
            visit.portal.note(&person.account.name, "second-step-refused").await;
            refuse(&visit, &person, told(&visit, &error), standing(&visit, &person)?)
        }
    }
}

/// The page for a person who has just shown who they are.
async fn shown(visit: &Visit, person: &Arc<Person>, state: State) -> Result<Response, Failed> {
    let confirmed = Confirmed::of(visit, person).await;
    let response = page(&confirmed.visit, &confirmed.person, None, state)?;
    Ok(confirmed.hand(response))
}

fn told(visit: &Visit, error: &SecondFactorError) -> Problem {
    let text = &visit.text().second_factor;
    match error {
        SecondFactorError::WrongCode => (StatusCode::UNPROCESSABLE_ENTITY, text.wrong_code),
        SecondFactorError::AlreadyThere => (StatusCode::CONFLICT, text.already_there),
        SecondFactorError::Required => (StatusCode::FORBIDDEN, text.cannot_remove),
        SecondFactorError::Store(error) => {
            log(error);
            (StatusCode::SERVICE_UNAVAILABLE, visit.text().account.store_failed)
        }
    }
}

fn standing(visit: &Visit, person: &Person) -> Result<State, Failed> {
    let found = visit.portal.store().core.second_factor(person.account.id);
    Ok(match found.map_err(|error| visit.internal(&error))? {
        Some(factor) => {
            State::On { since: visit.portal.clock().short(factor.since_ms), codes_left: factor.codes_left }
        }
        None => State::Off,
    })
}

fn pending(visit: &Visit, person: &Person, secret: &Secret) -> State {
    let uri = otpauth(visit.portal.site_name(), &person.account.name, secret.expose());
    let spaced: Vec<_> = secret.expose().as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    State::Pending { secret: spaced.join(" "), qr: QrView::of(&uri) }
}

/// The address that authenticators read off a QR code.
fn otpauth(site: &str, name: &str, secret: &str) -> String {
    // The label's two parts are divided by a colon, so neither may hold one.
    let part = |text: &str| utf8_percent_encode(&text.replace(':', " "), NON_ALPHANUMERIC).to_string();
    format!("otpauth://totp/{site}:{}?secret={secret}&issuer={site}", part(name), site = part(site))
}

fn exposed(codes: &[Secret]) -> Vec<String> {
    codes.iter().map(|code| code.expose().to_owned()).collect()
}

fn refuse(visit: &Visit, person: &Person, problem: Problem, state: State) -> Result<Response, Failed> {
    let (status, problem) = problem;
    Ok((status, page(visit, person, Some(problem), state)?).into_response())
}

fn page(
    visit: &Visit,
    person: &Person,
    problem: Option<&'static str>,
    state: State,
) -> Result<Response, Failed> {
    let needs = visit.portal.store().core.needs_second_factor(&person.account);
    visit.show(&SecondFactorPage {
        frame: Frame::of(visit, Place::Account),
        csrf: person.csrf.clone(),
        problem,
        is_required: needs.map_err(|error| visit.internal(&error))?,
        has_password: person.has_password,
        state,
    })
}

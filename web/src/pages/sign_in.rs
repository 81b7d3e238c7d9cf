//! Signing in and out.

use std::borrow::Cow;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Entered, Refusal, Secret, Session, SignInError, VouchedBy};

use crate::cookies::{self, Life};
use crate::error_page::{Failed, log};
use crate::frame::{Frame, Place};
use crate::pages::provider::ProviderView;
use crate::posted::{Posted, Query, own_path};
use crate::visit::{Signed, Transport, Visit};

#[derive(Template)]
#[template(path = "pages/sign_in.html")]
pub(crate) struct SignInPage {
    pub(crate) frame: Frame,
    pub(crate) problem: Option<Cow<'static, str>>,
    pub(crate) signed_out: bool,
    pub(crate) name: String,
    pub(crate) back: String,
    pub(crate) provider: ProviderView,
}

#[derive(Deserialize)]
pub(crate) struct Arrival {
    #[serde(default)]
    back: String,
    #[serde(default)]
    signed_out: bool,
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    name: String,
    password: Secret,
    #[serde(default)]
    back: String,
}

/// `GET /sign-in`.
pub(crate) async fn show(visit: Visit, Query(arrival): Query<Arrival>) -> Result<Response, Failed> {
    if visit.person.is_some() {
        return Ok(Redirect::to(own_path(&arrival.back)).into_response());
    }
    let frame = Frame::of(&visit, Place::Elsewhere);
    let Arrival { back, signed_out } = arrival;
    let provider = ProviderView::of(&visit, &back);
    visit.show(&SignInPage { frame, problem: None, signed_out, name: String::new(), back, provider })
}

/// `POST /sign-in`.
pub(crate) async fn sign_in(visit: Visit, Posted(given): Posted<Credentials>) -> Result<Response, Failed> {
    enter(&visit, &given.name, given.password, &given.back).await
}

/// Begins a session and leads on, or shows the form with the problem.
pub(crate) async fn enter(
    visit: &Visit,
    name: &str,
    password: Secret,
    back: &str,
) -> Result<Response, Failed> {
    let text = &visit.text().account;
    let (status, problem) = match visit.portal.store().core.sign_in(name, password, &visit.caller).await {
        Ok(Entered::Session(session)) => {
            let detail = vouched_by(visit, whence(visit, None), session.by);
            visit.portal.note_with(&session.account.name, "sign-in", detail).await;
            return Ok(begun(visit, &session, own_path(back)));
        }
        Ok(Entered::SecondStep(ticket)) => {
            let path = match own_path(back) {
                "/" => "/sign-in/code".to_owned(),
                back => format!("/sign-in/code?back={}", utf8_percent_encode(back, NON_ALPHANUMERIC)),
            };
            let cookie = (visit.transport.ticket_cookie(), ticket.expose(), Life::Visit);
            return Ok(led_with(visit.transport, &path, &[cookie]));
        }
        Err(SignInError::Refused { account, why }) => {
            let mut detail = whence(visit, account);
            if visit.portal.store().core.has_directory() {
                detail["why"] = why.as_str().into();
            }
            visit.portal.note_with("nobody", "sign-in-refused", detail).await;
            (StatusCode::UNPROCESSABLE_ENTITY, refusal(visit, why))
        }
        Err(SignInError::TooManyTries { is_news, account, .. }) => {
            if is_news {
                visit.portal.note_with("nobody", "sign-in-guessing", whence(visit, account)).await;
            }
            (StatusCode::TOO_MANY_REQUESTS, text.too_many_tries)
        }
        Err(SignInError::TooLate | SignInError::WrongCode { .. }) => {
            (StatusCode::UNPROCESSABLE_ENTITY, visit.text().second_factor.step_too_late)
        }
        Err(SignInError::Store(error)) => {
            log(&error);
            (StatusCode::SERVICE_UNAVAILABLE, text.store_failed)
        }
    };
    let frame = Frame::of(visit, Place::Elsewhere);
    let (name, back) = (name.to_owned(), back.to_owned());
    let provider = ProviderView::of(visit, &back);
    let page = SignInPage { frame, problem: Some(problem.into()), signed_out: false, name, back, provider };
    Ok((status, visit.show(&page)?).into_response())
}

/// What somebody is told who was not let in. Only a right password is told more than others, and whether the directory
/// is there does not depend on the name.
fn refusal(visit: &Visit, why: Refusal) -> &'static str {
    let text = visit.text();
    match why {
        Refusal::NoAccess => text.directory.no_access,
        Refusal::PasswordExpired => text.directory.password_expired,
        Refusal::OutOfReach => text.directory.out_of_reach,
        _ if visit.portal.store().core.is_directory_out_of_reach() => text.directory.out_of_reach,
        _ => text.account.wrong_password,
    }
}

/// Adds to a row on whose word somebody was let in, where that may be another one than the box's.
pub(crate) fn vouched_by(visit: &Visit, mut detail: Value, by: VouchedBy) -> Value {
    if visit.portal.store().core.has_directory() {
        detail["by"] = json!(by.as_str());
    }
    detail
}

/// The sign-in from its beginning, for somebody whose second step came too late or was never begun.
pub(crate) fn once_more(visit: &Visit, back: &str) -> Result<Response, Failed> {
    let problem = visit.text().second_factor.step_too_late;
    let page = SignInPage {
        frame: Frame::of(visit, Place::Elsewhere),
        problem: Some(problem.into()),
        signed_out: false,
        name: String::new(),
        back: own_path(back).to_owned(),
        provider: ProviderView::of(visit, back),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, visit.show(&page)?).into_response())
}

/// `POST /sign-out`.
pub(crate) async fn sign_out(Signed(visit, person): Signed) -> Result<Response, Failed> {
    let signed_out = visit.portal.store().core.sign_out(&person.token).await;
    signed_out.map_err(|error| visit.internal(&error))?;
    visit.portal.note(&person.account.name, "sign-out").await;
    // The device stays known: it opens nothing, and it is what lets its person in while others guess.
    let cookie = (visit.transport.session_cookie(), "", Life::Over);
    let mut response = led_with(visit.transport, "/sign-in?signed_out=true", &[cookie]);
    // What pages left in the browser goes as well; cookies stay, for the device and the language do.
    let left_behind = HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert("clear-site-data", left_behind);
    Ok(response)
}

/// Leads on with the cookies of a session that has begun.
pub(crate) fn begun(visit: &Visit, session: &Session, path: &str) -> Response {
    let transport = visit.transport;
    let mut cookies = vec![
        (transport.session_cookie(), session.token.expose(), Life::Visit),
        (transport.device_cookie(), session.device_token.expose(), Life::Year),
    ];
    let spent =
        [(&visit.ticket, transport.ticket_cookie()), (&visit.departure, transport.departure_cookie())];
    cookies.extend(spent.iter().filter(|(had, _)| had.is_some()).map(|(_, name)| (*name, "", Life::Over)));
    led_with(transport, path, &cookies)
}

/// Leads to `path`, or to an address that the portal itself has made, with cookies.
pub(crate) fn led_with(transport: Transport, path: &str, wanted: &[(&str, &str, Life)]) -> Response {
    let mut response = Redirect::to(path).into_response();
    set(&mut response, transport, wanted);
    response
}

pub(crate) fn set(response: &mut Response, transport: Transport, wanted: &[(&str, &str, Life)]) {
    for (name, value, life) in wanted {
        if let Some(cookie) = cookies::set(name, value, transport.is_secure(), *life) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

/// Where a try came from, and at which account: never a name that is none, which may be a mistyped password.
pub(crate) fn whence(visit: &Visit, account: Option<String>) -> Value {
    let mut detail = serde_json::Map::new();
    if let Some(address) = visit.caller.address {
        detail.insert("address".to_owned(), address.to_string().into());
    }
    if let Some(account) = account {
        detail.insert("account".to_owned(), account.into());
    }
    if detail.is_empty() { Value::Null } else { detail.into() }
}

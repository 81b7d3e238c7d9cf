//! Signing in and out.

use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::Deserialize;
use store::{Secret, SignInError};

use crate::cookies::{self, Life};
use crate::error_page::{Failed, log};
use crate::frame::{Frame, Place};
use crate::posted::{Posted, own_path};
use crate::visit::{Signed, Visit};

#[derive(Template)]
#[template(path = "pages/sign_in.html")]
pub(crate) struct SignInPage {
    pub(crate) frame: Frame,
    pub(crate) problem: Option<&'static str>,
    pub(crate) signed_out: bool,
    pub(crate) name: String,
    pub(crate) back: String,
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
    visit.show(&SignInPage { frame, problem: None, signed_out, name: String::new(), back })
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
    let (status, problem) = match visit.portal.store().core.sign_in(name, password).await {
        Ok(session) => {
            visit.portal.note(&session.account.name, "sign-in").await;
            return Ok(with_session(visit, session.token.expose(), Life::Visit, own_path(back)));
        }
        Err(SignInError::Refused) => {
            visit.portal.note("nobody", "sign-in-refused").await;
            (StatusCode::UNPROCESSABLE_ENTITY, text.wrong_password)
        }
        Err(SignInError::TooManyTries { .. }) => (StatusCode::TOO_MANY_REQUESTS, text.too_many_tries),
        Err(SignInError::Store(error)) => {
            log(&error);
            (StatusCode::SERVICE_UNAVAILABLE, text.store_failed)
        }
    };
    let frame = Frame::of(visit, Place::Elsewhere);
    let (name, back) = (name.to_owned(), back.to_owned());
    let page = SignInPage { frame, problem: Some(problem), signed_out: false, name, back };
    Ok((status, visit.show(&page)?).into_response())
}

/// `POST /sign-out`.
pub(crate) async fn sign_out(Signed(visit, person): Signed) -> Result<Response, Failed> {
    let signed_out = visit.portal.store().core.sign_out(&person.token).await;
    signed_out.map_err(|error| visit.internal(&error))?;
    visit.portal.note(&person.account.name, "sign-out").await;
    Ok(with_session(&visit, "", Life::Over, "/sign-in?signed_out=true"))
}

fn with_session(visit: &Visit, token: &str, life: Life, path: &str) -> Response {
    let mut response = Redirect::to(path).into_response();
    let (name, secure) = (visit.transport.session_cookie(), visit.transport.is_secure());
    if let Some(cookie) = cookies::set(name, token, secure, life) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

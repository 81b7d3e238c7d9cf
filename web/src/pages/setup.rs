//! The first visit: the setup code makes the owner's account and signs the owner in.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use store::{AccountError, Secret, SetupError};

use crate::error_page::{Failed, Fault, log};
use crate::frame::{Frame, Place};
use crate::pages::sign_in;
use crate::posted::Posted;
use crate::text::AccountText;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "pages/setup.html")]
pub(crate) struct SetupPage {
    pub(crate) frame: Frame,
    pub(crate) problem: Option<&'static str>,
    pub(crate) code: String,
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct NewOwner {
    code: String,
    name: String,
    password: Secret,
    again: Secret,
}

/// `GET /setup`. No link carries the code: addresses are kept by browsers and by whatever stands between.
pub(crate) async fn show(visit: Visit) -> Result<Response, Failed> {
    let frame = Frame::of(&visit, Place::Elsewhere);
    visit.show(&SetupPage { frame, problem: None, code: String::new(), name: String::new() })
}

/// `POST /setup`.
pub(crate) async fn finish(visit: Visit, Posted(owner): Posted<NewOwner>) -> Result<Response, Failed> {
    let text = &visit.text().account;
    if owner.password.expose() != owner.again.expose() {
        return again(&visit, owner, text.passwords_differ);
    }
    let core = &visit.portal.store().core;
    match core.finish_setup(&owner.code, &owner.name, owner.password.clone(), &visit.caller).await {
        Ok(account) => {
            visit.portal.note(&account.name, "setup-finished").await;
            sign_in::enter(&visit, &account.name, owner.password, "/").await
        }
        Err(SetupError::AlreadyDone) => Err(visit.fail(Fault::NotFound)),
        Err(error) => again(&visit, owner, problem(&error, text)),
    }
}

fn again(visit: &Visit, owner: NewOwner, problem: &'static str) -> Result<Response, Failed> {
    let NewOwner { code, name, .. } = owner;
    let page = SetupPage { frame: Frame::of(visit, Place::Elsewhere), problem: Some(problem), code, name };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, visit.show(&page)?).into_response())
}

fn problem(error: &SetupError, text: &'static AccountText) -> &'static str {
    match error {
        SetupError::WrongCode | SetupError::AlreadyDone => text.wrong_code,
        SetupError::Expired => text.code_expired,
        SetupError::TooManyTries { .. } => text.too_many_tries,
        SetupError::Account(AccountError::BadPassword(bad)) => text.bad_password(*bad),
        SetupError::Account(AccountError::Store(error)) | SetupError::Store(error) => {
            log(error);
            text.store_failed
        }
        SetupError::Account(_) => text.bad_name,
    }
}

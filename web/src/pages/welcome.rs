//! The first visit of somebody who was added by others: a one-time code, and a password of their own.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use store::{FirstPasswordError, Secret};

use crate::error_page::{Failed, log};
use crate::frame::{Frame, Place};
use crate::pages::sign_in;
use crate::posted::{Posted, Query};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "pages/welcome.html")]
pub(crate) struct WelcomePage {
    pub(crate) frame: Frame,
    pub(crate) problem: Option<&'static str>,
    pub(crate) name: String,
    pub(crate) code: String,
}

#[derive(Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
pub(crate) struct NewPerson {
    name: String,
    code: String,
    password: Secret,
    again: Secret,
}

/// `GET /welcome`.
pub(crate) async fn show(visit: Visit, Query(link): Query<Link>) -> Result<Response, Failed> {
    let frame = Frame::of(&visit, Place::Elsewhere);
    visit.show(&WelcomePage { frame, problem: None, name: link.name, code: String::new() })
}

/// `POST /welcome`.
pub(crate) async fn finish(visit: Visit, Posted(new): Posted<NewPerson>) -> Result<Response, Failed> {
    let text = visit.text();
    if new.password.expose() != new.again.expose() {
        return again(&visit, new, text.account.passwords_differ);
    }
    let core = &visit.portal.store().core;
    let problem = match core.choose_first_password(&new.name, &new.code, new.password.clone()).await {
        Ok(account) => {
            visit.portal.note(&account.name, "first-password-chosen").await;
            return sign_in::enter(&visit, &account.name, new.password, "/").await;
        }
        Err(FirstPasswordError::Refused) => {
            visit.portal.note("nobody", "first-password-refused").await;
            text.rights.welcome.refused
        }
        Err(FirstPasswordError::Expired) => text.rights.welcome.expired,
        Err(FirstPasswordError::BadPassword(bad)) => text.account.bad_password(bad),
        Err(FirstPasswordError::Store(error)) => {
            log(&error);
            text.account.store_failed
        }
    };
    again(&visit, new, problem)
}

fn again(visit: &Visit, new: NewPerson, problem: &'static str) -> Result<Response, Failed> {
    let NewPerson { name, code, .. } = new;
    let page = WelcomePage { frame: Frame::of(visit, Place::Elsewhere), problem: Some(problem), name, code };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, visit.show(&page)?).into_response())
}

//! The choice of the language, kept in a cookie.

use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use serde::Deserialize;

use crate::cookies::{self, Life};
use crate::language::Language;
use crate::posted::{Posted, own_path};
use crate::visit::Visit;

#[derive(Deserialize)]
pub(crate) struct Choice {
    language: String,
    #[serde(default)]
    back: String,
}

/// `POST /language`.
pub(crate) async fn choose(visit: Visit, Posted(choice): Posted<Choice>) -> Response {
    let mut response = Redirect::to(own_path(&choice.back)).into_response();
    let language = Language::from_code(&choice.language);
    let (name, secure) = (visit.transport.language_cookie(), visit.transport.is_secure());
    let cookie = language.and_then(|language| cookies::set(name, language.code(), secure, Life::Year));
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

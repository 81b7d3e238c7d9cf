//! The page for a request that cannot be served. It imports no page.

use std::net::IpAddr;

use askama::Template;
use axum::Json;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::frame::{Frame, Place};
use crate::text::{ErrorText, Refusal};
use crate::visit::{Form, Visit};

/// What is wrong with a request, as far as the visitor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BadRequest,
    Forbidden,
    /// Not from this portal, or from an earlier session.
    StaleForm,
    NotFound,
    WrongMethod,
    TooLarge,
    Internal,
    /// It would change something, and nothing can be recorded.
    Unrecorded,
}

impl Fault {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Fault::BadRequest => StatusCode::BAD_REQUEST,
            Fault::Forbidden | Fault::StaleForm => StatusCode::FORBIDDEN,
            Fault::NotFound => StatusCode::NOT_FOUND,
            Fault::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Fault::Unrecorded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn words(self, text: &'static ErrorText) -> &'static Refusal {
        match self {
            Fault::BadRequest => &text.bad_request,
            Fault::Forbidden => &text.forbidden,
            Fault::StaleForm => &text.stale_form,
            Fault::NotFound => &text.not_found,
            Fault::WrongMethod => &text.wrong_method,
            Fault::TooLarge => &text.too_large,
            Fault::Internal => &text.internal,
            Fault::Unrecorded => &text.unrecorded,
        }
    }
}

/// A response that is ready to say why not, or to lead elsewhere; boxed, because results carry it everywhere.
#[derive(Debug)]
pub(crate) struct Failed(Box<Response>);

impl From<Response> for Failed {
    fn from(response: Response) -> Failed {
        Failed(Box::new(response))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Who a refusal was said to, where somebody is signed in; among the response's extensions.
#[derive(Clone)]
pub(crate) struct RefusedTo {
    pub(crate) who: String,
    pub(crate) address: Option<IpAddr>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: u16,
    refusal: &'static Refusal,
}

impl Visit {
    /// The refusal in the form that the caller can show: a page, a line of the stream, or a bare sentence.
    pub(crate) fn fail(&self, fault: Fault) -> Failed {
        let status = fault.status();
        let refusal = fault.words(&self.text().error);
        let response = match self.form {
            Form::Page => self.error_page(status, refusal),
            Form::Stream => Json(json!({"kind": "failed", "sentence": sentence(refusal)})).into_response(),
            Form::Fragment => sentence(refusal).into_response(),
        };
        let mut response = (status, response).into_response();
        if let Some(person) = &self.person {
            let (who, address) = (person.account.name.clone(), self.caller.address);
            response.extensions_mut().insert(RefusedTo { who, address });
        }
        Failed::from(response)
    }

    /// Logs the error with its sources, and tells the visitor only that something failed.
    pub(crate) fn internal(&self, error: &dyn std::error::Error) -> Failed {
        log(error);
        self.fail(Fault::Internal)
    }

    fn error_page(&self, status: StatusCode, refusal: &'static Refusal) -> Response {
        let page = ErrorPage { frame: Frame::of(self, Place::Elsewhere), status: status.as_u16(), refusal };
        match page.render() {
            Ok(html) => Html(html).into_response(),
            Err(_) => sentence(refusal).into_response(),
        }
    }
}

/// One line in the log for an error of the portal, with all its sources.
pub(crate) fn log(error: &dyn std::error::Error) {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        chain = format!("{chain}: {inner}");
        source = inner.source();
    }
    tracing::error!(error = %chain, "the portal could not serve a request: {chain}");
}

fn sentence(refusal: &Refusal) -> String {
    format!("{}. {} {}", refusal.title, refusal.what, refusal.still)
}

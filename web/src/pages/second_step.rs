//! The second step of a sign-in: a code of the authenticator, or a recovery code.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use store::{SecondStep, Secret, SignInError};

use crate::error_page::{Failed, log};
use crate::frame::{Frame, Place};
use crate::pages::sign_in::{self, begun, vouched_by, whence};
use crate::posted::{Posted, Query, own_path};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "pages/second_step.html")]
struct SecondStepPage {
    frame: Frame,
    problem: Option<&'static str>,
    back: String,
}

#[derive(Deserialize)]
pub(crate) struct Arrival {
    #[serde(default)]
    back: String,
}

#[derive(Deserialize)]
pub(crate) struct Given {
    code: Secret,
    #[serde(default)]
    back: String,
}

/// `GET /sign-in/code`.
pub(crate) async fn show(visit: Visit, Query(arrival): Query<Arrival>) -> Result<Response, Failed> {
    if visit.person.is_some() {
        return Ok(Redirect::to(own_path(&arrival.back)).into_response());
    }
    let awaited =
        visit.ticket.as_ref().is_some_and(|t| visit.portal.store().core.awaits_second_step(t.expose()));
    if !awaited {
        return sign_in::once_more(&visit, &arrival.back);
    }
    page(&visit, None, arrival.back)
}

/// `POST /sign-in/code`.
pub(crate) async fn take(visit: Visit, Posted(given): Posted<Given>) -> Result<Response, Failed> {
    let text = visit.text();
    let Some(ticket) = &visit.ticket else { return sign_in::once_more(&visit, &given.back) };
    let taken =
        visit.portal.store().core.second_step(ticket.expose(), given.code.expose(), &visit.caller).await;
    let (status, problem) = match taken {
        Ok((session, step)) => {
            let mut detail = json!({"second": word(step)});
            if let Some(address) = visit.caller.address {
                detail["address"] = address.to_string().into();
            }
            let detail = vouched_by(&visit, detail, session.by);
            visit.portal.note_with(&session.account.name, "sign-in", detail).await;
            return Ok(begun(&visit, &session, own_path(&given.back)));
        }
        Err(SignInError::WrongCode { account }) => {
            visit.portal.note_with("nobody", "second-step-refused", whence(&visit, Some(account))).await;
            (StatusCode::UNPROCESSABLE_ENTITY, text.second_factor.wrong_code)
        }
        Err(SignInError::TooManyTries { is_news, account, .. }) => {
            if is_news {
                visit.portal.note_with("nobody", "second-step-guessing", whence(&visit, account)).await;
            }
            (StatusCode::TOO_MANY_REQUESTS, text.second_factor.too_many_codes)
        }
        Err(SignInError::TooLate | SignInError::Refused { .. }) => {
            return sign_in::once_more(&visit, &given.back);
        }
        Err(SignInError::Store(error)) => {
            log(&error);
            (StatusCode::SERVICE_UNAVAILABLE, text.account.store_failed)
        }
    };
    Ok((status, page(&visit, Some(problem), given.back)?).into_response())
}

fn word(step: SecondStep) -> &'static str {
    match step {
        SecondStep::Code => "code",
        SecondStep::RecoveryCode => "recovery-code",
    }
}

fn page(visit: &Visit, problem: Option<&'static str>, back: String) -> Result<Response, Failed> {
    visit.show(&SecondStepPage { frame: Frame::of(visit, Place::Elsewhere), problem, back })
}

//! Signing in at the identity provider outside: the way there, and back.

use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use store::{Entered, SignInError, VouchedError};

use crate::cookies::Life;
use crate::error_page::{Failed, Fault, log};
use crate::frame::{Frame, Place};
use crate::pages::sign_in::{SignInPage, begun, led_with, set, whence};
use crate::posted::{Query, own_path};
use crate::provider::{Arrival, IdentityProvider, ProviderError, Returned};
use crate::visit::Visit;

#[derive(Deserialize)]
pub(crate) struct Leaving {
    #[serde(default)]
    back: String,
}

/// The button on the page for signing in, and what is said in its place while the provider is away.
#[derive(Default)]
pub(crate) struct ProviderView {
    /// Its address and its words.
    pub(crate) button: Option<(String, String)>,
    pub(crate) away: Option<String>,
}

impl ProviderView {
    /// By what is known already: no page waits for anybody outside.
    pub(crate) fn of(visit: &Visit, back: &str) -> ProviderView {
        let Some(provider) = visit.portal.provider() else { return ProviderView::default() };
        let text = &visit.text().provider;
        if !provider.answers() {
            return ProviderView { button: None, away: Some((text.away)(provider.label())) };
        }
        let address = match own_path(back) {
            "/" => "/sign-in/provider".to_owned(),
            back => format!("/sign-in/provider?back={}", utf8_percent_encode(back, NON_ALPHANUMERIC)),
        };
        ProviderView { button: Some((address, (text.button)(provider.label()))), away: None }
    }
}

/// `GET /sign-in/provider`: leads to the provider. A link and not a form, because forms of the portal may lead nowhere
/// else.
pub(crate) async fn leave(visit: Visit, Query(leaving): Query<Leaving>) -> Result<Response, Failed> {
    let Some(provider) = visit.portal.provider() else { return Err(visit.fail(Fault::NotFound)) };
    let back = own_path(&leaving.back);
    if visit.person.is_some() {
        return Ok(Redirect::to(back).into_response());
    }
    match provider.depart(&visit.caller, back).await {
        Ok(departure) => {
            let cookie = (visit.transport.departure_cookie(), departure.ticket.expose(), Life::FiveMinutes);
            Ok(led_with(visit.transport, &departure.address, &[cookie]))
        }
        Err(error) => {
            tracing::warn!("nobody can sign in at the identity provider: {error}");
            form(&visit, &error.into(), back)
        }
    }
}

/// `GET /sign-in/provider/return`: what the provider sent the browser back with.
pub(crate) async fn arrive(
    visit: Visit,
    returned: Result<Query<Returned>, Failed>,
) -> Result<Response, Failed> {
    let Some(provider) = visit.portal.provider() else { return Err(visit.fail(Fault::NotFound)) };
    let core = &visit.portal.store().core;
    let entered = match core.admit_arrival(&visit.caller) {
        Ok(()) => enter(&visit, provider, returned.ok()).await,
        Err(error) => Err(Refusal::Guessing(error)),
    };
    match entered {
        Ok((entered, back)) => {
            core.arrived(&visit.caller);
            let_in(&visit, entered, &back).await
        }
        Err(refusal) => {
            refusal.note(&visit).await;
            form(&visit, &refusal, "/")
        }
    }
}

/// Who came back, let in by the rules; and where the sign-in had begun.
async fn enter(
    visit: &Visit,
    provider: &dyn IdentityProvider,
    returned: Option<Query<Returned>>,
) -> Result<(Entered, String), Refusal> {
    let (Some(ticket), Some(Query(returned))) = (visit.departure.clone(), returned) else {
        return Err(ProviderError::Stale.into());
    };
    let Arrival { who, back } = provider.arrive(ticket, returned).await?;
    let entered = visit.portal.store().enter_vouched(&who, &visit.caller).await.map_err(Refusal::Account)?;
    Ok((entered, back))
}

async fn let_in(visit: &Visit, entered: Entered, back: &str) -> Result<Response, Failed> {
    let over = (visit.transport.departure_cookie(), "", Life::Over);
    match entered {
        Entered::Session(session) => {
            let mut detail = json!({"by": "provider"});
            if let Some(address) = visit.caller.address {
                detail["address"] = address.to_string().into();
            }
            visit.portal.note_with(&session.account.name, "sign-in", detail).await;
            Ok(begun(visit, &session, own_path(back)))
        }
        Entered::SecondStep(ticket) => {
            let path =
                format!("/sign-in/code?back={}", utf8_percent_encode(own_path(back), NON_ALPHANUMERIC));
            let cookie = (visit.transport.ticket_cookie(), ticket.expose(), Life::Visit);
            Ok(led_with(visit.transport, &path, &[cookie, over]))
        }
    }
}

/// Why nobody is signed in.
enum Refusal {
    Provider(ProviderError),
    Account(VouchedError),
    Guessing(SignInError),
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Refusal {
        Refusal::Provider(error)
    }
}

impl Refusal {
    /// The row of the log: from where, why, and at which account where there is one.
    async fn note(&self, visit: &Visit) {
        let (what, reason, account) = match self {
            Refusal::Provider(error) => ("sign-in-refused", error.word(), None),
            Refusal::Account(VouchedError::NoRole { account }) => {
                ("sign-in-refused", "no-group", account.clone())
            }
            Refusal::Account(VouchedError::NameTaken { account }) => {
                ("sign-in-refused", "name-taken", Some(account.clone()))
            }
            Refusal::Account(VouchedError::BadName(_)) => ("sign-in-refused", "name", None),
            Refusal::Guessing(SignInError::TooManyTries { is_news: true, .. }) => {
                ("sign-in-guessing", "provider", None)
            }
            Refusal::Account(VouchedError::Change(_)) | Refusal::Guessing(_) => return,
        };
        let mut detail = whence(visit, account);
        if detail.is_null() {
            detail = json!({});
        }
        detail["by"] = "provider".into();
        detail["reason"] = reason.into();
        visit.portal.note_with("nobody", what, detail).await;
    }

    fn told(&self, visit: &Visit, label: Option<&str>) -> (StatusCode, String) {
        let (text, account) = (&visit.text().provider, &visit.text().account);
        match self {
            Refusal::Provider(ProviderError::Away) => (StatusCode::SERVICE_UNAVAILABLE, (text.away)(label)),
            Refusal::Provider(ProviderError::Declined) => (StatusCode::FORBIDDEN, (text.declined)(label)),
            Refusal::Provider(ProviderError::Stale) => {
                (StatusCode::UNPROCESSABLE_ENTITY, text.stale.to_owned())
            }
            Refusal::Provider(ProviderError::Untrusted(word)) => {
                (StatusCode::FORBIDDEN, (text.untrusted)(label, word))
            }
            Refusal::Account(VouchedError::NoRole { .. }) => {
                (StatusCode::FORBIDDEN, text.no_group.to_owned())
            }
            Refusal::Account(VouchedError::NameTaken { account }) => {
                (StatusCode::FORBIDDEN, (text.name_taken)(account))
            }
            Refusal::Account(VouchedError::BadName(_)) => (StatusCode::FORBIDDEN, (text.bad_name)(label)),
            Refusal::Account(VouchedError::Change(error)) => {
                log(error);
                (StatusCode::SERVICE_UNAVAILABLE, account.store_failed.to_owned())
            }
            Refusal::Guessing(_) => (StatusCode::TOO_MANY_REQUESTS, account.too_many_tries.to_owned()),
        }
    }
}

/// The page for signing in, with what went wrong and all that works still.
fn form(visit: &Visit, refusal: &Refusal, back: &str) -> Result<Response, Failed> {
    let provider = visit.portal.provider();
    let (status, problem) = refusal.told(visit, provider.and_then(|provider| provider.label()));
    let mut view = ProviderView::of(visit, back);
    // Said once is enough.
    view.away = None;
    let page = SignInPage {
        frame: Frame::of(visit, Place::Elsewhere),
        problem: Some(problem.into()),
        signed_out: false,
        name: String::new(),
        back: back.to_owned(),
        provider: view,
    };
    let over = (visit.transport.departure_cookie(), "", Life::Over);
    let mut response = (status, visit.show(&page)?).into_response();
    set(&mut response, visit.transport, &[over]);
    Ok(response)
}

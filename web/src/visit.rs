//! One request to the portal: who comes, in which language, over which transport.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use store::{Account, Caller, Holdings, Secret, StoreError, Subject};

use crate::language::Language;
use crate::text::Text;
use crate::{Portal, caller, cookies, csrf};

/// How a request came in; the listener puts it into the request's extensions. Absent, it counts as [`Transport::Tls`],
/// so that a forgotten mark makes cookies too strict and never too lax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    #[default]
    Tls,
    /// Plain HTTP, which the box serves on loopback addresses only.
    Plain,
}

impl Transport {
    pub(crate) fn is_secure(self) -> bool {
        self == Transport::Tls
    }

    /// The session's cookie. Browsers take a `__Host-` cookie over HTTPS only.
    pub(crate) fn session_cookie(self) -> &'static str {
        match self {
            Transport::Tls => "__Host-genset",
            Transport::Plain => "genset-plain",
        }
    }

    /// The cookie of a sign-in that waits for its second step.
    pub(crate) fn ticket_cookie(self) -> &'static str {
        match self {
            Transport::Tls => "__Host-genset-step",
            Transport::Plain => "genset-plain-step",
        }
    }

    /// The cookie of a sign-in that has gone to the identity provider.
    pub(crate) fn departure_cookie(self) -> &'static str {
        match self {
            Transport::Tls => "__Host-genset-departure",
            Transport::Plain => "genset-plain-departure",
        }
    }

    /// The cookie by which a device is known that somebody was signed in on.
    pub(crate) fn device_cookie(self) -> &'static str {
        match self {
            Transport::Tls => "__Host-genset-device",
            Transport::Plain => "genset-plain-device",
        }
    }

    /// The cookie that keeps a visitor's choice of the language.
    pub(crate) fn language_cookie(self) -> &'static str {
        match self {
            Transport::Tls => "__Host-genset-language",
            Transport::Plain => "genset-plain-language",
        }
    }
}

/// What kind of answer the caller can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Page,
    /// Lines of JSON, for the script of the chat page.
    Stream,
    /// A piece of a page, for htmx.
    Fragment,
}

impl Form {
    fn of(headers: &HeaderMap) -> Form {
        let accepts = headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok());
        if accepts.is_some_and(|value| value.contains("application/x-ndjson")) {
            Form::Stream
        } else if headers.contains_key("hx-request") {
            Form::Fragment
        } else {
            Form::Page
        }
    }
}

/// Somebody who is signed in. Has no `Debug`, because it holds the session's token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) account: Account,
    /// What the person holds beside the role, as of this request.
    pub(crate) holdings: Holdings,
    pub(crate) token: String,
    pub(crate) csrf: String,
    /// False where an identity provider vouches for the person.
    pub(crate) has_password: bool,
    /// The rules ask for a second factor that this person has not set up yet.
    pub(crate) lacks_second_factor: bool,
    /// Let in on the directory's last word, because it was out of reach.
    pub(crate) by_cache: bool,
}

impl Person {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject::Person(&self.account, &self.holdings)
    }
}

/// The facts of one request that every page needs. The guard makes it; handlers take it as an argument.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) portal: Portal,
    pub(crate) language: Language,
    pub(crate) transport: Transport,
    pub(crate) form: Form,
    pub(crate) person: Option<Arc<Person>>,
    pub(crate) caller: Arc<Caller>,
    /// For the second step of a sign-in.
    pub(crate) ticket: Option<Secret>,
    /// For a sign-in that comes back from the identity provider.
    pub(crate) departure: Option<Secret>,
    pub(crate) path: String,
}

impl Visit {
    pub(crate) fn of(portal: &Portal, parts: &Parts) -> Result<Visit, StoreError> {
        let transport = parts.extensions.get::<Transport>().copied().unwrap_or_default();
        let form = Form::of(&parts.headers);
        Ok(Visit {
            portal: portal.clone(),
            language: Language::of_request(&parts.headers, transport),
            transport,
            form,
            person: person(portal, &parts.headers, transport, form)?.map(Arc::new),
            caller: Arc::new(caller::of(parts, transport)),
            ticket: cookies::get(&parts.headers, transport.ticket_cookie()).map(Secret::from),
            departure: cookies::get(&parts.headers, transport.departure_cookie()).map(Secret::from),
            path: if parts.method == Method::GET { parts.uri.path().to_owned() } else { "/".to_owned() },
        })
    }

    /// A visit of nobody, for saying that the store failed.
    pub(crate) fn of_nobody(portal: &Portal, parts: &Parts) -> Visit {
        let transport = parts.extensions.get::<Transport>().copied().unwrap_or_default();
        Visit {
            portal: portal.clone(),
            language: Language::of_request(&parts.headers, transport),
            transport,
            form: Form::of(&parts.headers),
            person: None,
            caller: Arc::default(),
            ticket: None,
            departure: None,
            path: "/".to_owned(),
        }
    }

    pub(crate) fn text(&self) -> &'static Text {
        Text::of(self.language)
    }

    /// Leads to another page; for a piece of a page that can only be the page loaded anew, which then leads on. A
    /// dashboard on a wall must not stand still and look alive.
    pub(crate) fn lead_to(&self, path: &str) -> Response {
        match self.form {
            Form::Page => Redirect::to(path).into_response(),
            Form::Stream => StatusCode::UNAUTHORIZED.into_response(),
            Form::Fragment => (StatusCode::UNAUTHORIZED, [("hx-refresh", "true")]).into_response(),
        }
    }
}

fn person(
    portal: &Portal,
    headers: &HeaderMap,
    transport: Transport,
    form: Form,
) -> Result<Option<Person>, StoreError> {
    let Some(token) = cookies::get(headers, transport.session_cookie()) else { return Ok(None) };
    let core = &portal.store().core;
    let account = match form {
        // A page that asks for its pieces every few seconds would keep an empty desk signed in.
        Form::Fragment => core.peek_session(token)?,
        Form::Page | Form::Stream => core.session(token)?,
    };
    let Some(account) = account else { return Ok(None) };
    let holdings = core.holdings_of_person(&account)?;
    let lacks_second_factor = core.lacks_second_factor(&account)?;
    let by_cache = core.is_by_cache(token)?;
    let has_password = core.has_password(account.id)?;
    let (token, csrf) = (token.to_owned(), csrf::token_of(token));
    Ok(Some(Person { account, holdings, token, csrf, has_password, lacks_second_factor, by_cache }))
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visit, StatusCode> {
        // The guard stands before every handler, so this is a fault of the route table.
        parts.extensions.get::<Visit>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A handler's argument where the guard has let in nobody but a signed-in person.
pub(crate) struct Signed(pub(crate) Visit, pub(crate) Arc<Person>);

impl<S: Sync> FromRequestParts<S> for Signed {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Signed, StatusCode> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let person = visit.person.clone().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Signed(visit, person))
    }
}

//! Somebody who has just shown once more who they are goes on under another token; the one before is void.

use std::sync::Arc;

use axum::response::Response;
use http::header::SET_COOKIE;

use crate::cookies::{self, Life};
use crate::csrf;
use crate::error_page::log;
use crate::visit::{Person, Visit};

pub(crate) struct Confirmed {
    pub(crate) visit: Visit,
    pub(crate) person: Arc<Person>,
}

impl Confirmed {
    /// Call it when the password was right and what it was asked for is done. Where no other token can be stored the
    /// old one stays good: what is done is to be shown all the same.
    pub(crate) async fn of(visit: &Visit, person: &Arc<Person>) -> Confirmed {
        let renewed = visit.portal.store().core.renew_token(&person.token).await;
        let person = match renewed.map_err(|error| log(&error)) {
            Ok(Some(token)) => {
                let (token, csrf) = (token.expose().to_owned(), csrf::token_of(token.expose()));
                Arc::new(Person { token, csrf, ..Person::clone(person) })
            }
            Ok(None) | Err(()) => Arc::clone(person),
        };
        let visit = Visit { person: Some(Arc::clone(&person)), ..visit.clone() };
        Confirmed { visit, person }
    }

    /// The response with the cookie of the new token.
    pub(crate) fn hand(&self, mut response: Response) -> Response {
        let transport = self.visit.transport;
        let (name, secure) = (transport.session_cookie(), transport.is_secure());
        if let Some(cookie) = cookies::set(name, &self.person.token, secure, Life::Visit) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

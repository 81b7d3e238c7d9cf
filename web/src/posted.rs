//! What a request brings along, in its body, its path and its query, with refusals that are pages of the portal.

use axum::extract::{self, Form, FromRequest, FromRequestParts, Request};
use axum::response::IntoResponse;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error_page::{Failed, Fault};
use crate::visit::Visit;

pub(crate) struct Posted<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync + Send> FromRequest<S> for Posted<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Posted<T>, Failed> {
        let visit = request.extensions().get::<Visit>().cloned();
        match Form::<T>::from_request(request, state).await {
            Ok(Form(form)) => Ok(Posted(form)),
            Err(rejection) => Err(match visit {
                Some(visit) => visit.fail(Fault::BadRequest),
                None => rejection.into_response().into(),
            }),
        }
    }
}

/// The parts of the path that name something. What is no name of it is not there.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Sync + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Failed> {
        let found = extract::Path::<T>::from_request_parts(parts, state).await;
        found
            .map(|extract::Path(part)| Path(part))
            .map_err(|rejection| refused(parts, Fault::NotFound, rejection))
    }
}

/// What stands behind the question mark.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Query<T>, Failed> {
        let found = extract::Query::<T>::from_request_parts(parts, state).await;
        found
            .map(|extract::Query(asked)| Query(asked))
            .map_err(|rejection| refused(parts, Fault::BadRequest, rejection))
    }
}

fn refused(parts: &Parts, fault: Fault, rejection: impl IntoResponse) -> Failed {
    match parts.extensions.get::<Visit>() {
        Some(visit) => visit.fail(fault),
        None => rejection.into_response().into(),
    }
}

/// A path of this portal to lead to, or the first page: never an address on another site.
pub(crate) fn own_path(path: &str) -> &str {
    let is_own = path.starts_with('/')
        && !path[1..].starts_with(['/', '\\'])
        && path.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    if is_own { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn only_paths_of_this_portal_are_led_to() {
        for own in ["/", "/status", "/c/0a1b?x=1#end"] {
            assert_eq!(own_path(own), own);
        }
        for other in
            ["", "status", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/가"]
        {
            assert_eq!(own_path(other), "/");
        }
    }
}

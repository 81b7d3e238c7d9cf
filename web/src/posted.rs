//! The body of a form, with refusals that are pages of the portal.

use axum::extract::{Form, FromRequest, Request};
use axum::response::IntoResponse;
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

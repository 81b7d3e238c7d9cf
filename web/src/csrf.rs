//! No other site may act in a visitor's name: where a form comes from, and the token that it carries.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use sha2::{Digest, Sha256};

/// The token for the forms of a session: derived from the session's own random token, which it does not give away.
pub(crate) fn token_of(session_token: &str) -> String {
    let digest = Sha256::new().chain_update(b"genset form token\0").chain_update(session_token).finalize();
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the token of a form is the session's; takes the same time wherever they differ.
pub(crate) fn fits(given: &str, expected: &str) -> bool {
    let differing = given.bytes().zip(expected.bytes()).fold(0, |acc, (a, b)| acc | (a ^ b));
    given.len() == expected.len() && differing == 0
}

/// Whether a changing request was made by a page of this portal, as far as the browser says.
///
/// A request that names no origin at all is no browser's cross-site request; the token decides on it.
pub(crate) fn is_from_here(parts: &Parts) -> bool {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = header("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = header(ORIGIN.as_str()) else { return true };
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| header(HOST.as_str()));
    let from = origin.split_once("://").map(|(_, rest)| rest);
    from.is_some() && from == host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(http::Request::post("/ask"), |r, (name, value)| r.header(*name, *value));
        request.body(()).expect("a request of constants").into_parts().0
    }

    #[test]
    fn a_form_of_another_site_is_told_apart() {
        let table: [(&[(&str, &str)], bool); 8] = [
            (&[("host", "box:8443"), ("origin", "https://box:8443")], true),
            (&[("host", "box:8443"), ("origin", "https://box")], false),
            (&[("host", "box:8443"), ("origin", "https://evil.example")], false),
            (&[("host", "box:8443"), ("origin", "null")], false),
            (&[("host", "box:8443"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "box:8443"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "box:8443"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "box:8443")], true),
        ];
        for (headers, expected) in table {
            assert_eq!(is_from_here(&parts(headers)), expected, "{headers:?}");
        }
    }

    #[test]
    fn each_session_has_its_own_token_and_only_the_whole_token_fits() {
        let (one, other) = (token_of("one"), token_of("other"));
        assert_ne!(one, other);
        assert!(fits(&one, &one));
        assert!(!fits(&one, &other));
        assert!(!fits("", &one));
        assert!(!fits(&one[..31], &one));
    }
}

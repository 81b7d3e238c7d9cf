//! Cookies: reading one, and the few that the portal sets.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// The value of the first cookie of this name.
pub(crate) fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let mut pairs = all.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// How long the browser keeps a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until the browser is closed; the store ends the session earlier where it must.
    Visit,
    Year,
    /// As long as a sign-in at the identity provider may take.
    FiveMinutes,
    /// Gone at once.
    Over,
}

/// A `Set-Cookie` value that scripts can't read and other sites can't send along with a form.
pub(crate) fn set(name: &str, value: &str, secure: bool, life: Life) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let life = match life {
        Life::Visit => "",
        Life::Year => "; Max-Age=31536000",
        Life::FiveMinutes => "; Max-Age=300",
        Life::Over => "; Max-Age=0",
    };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{life}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_only_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; genset-language=ko"));
        headers.append(COOKIE, HeaderValue::from_static("xlanguage=en;b=2=3"));
        assert_eq!(get(&headers, "genset-language"), Some("ko"));
        assert_eq!(get(&headers, "language"), None);
        assert_eq!(get(&headers, "b"), Some("2=3"));
    }
}

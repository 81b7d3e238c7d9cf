//! The address of an upstream: https anywhere, plain http only where nobody else can listen.

use std::net::IpAddr;

use http::Uri;

/// The URL without a slash at its end.
///
/// # Errors
/// What is wrong with it, and what is expected.
pub(super) fn checked(text: &str) -> Result<String, String> {
    let expected = |why: &str| format!("base_url \"{text}\" {why}");
    let uri: Uri = text.parse().map_err(|_| expected("is no URL, such as \"https://api.openai.com/v1\""))?;
    let host = uri.host().ok_or_else(|| expected("names no host, such as \"https://api.openai.com/v1\""))?;
    if uri.query().is_some() || uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(expected("may have neither a query nor a user in it: the key belongs into api_key_file"));
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_inside(host) => {}
        Some("http") => {
            return Err(expected("is not encrypted: http is for loopback and private addresses only"));
        }
        _ => return Err(expected("must begin with https://")),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_inside(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private(),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local(),
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn plain_http_is_for_loopback_and_private_addresses_only() {
        for good in
            ["https://api.openai.com/v1/", "http://127.0.0.1:9/v1", "http://[::1]:9", "http://10.1.2.3/v1"]
        {
            assert!(checked(good).is_ok_and(|url| !url.ends_with('/')), "{good}");
        }
        for bad in [
            "http://api.openai.com/v1",
            "http://8.8.8.8",
            "ftp://x",
            "x",
            "https://u:p@h/v1",
            "https://h/?k=1",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}

//! What the identity provider says of itself (OpenID Connect Discovery 1.0).

use serde::Deserialize;

use super::http::CallError;

/// Where the provider does what.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// Where it says so.
pub(super) fn address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

impl Metadata {
    /// Reads the document. It must be this issuer's own, and lead nowhere that is less safe than the issuer itself.
    pub(super) fn parse(json: &[u8], issuer: &str) -> Result<Metadata, CallError> {
        let metadata: Metadata =
            serde_json::from_slice(json).map_err(|_| CallError::Nonsense("a description of itself"))?;
        if metadata.issuer != issuer {
            return Err(CallError::Nonsense("another issuer in its description of itself"));
        }
        let addresses = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        let is_safe = |address: &&String| is_as_safe(address, issuer);
        if addresses.iter().all(is_safe) {
            Ok(metadata)
        } else {
            Err(CallError::Nonsense("an address in its description of itself"))
        }
    }

    /// Whether the client's secret goes into the form, for providers that do not take it as a header.
    pub(super) fn wants_secret_in_form(&self) -> bool {
        self.token_endpoint_auth_methods_supported.as_ref().is_some_and(|methods| {
            let has = |name: &str| methods.iter().any(|method| method == name);
            !has("client_secret_basic") && has("client_secret_post")
        })
    }
}

/// https, or the scheme and host of an issuer on this very machine.
fn is_as_safe(address: &str, issuer: &str) -> bool {
    let Ok(uri) = address.parse::<http::Uri>() else { return false };
    let issuer: Option<http::Uri> = issuer.parse().ok();
    let is_plain = issuer.is_some_and(|issuer| {
        issuer.scheme_str() == Some("http") && uri.scheme_str() == Some("http") && issuer.host() == uri.host()
    });
    uri.host().is_some() && !address.contains('#') && (uri.scheme_str() == Some("https") || is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(issuer: &str, said: &str, endpoint: &str) -> Result<Metadata, CallError> {
        let json = serde_json::json!({
            "issuer": said, "authorization_endpoint": endpoint,
            "token_endpoint": "https://id.example/token", "jwks_uri": "https://id.example/keys",
        });
        Metadata::parse(json.to_string().as_bytes(), issuer)
    }

    #[test]
    fn a_description_is_the_issuers_own_and_leads_nowhere_less_safe() {
        let issuer = "https://id.example";
        assert!(parsed(issuer, issuer, "https://login.example/authorize?tenant=1").is_ok());
        for (said, endpoint) in [
            ("https://id.example/", "https://id.example/authorize"),
            ("https://evil.example", "https://id.example/authorize"),
            (issuer, "http://id.example/authorize"),
            (issuer, "javascript:alert(1)"),
            (issuer, "/authorize"),
            (issuer, "https://id.example/authorize#x"),
        ] {
            assert!(parsed(issuer, said, endpoint).is_err(), "{said} {endpoint}");
        }
        let inside = "http://127.0.0.1:9";
        assert!(parsed(inside, inside, "http://127.0.0.1:9/authorize").is_ok());
        assert!(parsed(inside, inside, "http://elsewhere.example/authorize").is_err());
    }

    #[test]
    fn the_provider_is_described_under_its_issuer() {
        for issuer in ["https://id.example/realms/main", "https://id.example/realms/main/"] {
            let expected = "https://id.example/realms/main/.well-known/openid-configuration";
            assert_eq!(address(issuer), expected);
        }
    }
}

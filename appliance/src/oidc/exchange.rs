//! What came back from the provider, changed for a token and believed or not.

use std::sync::PoisonError;
use std::time::Duration;

use data_encoding::BASE64;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::Secret;
use tokio::time::Instant;
use web::{Arrival, ProviderError, Returned};
use zeroize::Zeroizing;

use super::departures::Departed;
use super::discovery::Metadata;
use super::http::CallError;
use super::id_token::{Claims, Expected, Unproven, Untrusted};
use super::keys::Keys;
use super::{Oidc, claims, pairs};

/// A token of an unknown key makes the box ask for the keys anew, but no oftener than this.
const BETWEEN_KEY_CALLS: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Secret,
}

impl Oidc {
    pub(super) async fn finish(&self, ticket: &Secret, returned: Returned) -> Result<Arrival, ProviderError> {
        let departed = self.departures.take(ticket.expose()).ok_or(ProviderError::Stale)?;
        let state = returned.state.ok_or(ProviderError::Stale)?;
        if !departed.has_state(state.expose()) {
            return Err(ProviderError::Stale);
        }
        match returned.error.as_deref() {
            None => {}
            Some("server_error" | "temporarily_unavailable") => return Err(ProviderError::Away),
            Some(_) => return Err(ProviderError::Declined),
        }
        let code = returned.code.ok_or(ProviderError::Untrusted("no-code"))?;
        let metadata = self.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let metadata = metadata.ok_or(ProviderError::Away)?;
        let token = self.redeem(&metadata, &code, &departed).await?;
        let claims = self.believe(&metadata, token.expose(), &departed).await?;
        let who = claims::person(&claims, &self.settings.issuer, &self.settings.rules);
        Ok(Arrival { who: who.map_err(ProviderError::Untrusted)?, back: departed.back })
    }

    /// Changes the code for the ID token.
    async fn redeem(
        &self,
        metadata: &Metadata,
        code: &Secret,
        departed: &Departed,
    ) -> Result<Secret, ProviderError> {
        let Oidc { settings, client_secret, .. } = self;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &settings.redirect_uri),
            ("code_verifier", &departed.verifier),
        ];
        let in_form = metadata.wants_secret_in_form();
        if in_form {
            form.extend([("client_id", settings.client_id.as_str()), ("client_secret", client_secret)]);
        }
        let authorization = (!in_form).then(|| basic(&settings.client_id, client_secret));
        let answered =
            self.http.post_form(&metadata.token_endpoint, authorization.as_ref(), &pairs(&form)).await;
        let answer = answered.map_err(|error| match error {
            CallError::Status(StatusCode::BAD_REQUEST) => {
                tracing::warn!("the identity provider {} does not take its own code back", settings.issuer);
                ProviderError::Untrusted("code")
            }
            CallError::Status(StatusCode::UNAUTHORIZED) => {
                tracing::error!("the identity provider {} refuses the client secret", settings.issuer);
                ProviderError::Untrusted("client-secret")
            }
            error => self.away("for a token", &error),
        })?;
        let answer: TokenAnswer =
            serde_json::from_slice(&answer).map_err(|_| ProviderError::Untrusted("no-token"))?;
        Ok(answer.id_token)
    }

    /// The claims of a token that is right in every respect.
    async fn believe(
        &self,
        metadata: &Metadata,
        token: &str,
        departed: &Departed,
    ) -> Result<Claims, ProviderError> {
        let untrusted = |why: Untrusted| {
            let issuer = &self.settings.issuer;
            let hint = match why {
                Untrusted::Expired | Untrusted::FromTheFuture => "; compare the clocks of the two",
                _ => "",
            };
            tracing::warn!("a token of the identity provider {issuer} was refused: {}{hint}", why.word());
            ProviderError::Untrusted(why.word())
        };
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &departed.nonce,
            now_s: jiff::Timestamp::now().as_second(),
        };
        let unproven = Unproven::parse(token).map_err(untrusted)?;
        let keys = self.ring.lock().await.keys.clone();
        match unproven.checked(&keys, &expected) {
            Err(Untrusted::UnknownKey) if self.may_ask_for_keys(&keys).await => {
                let keys =
                    self.fetch_keys(metadata).await.map_err(|error| self.away("for its keys", &error))?;
                unproven.checked(&keys, &expected).map_err(untrusted)
            }
            checked => checked.map_err(untrusted),
        }
    }

    /// Whether an unknown key is worth a call: always while no key is known, else now and then.
    async fn may_ask_for_keys(&self, known: &Keys) -> bool {
        let mut ring = self.ring.lock().await;
        let now = Instant::now();
        let is_due = ring.asked_again.is_none_or(|at| now - at >= BETWEEN_KEY_CALLS);
        if is_due {
            ring.asked_again = Some(now);
        }
        is_due || known.is_empty()
    }
}

/// RFC 6749, 2.3.1: both parts are form-encoded first.
fn basic(client_id: &str, secret: &str) -> Zeroizing<String> {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let both = Zeroizing::new(format!("{}:{}", encoded(client_id), encoded(secret)));
    Zeroizing::new(format!("Basic {}", BASE64.encode(both.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::{ClaimRules, OidcSettings};

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_make_the_box_ask_now_and_then_alone() {
        let settings = OidcSettings {
            issuer: "https://id.example".into(),
            client_id: "genset".into(),
            client_secret: Some(Zeroizing::new("s".into())),
            extra_roots_pem: None,
            label: None,
            scopes: Vec::new(),
            redirect_uri: String::new(),
            rules: ClaimRules::default(),
            check_interval: Duration::from_secs(15),
        };
        let oidc = Oidc::new(settings).unwrap().expect("the secret is there");
        let one = json_web_keys();
        assert!(oidc.may_ask_for_keys(&one).await);
        assert!(!oidc.may_ask_for_keys(&one).await);
        assert!(oidc.may_ask_for_keys(&Keys::default()).await, "while none is known");
        tokio::time::advance(BETWEEN_KEY_CALLS).await;
        assert!(oidc.may_ask_for_keys(&one).await);
    }

    fn json_web_keys() -> Keys {
        let key = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}"#;
        Keys::parse(key.as_bytes()).unwrap()
    }

    #[test]
    fn a_secret_is_encoded_before_it_goes_into_the_header() {
        // RFC 6749, 2.3.1 and its appendix B.
        assert_eq!(&*basic("genset", "a:b%"), "Basic Z2Vuc2V0OmElM0FiJTI1");
    }
}

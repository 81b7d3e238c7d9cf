//! The ID token: read strictly and checked whole (OpenID Connect Core 1.0, 3.1.3.7), with ring alone.
//!
//! Three kinds of signature are known by name. What is not on that list, `none` and the kinds with a shared secret
//! among them, is refused before any key is looked at, and a key never serves another kind than its own.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{Key, Keys, Kind};

/// Clocks of two machines may differ by so much.
const LEEWAY_S: f64 = 60.0;
const MAX_BYTES: usize = 64 * 1024;

/// What the token says of the person.
pub(super) type Claims = Map<String, Value>;

/// What it must say of the sign-in.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Unix seconds.
    pub(super) now_s: i64,
}

/// Why a token is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untrusted {
    Malformed,
    Algorithm,
    UnknownKey,
    Signature,
    Issuer,
    Audience,
    Expired,
    FromTheFuture,
    Nonce,
}

impl Untrusted {
    /// The reason in the audit log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Untrusted::Malformed => "token-malformed",
            Untrusted::Algorithm => "token-algorithm",
            Untrusted::UnknownKey => "token-key",
            Untrusted::Signature => "token-signature",
            Untrusted::Issuer => "token-issuer",
            Untrusted::Audience => "token-audience",
            Untrusted::Expired => "token-expired",
            Untrusted::FromTheFuture => "token-from-the-future",
            Untrusted::Nonce => "token-nonce",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood. None is.
    crit: Option<Value>,
}

/// A token taken apart; nothing of it is proven yet.
pub(super) struct Unproven<'a> {
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    kind: Kind,
    kid: Option<String>,
}

impl<'a> Unproven<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Unproven<'a>, Untrusted> {
        if token.len() > MAX_BYTES {
            return Err(Untrusted::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Untrusted::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Untrusted::Malformed)?;
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Untrusted::Malformed)?;
        if header.crit.is_some() {
            return Err(Untrusted::Malformed);
        }
        let kind = Kind::of_algorithm(&header.alg).ok_or(Untrusted::Algorithm)?;
        Ok(Unproven { signed, payload, signature: decoded(signature)?, kind, kid: header.kid })
    }

    /// The signature by one of the provider's keys.
    fn prove(&self, keys: &Keys) -> Result<(), Untrusted> {
        let fitting: Vec<&Key> = keys.fitting(self.kind, self.kid.as_deref()).collect();
        if fitting.is_empty() {
            return Err(Untrusted::UnknownKey);
        }
        let is_signed = fitting.iter().any(|key| key.has_signed(self.signed.as_bytes(), &self.signature));
        if is_signed { Ok(()) } else { Err(Untrusted::Signature) }
    }

    /// The claims, once the signature and all that they say of this sign-in are right.
    pub(super) fn checked(&self, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, Untrusted> {
        self.prove(keys)?;
        let claims: Claims =
            serde_json::from_slice(&decoded(self.payload)?).map_err(|_| Untrusted::Malformed)?;
        check(&claims, expected)?;
        Ok(claims)
    }
}

fn check(claims: &Claims, expected: &Expected<'_>) -> Result<(), Untrusted> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // A time that is no number is no time: it must not pass for one that is left out.
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Untrusted::Malformed),
    };
    if text("iss") != Some(expected.issuer) {
        return Err(Untrusted::Issuer);
    }
    if !text("sub").is_some_and(|subject| (1..=255).contains(&subject.len())) {
        return Err(Untrusted::Malformed);
    }
    check_audience(claims, expected.client_id)?;
    let now = expected.now_s as f64;
    if time("exp")?.ok_or(Untrusted::Malformed)? + LEEWAY_S <= now {
        return Err(Untrusted::Expired);
    }
    let begins = [Some(time("iat")?.ok_or(Untrusted::Malformed)?), time("nbf")?];
    if begins.into_iter().flatten().any(|begin| begin - LEEWAY_S > now) {
        return Err(Untrusted::FromTheFuture);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(Untrusted::Nonce);
    }
    Ok(())
}

/// Meant for this box; a token for several must say that it was asked for by this one.
fn check_audience(claims: &Claims, client_id: &str) -> Result<(), Untrusted> {
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => return Err(Untrusted::Audience),
    };
    let asked_by = match claims.get("azp") {
        None => None,
        Some(value) => Some(value.as_str().ok_or(Untrusted::Audience)?),
    };
    let is_meant = audience.contains(&client_id)
        && match asked_by {
            Some(party) => party == client_id,
            None => audience.len() == 1,
        };
    if is_meant { Ok(()) } else { Err(Untrusted::Audience) }
}

fn decoded(part: &str) -> Result<Vec<u8>, Untrusted> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| Untrusted::Malformed)
}

#[cfg(test)]
mod tests;

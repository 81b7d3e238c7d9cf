//! The identity provider's public keys (RFC 7517), as far as ring can check with them.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// The kinds of signature that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rs256,
    Es256,
    EdDsa,
}

impl Kind {
    pub(super) fn of_algorithm(name: &str) -> Option<Kind> {
        match name {
            "RS256" => Some(Kind::Rs256),
            "ES256" => Some(Kind::Es256),
            "EdDSA" | "Ed25519" => Some(Kind::EdDsa),
            _ => None,
        }
    }
}

/// A key of one kind.
#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    fn kind(&self) -> Kind {
        match self.public {
            Public::Rsa { .. } => Kind::Rs256,
            Public::P256(_) => Kind::Es256,
            Public::Ed25519(_) => Kind::EdDsa,
        }
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Public::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        }
        .is_ok()
    }
}

/// The keys as they were last fetched.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a key set. Keys that are for something else, or of a kind that is not known here, are passed over.
    pub(super) fn parse(json: &[u8]) -> Option<Keys> {
        let set: Set = serde_json::from_slice(json).ok()?;
        Some(Keys(
            set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).filter_map(key).collect(),
        ))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys of a kind, by their name where the token gives one.
    pub(super) fn fitting<'a>(&'a self, kind: Kind, kid: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |key| {
            key.kind() == kind && kid.is_none_or(|kid| key.kid.as_deref().is_none_or(|own| own == kid))
        })
    }
}

fn key(jwk: Jwk) -> Option<Key> {
    let part = |text: Option<String>| BASE64URL_NOPAD.decode(text?.as_bytes()).ok();
    if jwk.usage.is_some_and(|usage| usage != "sig") {
        return None;
    }
    let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        // ring wants numbers without leading zeros.
        ("RSA", _) => Public::Rsa { n: trimmed(part(jwk.n)?), e: trimmed(part(jwk.e)?) },
        ("EC", Some("P-256")) => {
            let (x, y) = (part(jwk.x)?, part(jwk.y)?);
            let is_point = x.len() == 32 && y.len() == 32;
            Public::P256(is_point.then(|| [&[4], x.as_slice(), y.as_slice()].concat())?)
        }
        ("OKP", Some("Ed25519")) => Public::Ed25519(part(jwk.x)?),
        _ => return None,
    };
    let key = Key { kid: jwk.kid, public };
    let is_for_another = jwk.alg.is_some_and(|alg| Kind::of_algorithm(&alg) != Some(key.kind()));
    (!is_for_another).then_some(key)
}

fn trimmed(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

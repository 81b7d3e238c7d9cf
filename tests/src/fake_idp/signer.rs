//! The provider's key of the moment, and what it signs.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use crate::places;

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

pub(crate) struct Signer {
    kid: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// ring makes no RSA keys, so this one was made once, for tests alone.
const RSA: &[u8] = include_bytes!("rsa-for-tests.pk8");

impl Signer {
    pub(crate) fn new(algorithm: Algorithm) -> Signer {
        let random = SystemRandom::new();
        let key = match algorithm {
            Algorithm::Rs256 => Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA).unwrap())),
            Algorithm::Es256 => {
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let der = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
                Key::P256(Box::new(EcdsaKeyPair::from_pkcs8(kind, der.as_ref(), &random).unwrap()))
            }
            Algorithm::EdDsa => {
                let der = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Key::Ed25519(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap())
            }
        };
        Signer { kid: places::nonce(), key }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, as the key set has it.
    pub(crate) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let mut jwk = match &self.key {
            Key::Rsa(key) => {
                let public: RsaPublicKeyComponents<Vec<u8>> = key.public().into();
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
            Key::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Key::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref())})
            }
        };
        jwk["kid"] = self.kid.clone().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The token of these claims under this key's name, or under another.
    pub(crate) fn token(&self, kid: &str, claims: &Value) -> String {
        let algorithm = match self.key {
            Key::Rsa(_) => "RS256",
            Key::P256(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        };
        let signed = unsigned(&json!({"alg": algorithm, "kid": kid, "typ": "JWT"}), claims);
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Key::P256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// A token with no signature.
pub(crate) fn bare(claims: &Value) -> String {
    format!("{}.", unsigned(&json!({"alg": "none"}), claims))
}

/// A token signed with a secret that the client knows too.
pub(crate) fn shared(secret: &str, kid: &str, claims: &Value) -> String {
    let signed = unsigned(&json!({"alg": "HS256", "kid": kid}), claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

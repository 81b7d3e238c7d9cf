//! Values that are never shown: passwords, keys, session tokens, setup codes.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A string that is wiped when dropped and prints as `Secret(redacted)`; [`Secret::expose`] is the only way in.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// 256 random bits in hexadecimal, after a prefix that tells people and scanners what it is.
    pub(crate) fn random(prefix: &str) -> Secret {
        let bytes = Zeroizing::new(random_bytes::<32>());
        Secret(Zeroizing::new(format!("{prefix}{}", Zeroizing::new(hex(bytes.as_slice())).as_str())))
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        digest(self.expose())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// What is stored of a random secret. A fast hash is right for it: 80 random bits and more can't be guessed.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes once it has booted");
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::from("horse")), "Secret(redacted)");
    }

    #[test]
    fn random_secrets_are_256_bits_behind_their_prefix() {
        let secret = Secret::random("gsk_");
        assert!(secret.expose().starts_with("gsk_"));
        assert_eq!(secret.expose().len(), 4 + 64);
        assert_ne!(secret.expose(), Secret::random("gsk_").expose());
    }
}

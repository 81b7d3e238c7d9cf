//! The key that signs checkpoints: made at the first start, and kept beside the databases.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use verifier::{Hex, PublicKey, Signing};

use crate::OpenError;
use crate::durable::write_file;
use crate::file::restrict;

pub(crate) const KEY_FILE: &str = "audit.key";

/// An Ed25519 key pair. It never prints its private half.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Reads the key of the folder; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is no key.
    pub fn load(dir: &Path) -> Result<Option<SigningKey>, OpenError> {
        if dir.join(KEY_FILE).is_file() { SigningKey::load_or_make(dir).map(Some) } else { Ok(None) }
    }

    /// Reads the key of the folder, or makes it. The caller holds the folder's lock.
    pub(crate) fn load_or_make(dir: &Path) -> Result<SigningKey, OpenError> {
        let path = dir.join(KEY_FILE);
        let document = match fs::read(&path) {
            Ok(document) => restrict(&path, 0o600).map(|()| document),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
            Err(error) => Err(error),
        };
        let document = document.map_err(OpenError::unusable(&path))?;
        SigningKey::read(&document).ok_or_else(|| OpenError::Damaged {
            path,
            finding: "it holds no Ed25519 key in PKCS #8".to_owned(),
        })
    }

    fn read(document: &[u8]) -> Option<SigningKey> {
        let pair = Ed25519KeyPair::from_pkcs8(document).ok()?;
        let public = Hex(pair.public_key().as_ref().try_into().ok()?);
        Some(SigningKey { pair, public })
    }
}

/// A crash leaves either no key or a whole one.
fn make(path: &Path) -> io::Result<Vec<u8>> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| io::Error::other("the kernel gave no random bytes"))?;
    write_file(path, document.as_ref(), 0o600)?;
    Ok(document.as_ref().to_vec())
}

impl Signing for SigningKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, statement: &[u8]) -> Hex<64> {
        let signature = self.pair.sign(statement);
        Hex(signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes"))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}

//! Sealing what lies in a database and must not be read from a copy of it: ChaCha20-Poly1305 with the box's own key.
//!
//! The key is the one that seals the files of cloud accounts, `keys/box.key` in the data folder: 64 hexadecimal digits,
//! for the box's account alone, in no backup but inside its seal. It is made when it is first needed. A sealed secret is
//! a nonce of 12 bytes, the secret, and a tag of 16; it opens for its own purpose alone.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::durable::{make_folder, sync_folder};
use crate::secret::{hex, random_bytes};

/// Where the key is. It is read for each use, so that no memory keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Sealing {
    file: PathBuf,
}

impl Sealing {
    pub(crate) fn of(data_dir: &Path) -> Sealing {
        Sealing { file: data_dir.join("keys").join("box.key") }
    }

    /// Seals a secret; makes the key if there is none.
    ///
    /// # Errors
    /// When the key cannot be read or made, in one line that names its file.
    pub(crate) fn seal(&self, purpose: &str, secret: &[u8]) -> io::Result<Vec<u8>> {
        let key = match self.load()? {
            Some(key) => key,
            None => self.make()?,
        };
        let nonce = random_bytes::<NONCE_LEN>();
        let mut sealed = Zeroizing::new(secret.to_vec());
        cipher(&key)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut *sealed)
            .map_err(|_| self.about("cannot seal"))?;
        Ok([&nonce, sealed.as_slice()].concat())
    }

    /// Opens what was sealed for the same purpose; none when it was changed, or sealed with another key.
    ///
    /// # Errors
    /// When the key cannot be read, or is gone.
    pub(crate) fn open(&self, purpose: &str, sealed: &[u8]) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let gone = || self.about("the key is missing; restore it from a backup");
        let key = self.load()?.ok_or_else(gone)?;
        let Some((nonce, rest)) = sealed.split_at_checked(NONCE_LEN) else { return Ok(None) };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { return Ok(None) };
        let mut secret = Zeroizing::new(rest.to_vec());
        let opened =
            cipher(&key).open_in_place(nonce, Aad::from(purpose), &mut secret).map(|plain| plain.len());
        Ok(opened.ok().map(|length| {
            secret.truncate(length);
            secret
        }))
    }

    fn load(&self) -> io::Result<Option<Zeroizing<[u8; 32]>>> {
        let text = match std::fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => Zeroizing::new(text.map_err(|error| self.about(&error.to_string()))?),
        };
        if std::fs::metadata(&self.file)?.permissions().mode() & 0o077 != 0 {
            return Err(self.about("others can read it; set its mode to 0600"));
        }
        key_of(text.trim()).map(Some).ok_or_else(|| self.about("it holds no key; restore it from a backup"))
    }

    /// On disk before it returns; a crash leaves either no key or a whole one. Two processes that make it at once keep
    /// the first one's.
    fn make(&self) -> io::Result<Zeroizing<[u8; 32]>> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let partial = folder.join(format!(".box.key.{}.partial", std::process::id()));
        let key = Zeroizing::new(random_bytes::<32>());
        let text = Zeroizing::new(hex(key.as_slice()) + "\n");
        let write = || -> io::Result<()> {
            make_folder(folder)?;
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // Unlike a renaming, a link never takes the place of a key that is there.
            match std::fs::hard_link(&partial, &self.file) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => std::fs::remove_file(&partial)?,
            }
            sync_folder(folder)
        };
        write().map_err(|error| self.about(&error.to_string()))?;
        self.load()?.ok_or_else(|| self.about("it was made and is gone again"))
    }

    fn about(&self, what: &str) -> io::Error {
        io::Error::other(format!("{}: {what}", self.file.display()))
    }
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes"))
}

fn key_of(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let digits = Some(text).filter(|text| text.len() == 64 && text.is_ascii())?;
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_own_box_and_for_its_own_purpose_alone() {
        let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (sealing, foreign) = (Sealing::of(dir.path()), Sealing::of(other.path()));
        let sealed = sealing.seal("one", b"twenty secret bytes!").unwrap();
        assert_eq!(sealed.len(), 48);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(sealing.open("one", &sealed).unwrap().unwrap().as_slice(), b"twenty secret bytes!");
        assert!(sealing.open("two", &sealed).unwrap().is_none());
        assert!(sealing.open("one", &sealed[1..]).unwrap().is_none());
        let missing = foreign.open("one", &sealed).unwrap_err().to_string();
        assert!(missing.contains("box.key") && missing.contains("restore it"), "{missing}");
        foreign.seal("one", b"x").unwrap();
        assert!(foreign.open("one", &sealed).unwrap().is_none());
    }

    #[test]
    fn the_key_is_made_once_and_is_its_owners_alone() {
        let dir = TempDir::new().unwrap();
        let sealing = Sealing::of(dir.path());
        let first = sealing.make().unwrap();
        assert_eq!(*sealing.make().unwrap(), *first, "a key that is there is never replaced");
        let keys: Vec<_> = std::fs::read_dir(dir.path().join("keys")).unwrap().collect();
        assert_eq!(keys.len(), 1);
        std::fs::set_permissions(&sealing.file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(sealing.seal("one", b"x").unwrap_err().to_string().contains("0600"));
    }
}

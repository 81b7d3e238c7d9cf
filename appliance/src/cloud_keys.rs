//! The keys of cloud accounts, and the password of the box's account in the directory, on the disk: sealed with the box's
//! own key, so that a copy of the file alone is worth nothing. A plain file still works, and is told.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::keys;
use crate::sealing::{Key, SEALED, open_line, seal_line};

/// What a sealed key was sealed for.
const PURPOSE: &str = "key of a cloud account";

/// A key as its file has it.
pub(crate) enum CloudKey {
    Sealed(Zeroizing<String>),
    Plain(Zeroizing<String>),
}

fn box_key(data_dir: &Path) -> PathBuf {
    keys::folder(data_dir).join("box.key")
}

/// Reads a key file, sealed or plain.
///
/// # Errors
/// When it cannot be read, or was sealed by another box.
pub(crate) fn read(path: &Path, data_dir: &Path) -> io::Result<CloudKey> {
    let text = Zeroizing::new(std::fs::read_to_string(path)?);
    if !text.starts_with(SEALED) {
        return Ok(CloudKey::Plain(Zeroizing::new(text.trim().to_owned())));
    }
    let key_file = box_key(data_dir);
    let about = |what: &str| io::Error::other(format!("{}: {what}", key_file.display()));
    let key = keys::load(&key_file).map_err(|error| about(&error.to_string()))?;
    let key = key.ok_or_else(|| about("the key that sealed it is missing; restore it from a backup"))?;
    let opened = open_line(&key, PURPOSE, &text).map_err(|error| io::Error::other(error.to_string()))?;
    let opened = std::str::from_utf8(&opened).map_err(|_| io::Error::other("it holds no text"))?;
    Ok(CloudKey::Sealed(Zeroizing::new(opened.to_owned())))
}

/// Whether a key file holds no plain key.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_sealed(path: &Path) -> io::Result<bool> {
    Ok(Zeroizing::new(std::fs::read_to_string(path)?).starts_with(SEALED))
}

/// Seals a plain key file in its place; false when it was sealed before.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn seal(path: &Path, data_dir: &Path) -> io::Result<bool> {
    let CloudKey::Plain(secret) = read(path, data_dir)? else { return Ok(false) };
    let key_file = box_key(data_dir);
    let key = match keys::load(&key_file)? {
        Some(key) => key,
        None => {
            let key = Key::random()?;
            keys::save(&key_file, &key)?;
            key
        }
    };
    let line = seal_line(&key, PURPOSE, secret.as_bytes())? + "\n";
    keys::write_private(path, line.as_bytes())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &CloudKey) -> (&str, bool) {
        match key {
            CloudKey::Sealed(text) => (text, true),
            CloudKey::Plain(text) => (text, false),
        }
    }

    #[test]
    fn a_sealed_key_opens_in_its_own_box_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, data, other) =
            (dir.path().join("cloud"), dir.path().join("data"), dir.path().join("other"));
        std::fs::write(&path, "sk-very-secret\n").unwrap();
        assert_eq!(text(&read(&path, &data).unwrap()), ("sk-very-secret", false));
        assert!(seal(&path, &data).unwrap());
        assert!(!seal(&path, &data).unwrap(), "it is sealed once");
        assert!(!std::fs::read_to_string(&path).unwrap().contains("very"));
        assert_eq!(text(&read(&path, &data).unwrap()), ("sk-very-secret", true));
        let missing = read(&path, &other).err().unwrap().to_string();
        assert!(missing.contains("box.key"), "{missing}");
        keys::save(&box_key(&other), &Key::random().unwrap()).unwrap();
        assert!(read(&path, &other).is_err());
    }
}

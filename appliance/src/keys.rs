//! The box's own keys, in files that only its account can read: the one that seals cloud keys, the one of backups.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use store::durable::write_file;
use zeroize::Zeroizing;

use crate::sealing::{Key, hex, unhex};

/// Where a data folder keeps them.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("keys")
}

/// The key of backups; the code on the recovery sheet gives the same one.
pub(crate) fn of_backups(data_dir: &Path) -> PathBuf {
    folder(data_dir).join("backup.key")
}

/// The key in a file; none when there is no such file.
///
/// # Errors
/// When the file cannot be read, holds no key, or can be read by others.
pub(crate) fn load(path: &Path) -> io::Result<Option<Key>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => Zeroizing::new(text?),
    };
    if std::fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("others can read it; set its mode to 0600"));
    }
    let bytes = unhex(text.trim()).map(Zeroizing::new);
    let key = bytes.and_then(|bytes| Key::from_bytes(&bytes));
    key.map(Some).ok_or_else(|| io::Error::other("it holds no key; restore it from a backup"))
}

/// Writes a key down, on disk before it returns; one that was there is replaced whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn save(path: &Path, key: &Key) -> io::Result<()> {
    let text = Zeroizing::new(hex(key.bytes()) + "\n");
    write_private(path, text.as_bytes())
}

/// Writes a file that only its owner can read, in one step.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    write_file(path, content, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_file_which_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = of_backups(dir.path());
        assert!(load(&path).unwrap().is_none());
        let key = Key::random().unwrap();
        save(&path, &key).unwrap();
        assert_eq!(load(&path).unwrap().unwrap().bytes(), key.bytes());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder(dir.path())).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = of_backups(dir.path());
        save(&path, &Key::random().unwrap()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("0600"));
        write_private(&path, b"no key\n").unwrap();
        assert!(load(&path).is_err());
    }
}

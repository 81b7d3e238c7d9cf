//! Each change of the folder, written down in its order.
//!
//! An entry is a letter, the lengths of two names (16 bits each), a place in the file (64 bits), the length of the data
//! (32 bits), all little end first; then the two names and the data.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::orders;

/// `C` a file or folder is made (place 1: a folder), `W` data is written, `T` a file gets a size, `S` a file or folder is
/// synced, `R` a name becomes another, `U` a name goes.
pub(crate) fn note(letter: u8, path: &Path, other: &Path, place: u64, data: &[u8]) {
    let Some(journal) = orders::journal() else { return };
    // The index of a log lies in memory: no power cut leaves anything of it.
    if path.as_os_str().as_bytes().ends_with(b"-shm") {
        return;
    }
    let (path, other) = (path.as_os_str().as_bytes(), other.as_os_str().as_bytes());
    let mut entry = Vec::with_capacity(17 + path.len() + other.len() + data.len());
    entry.push(letter);
    entry.extend_from_slice(&(path.len() as u16).to_le_bytes());
    entry.extend_from_slice(&(other.len() as u16).to_le_bytes());
    entry.extend_from_slice(&place.to_le_bytes());
    entry.extend_from_slice(&(data.len() as u32).to_le_bytes());
    for part in [path, other, data] {
        entry.extend_from_slice(part);
    }
    orders::append(journal, &entry);
}

pub(crate) fn is_kept() -> bool {
    orders::journal().is_some()
}

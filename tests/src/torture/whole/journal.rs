//! What a program did to the disk, as the breakable disk wrote it down (`tests/disk/src/journal.rs` has the format).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One change, and where the journal stood after it.
#[derive(Debug)]
pub(in crate::torture) struct Entry {
    pub(in crate::torture) change: Change,
    pub(in crate::torture) end: u64,
}

#[derive(Debug)]
pub(in crate::torture) enum Change {
    MakeFile(PathBuf),
    MakeFolder(PathBuf),
    Write(PathBuf, usize, Vec<u8>),
    Truncate(PathBuf, usize),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// All whole entries; a process may have been killed within one.
pub(in crate::torture) fn read(path: &Path) -> Vec<Entry> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let (mut entries, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((change, left)) = entry(rest) {
        rest = left;
        entries.push(Entry { change, end: (bytes.len() - rest.len()) as u64 });
    }
    entries
}

fn entry(bytes: &[u8]) -> Option<(Change, &[u8])> {
    let (head, rest) = bytes.split_at_checked(17)?;
    let number = |from: usize, to: usize| -> usize {
        head[from..to].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let place = number(5, 13);
    let (path, rest) = rest.split_at_checked(number(1, 3))?;
    let (other, rest) = rest.split_at_checked(number(3, 5))?;
    let (data, rest) = rest.split_at_checked(number(13, 17))?;
    let (path, other) = (PathBuf::from(OsStr::from_bytes(path)), PathBuf::from(OsStr::from_bytes(other)));
    let change = match head[0] {
        b'C' if place == 1 => Change::MakeFolder(path),
        b'C' => Change::MakeFile(path),
        b'W' => Change::Write(path, place, data.to_vec()),
        b'T' => Change::Truncate(path, place),
        b'S' => Change::Sync(path),
        b'R' => Change::Rename(path, other),
        b'U' => Change::Remove(path),
        letter => panic!("the journal has no letter {letter}"),
    };
    Some((change, rest))
}

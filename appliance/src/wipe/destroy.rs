//! Destroying files: overwritten in their place, emptied, removed, and the folder synced.
//!
//! On a disk that writes each block to a new place the old one may stay until the disk clears it; what was sealed is
//! lost with its key even there, and everything else needs an encrypted disk.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const BLOCK: usize = 1 << 20;

/// Files and bytes under a path; links are not followed.
pub(super) fn count(path: &Path) -> (u64, u64) {
    let Ok(facts) = std::fs::symlink_metadata(path) else { return (0, 0) };
    if !facts.is_dir() {
        return (1, if facts.is_file() { facts.len() } else { 0 });
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| count(&entry.path())).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Destroys a file, or a folder with all that is in it. What fails is noted, and the rest is destroyed all the same.
pub(super) fn tree(path: &Path, failed: &mut Vec<(PathBuf, io::Error)>) {
    let facts = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        facts => facts,
    };
    let gone = facts.and_then(|facts| {
        if facts.is_dir() {
            for entry in std::fs::read_dir(path)? {
                tree(&entry?.path(), failed);
            }
            std::fs::remove_dir(path)
        } else {
            if facts.is_file() {
                overwrite(path)?;
            }
            std::fs::remove_file(path)
        }
    });
    let synced = gone.and_then(|()| File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all());
    if let Err(error) = synced {
        failed.push((path.to_owned(), error));
    }
}

/// Random bytes over the whole length, on the disk before the file is emptied.
fn overwrite(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK.min(usize::try_from(left).unwrap_or(BLOCK))];
    getrandom::fill(&mut block).map_err(io::Error::other)?;
    while left > 0 {
        let part = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    file.sync_all()?;
    file.set_len(0)?;
    file.sync_all()
}

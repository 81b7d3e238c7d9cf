//! The SHA-256 of a model file, taken before every load.
//!
//! The file is read once, into the page cache that llama.cpp then maps: what was checked is what is computed with, and
//! the disk is not asked twice. Nothing is remembered between two loads: a file's number, length and times say nothing
//! of what a disk or a person has done to its content.

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};

const PIECE_BYTES: usize = 4 << 20;

/// Reads the whole file from its beginning. `progress` gets the share that is done, and says whether to go on.
///
/// # Errors
/// The disk's; `Interrupted` when `progress` said no.
pub fn sha256(file: &File, mut progress: impl FnMut(f32) -> bool) -> io::Result<String> {
    let size = file.metadata()?.len();
    let _ = fadvise(file, 0, None, Advice::Sequential);
    let mut piece = vec![0; PIECE_BYTES];
    let (mut hash, mut at) = (Sha256::new(), 0);
    loop {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            return Ok(hexadecimal(&hash.finalize()));
        }
        hash.update(&piece[..read]);
        at += read as u64;
        if !progress((at as f64 / size.max(1) as f64).min(1.0) as f32) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
}

/// The same of what is in memory.
pub fn of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! Checkpoints in a file on removable media, which may be away for as long as it likes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use store::durable::sync_name;
use store::{AnchorTrouble, Audit, StoreError};
use tokio::task::spawn_blocking;
use verifier::{Anchor, PublicKey, anchors};

/// Checkpoints in one go, so that one look stays short however long the medium was away.
const PAGE: u32 = 1000;
/// What is read of the file's end to find the newest checkpoint in it: about a hundred of them.
const TAIL_BYTES: u64 = 40_000;

pub(crate) struct AnchorFile {
    path: PathBuf,
    last: Option<State>,
}

/// How the last look ended; a change is told in the log, once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Current,
    /// The folder is not there.
    Away,
    Failing(String),
    /// The file holds a checkpoint of this box that the log does not: rows were cut off the log.
    KnowsMore {
        file: u64,
        log: u64,
    },
}

#[derive(Debug, thiserror::Error)]
enum AnchorFileError {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Log(#[from] StoreError),
}

impl AnchorFile {
    pub(super) fn new(path: PathBuf) -> AnchorFile {
        AnchorFile { path, last: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the last look found, where it was not all well.
    pub(super) fn trouble(&self) -> Option<AnchorTrouble> {
        match self.last.as_ref()? {
            State::Current => None,
            State::Away => Some(AnchorTrouble::Away),
            State::Failing(_) => Some(AnchorTrouble::Failing),
            State::KnowsMore { .. } => Some(AnchorTrouble::KnowsMore),
        }
    }

    /// Adds the checkpoints that the file has not got yet. A medium that hangs holds up nothing but its own next look.
    pub(super) async fn catch_up(&mut self, audit: &Audit) {
        let (path, audit) = (self.path.clone(), audit.clone());
        let looked = spawn_blocking(move || catch_up(&path, &audit)).await;
        let state = match looked {
            Ok(Ok(state)) => state,
            Ok(Err(error)) => State::Failing(error.to_string()),
            Err(error) => State::Failing(error.to_string()),
        };
        if self.last.as_ref() != Some(&state) {
            tell(&self.path, &state);
            self.last = Some(state);
        }
    }
}

fn tell(path: &Path, state: &State) {
    let path = path.display();
    match state {
        State::Current => tracing::info!("the audit log's checkpoints are written down in {path}"),
        State::Away => tracing::warn!("{path}: the folder is away; checkpoints follow when it is back"),
        State::Failing(why) => tracing::error!("{path}: checkpoints cannot be written down ({why})"),
        State::KnowsMore { file, log } => tracing::error!(
            "{path} holds checkpoint {file} of this box, and the audit log has only {log}: rows were cut off the log, \
             or it was restored from a backup. Run `genset audit verify --anchor {path}`"
        ),
    }
}

fn catch_up(path: &Path, audit: &Audit) -> Result<State, AnchorFileError> {
    // The folder is never made here: an empty mount point must not get what belongs on the medium.
    if !path.parent().is_some_and(Path::is_dir) {
        return Ok(State::Away);
    }
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    if is_new {
        sync_name(path)?;
    }
    let (mut known, mut ends_whole) = newest(&mut file, &audit.public_key())?;
    let newest = audit.newest_checkpoint()?.map_or(0, |newest| newest.number);
    if known > newest {
        return Ok(State::KnowsMore { file: known, log: newest });
    }
    loop {
        let missing = audit.checkpoints(known, PAGE)?;
        let Some(last) = missing.last() else { return Ok(State::Current) };
        known = last.number;
        let mut text = if ends_whole { String::new() } else { "\n".to_owned() };
        missing.iter().for_each(|one| text += &(one.to_line() + "\n"));
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        ends_whole = true;
    }
}

/// The number of this box's newest checkpoint near the file's end, and whether its last line is a whole one.
fn newest(file: &mut File, key: &PublicKey) -> io::Result<(u64, bool)> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    // Lines that say nothing sound count for nothing here: their checkpoints are written once more.
    let known = anchors(&String::from_utf8_lossy(&tail)).unwrap_or_default();
    let ours = known.iter().filter_map(|anchor| match anchor {
        Anchor::Checkpoint(one) if one.key == *key => Some(one.number),
        _ => None,
    });
    Ok((ours.max().unwrap_or(0), tail.last().is_none_or(|byte| *byte == b'\n')))
}

#[cfg(test)]
mod tests;

//! What was written down of the log outside the box: checkpoints in a file or in a syslog, and codes on paper.

use crate::{Checkpoint, Code};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Checkpoint(Checkpoint),
    Code(Code),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    #[error(
        "line {0}: the signature of this checkpoint is wrong, so the file proves nothing; take another copy of it"
    )]
    Signature(usize),
    #[error("no checkpoint stands in it")]
    Empty,
}

impl Anchor {
    /// The number of rows that the log had at least.
    pub fn rows(&self) -> u64 {
        match self {
            Anchor::Checkpoint(checkpoint) => checkpoint.rows,
            Anchor::Code(code) => code.rows,
        }
    }

    pub(crate) fn fits(&self, head: &crate::Hash) -> bool {
        match self {
            Anchor::Checkpoint(checkpoint) => checkpoint.head.0 == *head,
            Anchor::Code(code) => code.fits(head),
        }
    }
}

/// The checkpoints in a text. Whatever else stands on a line, as a syslog writes it, is passed over; so is a last
/// line that was cut off when a medium was pulled.
///
/// # Errors
/// When a checkpoint is not signed by the key that it names, or when there is none.
pub fn anchors(text: &str) -> Result<Vec<Anchor>, AnchorError> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(checkpoint) = checkpoint_in(line) else { continue };
        if !checkpoint.is_signed() {
            return Err(AnchorError::Signature(at + 1));
        }
        found.push(Anchor::Checkpoint(checkpoint));
    }
    if found.is_empty() { Err(AnchorError::Empty) } else { Ok(found) }
}

fn checkpoint_in(line: &str) -> Option<Checkpoint> {
    let json = &line[line.find("{\"checkpoint\":")?..];
    serde_json::Deserializer::from_str(json).into_iter().next()?.ok()
}

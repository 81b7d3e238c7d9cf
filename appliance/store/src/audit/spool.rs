//! Rows that the log could not take: kept in a small file of fixed size, and chained in when the log is well again.
//!
//! The file is written full of zeros when the box starts, so that a disk that fills up later has its room already.
//! Each row is on disk there before its receipt says so. What was chained in is noted in the log in the same
//! transaction, so a crash between the log's commit and the emptying of the file doubles nothing.
//!
//! Only the box keeps a spool. A command of `genset` whose row cannot be written fails instead.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};

use super::chain;
use super::rows::{EventRow, Row};
use super::signing::SigningKey;
use crate::durable::sync_name;
use crate::secret::{hex, random_bytes};

/// Its name in its folder.
pub(super) const FILE: &str = "audit.spool";
const FILE_BYTES: usize = if cfg!(feature = "simulation") { 1 << 16 } else { 4 << 20 };
/// The part of the room that events may fill; the rest is for requests of the clinical lane and for outcomes.
const EVENTS_SHARE: usize = FILE_BYTES / 4 * 3;
/// No row of a request is longer.
const ROOM_FOR_A_ROW: usize = 1 << 13;
/// Requests that were refused meanwhile, so that the spool knows their outcomes.
const REFUSED_LIMIT: usize = 4096;

/// A row that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) at_ms: i64,
    pub(super) kind: String,
    pub(super) body: String,
}

/// A line of the file. It names its filling, so that a line which an earlier one left behind is never taken for its own.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    spool: String,
    row: Cow<'a, Waiting>,
}

/// What a row is to the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// Somebody asked. Only the clinical lane goes on without a log.
    Request {
        id: String,
        clinical: bool,
    },
    Outcome {
        id: String,
    },
    /// What the box has seen or done itself, and who came and went.
    Event,
    /// What a person changes: not carried out while it cannot stand in the log.
    Change,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpoolState {
    pub rows: usize,
    /// Of the room that it has.
    pub percent: usize,
    /// The first row came at this time, unix milliseconds.
    pub since_ms: Option<i64>,
    /// Rows that found no room, or none on the disk, since then.
    pub lost: u64,
    /// The next row of the clinical lane is taken, as far as can be told.
    pub has_room: bool,
}

/// Rows of one spool that a transaction has chained in; they count once it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drained {
    id: String,
    rows: usize,
}

/// Empty until [`Spool::keep_in`] gives it a file. Only the writer's thread adds and takes away.
#[derive(Default)]
pub(super) struct Spool {
    kept: Mutex<Option<Kept>>,
    /// Apart, because the other lock is held while the disk works, which may be for ever.
    state: Mutex<SpoolState>,
}

struct Kept {
    file: File,
    /// Of this filling of the spool; the log remembers it, so that no filling is chained in twice.
    id: String,
    /// The id stands on disk, and rows may follow it.
    is_begun: bool,
    rows: Vec<Waiting>,
    /// The file's bytes in use.
    used: usize,
    refused: HashSet<String>,
    lost: u64,
    /// The newest write to the file failed.
    is_failing: bool,
}

impl Spool {
    /// Opens the spool of the folder, with what an earlier life of the box left in it.
    pub(super) fn keep_in(&self, path: &Path) -> io::Result<()> {
        let kept = Kept::open(path)?;
        self.publish(&kept);
        *self.kept() = Some(kept);
        Ok(())
    }

    pub(super) fn state(&self) -> SpoolState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, kept: &Kept) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = SpoolState {
            rows: kept.rows.len(),
            percent: kept.used * 100 / FILE_BYTES,
            since_ms: kept.rows.first().map(|row| row.at_ms),
            lost: kept.lost,
            has_room: !kept.is_failing && kept.used + ROOM_FOR_A_ROW < FILE_BYTES,
        };
    }

    /// Finds out whether a row could be taken now.
    pub(super) fn prove(&self) {
        if let Some(kept) = self.kept().as_mut() {
            kept.prove();
            self.publish(kept);
        }
    }

    /// Takes a row that the log did not; true once it is on disk.
    pub(super) fn take(&self, row: &Waiting, claim: &Claim) -> bool {
        let mut kept = self.kept();
        let Some(kept) = kept.as_mut() else { return false };
        let is_taken = kept.take(row, claim);
        self.publish(kept);
        is_taken
    }

    /// Chains in what waits, in the transaction of the row that follows it. Each row of a batch calls this; the log
    /// itself tells what an earlier one of them has chained in.
    pub(super) fn drain_into(
        &self,
        audit: &Transaction<'_>,
        key: &SigningKey,
    ) -> rusqlite::Result<Option<Drained>> {
        let guard = self.kept();
        let Some(kept) = guard.as_ref().filter(|kept| !kept.rows.is_empty()) else { return Ok(None) };
        let known: Option<usize> = audit
            .prepare_cached("SELECT rows FROM spools WHERE id = ?1")?
            .query_row([&kept.id], |row| row.get(0))
            .optional()?;
        let new = kept.rows.get(known.unwrap_or(0)..).unwrap_or_default();
        if !new.is_empty() {
            for row in new {
                chain::append(audit, key, row.at_ms, &row.kind, &row.body)?;
            }
            let told = told(new, kept.lost);
            chain::append(audit, key, told.at_ms, EventRow::KIND, &told.into_body())?;
            audit
                .prepare_cached("INSERT OR REPLACE INTO spools (id, rows) VALUES (?1, ?2)")?
                .execute((&kept.id, kept.rows.len()))?;
        }
        Ok(Some(Drained { id: kept.id.clone(), rows: kept.rows.len() }))
    }

    /// The transaction is committed.
    pub(super) fn drained(&self, drained: &Drained) {
        if let Some(kept) = self.kept().as_mut().filter(|kept| kept.id == drained.id) {
            kept.empty();
            self.publish(kept);
        }
    }

    /// The lock guards one writer's changes and short looks; a panic elsewhere leaves nothing half done in it.
    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits in the spool of a folder, as a file of a spool has it; empty when nothing does. Read beside the box that
/// keeps it, so that a backup holds what the log has not got yet. A log that has got it since takes nothing twice.
pub(crate) fn waiting_in(folder: &Path) -> io::Result<String> {
    let content = match std::fs::read(folder.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        content => content?,
    };
    let (id, rows, used) = parse(&content);
    let has_rows = id.is_some() && !rows.is_empty();
    Ok(if has_rows { String::from_utf8_lossy(&content[..used]).into_owned() } else { String::new() })
}

/// The name of the filling, its rows up to the first that is not whole (one that a crash cut off was never
/// acknowledged), and the bytes in use.
fn parse(content: &[u8]) -> (Option<String>, Vec<Waiting>, usize) {
    let mut lines = content.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let first = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let Some(id) = first.and_then(|line| line.trim_end().strip_prefix("spool ")) else {
        return (None, Vec::new(), 0);
    };
    let (mut rows, mut used) = (Vec::new(), "spool \n".len() + id.len());
    for line in lines {
        match serde_json::from_slice::<Line>(line) {
            Ok(Line { spool, row }) if spool == id => rows.push(row.into_owned()),
            _ => break,
        }
        used += line.len();
    }
    (Some(id.to_owned()), rows, used)
}

/// The event that stands behind the rows of a spool and says why their times are earlier than their places.
fn told(rows: &[Waiting], lost: u64) -> EventRow {
    let first_ms = rows.first().map(|row| row.at_ms);
    let detail = serde_json::json!({"rows": rows.len(), "first_ms": first_ms, "lost": lost});
    EventRow { at_ms: crate::now_ms(), who: "box".into(), what: "audit-spool-chained".into(), detail }
}

impl Kept {
    fn open(path: &Path) -> io::Result<Kept> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut content = Vec::new();
        (&file).take(FILE_BYTES as u64).read_to_end(&mut content)?;
        let missing = FILE_BYTES.saturating_sub(content.len());
        if missing > 0 {
            file.write_all_at(&vec![0; missing], content.len() as u64)?;
            sync(&file)?;
            sync_name(path)?;
        }
        let mut kept = Kept {
            file,
            id: String::new(),
            is_begun: false,
            rows: Vec::new(),
            used: 0,
            refused: HashSet::new(),
            lost: 0,
            is_failing: false,
        };
        if let (Some(id), rows, used) = parse(&content) {
            (kept.id, kept.rows, kept.used, kept.is_begun) = (id, rows, used, true);
        }
        if !kept.is_begun {
            kept.begin()?;
        }
        Ok(kept)
    }

    fn take(&mut self, row: &Waiting, claim: &Claim) -> bool {
        if !self.may_take(claim) {
            return false;
        }
        let is_kept = (self.is_begun || self.begin().is_ok()) && self.write(row, claim);
        if is_kept {
            self.rows.push(row.clone());
        } else {
            self.lost += 1;
            self.refuse(claim);
        }
        is_kept
    }

    /// True once the row is on disk; false when there is no room for it, or the disk fails here as well.
    fn write(&mut self, row: &Waiting, claim: &Claim) -> bool {
        let line = Line { spool: self.id.clone(), row: Cow::Borrowed(row) };
        let mut line = serde_json::to_vec(&line).expect("it has text keys only, so it is always JSON");
        // The zero ends the text, whatever an earlier filling left behind it.
        line.extend_from_slice(b"\n\0");
        let end = self.used + line.len() - 1;
        let share = if *claim == Claim::Event { EVENTS_SHARE } else { FILE_BYTES };
        if end >= share {
            return false;
        }
        let written = self.file.write_all_at(&line, self.used as u64).and_then(|()| sync(&self.file));
        self.is_failing = written.is_err();
        if written.is_ok() {
            self.used = end;
        }
        written.is_ok()
    }

    /// Writes the zero behind the text once more: what can be written now is known before a row needs it.
    fn prove(&mut self) {
        let proven = self.file.write_all_at(b"\0", self.used as u64).and_then(|()| sync(&self.file));
        self.is_failing = proven.is_err();
    }

    fn may_take(&mut self, claim: &Claim) -> bool {
        match claim {
            Claim::Request { clinical: true, .. } | Claim::Event => true,
            Claim::Request { .. } => {
                self.refuse(claim);
                false
            }
            Claim::Change => false,
            // The outcome of a request that was refused for want of a log would stand in it without its request.
            Claim::Outcome { id } => !self.refused.remove(id),
        }
    }

    fn refuse(&mut self, claim: &Claim) {
        if let Claim::Request { id, .. } = claim
            && self.refused.len() < REFUSED_LIMIT
        {
            self.refused.insert(id.clone());
        }
    }

    fn empty(&mut self) {
        self.rows.clear();
        self.refused.clear();
        self.lost = 0;
        self.is_begun = false;
        // Tried again with the next row that comes. Until then the log knows the rows that stand in the file.
        let _ = self.begin();
    }

    /// Begins a new filling at the front of the file.
    fn begin(&mut self) -> io::Result<()> {
        let id = hex(&random_bytes::<8>());
        let head = format!("spool {id}\n\0");
        self.file.write_all_at(head.as_bytes(), 0)?;
        sync(&self.file)?;
        (self.id, self.used, self.is_begun) = (id, head.len() - 1, true);
        Ok(())
    }
}

fn sync(file: &File) -> io::Result<()> {
    // A simulated box loses no power, and a thousand of them would wear the disk out.
    if cfg!(feature = "simulation") { Ok(()) } else { file.sync_data() }
}

#[cfg(test)]
mod tests;

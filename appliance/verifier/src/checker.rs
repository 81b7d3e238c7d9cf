//! Follows the chain row by row and holds it against signatures and anchors, to the first row that is wrong.

use std::collections::BTreeMap;

use crate::anchor::Anchor;
use crate::chain::{GENESIS, Hash, Link};
use crate::checkpoint::{CHECKPOINT_ROWS, Checkpoint};
use crate::{Hex, PublicKey};

/// What the reader of a log knows from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The keys that may have signed. With none, the log must be signed by one key, whichever it is.
    pub keys: Vec<PublicKey>,
    pub anchors: Vec<Anchor>,
}

/// The first place that does not fit; what comes after it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log is broken at row {seq}: {what}")]
pub struct Broken {
    pub seq: i64,
    pub what: String,
}

/// A whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub rows: u64,
    /// The hash of the last row.
    pub head: Hex<32>,
    pub checkpoints: u64,
    /// The rows that a checkpoint covers.
    pub signed_rows: u64,
    /// The anchors that fit.
    pub anchors: u64,
    /// The key of the newest checkpoint.
    pub key: Option<PublicKey>,
}

#[derive(Debug)]
pub struct Checker {
    keys: Vec<PublicKey>,
    /// Those that are still to come, by the number of their row.
    anchors: BTreeMap<u64, Vec<Anchor>>,
    /// The last row that stands behind an anchor.
    anchored: u64,
    anchors_seen: u64,
    last: i64,
    head: Hash,
    newest: Option<Checkpoint>,
}

impl Checker {
    pub fn new(trust: Trust) -> Checker {
        let mut anchors: BTreeMap<u64, Vec<Anchor>> = BTreeMap::new();
        for anchor in trust.anchors {
            anchors.entry(anchor.rows()).or_default().push(anchor);
        }
        // Nothing stands before the first row, so an empty log's anchor says nothing.
        anchors.remove(&0);
        Checker {
            keys: trust.keys,
            anchors,
            anchored: 0,
            anchors_seen: 0,
            last: 0,
            head: GENESIS,
            newest: None,
        }
    }

    /// The number of the last row that fits.
    pub fn last(&self) -> i64 {
        self.last
    }

    /// # Errors
    /// When the row is not the next one, or was changed.
    pub fn row(&mut self, row: &Link<'_>, hash: &Hash) -> Result<(), Broken> {
        self.signed_in_time()?;
        if row.seq != self.last + 1 {
            return Err(broken(row.seq, "the rows before it are missing, or it was put in"));
        }
        if row.hash(&self.head) != *hash {
            return Err(broken(row.seq, "its content or its place was changed"));
        }
        (self.last, self.head) = (row.seq, *hash);
        self.fits_anchors()
    }

    /// A checkpoint stands after the row that it covers last.
    ///
    /// # Errors
    /// When it is not the next one, does not fit the row, or is not signed as it must be.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Broken> {
        let number = checkpoint.number;
        let wrong = |what: String| Err(broken(self.last, format!("checkpoint {number} after it {what}")));
        if checkpoint.rows > self.last.unsigned_abs() {
            let what = format!("it is missing: checkpoint {number} covers {} rows", checkpoint.rows);
            return Err(broken(self.last + 1, what));
        }
        let expected = self.newest.map_or(1, |newest| newest.number + 1);
        if number != expected {
            return wrong(format!("should be checkpoint {expected}: one is missing, or was put in"));
        }
        if checkpoint.rows != self.last.unsigned_abs() || checkpoint.head.0 != self.head {
            return wrong(format!("is of another log: it covers {} rows", checkpoint.rows));
        }
        if self.newest.is_some_and(|newest| newest.rows >= checkpoint.rows) {
            return wrong("covers no new row".to_owned());
        }
        if !checkpoint.is_signed() {
            return wrong("has a wrong signature".to_owned());
        }
        if let Err(what) = self.trusts(&checkpoint.key) {
            return wrong(what);
        }
        self.newest = Some(*checkpoint);
        Ok(())
    }

    /// After the last row and the last checkpoint.
    ///
    /// # Errors
    /// When rows are missing at the end.
    pub fn end(mut self) -> Result<Verified, Broken> {
        self.anchored_checkpoints_are_there()?;
        let rows = self.last.unsigned_abs();
        if let Some((&known, _)) = self.anchors.last_key_value() {
            let what = format!("it and the rows after it, to row {known} at least, are missing");
            return Err(broken(self.last + 1, what));
        }
        Ok(Verified {
            rows,
            head: Hex(self.head),
            checkpoints: self.newest.map_or(0, |newest| newest.number),
            signed_rows: self.newest.map_or(0, |newest| newest.rows),
            anchors: self.anchors_seen,
            key: self.newest.map(|newest| newest.key),
        })
    }

    /// # Errors
    /// Why a signature of this key counts for nothing.
    pub(crate) fn trusts(&self, key: &PublicKey) -> Result<(), String> {
        let one_key = self.keys.is_empty();
        match self.newest {
            Some(newest) if one_key && newest.key != *key => {
                Err(format!("is signed by another key than the one before it, {key}"))
            }
            _ if one_key || self.keys.contains(key) => Ok(()),
            _ => Err(format!("is signed by {key}, which is not the key that was given")),
        }
    }

    /// Called before the next row: checkpoints come with every thousandth row. The first one may come late, after
    /// what an earlier genset wrote without any.
    fn signed_in_time(&mut self) -> Result<(), Broken> {
        self.anchored_checkpoints_are_there()?;
        match self.newest {
            Some(newest) if self.last.unsigned_abs() >= newest.rows + CHECKPOINT_ROWS => {
                Err(broken(self.last, "the checkpoint after it is missing"))
            }
            _ => Ok(()),
        }
    }

    fn fits_anchors(&mut self) -> Result<(), Broken> {
        let rows = self.last.unsigned_abs();
        let Some(anchors) = self.anchors.get(&rows) else { return Ok(()) };
        if anchors.iter().all(|anchor| anchor.fits(&self.head)) {
            self.anchored = rows;
            return Ok(());
        }
        let first = self.anchored + 1;
        let what = format!(
            "it or a later row, up to row {rows}, is not the one that was written down elsewhere; \
             the chain was made anew around it"
        );
        Err(broken(i64::try_from(first).unwrap_or(i64::MAX), what))
    }

    /// Called once the checkpoints after the last row have been seen: those that were written down elsewhere must be
    /// among them.
    fn anchored_checkpoints_are_there(&mut self) -> Result<(), Broken> {
        let Some(anchors) = self.anchors.remove(&self.last.unsigned_abs()) else { return Ok(()) };
        self.anchors_seen += anchors.len() as u64;
        for anchor in anchors {
            let Anchor::Checkpoint(known) = anchor else { continue };
            if self.newest.is_none_or(|newest| (newest.rows, newest.number) != (known.rows, known.number)) {
                let what =
                    format!("checkpoint {} after it, written down elsewhere, is missing", known.number);
                return Err(broken(self.last, what));
            }
        }
        Ok(())
    }
}

fn broken(seq: i64, what: impl Into<String>) -> Broken {
    Broken { seq, what: what.into() }
}

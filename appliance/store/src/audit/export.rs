//! The log as JSON lines, for others to check: `verifier` says what stands in them.

use std::io::{self, Write};

use serde::Serialize;
use verifier::{Broken, Checkpoint, End, Header, Hex, Link, RowLine, Signing};

use super::Audit;
use super::follow::{Visit, follow};

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("the export could not be written")]
    Unwritable(#[from] io::Error),
    #[error("the audit log could not be read")]
    Unreadable(#[from] rusqlite::Error),
    /// A log that cannot even be written out; `genset audit verify` says more of one that was changed.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Audit {
    /// Writes the whole log, as it is when this begins, and signs what was written. Gives the number of rows.
    ///
    /// What somebody changed is exported as it is found: whoever checks the export shall see it. Reads for as long as
    /// the log is, so it does not stand on a runtime thread.
    pub fn export(&self, site: &str, made_ms: i64, out: impl Write) -> Result<u64, ExportError> {
        let key = &self.0.key;
        let header = Header { genset_audit_export: 1, site: site.to_owned(), made_ms, key: key.public() };
        let mut export = Export { out, rows: 0, head: Hex(verifier::GENESIS), checkpoints: 0 };
        let first = export.line(&header)?;
        follow(self.0.readers.path(), &mut export)?;
        let Export { rows, head, checkpoints, .. } = export;
        export.line(&End::sign(&first, rows, head, checkpoints, key.as_ref()))?;
        export.out.flush()?;
        Ok(rows)
    }
}

struct Export<W> {
    out: W,
    rows: u64,
    head: Hex<32>,
    checkpoints: u64,
}

impl<W: Write> Export<W> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<String> {
        let text = serde_json::to_string(line)?;
        writeln!(self.out, "{text}")?;
        Ok(text)
    }
}

impl<W: Write> Visit for Export<W> {
    type Error = ExportError;

    fn row(&mut self, row: &Link<'_>, hash: Hex<32>) -> Result<(), ExportError> {
        self.line(&RowLine::new(row.seq, row.at_ms, row.kind.to_owned(), row.body, hash))?;
        (self.rows, self.head) = (row.seq.max(0).unsigned_abs(), hash);
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ExportError> {
        self.line(checkpoint)?;
        self.checkpoints = checkpoint.number;
        Ok(())
    }
}

//! Checking an export from its first line to its last.

use std::io::{self, BufRead};

use crate::chain::Link;
use crate::checker::{Broken, Checker, Trust, Verified};
use crate::line::{CHECKPOINT, END, HEADER, ROW};
use crate::{Checkpoint, End, Header, RowLine};

/// The longest line that is read; the box writes none that comes near it.
const LINE_LIMIT: u64 = 16 << 20;

/// A whole export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub header: Header,
    pub log: Verified,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("the export cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("this is no export of an audit log; make one with `genset audit export`")]
    NoExport,
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Reads an export to its end.
///
/// # Errors
/// The first row that is wrong, or why the text is no export at all.
pub fn check_export(mut export: impl BufRead, trust: Trust) -> Result<Checked, CheckError> {
    let mut line = String::new();
    let mut checker = Checker::new(trust);
    read_line(&mut export, &mut line).map_err(|error| match unreadable(&checker, error) {
        CheckError::Broken(_) => CheckError::NoExport,
        error => error,
    })?;
    let first = line.clone();
    let header = header(&first).ok_or(CheckError::NoExport)?;
    loop {
        let has_line = read_line(&mut export, &mut line).map_err(|error| unreadable(&checker, error))?;
        if !has_line {
            return Err(after(&checker, "the export is cut off here: its end is missing").into());
        }
        if line.starts_with(END) {
            let end = end(&checker, &first, &header, &line)?;
            if read_line(&mut export, &mut line).map_err(|error| unreadable(&checker, error))? {
                return Err(after(&checker, "something stands behind the end of the export").into());
            }
            return Ok(Checked { header, log: ended(checker, &end)? });
        }
        follow(&mut checker, &line)?;
    }
}

fn header(line: &str) -> Option<Header> {
    line.starts_with(HEADER).then(|| serde_json::from_str(line).ok()).flatten()
}

fn follow(checker: &mut Checker, line: &str) -> Result<(), Broken> {
    let unreadable = || after(checker, "this line of the export cannot be read");
    if line.starts_with(CHECKPOINT) {
        let checkpoint: Checkpoint = serde_json::from_str(line).map_err(|_| unreadable())?;
        return checker.checkpoint(&checkpoint);
    }
    if !line.starts_with(ROW) {
        return Err(unreadable());
    }
    let row: RowLine = serde_json::from_str(line).map_err(|_| unreadable())?;
    let body = row.body().ok_or_else(unreadable)?;
    let link = Link { seq: row.seq, at_ms: row.at_ms, kind: &row.kind, body: &body };
    checker.row(&link, &row.hash.0)
}

/// The last line, once its signature is known to cover this export.
fn end(checker: &Checker, first: &str, header: &Header, line: &str) -> Result<End, Broken> {
    let end: End = serde_json::from_str(line).map_err(|_| after(checker, "the end cannot be read"))?;
    if !end.is_signed(first) {
        return Err(after(checker, "the signature at the end of the export is wrong"));
    }
    if end.key != header.key {
        return Err(after(checker, "the export names one key and is signed by another"));
    }
    match checker.trusts(&end.key) {
        Ok(()) => Ok(end),
        Err(what) => Err(after(checker, format!("the end of the export {what}"))),
    }
}

fn ended(checker: Checker, end: &End) -> Result<Verified, Broken> {
    let missing =
        after(&checker, format!("rows or checkpoints are missing: the end tells of {} rows", end.rows));
    let log = checker.end()?;
    let told = (end.rows, end.head, end.checkpoints);
    if told == (log.rows, log.head, log.checkpoints) { Ok(log) } else { Err(missing) }
}

/// Gives whether there was a line. Its line break is taken off; a last line without one was cut off.
fn read_line(export: &mut impl BufRead, line: &mut String) -> io::Result<bool> {
    line.clear();
    let read = io::Read::take(&mut *export, LINE_LIMIT).read_line(line)?;
    match line.strip_suffix('\n').map(str::len) {
        Some(length) => line.truncate(length),
        None if read as u64 == LINE_LIMIT => return Err(io::ErrorKind::FileTooLarge.into()),
        None if read > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
        None => {}
    }
    Ok(read > 0)
}

/// Bytes that are no text are a change to the log; a disk that fails is none.
fn unreadable(checker: &Checker, error: io::Error) -> CheckError {
    match error.kind() {
        io::ErrorKind::InvalidData => after(checker, "this line of the export is no text").into(),
        io::ErrorKind::UnexpectedEof => after(checker, "this line of the export is cut off").into(),
        io::ErrorKind::FileTooLarge => after(checker, "this line of the export is too long").into(),
        _ => error.into(),
    }
}

/// What is wrong with the row after the last one that fits.
fn after(checker: &Checker, what: impl Into<String>) -> Broken {
    Broken { seq: checker.last() + 1, what: what.into() }
}

#[cfg(test)]
mod tests;

//! Reading the log in its order: each row, then the checkpoint that stands after it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};
use verifier::{Broken, Checkpoint, Hash, Hex, Link};

use super::checkpoints;

/// Rows in one read transaction: a longer one would keep the WAL from being folded back while the box writes.
const PAGE: i64 = 10_000;
const CHECKPOINTS: u32 = 1000;

/// What is done with the log as it is read.
pub(super) trait Visit {
    type Error: From<rusqlite::Error> + From<Broken>;

    fn row(&mut self, row: &Link<'_>, hash: Hex<32>) -> Result<(), Self::Error>;
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Self::Error>;
}

/// Reads a log from its first row to the one that is its last when this begins; a box may write to it meanwhile.
pub(super) fn follow<V: Visit>(path: &Path, visit: &mut V) -> Result<(), V::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let audit = Connection::open_with_flags(path, flags)?;
    audit.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")?;
    let (rows, checkpoints) = limits(&audit)?;
    let mut signed = Signed { audit: &audit, limit: checkpoints, number: i64::MIN, waiting: Vec::new() };
    let mut last = i64::MIN;
    while page(&audit, &mut last, rows, &mut signed, visit)? > 0 {}
    signed.hand_on(u64::MAX, last, visit)
}

/// The numbers of the last row and of the last checkpoint, as they are at one moment.
fn limits(audit: &Connection) -> rusqlite::Result<(i64, i64)> {
    let rows = "SELECT coalesce(max(seq), 0) FROM entries";
    // A log that an earlier genset wrote, and that none has opened since, has no checkpoints.
    if !audit.table_exists(None, "checkpoints")? {
        return Ok((audit.query_row(rows, [], |row| row.get(0))?, i64::MIN));
    }
    let both = format!("SELECT ({rows}), (SELECT coalesce(max(number), 0) FROM checkpoints)");
    audit.query_row(&both, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Gives the number of rows seen. The first page also finds rows with numbers below 1.
fn page<V: Visit>(
    audit: &Connection,
    last: &mut i64,
    limit: i64,
    signed: &mut Signed<'_>,
    visit: &mut V,
) -> Result<u64, V::Error> {
    let mut query = audit.prepare_cached(
        "SELECT seq, at_ms, kind, body, hash FROM entries WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = query.query([*last, limit, PAGE])?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        signed.hand_on(seq.saturating_sub(1).max(0).unsigned_abs(), seq, visit)?;
        let unreadable = |_| Broken { seq, what: "it holds no readable row".to_owned() };
        let (link, hash) = read(seq, row).map_err(unreadable)?;
        visit.row(&link, hash)?;
        *last = seq;
        seen += 1;
    }
    Ok(seen)
}

fn read<'a>(seq: i64, row: &'a Row<'_>) -> rusqlite::Result<(Link<'a>, Hex<32>)> {
    let link =
        Link { seq, at_ms: row.get(1)?, kind: row.get_ref(2)?.as_str()?, body: row.get_ref(3)?.as_str()? };
    Ok((link, Hex(row.get::<_, Hash>(4)?)))
}

/// The checkpoints, read a page at a time.
struct Signed<'a> {
    audit: &'a Connection,
    /// The number of the last one to be read.
    limit: i64,
    /// Of the last one that was read.
    number: i64,
    /// The next one last.
    waiting: Vec<Checkpoint>,
}

impl Signed<'_> {
    /// Hands on the checkpoints that cover `rows` rows or fewer. `seq` is where the reading stands.
    fn hand_on<V: Visit>(&mut self, rows: u64, seq: i64, visit: &mut V) -> Result<(), V::Error> {
        loop {
            if self.waiting.is_empty() && self.number < self.limit {
                self.read::<V::Error>(seq)?;
            }
            match self.waiting.pop() {
                Some(next) if next.rows <= rows => visit.checkpoint(&next)?,
                Some(later) => {
                    self.waiting.push(later);
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }

    fn read<E: From<rusqlite::Error> + From<Broken>>(&mut self, seq: i64) -> Result<(), E> {
        let found = checkpoints::after(self.audit, self.number, self.limit, CHECKPOINTS);
        self.waiting = found.map_err(|error| match error {
            rusqlite::Error::SqliteFailure(..) => E::from(error),
            _ => E::from(Broken { seq, what: "a checkpoint about it cannot be read".to_owned() }),
        })?;
        self.waiting.reverse();
        let newest = self.waiting.first().map(|newest| i64::try_from(newest.number).unwrap_or(i64::MAX));
        self.number = newest.unwrap_or(self.limit);
        Ok(())
    }
}

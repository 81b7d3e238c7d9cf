//! The thread beside each file's writer that folds the file's log back into it, so that a commit does not have to.
//!
//! Folding back takes two syncs and as many writes as the log has pages, and whoever waits for the commit that does it
//! waits for all of them. Here nobody waits: SQLite lets others write and read meanwhile, and the log begins anew with
//! the first commit that finds all of it folded back. Where commits follow each other without a pause it never is, and the
//! log would grow; at [`MOST_PAGES`] the writer itself folds back what is left, which is little by then.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::file::{MOST_PAGES, StoreFile, connect};

/// As many pages as SQLite lets gather by itself.
const FOLD_FROM_PAGES: i64 = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What is asked for is done at most so often.
const FOLD_EVERY: Duration = Duration::from_secs(60);

enum Order {
    Fold(oneshot::Sender<()>),
    End,
}

/// What others hold of the thread.
#[derive(Clone)]
pub(super) struct Folding(Sender<Order>);

/// The thread itself, for the writer that it works beside.
pub(super) struct Folder {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Folder {
    pub(super) fn start(file: StoreFile, path: PathBuf) -> io::Result<Folder> {
        let (orders, queue) = channel();
        let name = format!("fold-{}", file.name().trim_end_matches(".db"));
        let beside = Beside { file, path, connection: None, before: 0, folded_at: None, is_failing: false };
        let thread = thread::Builder::new().name(name).spawn(move || beside.work_off(&queue))?;
        Ok(Folder { orders, thread })
    }

    pub(super) fn handle(&self) -> Folding {
        Folding(self.orders.clone())
    }

    /// Returns once its connection is closed: the writer's own is then the last one, which folds all back.
    pub(super) fn end(self) {
        let _ = self.orders.send(Order::End);
        // One that panicked has closed its connection as well.
        let _ = self.thread.join();
    }
}

impl Folding {
    /// Folds back what has gathered, unless that was done within the minute. Ready when it is done.
    pub(super) async fn fold(&self) {
        let (done, is_done) = oneshot::channel();
        if self.0.send(Order::Fold(done)).is_ok() {
            let _ = is_done.await;
        }
    }
}

struct Beside {
    file: StoreFile,
    path: PathBuf,
    /// Opened when it is first needed: most commands are over before.
    connection: Option<Connection>,
    /// Pages of the log at the last look.
    before: i64,
    /// When all of it was last folded back by order.
    folded_at: Option<Instant>,
    is_failing: bool,
}

/// Pages of the log, and how many of them stand in the file already.
#[derive(Clone, Copy)]
struct Log {
    pages: i64,
    folded: i64,
}

impl Log {
    /// Whether it is time, by what the log has now and had at the last look.
    fn is_due(self, before: i64) -> bool {
        let left = self.pages - self.folded;
        let is_quiet = self.pages == before;
        let is_near_the_end = self.pages >= i64::from(MOST_PAGES) - FOLD_FROM_PAGES;
        left >= FOLD_FROM_PAGES
            || (left > 0 && self.pages >= FOLD_FROM_PAGES && (is_quiet || is_near_the_end))
    }
}

impl Beside {
    fn work_off(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {
                    let looked = self.look();
                    self.note(&looked);
                }
                Ok(Order::Fold(done)) => {
                    let folded = self.fold_by_order();
                    self.note(&folded);
                    let _ = done.send(());
                }
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) -> rusqlite::Result<()> {
        let log = self.log("PRAGMA wal_checkpoint(NOOP)")?;
        if log.is_due(std::mem::replace(&mut self.before, log.pages)) {
            self.fold()?;
        }
        Ok(())
    }

    fn fold_by_order(&mut self) -> rusqlite::Result<()> {
        let now = Instant::now();
        if self.folded_at.is_none_or(|at| now.duration_since(at) >= FOLD_EVERY) {
            self.fold()?;
            self.folded_at = Some(now);
        }
        Ok(())
    }

    /// Waits for nobody, and holds up nobody.
    fn fold(&mut self) -> rusqlite::Result<()> {
        self.log("PRAGMA wal_checkpoint(PASSIVE)").map(drop)
    }

    fn log(&mut self, order: &str) -> rusqlite::Result<Log> {
        if self.connection.is_none() {
            self.connection = Some(connect(&self.path, self.file)?);
        }
        let connection = self.connection.as_ref().expect("opened above");
        connection
            .prepare_cached(order)?
            .query_row([], |row| Ok(Log { pages: row.get(1)?, folded: row.get(2)? }))
    }

    /// Told once. How far the log has grown is measured elsewhere, and shown.
    fn note<T>(&mut self, done: &rusqlite::Result<T>) {
        let was_failing = std::mem::replace(&mut self.is_failing, done.is_err());
        match done {
            Err(error) if !was_failing => {
                tracing::warn!(
                    "{}: its log cannot be folded back, and grows ({error}); look for a full disk",
                    self.file.name()
                );
            }
            Ok(_) if was_failing => tracing::warn!("{}: its log can be folded back again", self.file.name()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_folded_back_when_much_has_gathered_and_to_its_end_when_nobody_writes() {
        let most = i64::from(MOST_PAGES);
        let table = [
            ("an empty one", (0, 0), 0, false),
            ("a short one, for which the order of the minute is there", (999, 0), 999, false),
            ("much", (1000, 0), 700, true),
            ("all is folded back", (1000, 1000), 1000, false),
            ("much has come since", (2100, 1100), 2000, true),
            ("a little is left, and somebody writes", (1400, 1100), 1300, false),
            ("a little is left, and nobody writes", (1400, 1100), 1400, true),
            ("a little is left, and the end is near", (most - 1000, most - 1010), most - 1020, true),
        ];
        for (what, (pages, folded), before, is_due) in table {
            assert_eq!(Log { pages, folded }.is_due(before), is_due, "{what}");
        }
    }
}

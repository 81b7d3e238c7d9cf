//! The threads that write, one for each file: each takes what has queued up, commits it together, and then answers.
//!
//! Nothing waits for company. A batch is what arrived while the previous one was being put on disk, so a lone
//! write costs one sync, and a thousand at once cost one sync too. Nor does one file wait for another: the log is
//! what answers to clients wait for.
//!
//! Beside each of them a second thread folds the file's log back into it (`folding.rs`), so that no commit has to.
//!
//! A disk may also do nothing at all. A commit that has not ended within [`pulse::COMMIT_PATIENCE`] counts as hanging
//! (`pulse.rs`): who waits for that file is told at once, until the commit ends after all.

mod folding;
mod pulse;
#[cfg(feature = "simulation")]
pub(crate) mod simulated;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::StoreError;
use crate::condition::Findings;
use crate::file::StoreFile;
use folding::{Folder, Folding};
use pulse::{Hang, Pulse, Watch};

/// Writes to one file that may wait. One more is refused at once: waiting longer than this helps nobody.
const QUEUE_LIMIT: usize = 16_384;
/// Rows in one commit, so that the first of a long queue is not kept for the last.
const BATCH_LIMIT: usize = 512;

/// The answer to a write; ready when the write is committed, has failed, or waits for a disk that hangs.
///
/// The write is in the queue when this exists, and is carried out even if this is dropped, and also if it was told
/// that the disk hangs.
#[must_use = "a write is known to be on disk only once its receipt is ready"]
pub struct Receipt<T = u64>(Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>);

impl<T> Future for Receipt<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<T: Send + 'static> Receipt<T> {
    fn new(file: StoreFile, answer: oneshot::Receiver<Result<T, StoreError>>, hang: Hang) -> Receipt<T> {
        Receipt(Box::pin(async move {
            tokio::select! {
                biased;
                answer = answer => answer.unwrap_or(Err(StoreError::Closed)),
                () = hang.noticed() => Err(StoreError::Hangs { file: file.name() }),
            }
        }))
    }
}

#[derive(Clone)]
pub(crate) struct Writer {
    /// In the order of the files' numbers.
    lanes: [Lane; 3],
}

#[derive(Clone)]
struct Lane {
    orders: mpsc::Sender<Order>,
    pulse: Pulse,
    /// None under a simulated disk, which has no threads.
    folding: Option<Folding>,
}

/// The writer's own connection to each file.
pub(crate) struct Connections {
    pub(crate) audit: Connection,
    pub(crate) core: Connection,
    pub(crate) work: Connection,
    /// Where each commit notes how it went.
    pub(crate) findings: Findings,
}

impl Connections {
    fn desks(self) -> [Desk; 3] {
        let desk = |file, connection| {
            let (findings, pulse) = (self.findings.clone(), Pulse::default());
            Desk { file, connection, findings, pulse }
        };
        [
            desk(StoreFile::Audit, self.audit),
            desk(StoreFile::Core, self.core),
            desk(StoreFile::Work, self.work),
        ]
    }
}

enum Order {
    Change(
        #[cfg_attr(
            not(feature = "simulation"),
            expect(dead_code, reason = "a simulated disk has one queue")
        )]
        StoreFile,
        Box<dyn Change>,
    ),
    Stop,
}

impl Writer {
    pub(crate) fn start(connections: Connections) -> io::Result<Writer> {
        let findings = connections.findings.clone();
        let desks = connections.desks();
        let watch = Watch::start(findings, desks.each_ref().map(|desk| (desk.file, desk.pulse.clone())))?;
        let lanes = desks.map(|desk| {
            let (orders, queue) = mpsc::channel(QUEUE_LIMIT);
            let (pulse, watch) = (desk.pulse.clone(), watch.clone());
            let path = desk.connection.path().map(PathBuf::from).unwrap_or_default();
            let folder = Folder::start(desk.file, path)?;
            let folding = Some(folder.handle());
            let name = format!("store-{}", desk.file.name().trim_end_matches(".db"));
            let started = std::thread::Builder::new().name(name).spawn(move || {
                desk.work_off(queue, folder);
                drop(watch);
            });
            started.map(|_| Lane { orders, pulse, folding })
        });
        let [audit, core, work] = lanes;
        Ok(Writer { lanes: [audit?, core?, work?] })
    }

    /// Queues `change`. It may run twice, when another change of its batch failed, and then only the second
    /// run counts; so it must depend on the transaction and on what it owns, nothing else.
    pub(crate) fn write<T, F>(&self, file: StoreFile, change: F) -> Receipt<T>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.write_then(file, change, |written| written)
    }

    /// The same; `settled` sees how the write ended, on the writer's thread and before anything later is written, and
    /// may make something else of it.
    pub(crate) fn write_then<T, U, F, S>(&self, file: StoreFile, change: F, settled: S) -> Receipt<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: FnMut(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        S: FnOnce(Result<T, StoreError>) -> Result<U, StoreError> + Send + 'static,
    {
        let (answer, receipt) = oneshot::channel();
        let pending = Box::new(Pending { change, value: None, settled, answer });
        let lane = &self.lanes[file as usize];
        let receipt = Receipt::new(file, receipt, lane.pulse.hang());
        let (order, error) = match lane.orders.try_send(Order::Change(file, pending)) {
            Ok(()) => return receipt,
            Err(mpsc::error::TrySendError::Full(order)) => (order, StoreError::QueueFull),
            Err(mpsc::error::TrySendError::Closed(order)) => (order, StoreError::Closed),
        };
        if let Order::Change(_, pending) = order {
            pending.settle(Err(error));
        }
        receipt
    }

    /// Whether a commit to this file has been going on for longer than any may.
    pub(crate) fn hangs(&self, file: StoreFile) -> bool {
        self.lanes[file as usize].pulse.hangs()
    }

    /// Folds the log of a file back into it, beside the work; at most once a minute. Not waited for longer than a disk is
    /// given for a commit.
    pub(crate) async fn fold(&self, file: StoreFile) {
        if let Some(folding) = &self.lanes[file as usize].folding {
            let _ = tokio::time::timeout(pulse::COMMIT_PATIENCE, folding.fold()).await;
        }
    }

    /// Ready when all that was queued is committed and the files are closed. A file whose disk hangs is not waited for;
    /// false when there was one.
    pub(crate) async fn close(&self) -> bool {
        for lane in &self.lanes {
            // A queue that is full has its end once there is room.
            tokio::select! {
                biased;
                sent = lane.orders.send(Order::Stop) => drop(sent),
                () = lane.pulse.hang().noticed() => {}
            }
        }
        let mut are_closed = true;
        for lane in &self.lanes {
            are_closed &= tokio::select! {
                biased;
                () = lane.orders.closed() => true,
                () = lane.pulse.hang().noticed() => false,
            };
        }
        are_closed
    }
}

trait Change: Send {
    fn apply(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<F, T, S, U> {
    change: F,
    value: Option<T>,
    settled: S,
    answer: oneshot::Sender<Result<U, StoreError>>,
}

impl<F, T, S, U> Change for Pending<F, T, S, U>
where
    T: Send,
    U: Send,
    F: FnMut(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    S: FnOnce(Result<T, StoreError>) -> Result<U, StoreError> + Send,
{
    fn apply(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.value = Some((self.change)(transaction)?);
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let value = self.value.ok_or(StoreError::Closed);
        let settled = (self.settled)(committed.and(value));
        // Nobody listens when the receipt was dropped, which is allowed.
        let _ = self.answer.send(settled);
    }
}

/// One file's place of work.
struct Desk {
    file: StoreFile,
    connection: Connection,
    findings: Findings,
    pulse: Pulse,
}

type Batch = Vec<Box<dyn Change>>;

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl Desk {
    /// Commits what is queued until it is told to stop, or nobody is left who could queue anything.
    fn work_off(mut self, mut queue: mpsc::Receiver<Order>, folder: Folder) {
        let mut orders = Vec::new();
        while queue.blocking_recv_many(&mut orders, BATCH_LIMIT) > 0 {
            let (batch, next) = sorted(&mut orders);
            self.commit(batch);
            if next == Next::Stop {
                break;
            }
        }
        self.close(folder);
        // The end of the queue tells [`Writer::close`] that the file is closed.
        drop(queue);
    }

    /// The last connection folds the log back into its file, which takes the disk as well.
    fn close(self, folder: Folder) {
        self.pulse.begins();
        folder.end();
        drop(self.connection);
        self.pulse.ends();
    }

    fn commit(&mut self, mut batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let begun = Instant::now();
        let committed = match self.attempt(&mut batch) {
            Ok(()) => {
                self.findings.written(self.file, begun.elapsed());
                Ok(())
            }
            Err(Failure::OfOne(_)) if batch.len() > 1 => {
                batch.into_iter().for_each(|change| self.commit(vec![change]));
                return;
            }
            Err(Failure::OfOne(source) | Failure::OfAll(source)) => {
                self.findings.failed(self.file, &source);
                Err(StoreError::Write { file: self.file.name(), source: Arc::new(source) })
            }
        };
        // What the log could not take goes to the spool, which lies on a disk too.
        self.pulse.begins();
        for change in batch {
            change.settle(committed.clone());
        }
        self.pulse.ends();
    }

    fn attempt(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        self.pulse.queues();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Failure::OfAll)?;
        self.pulse.begins();
        for change in batch {
            change.apply(&transaction).map_err(Failure::OfOne)?;
        }
        transaction.commit().map_err(Failure::OfAll)
    }
}

/// The changes of one batch, in their order, and whether they are the last.
fn sorted(orders: &mut Vec<Order>) -> (Batch, Next) {
    let (mut batch, mut next) = (Batch::new(), Next::GoOn);
    for order in orders.drain(..) {
        match order {
            Order::Change(_, change) => batch.push(change),
            Order::Stop => next = Next::Stop,
        }
    }
    (batch, next)
}

enum Failure {
    /// A change was refused; the others may be fine without it.
    OfOne(rusqlite::Error),
    /// The transaction did not begin or did not end: the file is busy or the disk failed.
    OfAll(rusqlite::Error),
}

#[cfg(test)]
mod tests;

//! The one thread that writes: it takes what has queued up, commits it together, and then answers.
//!
//! Nothing waits for company. A batch is what arrived while the previous one was being put on disk, so a lone
//! write costs one sync, and a thousand at once cost one sync too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{io, thread};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::StoreError;
use crate::condition::Findings;
use crate::file::StoreFile;

/// Writes that may wait. One more is refused at once: waiting longer than this helps nobody.
const QUEUE_LIMIT: usize = 16_384;
/// Rows in one commit, so that the first of a long queue is not kept for the last.
const BATCH_LIMIT: usize = 512;

/// The answer to a write; ready when the write is committed, or has failed.
///
/// The write is in the queue when this exists, and is carried out even if this is dropped.
#[must_use = "a write is known to be on disk only once its receipt is ready"]
pub struct Receipt<T = u64>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Future for Receipt<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

#[derive(Clone)]
pub(crate) struct Writer {
    orders: mpsc::Sender<Order>,
}

/// The writer's own connection to each file.
pub(crate) struct Connections {
    pub(crate) audit: Connection,
    pub(crate) core: Connection,
    pub(crate) work: Connection,
    /// Where each commit notes how it went.
    pub(crate) findings: Findings,
}

enum Order {
    Change(StoreFile, Box<dyn Change>),
    Stop,
}

impl Writer {
    pub(crate) fn start(connections: Connections) -> io::Result<Writer> {
        let (orders, queue) = mpsc::channel(QUEUE_LIMIT);
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || run(connections, queue))?;
        Ok(Writer { orders })
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
        let (order, error) = match self.orders.try_send(Order::Change(file, pending)) {
            Ok(()) => return Receipt(receipt),
            Err(mpsc::error::TrySendError::Full(order)) => (order, StoreError::QueueFull),
            Err(mpsc::error::TrySendError::Closed(order)) => (order, StoreError::Closed),
        };
        if let Order::Change(_, pending) = order {
            pending.settle(Err(error));
        }
        Receipt(receipt)
    }

    /// Ready when all that was queued is committed and the files are closed.
    pub(crate) async fn close(&self) {
        if self.orders.send(Order::Stop).await.is_ok() {
            self.orders.closed().await;
        }
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

fn run(mut connections: Connections, mut queue: mpsc::Receiver<Order>) {
    let mut orders = Vec::new();
    while queue.blocking_recv_many(&mut orders, BATCH_LIMIT) > 0 {
        if carry_out(&mut connections, &mut orders) == Next::Stop {
            break;
        }
    }
    // In this order: the end of the queue tells [`Writer::close`] that the files are closed.
    drop(connections);
    drop(queue);
}

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// Commits what has queued up, one batch for each file.
fn carry_out(connections: &mut Connections, orders: &mut Vec<Order>) -> Next {
    let (mut to_audit, mut to_core, mut to_work) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = Next::GoOn;
    for order in orders.drain(..) {
        match order {
            Order::Change(StoreFile::Audit, change) => to_audit.push(change),
            Order::Change(StoreFile::Core, change) => to_core.push(change),
            Order::Change(StoreFile::Work, change) => to_work.push(change),
            Order::Stop => next = Next::Stop,
        }
    }
    // The audit log comes first: answers to clients wait for it.
    let findings = &connections.findings;
    commit(&mut connections.audit, StoreFile::Audit, to_audit, findings);
    commit(&mut connections.core, StoreFile::Core, to_core, findings);
    commit(&mut connections.work, StoreFile::Work, to_work, findings);
    next
}

type Batch = Vec<Box<dyn Change>>;

fn commit(connection: &mut Connection, file: StoreFile, mut batch: Batch, findings: &Findings) {
    if batch.is_empty() {
        return;
    }
    let begun = Instant::now();
    let committed = match attempt(connection, &mut batch) {
        Ok(()) => {
            findings.written(file, begun.elapsed());
            Ok(())
        }
        Err(Failure::OfOne(_)) if batch.len() > 1 => {
            batch.into_iter().for_each(|change| commit(connection, file, vec![change], findings));
            return;
        }
        Err(Failure::OfOne(source) | Failure::OfAll(source)) => {
            findings.failed(file, &source);
            Err(StoreError::Write { file: file.name(), source: Arc::new(source) })
        }
    };
    for change in batch {
        change.settle(committed.clone());
    }
}

enum Failure {
    /// A change was refused; the others may be fine without it.
    OfOne(rusqlite::Error),
    /// The transaction did not begin or did not end: the file is busy or the disk failed.
    OfAll(rusqlite::Error),
}

fn attempt(connection: &mut Connection, batch: &mut Batch) -> Result<(), Failure> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Failure::OfAll)?;
    for change in batch {
        change.apply(&transaction).map_err(Failure::OfOne)?;
    }
    transaction.commit().map_err(Failure::OfAll)
}

#[cfg(feature = "simulation")]
pub(crate) mod simulated;

#[cfg(test)]
mod tests;

//! The writer of a simulated box: a future in place of the thread, so that a paused clock waits for the disk.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{BATCH_LIMIT, Connections, Desk, Lane, Next, Order, QUEUE_LIMIT, Writer, sorted};
use crate::file::StoreFile;

/// The disk under a store that a simulation opened; nothing is written until [`Disk::run`] does.
pub struct Disk {
    /// Before the queue, whose end tells that the files are closed.
    desks: [Desk; 3],
    /// One for all files, so that a run can be repeated.
    queue: mpsc::Receiver<Order>,
}

/// What the disk does with one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    pub takes: Duration,
    /// The audit log cannot be written: SQLite refuses it, as it does on a file system that went read-only.
    pub audit_is_read_only: bool,
}

impl Disk {
    /// Commits what has queued up, each time with the fate that `fate` gives, until the store is closed.
    pub async fn run(mut self, mut fate: impl FnMut() -> Commit) {
        let mut orders = Vec::new();
        while self.queue.recv_many(&mut orders, BATCH_LIMIT).await > 0 {
            let commit = fate();
            sleep(commit.takes).await;
            self.set_read_only(commit.audit_is_read_only);
            if self.carry_out(&mut orders) == Next::Stop {
                return;
            }
        }
    }

    /// One batch for each file, the audit log's first.
    fn carry_out(&mut self, orders: &mut Vec<Order>) -> Next {
        let mut next = Next::GoOn;
        for desk in &mut self.desks {
            let is_its_own =
                |order: &mut Order| !matches!(order, Order::Change(file, _) if *file != desk.file);
            let mut own: Vec<Order> = orders.extract_if(.., is_its_own).collect();
            let (batch, then) = sorted(&mut own);
            desk.commit(batch);
            if then == Next::Stop {
                next = Next::Stop;
            }
        }
        next
    }

    fn set_read_only(&self, read_only: bool) {
        let audit = &self.desks[StoreFile::Audit as usize].connection;
        audit.pragma_update(None, "query_only", read_only).expect("SQLite takes the pragma at any time");
    }
}

impl Writer {
    pub(crate) fn simulated(connections: Connections) -> (Writer, Disk) {
        let (orders, queue) = mpsc::channel(QUEUE_LIMIT);
        let desks = connections.desks();
        let lanes = desks.each_ref().map(|desk| {
            let (orders, pulse) = (orders.clone(), desk.pulse.clone());
            Lane { orders, pulse, folding: None }
        });
        (Writer { lanes }, Disk { desks, queue })
    }
}

//! The writer of a simulated box: a future in place of the thread, so that a paused clock waits for the disk.

use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{BATCH_LIMIT, Connections, Next, Order, QUEUE_LIMIT, Writer, carry_out};

/// The disk under a store that a simulation opened; nothing is written until [`Disk::run`] does.
pub struct Disk {
    /// Before the queue, whose end tells that the files are closed.
    connections: Connections,
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
            if carry_out(&mut self.connections, &mut orders) == Next::Stop {
                return;
            }
        }
    }

    fn set_read_only(&self, read_only: bool) {
        let set = |audit: &Connection| audit.pragma_update(None, "query_only", read_only);
        set(&self.connections.audit).expect("SQLite takes the pragma at any time");
    }
}

impl Writer {
    pub(crate) fn simulated(connections: Connections) -> (Writer, Disk) {
        let (orders, queue) = mpsc::channel(QUEUE_LIMIT);
        (Writer { orders }, Disk { connections, queue })
    }
}

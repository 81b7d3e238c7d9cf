//! Whether a disk answers: each file's commit that goes on for too long is noticed by a thread of its own.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::condition::Findings;
use crate::file::StoreFile;

/// A commit that takes longer than this hangs: the disk under it does not answer.
pub(super) const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// Another process may hold the file for as long as SQLite's own patience (`file.rs`); SQLite ends that wait itself, so
/// only a wait for much longer is the disk's.
const QUEUE_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What one file's writer is at. All clones are one.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Beat>);

#[derive(Default)]
struct Beat {
    /// Until when the work at hand must be done; none while there is none.
    due: Mutex<Option<Instant>>,
    hangs: watch::Sender<bool>,
}

impl Pulse {
    /// Waits for others to let go of the file.
    pub(super) fn queues(&self) {
        self.work_until(Some(QUEUE_PATIENCE));
    }

    /// Gives the disk something to do.
    pub(super) fn begins(&self) {
        self.work_until(Some(COMMIT_PATIENCE));
    }

    pub(super) fn ends(&self) {
        self.work_until(None);
    }

    pub(super) fn hangs(&self) -> bool {
        *self.0.hangs.borrow()
    }

    pub(super) fn hang(&self) -> Hang {
        Hang(self.0.hangs.subscribe())
    }

    fn work_until(&self, patience: Option<Duration>) {
        let mut due = self.due();
        *due = patience.map(|patience| Instant::now() + patience);
        // Whatever was at hand has ended: the disk answers.
        self.0.hangs.send_if_modified(|hangs| std::mem::replace(hangs, false));
    }

    /// True when it has just begun to hang.
    fn look(&self, now: Instant) -> bool {
        let due = self.due();
        let is_late = due.is_some_and(|due| now > due);
        is_late && self.0.hangs.send_if_modified(|hangs| !std::mem::replace(hangs, true))
    }

    /// The lock guards one value, so a panic elsewhere leaves nothing half done in it.
    fn due(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for the moment at which a file's disk is found to hang.
pub(super) struct Hang(watch::Receiver<bool>);

impl Hang {
    pub(super) async fn noticed(mut self) {
        let noticed = self.0.wait_for(|hangs| *hangs).await.is_ok();
        if !noticed {
            // The store is gone, and with it whatever could hang.
            std::future::pending::<()>().await;
        }
    }
}

/// Keeps the thread that looks alive; it ends with the last of them.
#[derive(Clone)]
pub(super) struct Watch {
    _end: Sender<()>,
}

impl Watch {
    pub(super) fn start(findings: Findings, pulses: [(StoreFile, Pulse); 3]) -> io::Result<Watch> {
        let (end, ended) = channel::<()>();
        let look = move || {
            while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let late = pulses.iter().filter(|(_, pulse)| pulse.look(Instant::now()));
                late.for_each(|(file, _)| findings.hangs(*file));
            }
        };
        std::thread::Builder::new().name("store-watch".to_owned()).spawn(look)?;
        Ok(Watch { _end: end })
    }
}

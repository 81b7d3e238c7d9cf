//! Checkpoints to the local syslog, which passes them on to wherever the house collects its logs.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use store::{AnchorTrouble, Audit, StoreError};
use verifier::Checkpoint;

/// Facility `authpriv` (10), severity `notice` (5), as RFC 3164 counts them.
const PRIORITY: u32 = 10 * 8 + 5;
/// Messages in one look; a syslog that was away gets the rest with the next ones.
const PAGE: u32 = 100;

pub(super) struct Syslog {
    path: PathBuf,
    /// The newest one that was sent; none before the first look.
    sent: Option<u64>,
    is_failing: bool,
}

#[derive(Debug, thiserror::Error)]
enum SyslogError {
    #[error(transparent)]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Log(#[from] StoreError),
}

impl Syslog {
    pub(super) fn new(path: PathBuf) -> Syslog {
        Syslog { path, sent: None, is_failing: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn trouble(&self) -> Option<AnchorTrouble> {
        self.is_failing.then_some(AnchorTrouble::Failing)
    }

    /// Sends the checkpoints that are new since the last look; after a start, the newest one.
    pub(super) fn catch_up(&mut self, audit: &Audit) {
        let caught_up = self.send_new(audit);
        if caught_up.is_err() == self.is_failing {
            return;
        }
        self.is_failing = caught_up.is_err();
        let path = self.path.display();
        match caught_up {
            Ok(()) => tracing::info!("the syslog at {path} takes checkpoints again"),
            Err(error) => tracing::error!("{path}: the syslog does not take checkpoints ({error})"),
        }
    }

    fn send_new(&mut self, audit: &Audit) -> Result<(), SyslogError> {
        let Some(newest) = audit.newest_checkpoint()? else { return Ok(()) };
        let sent = self.sent.unwrap_or(newest.number - 1);
        for checkpoint in audit.checkpoints(sent, PAGE)? {
            send(&self.path, &checkpoint)?;
            self.sent = Some(checkpoint.number);
        }
        Ok(())
    }
}

fn send(path: &Path, checkpoint: &Checkpoint) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A syslog that is stuck must not hold up the box.
    socket.set_nonblocking(true)?;
    let now = jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string();
    let message = format!("<{PRIORITY}>{now} genset[{}]: audit {}", std::process::id(), checkpoint.to_line());
    socket.send_to(message.as_bytes(), path).map(drop)
}

#[cfg(test)]
mod tests {
    use store::{EventRow, Store};
    use tempfile::TempDir;
    use verifier::{Anchor, anchors};

    use super::*;

    #[tokio::test]
    async fn a_checkpoint_goes_to_the_syslog_once_and_reads_back_from_there() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let path = dir.path().join("log");
        let mut syslog = Syslog::new(path.clone());
        drop(store.audit.event(EventRow { what: "sign-in".into(), ..EventRow::default() }));
        let checkpoint = store.audit.checkpoint().await.unwrap().unwrap();
        syslog.catch_up(&store.audit);
        assert!(syslog.is_failing, "there is no syslog yet");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        syslog.catch_up(&store.audit);
        syslog.catch_up(&store.audit);
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).unwrap();
        let message = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(message.starts_with("<85>") && length < 1024, "{message}");
        assert_eq!(anchors(message).unwrap(), [Anchor::Checkpoint(checkpoint)]);
        assert!(socket.recv(&mut buffer).is_err(), "it is said once");
    }
}

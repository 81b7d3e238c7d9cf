//! Signs the audit log once a minute, and writes each checkpoint down outside the box.

mod file;
mod syslog;

use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use store::{AnchorCondition, Audit, Store};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use file::AnchorFile;
use syslog::Syslog;

/// How often it looks for new checkpoints, and for a medium that is back.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A row waits so long for a signature at most.
const SIGN_EVERY: Duration = Duration::from_secs(60);

/// Where checkpoints are written down outside the box.
#[derive(Debug, Clone, Default)]
pub struct AnchorSettings {
    /// A file in a folder that may be away, such as one on removable media.
    pub file: Option<PathBuf>,
    /// The socket of the local syslog.
    pub syslog: Option<PathBuf>,
}

/// Adds the log's numbers to what `/metrics` says.
pub(crate) fn register(registry: &mut Registry, audit: Audit) {
    registry.register_collector(Box::new(Readings(audit)));
}

struct Readings(Audit);

impl std::fmt::Debug for Readings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readings of the audit log")
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (rows, commits) = self.0.written();
        let counts = [
            ("audit_rows", "Rows that were put into the audit log", rows),
            ("audit_commits", "Commits that put them there, several rows in each", commits),
        ];
        for (name, help, count) in counts {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let waiting = ConstGauge::new(self.0.spool().rows as i64);
        let help = "Rows that wait because the audit log cannot be written";
        waiting.encode(encoder.encode_descriptor("audit_spooled_rows", help, None, waiting.metric_type())?)
    }
}

pub(crate) struct AuditKeeper {
    store: Store,
    audit: Audit,
    file: Option<AnchorFile>,
    syslog: Option<Syslog>,
    /// How the anchors were at the last look.
    known: Vec<AnchorCondition>,
    /// The newest look whether the spool can be written.
    proving: Option<tokio::task::JoinHandle<()>>,
    /// The log could not be signed at the last try.
    is_failing: bool,
}

impl AuditKeeper {
    pub(crate) fn new(store: Store, settings: AnchorSettings) -> AuditKeeper {
        let audit = store.audit.clone();
        let file = settings.file.map(AnchorFile::new);
        let syslog = settings.syslog.map(Syslog::new);
        AuditKeeper { store, audit, file, syslog, known: Vec::new(), proving: None, is_failing: false }
    }

    /// Runs until it is cancelled; the last rows are signed and written down before it ends.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let (mut look, mut sign) = (interval(LOOK_EVERY), interval(SIGN_EVERY));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sign.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = sign.tick() => self.sign().await,
                _ = look.tick() => self.recover().await,
            }
            self.write_down().await;
        }
        self.sign().await;
        self.write_down().await;
    }

    /// A log that was in trouble is tried again, and takes what has waited for it.
    async fn recover(&mut self) {
        if self.audit.is_well() && self.audit.spool().rows == 0 {
            return;
        }
        // One at a time, and nobody waits for it: on a disk that hangs it does not come back.
        if self.proving.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
            let audit = self.audit.clone();
            self.proving = Some(tokio::task::spawn_blocking(move || audit.prove_spool()));
        }
        let waited = self.audit.spool();
        if self.audit.prove_writable().await.is_ok() {
            let (rows, lost) = (waited.rows, waited.lost);
            tracing::warn!(
                "the audit log can be written again: {rows} rows that waited are in it, {lost} were lost"
            );
        }
    }

    async fn sign(&mut self) {
        match self.audit.checkpoint().await {
            Ok(_) => self.is_failing = false,
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let error = crate::app::with_sources(&error);
                    tracing::error!("the audit log cannot be signed: {error}");
                }
            }
        }
    }

    async fn write_down(&mut self) {
        if let Some(syslog) = &mut self.syslog {
            syslog.catch_up(&self.audit);
        }
        if let Some(file) = &mut self.file {
            file.catch_up(&self.audit).await;
        }
        let syslog = self.syslog.as_ref().map(|syslog| ("syslog", syslog.path(), syslog.trouble()));
        let file = self.file.as_ref().map(|file| ("file", file.path(), file.trouble()));
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let known = &self.known;
        let anchors = syslog.into_iter().chain(file).map(|(kind, path, trouble)| {
            let before = known.iter().find(|known| known.kind == kind && known.trouble == trouble);
            let since_ms = trouble.map(|_| before.and_then(|known| known.since_ms).unwrap_or(now_ms));
            AnchorCondition { kind, place: path.display().to_string(), trouble, since_ms }
        });
        self.known = anchors.collect();
        self.store.note_anchors(self.known.clone());
    }
}

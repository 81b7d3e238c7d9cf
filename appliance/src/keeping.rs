//! The box's care for its own store: writes that prove the disk, checks of every page, and its numbers.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde_json::json;
use store::{BackupCondition, Condition, EventRow, Store};
use tokio_util::sync::CancellationToken;

use crate::config::{BackupSettings, Config};
use crate::{backup, retention};

/// An idle box learns so soon that its disk is full or read-only, and so soon that it is well again.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// After a backup that failed.
const RETRY_AFTER_MS: i64 = 3_600_000;

/// Looks after the store until it is cancelled.
pub(crate) struct Keeping {
    store: Store,
    config: Config,
}

impl Keeping {
    pub(crate) fn new(store: Store, config: Config) -> Keeping {
        Keeping { store, config }
    }

    pub(crate) async fn run(self, cancel: CancellationToken) {
        let look = async {
            loop {
                self.store.look_after_itself().await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let check = async {
            loop {
                if self.store.is_check_due() {
                    self.check().await;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let back_up = async {
            let Some(settings) = &self.config.backup else { return };
            backup::remove_old_scratch(&self.config.data_dir);
            loop {
                self.back_up(settings).await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let sweep = retention::keep(&self.store, &self.config.retention);
        cancel.run_until_cancelled(futures_util::future::join4(look, check, back_up, sweep)).await;
    }

    /// Makes the backup of the night when its time has come, and tries one that failed again after an hour.
    async fn back_up(&self, settings: &BackupSettings) {
        let condition = backup::condition(&self.store);
        self.store.note_backups(condition.clone());
        if !condition.has_sheet || !is_due(&condition, settings, Timestamp::now()) {
            return;
        }
        match backup::make(&self.store, &self.config, &settings.folder, "box").await {
            Ok(made) => {
                tracing::info!(
                    "backup {}: {} bytes, read back and checked",
                    made.file.display(),
                    made.size_bytes
                );
                if let Err(error) = backup::prune(&settings.folder, settings.keep as usize) {
                    tracing::warn!("old backups cannot be removed: {error}");
                }
            }
            Err(error) => tracing::error!("no backup was made: {error}"),
        }
        self.store.note_backups(backup::condition(&self.store));
    }

    async fn check(&self) {
        let whole_before = self.store.condition().is_whole();
        self.store.check_all().await;
        let condition = self.store.condition();
        if condition.is_whole() {
            tracing::info!("all files of the store were checked in full: they are whole");
        }
        if whole_before && !condition.is_whole() {
            let damaged = condition.files.iter().filter(|file| file.damage.is_some());
            let files: Vec<_> = damaged.map(|file| file.file).collect();
            drop(self.store.audit.event(event("store-damaged", json!({ "files": files }))));
        }
    }
}

/// None was verified since the last night's time; one that failed has had an hour.
fn is_due(condition: &BackupCondition, settings: &BackupSettings, now: Timestamp) -> bool {
    let Some(last_ms) = last_night(settings.at, &settings.time_zone, now) else { return false };
    let retried = condition.failed_ms.is_some_and(|at_ms| now.as_millisecond() - at_ms < RETRY_AFTER_MS);
    condition.verified_ms.is_none_or(|at_ms| at_ms < last_ms) && !retried
}

/// When it was last this time of day, unix milliseconds.
pub(crate) fn last_night(at: Time, time_zone: &TimeZone, now: Timestamp) -> Option<i64> {
    let local = now.to_zoned(time_zone.clone());
    let night = |date: Date| date.to_datetime(at).to_zoned(time_zone.clone()).ok();
    let tonight = night(local.date()).filter(|at| *at <= local);
    let last = tonight.or_else(|| night(local.date().yesterday().ok()?));
    last.map(|at| at.timestamp().as_millisecond())
}

/// Marks the box as running; says and records that the last one did not stop in order.
pub(crate) fn begin_life(store: &Store) {
    match store.begin_life() {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!("the box was not stopped in order the last time: all files are checked in full");
            drop(store.audit.event(event("unclean-stop", json!(null))));
        }
        Err(error) => {
            tracing::error!("the mark of a running box cannot be made in the data folder ({error})");
        }
    }
}

fn event(what: &str, detail: serde_json::Value) -> EventRow {
    let at_ms = jiff::Timestamp::now().as_millisecond();
    EventRow { at_ms, who: "box".into(), what: what.into(), detail }
}

/// Adds the store's numbers to what `/metrics` says.
pub(crate) fn register(registry: &mut Registry, store: Store) {
    registry.register_collector(Box::new(Readings(store)));
}

struct Readings(Store);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FileLabel {
    file: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnchorLabel {
    anchor: &'static str,
}

impl std::fmt::Debug for Readings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readings of the store")
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Condition { files, checked_ms, backup, anchors, directory, .. } = self.0.condition();
        if !anchors.is_empty() {
            let kind = ConstGauge::new(0.0).metric_type();
            let help = "1 while the newest checkpoint of the audit log is written down there";
            let mut metric = encoder.encode_descriptor("audit_anchor_current", help, None, kind)?;
            for anchor in &anchors {
                let current = ConstGauge::new(f64::from(u8::from(anchor.trouble.is_none())));
                current.encode(metric.encode_family(&AnchorLabel { anchor: anchor.kind })?)?;
            }
        }
        for (name, help, value) in NUMBERS {
            let kind = ConstGauge::new(0.0).metric_type();
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for file in &files {
                let label = FileLabel { file: file.file };
                ConstGauge::new(value(file)).encode(metric.encode_family(&label)?)?;
            }
        }
        let checked = ConstGauge::new(checked_ms.map_or(0.0, |at_ms| at_ms as f64 / 1000.0));
        let name = "store_checked_timestamp_seconds";
        let help = "When all files were last checked in full, and found whole";
        checked.encode(encoder.encode_descriptor(name, help, None, checked.metric_type())?)?;
        if let Some(directory) = directory {
            let numbers = [
                (
                    "directory_reachable",
                    "1 while the building's directory can be asked",
                    f64::from(u8::from(directory.reachable == Some(true))),
                ),
                (
                    "directory_cached_people",
                    "People who could sign in without the directory now",
                    directory.cached_people as f64,
                ),
            ];
            for (name, help, number) in numbers {
                let gauge = ConstGauge::new(number);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
            }
        }
        let Some(backup) = backup else { return Ok(()) };
        let verified = ConstGauge::new(backup.verified_ms.map_or(0.0, |at_ms| at_ms as f64 / 1000.0));
        let name = "backup_last_verified_timestamp_seconds";
        let help = "When the last backup began that was read back and found whole";
        verified.encode(encoder.encode_descriptor(name, help, None, verified.metric_type())?)
    }
}

type Number = (&'static str, &'static str, fn(&store::FileCondition) -> f64);

const NUMBERS: [Number; 2] = [
    ("sqlite_wal_bytes", "Size of the write-ahead log", |file| file.wal_bytes as f64),
    ("store_writable", "1 while the newest write was put on disk", |file| {
        f64::from(u8::from(file.trouble.is_none()))
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_due_once_a_night_and_an_hour_after_a_failure() {
        let settings = BackupSettings {
            folder: "/nowhere".into(),
            at: jiff::civil::time(2, 30, 0, 0),
            time_zone: jiff::tz::TimeZone::UTC,
            keep: 14,
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let due = |verified: Option<&str>, failed: Option<&str>, now: &str| {
            let ms = |text: Option<&str>| text.map(|text| at(text).as_millisecond());
            let (verified_ms, failed_ms) = (ms(verified), ms(failed));
            is_due(
                &BackupCondition { verified_ms, failed_ms, ..BackupCondition::default() },
                &settings,
                at(now),
            )
        };
        assert!(due(None, None, "2026-11-21T12:00:00Z"));
        let last_night = Some("2026-11-20T02:31:00Z");
        assert!(!due(last_night, None, "2026-11-21T02:29:00Z"));
        assert!(due(last_night, None, "2026-11-21T02:30:00Z"));
        assert!(!due(last_night, Some("2026-11-21T02:31:00Z"), "2026-11-21T03:30:00Z"));
        assert!(due(last_night, Some("2026-11-21T02:31:00Z"), "2026-11-21T03:32:00Z"));
        assert!(!due(Some("2026-11-21T02:30:00Z"), None, "2026-11-21T23:59:00Z"));
    }
}

//! The box's care for its own store: writes that prove the disk, checks of every page, and its numbers.

use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde_json::json;
use store::{Condition, EventRow, Store};
use tokio_util::sync::CancellationToken;

/// An idle box learns so soon that its disk is full or read-only, and so soon that it is well again.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Looks after the store until it is cancelled.
pub(crate) struct Keeping {
    store: Store,
}

impl Keeping {
    pub(crate) fn new(store: Store) -> Keeping {
        Keeping { store }
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
        cancel.run_until_cancelled(futures_util::future::join(look, check)).await;
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

impl std::fmt::Debug for Readings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readings of the store")
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Condition { files, checked_ms, .. } = self.0.condition();
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
        checked.encode(encoder.encode_descriptor(name, help, None, checked.metric_type())?)
    }
}

type Number = (&'static str, &'static str, fn(&store::FileCondition) -> f64);

const NUMBERS: [Number; 2] = [
    ("sqlite_wal_bytes", "Size of the write-ahead log", |file| file.wal_bytes as f64),
    ("store_writable", "1 while the newest write was put on disk", |file| {
        f64::from(u8::from(file.trouble.is_none()))
    }),
];

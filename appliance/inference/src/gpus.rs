//! The GPUs of this machine as control sees them: what the kernel lists, and what NVIDIA's own library says of them.
//!
//! Control computes nothing on a GPU, and no worker is asked: a worker is confined and may be wrong. What is read here
//! is published as one snapshot every few seconds, by a thread of its own, because a driver in trouble may keep whoever
//! asks it waiting for ever.

mod found;
mod nvml;
mod reading;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use found::{FoundGpu, IdleGpu, Vendor, Why, idle, look};
pub use reading::{GpuReading, Worry, Xid};

/// Time between two readings.
const EVERY: Duration = Duration::from_secs(5);

/// Time between two looks for a library that was not there, or did not work.
const RETRY: Duration = Duration::from_secs(60);

/// A driver that has not answered for so long does not answer.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// What is known of the GPUs now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gpus {
    /// What the kernel lists, whether anybody can use it or not.
    pub found: Vec<FoundGpu>,
    /// What NVML says, GPU by GPU; empty where there is no NVML.
    pub readings: Vec<GpuReading>,
    /// The version of NVIDIA's driver.
    pub driver: Option<String>,
    /// NVML is there and does not work: what it says.
    pub trouble: Option<String>,
    /// When the readings were taken.
    pub read_at: Option<Instant>,
}

impl Gpus {
    /// Memory that a process has on all GPUs together, in bytes. None where nobody can tell.
    pub fn memory_of(&self, pid: u32) -> Option<u64> {
        let of_all = self.readings.iter().flat_map(|gpu| &gpu.processes);
        let bytes: Vec<u64> = of_all.filter(|(its, _)| *its == pid).map(|(_, bytes)| *bytes).collect();
        (!bytes.is_empty()).then(|| bytes.iter().sum())
    }

    /// The driver has taken a reading lately, or there is nobody to take one.
    pub fn is_fresh(&self) -> bool {
        self.read_at.is_none_or(|at| at.elapsed() <= STALE_AFTER)
    }
}

/// The newest [`Gpus`].
pub type GpuView = watch::Receiver<Arc<Gpus>>;

/// Publishes what is known of the GPUs until it is cancelled.
pub struct GpuWatch {
    publish: watch::Sender<Arc<Gpus>>,
    /// NVIDIA's library, by name or path.
    library: PathBuf,
    /// Where `dev` and `sys` are.
    root: PathBuf,
    every: Duration,
}

impl GpuWatch {
    /// The first snapshot says what the kernel lists; the readings follow once [`run`](GpuWatch::run) does.
    pub fn new() -> (GpuWatch, GpuView) {
        GpuWatch::of("libnvidia-ml.so.1".into(), "/".into(), EVERY)
    }

    fn of(library: PathBuf, root: PathBuf, every: Duration) -> (GpuWatch, GpuView) {
        let first = Gpus { found: look(&root), ..Gpus::default() };
        let (publish, view) = watch::channel(Arc::new(first));
        (GpuWatch { publish, library, root, every }, view)
    }

    /// # Panics
    /// Where the machine can start no thread.
    pub async fn run(self, cancel: CancellationToken) {
        let (stop, stopped) = mpsc::channel();
        let reader = std::thread::Builder::new().name("gpus".into());
        reader.spawn(move || nvml::keep_reading(&self, &stopped)).expect("a thread can be started");
        cancel.cancelled().await;
        // A driver that hangs is not waited for.
        drop(stop);
    }
}

/// For those who have nothing to watch: a machine without GPUs.
pub fn none() -> GpuView {
    watch::channel(Arc::new(Gpus::default())).1
}

#[cfg(test)]
mod tests;

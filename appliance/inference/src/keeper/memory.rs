//! What memory a worker has, and when it has grown by too much.

use std::fs;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// Readings in a row that must be over the bound: a burst of long prompts is no growth.
const READINGS: u32 = 3;

/// What a worker may grow by on GPUs. The engine takes there what it needs at the start, so this is little.
const GPU_PERCENT: u64 = 10;
const GPU_LEAST_BYTES: u64 = 512 << 20;

/// By how much a worker may grow, and when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Of what it had when it was warm, in its own memory; the weights in the page cache do not count.
    pub percent: u32,
    /// So much may be added in any case, in bytes.
    pub least_bytes: u64,
    /// Time between two readings.
    pub every: Duration,
    /// From its first token until it has all that it needs.
    pub warm_up: Duration,
    /// How long one that has grown is left for a moment without answers; then they go on with the next worker.
    pub patience: Duration,
}

impl Default for Growth {
    fn default() -> Growth {
        Growth {
            percent: 50,
            least_bytes: 128 << 20,
            every: Duration::from_secs(5),
            warm_up: Duration::from_secs(60),
            patience: Duration::from_secs(30),
        }
    }
}

impl Memory {
    /// Of two processes together.
    pub(crate) fn and(self, other: Memory) -> Memory {
        let both = |one: Option<u64>, other: Option<u64>| one.zip(other).map(|(one, other)| one + other);
        Memory {
            resident_bytes: self.resident_bytes + other.resident_bytes,
            own_bytes: self.own_bytes + other.own_bytes,
            gpu_bytes: both(self.gpu_bytes, other.gpu_bytes),
            warm_bytes: both(self.warm_bytes, other.warm_bytes),
        }
    }
}

impl Growth {
    fn bound(self, baseline: u64) -> u64 {
        bound(baseline, self.percent.into(), self.least_bytes)
    }
}

fn bound(baseline: u64, percent: u64, least: u64) -> u64 {
    baseline.saturating_add((baseline / 100).saturating_mul(percent).max(least))
}

/// What a worker process has at one moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All that is in this machine's memory, the weights that it maps included.
    pub resident_bytes: u64,
    /// What is its own and nobody else's, swapped out or not.
    pub own_bytes: u64,
    /// On all GPUs together, where somebody can tell.
    pub gpu_bytes: Option<u64>,
    /// What was its own when it was warm: growth is measured against this.
    pub warm_bytes: Option<u64>,
}

impl Memory {
    /// Of a process, from what the kernel tells everybody.
    pub(super) fn of(pid: u32) -> Option<Memory> {
        Memory::parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }

    /// What is in memory of the files that it maps.
    pub(super) fn mapped_bytes(self) -> u64 {
        self.resident_bytes.saturating_sub(self.own_bytes)
    }

    fn parse(status: &str) -> Option<Memory> {
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        };
        let own = ["RssAnon", "RssShmem", "VmSwap"].map(|name| kilobytes(name).unwrap_or(0));
        let own_bytes = own.iter().sum();
        Some(Memory { resident_bytes: kilobytes("VmRSS")?, own_bytes, ..Memory::default() })
    }
}

/// A worker was replaced because it had grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replacement {
    /// How many there have been of this model's, this one included.
    pub count: u64,
    /// From what it had when it was warm to what it had in the end, in bytes.
    pub from_bytes: u64,
    pub to_bytes: u64,
    /// It grew on a GPU rather than in this machine's memory.
    pub on_gpu: bool,
    /// Answers that were running and go on with the next worker.
    pub answers: usize,
}

/// Looks at the readings of one worker.
pub(super) struct Scale {
    growth: Growth,
    warm_from: Option<Instant>,
    baseline: Option<Memory>,
    /// Readings in a row that were over the bound.
    over: u32,
    /// What the worker may keep besides.
    allowed_bytes: u64,
}

/// From how many bytes to how many, and whether on a GPU.
pub(super) type Grown = (u64, u64, bool);

impl Scale {
    pub(super) fn new(growth: Growth) -> Scale {
        Scale { growth, warm_from: None, baseline: None, over: 0, allowed_bytes: 0 }
    }

    /// The worker has said how much it may come to hold besides.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.allowed_bytes = bytes;
    }

    /// The worker has given a token.
    pub(super) fn has_worked(&mut self, now: Instant) {
        self.warm_from.get_or_insert(now + self.growth.warm_up);
    }

    /// Takes a reading; says by how much the worker has grown, when that is too much and no burst.
    pub(super) fn weigh(&mut self, memory: Memory, now: Instant) -> Option<Grown> {
        if self.warm_from.is_none_or(|warm| now < warm) {
            return None;
        }
        let baseline = self.baseline.get_or_insert(memory);
        // Who can tell what is on a GPU may come later than the first reading.
        baseline.gpu_bytes = baseline.gpu_bytes.or(memory.gpu_bytes);
        let baseline = *baseline;
        let grown = self.grown(baseline, memory);
        self.over = grown.map_or(0, |_| self.over + 1);
        grown.filter(|_| self.over >= READINGS)
    }

    pub(super) fn warm_bytes(&self) -> Option<u64> {
        self.baseline.map(|memory| memory.own_bytes)
    }

    fn grown(&self, was: Memory, is: Memory) -> Option<Grown> {
        if is.own_bytes > self.growth.bound(was.own_bytes).saturating_add(self.allowed_bytes) {
            return Some((was.own_bytes, is.own_bytes, false));
        }
        let (was, is) = (was.gpu_bytes?, is.gpu_bytes?);
        (is > bound(was, GPU_PERCENT, GPU_LEAST_BYTES)).then_some((was, is, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn own(megabytes: u64) -> Memory {
        Memory { resident_bytes: 5000 * MB, own_bytes: megabytes * MB, ..Memory::default() }
    }

    fn on_gpu(megabytes: u64) -> Memory {
        Memory { gpu_bytes: Some(megabytes * MB), ..own(100) }
    }

    /// What is said of each reading, a second apart, after the warm-up.
    fn weighed(readings: &[Memory]) -> Vec<Option<Grown>> {
        let begun = Instant::now();
        let mut scale = Scale::new(Growth::default());
        scale.has_worked(begun);
        let at = |second: u64| begun + Growth::default().warm_up + Duration::from_secs(second);
        (0..).zip(readings).map(|(second, memory)| scale.weigh(*memory, at(second))).collect()
    }

    #[test]
    fn growth_is_told_at_the_third_reading_in_a_row() {
        let grown = Some((1000 * MB, 1501 * MB, false));
        assert_eq!(weighed(&[own(1000), own(1501), own(1501), own(1501)]), [None, None, None, grown]);
        assert_eq!(weighed(&[own(1000), own(1500), own(1500), own(1500)]), [None; 4], "the bound itself");
        let burst = [own(1000), own(1600), own(1600), own(1000), own(1600), own(1600)];
        assert_eq!(weighed(&burst), [None; 6]);
    }

    #[test]
    fn what_a_worker_may_keep_of_ended_answers_is_no_growth() {
        let begun = Instant::now();
        let mut scale = Scale::new(Growth::default());
        scale.allow(200 * MB);
        scale.has_worked(begun);
        let later = begun + Growth::default().warm_up;
        scale.weigh(own(1000), later);
        assert_eq!((0..9).find_map(|_| scale.weigh(own(1700), later)), None, "half, and what it may keep");
        assert_eq!((0..9).find_map(|_| scale.weigh(own(1701), later)), Some((1000 * MB, 1701 * MB, false)));
    }

    #[test]
    fn a_small_worker_may_grow_by_a_floor() {
        assert_eq!(weighed(&[own(10), own(138), own(138), own(138)]), [None; 4]);
        assert_eq!(weighed(&[own(10), own(139), own(139), own(139)])[3], Some((10 * MB, 139 * MB, false)));
    }

    #[test]
    fn gpus_have_a_bound_of_their_own() {
        let from_10_gb = |to| weighed(&[on_gpu(10_000), on_gpu(to), on_gpu(to), on_gpu(to)])[3];
        assert_eq!(from_10_gb(11_000), None);
        assert_eq!(from_10_gb(11_001), Some((10_000 * MB, 11_001 * MB, true)));
        assert_eq!(
            weighed(&[on_gpu(100), own(100), on_gpu(9000), own(100)]),
            [None; 4],
            "not known is not grown"
        );
    }

    #[test]
    fn what_a_worker_takes_while_it_warms_up_is_no_growth() {
        let now = Instant::now();
        let mut scale = Scale::new(Growth::default());
        assert_eq!(scale.weigh(own(1), now), None, "no token yet");
        scale.has_worked(now);
        for second in 0..60 {
            assert_eq!(scale.weigh(own(second * 1000), now + Duration::from_secs(second)), None);
        }
        let warm = now + Growth::default().warm_up;
        assert_eq!((0..9).find_map(|_| scale.weigh(own(60_000), warm)), None, "it is the baseline");
    }

    #[test]
    fn the_kernels_words_are_read_in_bytes() {
        let status = "Name:\tgenset\nVmRSS:\t    300 kB\nRssAnon:\t     100 kB\nRssFile:\t 180 kB\nRssShmem:\t      20 kB\nVmSwap:\t       7 kB\n";
        let memory = Memory { resident_bytes: 300 << 10, own_bytes: 127 << 10, ..Memory::default() };
        assert_eq!(Memory::parse(status), Some(memory));
        assert_eq!(Memory::parse("Name:\tkthreadd\n"), None);
        assert!(Memory::of(std::process::id()).is_some_and(|own| own.own_bytes > 0));
    }
}

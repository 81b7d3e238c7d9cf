//! What the kernel gives to a program, replaced by what a seed gives: random bytes and the wall clock.
//!
//! The two C functions stand in the program itself, so that everything in it finds them before the C library's: the
//! hashers of the standard library, the order in which tokio looks at the arms of a `select!`, the gateway's jitter
//! and its request numbers, the keys that the store makes, and every time that is written down. So the code under
//! test needs no hook for either, and draws from the same sources as on a box.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::ClockId;

/// 2026-03-02, 08:00 UTC: a Monday morning on the wards.
const MORNING_MS: i64 = 1_772_438_400_000;

static DRAWS: AtomicU64 = AtomicU64::new(0);
static SIMULATED: AtomicBool = AtomicBool::new(false);
static WALL_MS: AtomicI64 = AtomicI64::new(MORNING_MS);

/// From here on this process has the random bytes of `seed`.
pub(crate) fn begin(seed: u64) {
    DRAWS.store(seed.wrapping_mul(0xd134_2543_de82_ef95), Relaxed);
}

/// The wall clock goes with the runtime's clock until the guard is dropped; call it inside of the runtime.
pub(crate) fn simulate_clock() -> Clock {
    let started = tokio::time::Instant::now();
    STARTED.set(Some(started));
    SIMULATED.store(true, Relaxed);
    Clock
}

/// Somebody sets the wall clock.
pub(crate) fn move_wall_clock(by_ms: i64) {
    WALL_MS.fetch_add(by_ms, Relaxed);
}

pub(crate) struct Clock;

impl Drop for Clock {
    fn drop(&mut self) {
        SIMULATED.store(false, Relaxed);
    }
}

thread_local! {
    static STARTED: std::cell::Cell<Option<tokio::time::Instant>> = const { std::cell::Cell::new(None) };
}

fn wall() -> Option<Duration> {
    let started = STARTED.get().filter(|_| SIMULATED.load(Relaxed))?;
    let ms = u64::try_from(WALL_MS.load(Relaxed)).unwrap_or_default();
    Some(Duration::from_millis(ms) + tokio::time::Instant::now().duration_since(started))
}

/// The next of a sequence in which every number is a hash of its place (splitmix64).
fn draw() -> u64 {
    let mut z = DRAWS.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The C library's structure on 64-bit Linux.
#[repr(C)]
pub(crate) struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// # Safety
/// As for the C library's: `buffer` takes `length` bytes.
#[expect(unsafe_code, reason = "the C library's own interface, which Rust's standard library calls")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: u32) -> isize {
    let mut place = buffer.cast::<u8>();
    for _ in 0..length {
        // SAFETY: the caller gives room for `length` bytes.
        unsafe {
            place.write(draw() as u8);
            place = place.add(1);
        }
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// # Safety
/// As for the C library's: `time` takes a structure.
#[expect(unsafe_code, reason = "the C library's own interface, which Rust's standard library calls")]
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    let kernel = match clock {
        0 => ClockId::Realtime,
        2 => ClockId::ProcessCPUTime,
        3 => ClockId::ThreadCPUTime,
        5 => ClockId::RealtimeCoarse,
        6 => ClockId::MonotonicCoarse,
        7 => ClockId::Boottime,
        _ => ClockId::Monotonic,
    };
    let now = match wall().filter(|_| clock == 0) {
        Some(now) => Timespec { seconds: now.as_secs() as i64, nanoseconds: i64::from(now.subsec_nanos()) },
        None => {
            let now = rustix::time::clock_gettime(kernel);
            Timespec { seconds: now.tv_sec, nanoseconds: now.tv_nsec }
        }
    };
    // SAFETY: the caller gives room for the structure.
    unsafe { time.write(now) };
    0
}

//! Addresses that no other test uses at the same time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A loopback address of this process alone: the process id is part of it, so that a port which a test closes
/// on purpose is not taken over by another test that runs beside it.
pub(crate) fn loopback() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 64 | (high & 63), middle, low))
}

/// An address with a port that was free a moment ago, that this process has not been given before, and that lies outside
/// the range from which the kernel takes the ports of outgoing connections, so that a refused connection cannot meet
/// itself.
pub(crate) fn free_address() -> SocketAddr {
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    static START: LazyLock<usize> = LazyLock::new(|| usize::from(u16::from_le_bytes(random())));
    let free = (0..10_000).find_map(|_| {
        let port = 20_000 + (*START + GIVEN.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = SocketAddr::new(loopback(), port as u16);
        TcpListener::bind(address).ok().map(|_| address)
    });
    free.expect("one of ten thousand ports is free")
}

/// Random bytes that need no other crate: the standard hasher is seeded by the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    use std::hash::{BuildHasher, Hasher};
    let word = std::hash::RandomState::new().build_hasher().finish().to_le_bytes();
    std::array::from_fn(|index| word[index % word.len()])
}

/// A short word that occurs nowhere else.
pub(crate) fn nonce() -> String {
    format!("nonce-{:016x}", u64::from_le_bytes(random()))
}

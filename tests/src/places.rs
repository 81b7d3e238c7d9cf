//! Addresses that no other test uses at the same time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// A loopback address of this process alone: the process id is part of it, so that a port which a test closes
/// on purpose is not taken over by another test that runs beside it.
pub(crate) fn loopback() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 64 | (high & 63), middle, low))
}

/// An address with a port that was free a moment ago and lies outside the range from which the kernel takes
/// the ports of outgoing connections, so that a refused connection cannot meet itself.
pub(crate) fn free_address() -> SocketAddr {
    let start = usize::from(u16::from_le_bytes(random()));
    let free = (0..10_000).map(|step| 20_000 + ((start + step * 7) % 10_000) as u16).find_map(|port| {
        let address = SocketAddr::new(loopback(), port);
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

//! The box's own link: whether an interface with a default route has a carrier, by the kernel's word over netlink.
//! It needs no rights. Where netlink is not allowed the link is unknown, and the probes find out by themselves.

mod messages;

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use continuity::Link;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::UnixDatagram;

use super::{Board, link_is};
use messages::{Told, all_links, all_routes};

/// One pulled cable makes several messages; they are read as one.
const SETTLES: Duration = Duration::from_millis(200);

/// A look without a message, should one have been lost.
const AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// The kernel answers from its memory.
const DEADLINE: Duration = Duration::from_secs(1);

/// More than the kernel puts into one message.
const BUFFER_BYTES: usize = 64 << 10;

/// Follows the link until it is dropped, or until the kernel does not tell.
pub(super) async fn watch(board: &Board) {
    if !board.outside.watches_link {
        return;
    }
    if let Err(error) = follow(board).await {
        tracing::info!(%error, "the kernel does not tell of the link to the outside: it is unknown");
        link_is(board, Link::Unknown);
    }
}

async fn follow(board: &Board) -> io::Result<()> {
    let changes = Netlink::open(messages::LINKS_AND_ROUTES)?;
    loop {
        let look = tokio::time::timeout(DEADLINE, read());
        link_is(board, look.await.unwrap_or_else(|late| Err(late.into()))?);
        if let Ok(change) = tokio::time::timeout(AT_LEAST_EVERY, changes.receive()).await {
            forgive(change)?;
            tokio::time::sleep(SETTLES).await;
            changes.drain();
        }
    }
}

/// So many messages that some were dropped are a change like any other.
fn forgive(change: io::Result<Vec<u8>>) -> io::Result<()> {
    match change {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::NOBUFS.raw_os_error()) => Err(error),
        _ => Ok(()),
    }
}

async fn read() -> io::Result<Link> {
    let kernel = Netlink::open(0)?;
    let (mut ways_out, mut with_carrier) = (HashSet::new(), HashSet::new());
    for question in [all_routes(), all_links()] {
        for told in kernel.ask(&question).await? {
            match told {
                Told::DefaultRoute { interfaces } => ways_out.extend(interfaces),
                Told::Interface { index, has_carrier: true } => {
                    with_carrier.insert(index);
                }
                _ => {}
            }
        }
    }
    Ok(match () {
        () if ways_out.is_empty() => Link::NoDefaultRoute,
        () if ways_out.is_disjoint(&with_carrier) => Link::NoCarrier,
        () => Link::Up,
    })
}

/// A netlink socket on the kernel's routing messages. It is a socket of datagrams like those of Unix, whose type brings
/// the waiting with it.
struct Netlink(UnixDatagram);

impl Netlink {
    /// Takes part in these groups of messages.
    fn open(groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // The default protocol of the family is that of links and routes.
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Netlink(UnixDatagram::from_std(socket.into())?))
    }

    /// Sends a question to the kernel and reads its answer to the end.
    async fn ask(&self, question: &[u8]) -> io::Result<Vec<Told>> {
        self.0.send(question).await?;
        let mut told = Vec::new();
        loop {
            let bytes = self.receive().await?;
            let (more, is_over) = messages::read(&bytes)?;
            told.extend(more);
            if is_over {
                return Ok(told);
            }
        }
    }

    async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let length = self.0.recv(&mut buffer).await?;
        buffer.truncate(length);
        Ok(buffer)
    }

    fn drain(&self) {
        while self.0.try_recv(&mut [0; 64]).is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_of_this_machine_says_something() {
        match read().await {
            Ok(link) => assert_ne!(link, Link::Unknown),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}"),
        }
    }
}

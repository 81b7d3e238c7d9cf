//! The switch in the way to one upstream that a drill opens where packets cannot be dropped: connections are refused,
//! and those that are there are reset, as when a cable is pulled.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A cheap handle; all clones are one switch. A new one is closed: it lets everything through.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<Way>>);

#[derive(Default)]
struct Way {
    is_cut: bool,
    /// Tells the connections of the time since the last restore that they are cut.
    connections: CancellationToken,
}

impl Gate {
    pub(crate) fn cut(&self) {
        let mut way = self.lock();
        way.is_cut = true;
        way.connections.cancel();
    }

    pub(crate) fn restore(&self) {
        *self.lock() = Way::default();
    }

    /// Refuses where the way is cut.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.lock().is_cut { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
    }

    /// Puts a new connection behind the switch.
    pub(super) fn guard<T>(&self, connection: T) -> Gated<T> {
        let cut = Box::pin(self.lock().connections.clone().cancelled_owned());
        Gated { connection, cut, served: Served::default() }
    }

    /// A panic while the lock was held leaves plain data behind, which is still good to use.
    fn lock(&self) -> std::sync::MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is reset when its gate is cut.
pub(crate) struct Gated<T> {
    connection: T,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    served: Served,
}

/// Whether a connection has brought an answer before: one that was kept may have been closed at its other end without
/// anything being wrong there.
#[derive(Clone, Default)]
pub(super) struct Served(Arc<AtomicBool>);

impl Served {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn has(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<T> Gated<T> {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<T: Connection> Connection for Gated<T> {
    fn connected(&self) -> Connected {
        self.connection.connected().extra(self.served.clone())
    }
}

impl<T: Read + Unpin> Read for Gated<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.connection).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for Gated<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_cut(cx)?;
        Pin::new(&mut self.connection).poll_write_vectored(cx, buffers)
    }
}

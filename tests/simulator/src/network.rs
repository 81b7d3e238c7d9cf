//! The network between the simulated box and the upstreams: connections in memory, which fail as the weather says.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use gateway::simulation::{ConnectError, Connecting, Line, Network};
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::sleep;

use crate::book::Book;
use crate::cloud::Cloud;
use crate::plan::UPSTREAMS;
use crate::spawn;
use crate::weather::{Fault, Weather};

/// One way over the simulated network, in calm weather.
pub(crate) const ONE_WAY: Duration = Duration::from_millis(8);

#[derive(Clone)]
pub(crate) struct Cables {
    pub(crate) weather: Arc<Weather>,
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) book: Book,
}

impl Network for Cables {
    fn connect(&self, address: &Uri) -> Connecting {
        let cables = self.clone();
        let host = address.host().unwrap_or_default().to_owned();
        Box::pin(async move {
            let found = UPSTREAMS.iter().position(|name| host.starts_with(name));
            match found {
                Some(upstream) => cables.connect(upstream).await,
                None => Err("dns error: no such host".into()),
            }
        })
    }
}

impl Cables {
    async fn connect(&self, upstream: usize) -> Result<Box<dyn Line>, ConnectError> {
        sleep(ONE_WAY).await;
        let name = UPSTREAMS[upstream];
        while let Some(fault) = self.fault_of_connecting(upstream) {
            self.book.tell(format!("{name}: connecting meets {fault:?}"));
            match fault {
                Fault::Latency(pause) => {
                    sleep(pause).await;
                    break;
                }
                Fault::BlackHole => {
                    let until = self.weather.blocked_until(upstream, self.book.now(), is_black_hole);
                    sleep(until.unwrap_or_default().saturating_sub(self.book.now())).await;
                }
                fault => return Err(refusal(&fault)),
            }
        }
        let (near, far) = duplex(64 << 10);
        let reset = Arc::new(AtomicBool::new(false));
        let breaks_at = self.weather.next_break(upstream, self.book.now());
        let (cloud, book, was_reset) = (self.cloud.clone(), self.book.clone(), reset.clone());
        spawn(async move {
            let breaks = async {
                match breaks_at {
                    Some(at) => sleep(at.saturating_sub(book.now())).await,
                    None => std::future::pending().await,
                }
            };
            let mut far = far;
            tokio::select! {
                biased;
                () = breaks => {
                    book.tell(format!("{}: an open connection is reset", UPSTREAMS[upstream]));
                    was_reset.store(true, Relaxed);
                }
                ending = cloud.serve(upstream, &mut far) => was_reset.store(ending.is_reset(), Relaxed),
            }
        });
        sleep(ONE_WAY).await;
        Ok(Box::new(Near { bytes: near, reset }))
    }

    fn fault_of_connecting(&self, upstream: usize) -> Option<Fault> {
        let meets = |fault: &Fault| {
            matches!(
                fault,
                Fault::Dns
                    | Fault::Refused
                    | Fault::NoRoute
                    | Fault::Tls
                    | Fault::BlackHole
                    | Fault::Latency(_)
            )
        };
        let mut now = self.weather.at(upstream, self.book.now());
        now.find(|episode| meets(&episode.fault)).map(|episode| episode.fault.clone())
    }
}

pub(crate) fn is_black_hole(fault: &Fault) -> bool {
    *fault == Fault::BlackHole
}

/// In the words of the real connector, which the gateway reads faults from.
fn refusal(fault: &Fault) -> ConnectError {
    let io = |kind: io::ErrorKind| Box::new(io::Error::from(kind)) as ConnectError;
    match fault {
        Fault::Dns => "dns error: failed to look the name up".into(),
        Fault::NoRoute => io(io::ErrorKind::NetworkUnreachable),
        Fault::Tls => {
            let why = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
            Box::new(io::Error::new(io::ErrorKind::InvalidData, why))
        }
        _ => io(io::ErrorKind::ConnectionRefused),
    }
}

/// The box's end of a connection.
struct Near {
    bytes: DuplexStream,
    reset: Arc<AtomicBool>,
}

impl AsyncRead for Near {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::task::ready!(Pin::new(&mut self.bytes).poll_read(cx, buffer));
        if read.is_ok() && buffer.filled().len() == before && self.reset.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Near {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }
}

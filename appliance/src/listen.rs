//! The doors to the network: plain HTTP on loopback, HTTPS everywhere.

mod proxies;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use gateway::Peer;
use http::HeaderValue;
use http::header::STRICT_TRANSPORT_SECURITY;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use web::Transport;

use crate::supervisor::Connections;

pub(crate) use proxies::Proxies;

/// More connections than this wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;

/// A client that does not finish its handshake or its headers within this time is let go.
const GREETING: Duration = Duration::from_secs(10);

/// A client that neither reads nor acknowledges for so long is gone; its answer must not hold its place for ever.
const READER_PATIENCE_MS: u32 = 60_000;

#[derive(Debug, thiserror::Error)]
#[error("[listen] {key} = \"{address}\": {why}")]
pub(crate) struct ListenError {
    pub key: &'static str,
    pub address: SocketAddr,
    pub why: String,
    pub source: io::Error,
}

/// A bound socket that does not take connections yet.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// Which key of the configuration is to blame, and the mend.
    pub(crate) async fn bind(
        key: &'static str,
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Result<Self, ListenError> {
        let socket = TcpListener::bind(address).await.map_err(|source| {
            let why = match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "the port is in use by another program. Stop that one, or choose another port.".to_owned()
                }
                io::ErrorKind::PermissionDenied => {
                    "this user may not use the port. Choose one above 1023, or give the right to it."
                        .to_owned()
                }
                io::ErrorKind::AddrNotAvailable => "this machine does not have that address.".to_owned(),
                _ => format!("cannot be listened on ({source})."),
            };
            ListenError { key, address, why, source }
        })?;
        Ok(Listener { socket, tls: tls.map(TlsAcceptor::from) })
    }

    /// Takes connections until it is cancelled; the running ones are then asked to finish.
    pub(crate) async fn run(
        self,
        router: Router,
        proxies: Arc<Proxies>,
        connections: Connections,
        cancel: CancellationToken,
    ) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let transport = if self.tls.is_some() { Transport::Tls } else { Transport::Plain };
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => break,
                accepted = async {
                    let place = room.clone().acquire_owned().await;
                    (self.socket.accept().await, place)
                } => accepted,
            };
            let (stream, peer, place) = match accepted {
                (Ok((stream, peer)), Ok(place)) => (stream, peer, place),
                (Err(error), _) => {
                    // Out of file handles, most likely: the running answers free some.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                (_, Err(_)) => break,
            };
            let (router, proxies, cancel) = (router.clone(), proxies.clone(), cancel.clone());
            let guest = Guest { router, proxies, peer, transport, cancel };
            let tls = self.tls.clone();
            connections.spawn(async move {
                guest.welcome(stream, tls).await;
                drop(place);
            });
        }
    }
}

/// Browsers come back by TLS alone, for two years from each answer. Over plain HTTP they must ignore this.
fn with_strict_transport(mut response: Response, transport: Transport) -> Response {
    if transport == Transport::Tls {
        let policy = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, policy);
    }
    response
}

/// One connection.
struct Guest {
    router: Router,
    proxies: Arc<Proxies>,
    peer: SocketAddr,
    transport: Transport,
    cancel: CancellationToken,
}

impl Guest {
    async fn welcome(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Tokens are small and each one counts. A socket that takes no options has gone already.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, READER_PATIENCE_MS);
        match tls {
            None => self.serve(stream).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = tokio::time::timeout(GREETING, tls.accept(stream)).await {
                    self.serve(stream).await;
                }
            }
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Guest { router, proxies, peer, transport, cancel } = self;
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            let caller = proxies.caller(peer.ip(), request.headers());
            request.extensions_mut().insert(Peer(caller));
            request.extensions_mut().insert(transport);
            let answering = router.clone().oneshot(request);
            async move { answering.await.map(|response| with_strict_transport(response, transport)) }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(GREETING);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
        let graceful = GracefulShutdown::new();
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::pin!(connection);
        // How a client leaves is its own affair; what its request came to is in the audit.
        tokio::select! {
            _ = &mut connection => return,
            () = cancel.cancelled() => {}
        }
        // The order to finish is given at its first poll; what is waited for is the connection, which lets go of an
        // idle client at once and ends a running answer first.
        tokio::select! {
            _ = &mut connection => {}
            () = async { graceful.shutdown().await; std::future::pending().await } => {}
        }
    }
}

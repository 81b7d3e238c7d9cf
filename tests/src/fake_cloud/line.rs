//! The fake cloud's listener and connections: opened, closed and reset for real.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Mood, Place, Shared, answer};

/// An order to the listener; the sender inside is used when it is done.
pub(super) enum Door {
    Open(Sender<()>),
    Close(Sender<()>),
}

impl Door {
    pub(super) fn open(done: Sender<()>) -> Door {
        Door::Open(done)
    }

    pub(super) fn close(done: Sender<()>) -> Door {
        Door::Close(done)
    }
}

/// Listens in its place; to be called where a runtime is entered.
pub(super) fn listen(place: &Place) -> io::Result<TcpListener> {
    let bind = || std::net::TcpListener::bind(place.address);
    let listener = place.namespace.as_ref().map_or_else(bind, |namespace| namespace.enter(bind))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Accepts connections and obeys orders until the fake cloud is dropped.
pub(super) async fn serve(
    shared: Arc<Shared>,
    first: TcpListener,
    place: Place,
    tls: Option<Arc<rustls::ServerConfig>>,
    mut orders: mpsc::UnboundedReceiver<Door>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let mut listener = Some(first);
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Door::Close(done)) => {
                    listener = None;
                    let _ = done.send(());
                }
                Some(Door::Open(done)) => {
                    listener = Some(listen(&place).expect("nobody else uses this process's address"));
                    let _ = done.send(());
                }
                None => return,
            },
            accepted = accept(listener.as_ref()) => {
                if let Ok((stream, _)) = accepted {
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(connection(shared.clone(), stream, tls.clone()));
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Serves one connection; when its token is cancelled, ends it with a TCP reset.
async fn connection(shared: Arc<Shared>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let cut = shared.line_token();
    let _ = stream.set_nodelay(true);
    let Ok(handle) = stream.as_fd().try_clone_to_owned() else { return };
    tokio::select! {
        biased;
        // Closing with a zero linger sends RST; the close is at the end of this function, by both handles.
        () = cut.cancelled() => {
            let _ = rustix::net::sockopt::set_socket_linger(&handle, Some(Duration::ZERO));
        }
        () = speak(shared, stream, tls, cut.clone()) => {}
    }
}

async fn speak(shared: Arc<Shared>, stream: TcpStream, tls: Option<TlsAcceptor>, cut: CancellationToken) {
    let Some(tls) = tls else { return http(shared, stream, cut).await };
    // A dead line does not finish a handshake either.
    let _ = shared.mood.subscribe().wait_for(|mood| *mood != Mood::Silent).await;
    if let Ok(stream) = tls.accept(stream).await {
        http(shared, stream, cut).await;
    }
}

async fn http<S>(shared: Arc<Shared>, stream: S, cut: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer::answer(shared.clone(), cut.clone(), request));
    // A client that goes away is part of the test.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

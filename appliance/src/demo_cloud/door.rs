//! The API's listener, which can be closed and opened again while running connections are reset: what a
//! client sees is a real refusal and a real reset, not a polite error.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{DemoError, Line, listen};

/// An order to change the line, answered when the change is true for the next client.
pub(super) struct Order {
    pub(super) line: Line,
    pub(super) done: oneshot::Sender<Result<(), DemoError>>,
}

struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    line: watch::Sender<Line>,
    connections: JoinSet<()>,
    /// Cancelled to reset every running connection, then replaced.
    cut: CancellationToken,
}

/// Accepts and obeys until `cancel`.
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    api: Router,
    line: watch::Sender<Line>,
    mut orders: mpsc::Receiver<Order>,
    cancel: CancellationToken,
) -> Result<(), DemoError> {
    let connections = JoinSet::new();
    let cut = CancellationToken::new();
    let mut door = Door { address, listener: Some(listener), line, connections, cut };
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(order) = orders.recv() => {
                // Nobody may be waiting any more; the order holds all the same.
                let _ = order.done.send(door.obey(order.line).await);
            }
            accepted = accept(door.listener.as_ref()) => match accepted {
                Ok((stream, _)) => door.admit(stream, api.clone()),
                Err(source) => tracing::warn!(error = %source, "demo cloud: a connection could not be accepted"),
            },
            Some(_) = door.connections.join_next() => {}
        }
    }
    door.reset_connections().await;
    Ok(())
}

/// The next connection; never, while the listener is closed.
async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

impl Door {
    async fn obey(&mut self, order: Line) -> Result<(), DemoError> {
        let before = *self.line.borrow();
        if order == Line::Cut {
            self.listener = None;
        } else if self.listener.is_none() {
            self.listener = Some(listen("API", self.address).await?);
        }
        // Connections that hang in silence are reset by the return of the line, as by a firewall that has
        // forgotten them; a cut resets them all.
        if order == Line::Cut || (before == Line::Silent && order == Line::Up) {
            self.reset_connections().await;
        }
        self.line.send_replace(order);
        tracing::info!(line = order.as_str(), "demo cloud: the line is {}", order.as_str());
        Ok(())
    }

    fn admit(&mut self, stream: TcpStream, api: Router) {
        self.connections.spawn(connection(stream, api, self.cut.clone()));
    }

    async fn reset_connections(&mut self) {
        self.cut.cancel();
        while self.connections.join_next().await.is_some() {}
        self.cut = CancellationToken::new();
    }
}

/// Serves one connection; ends it with a TCP reset when `cut` is cancelled.
async fn connection(stream: TcpStream, api: Router, cut: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let Ok(handle) = stream.as_fd().try_clone_to_owned() else { return };
    let builder = Builder::new(TokioExecutor::new());
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(api));
    tokio::select! {
        // A client that goes away is its own affair.
        _ = served => {}
        () = cut.cancelled() => {
            // Closing with a zero linger sends RST; the close is at the end of this function, by both handles.
            let _ = rustix::net::sockopt::set_socket_linger(&handle, Some(Duration::ZERO));
        }
    }
}

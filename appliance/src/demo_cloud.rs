//! The demo cloud: a labelled stand-in for a cloud upstream on loopback, with a control door that cuts its
//! line for real, so that a visitor can watch the box lose the cloud and get it back.
//!
//! It is no part of the serving path: `genset demo-cloud` runs it as its own process, and everything that it
//! says, answers or logs carries the word "demo".

mod answers;
mod api;
mod control;
mod door;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Where the demo cloud listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoOptions {
    /// The API in the OpenAI dialect, as an upstream's `base_url` without its `/v1`.
    pub listen: SocketAddr,
    /// The control door: `POST /cut`, `/silent`, `/restore`, and `GET /state`.
    pub control: SocketAddr,
}

/// Why the demo cloud could not start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// An address is taken or does not belong to this machine.
    #[error("the demo cloud cannot listen on {address} for its {door}: choose a free address")]
    Listen { door: &'static str, address: SocketAddr, source: io::Error },
    /// A door was open and failed while serving.
    #[error("the demo cloud's {door} failed")]
    Serve { door: &'static str, source: io::Error },
}

/// The line between the demo cloud and its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Answers.
    Up,
    /// The listener is closed and running connections were reset: clients are refused.
    Cut,
    /// Accepts connections and never answers; running streams stall.
    Silent,
}

impl Line {
    fn as_str(self) -> &'static str {
        match self {
            Line::Up => "up",
            Line::Cut => "cut",
            Line::Silent => "silent",
        }
    }
}

/// Serves both doors until `cancel`. Running connections are reset at the end.
pub(crate) async fn run(options: DemoOptions, cancel: CancellationToken) -> Result<(), DemoError> {
    let api = listen("API", options.listen).await?;
    let control = listen("control door", options.control).await?;
    let (line, watched) = watch::channel(Line::Up);
    let (orders, inbox) = mpsc::channel(8);
    tracing::info!(listen = %options.listen, control = %options.control, "demo cloud: up");
    let door = door::serve(api, options.listen, api::router(watched.clone()), line, inbox, cancel.clone());
    tokio::try_join!(door, control::serve(control, orders, watched, cancel))?;
    Ok(())
}

async fn listen(door: &'static str, address: SocketAddr) -> Result<TcpListener, DemoError> {
    TcpListener::bind(address).await.map_err(|source| DemoError::Listen { door, address, source })
}

#[cfg(test)]
mod tests;

//! The HTTP client of one upstream: pooled connections, HTTP/2 where offered, rustls, one deadline to connect.

#[cfg_attr(feature = "simulation", path = "../simulation/connector.rs")]
mod connector;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_util::{
    client::legacy::Client as Legacy,
    rt::{TokioExecutor, TokioTimer},
};

use connector::{Connection, Connector};

use super::gate::{Gate, Gated};
use crate::{fault::ConnectDeadline, settings::UpstreamSettings};

pub(super) use hyper_util::client::legacy::Error;

pub(super) type Client = Legacy<WithDeadline, Full<Bytes>>;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the ca_file of upstream {upstream} holds no usable PEM certificate")]
    Roots { upstream: String },
}

/// A client that keeps its connections.
pub(super) fn build(settings: &UpstreamSettings, gate: Gate) -> Result<Client, ClientError> {
    with_idle(settings, gate, 64)
}

/// A client that goes all the way for each request, name and TLS too. A probe goes so: a connection that was kept would
/// hide that no new one can be made.
pub(super) fn build_anew(settings: &UpstreamSettings, gate: Gate) -> Result<Client, ClientError> {
    with_idle(settings, gate, 0)
}

fn with_idle(settings: &UpstreamSettings, gate: Gate, max_idle: usize) -> Result<Client, ClientError> {
    let inner = connector::build(settings)?;
    let connector = WithDeadline { inner, deadline: settings.deadlines.connect, gate };
    let client = Legacy::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(max_idle)
        // A pooled HTTP/2 connection into a black hole must not swallow the next request.
        .http2_keep_alive_interval(Duration::from_secs(5))
        .http2_keep_alive_timeout(Duration::from_secs(2))
        .build(connector);
    Ok(client)
}

/// Bounds name, connection and TLS together: each of them can hang alone when the cable is out.
#[derive(Clone)]
pub(crate) struct WithDeadline {
    inner: Connector,
    deadline: Duration,
    gate: Gate,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl tower::Service<Uri> for WithDeadline {
    type Response = Gated<Connection>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, deadline, gate) = (self.inner.call(uri), self.deadline, self.gate.clone());
        Box::pin(async move {
            gate.check()?;
            match tokio::time::timeout(deadline, connecting).await {
                Ok(result) => Ok(gate.guard(result?)),
                Err(_) => Err(ConnectDeadline(deadline).into()),
            }
        })
    }
}

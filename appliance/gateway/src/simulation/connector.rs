//! The way to an upstream's address in a simulated network; what it leads to decides what goes wrong.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection as Described};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{BoxError, ClientError};
use crate::settings::UpstreamSettings;
use crate::simulation::{Line, Network, network};

#[derive(Clone)]
pub(crate) struct Connector(Arc<dyn Network>);

pub(crate) type Connection = TokioIo<Simulated>;

pub(crate) struct Simulated(Box<dyn Line>);

#[expect(clippy::unnecessary_wraps, reason = "the real one reads certificates")]
pub(super) fn build(_settings: &UpstreamSettings) -> Result<Connector, ClientError> {
    Ok(Connector(network()))
}

impl tower::Service<Uri> for Connector {
    type Response = Connection;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connecting = self.0.connect(&address);
        Box::pin(async move { Ok(TokioIo::new(Simulated(connecting.await?))) })
    }
}

impl Described for Simulated {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Simulated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Simulated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

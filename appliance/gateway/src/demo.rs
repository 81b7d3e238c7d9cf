//! The switch of the demo cloud: it cuts the stand-in itself, so that the box has to find out.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// Talks to `genset demo-cloud` on its loopback control address.
#[derive(Clone)]
pub struct DemoControl {
    address: SocketAddr,
    client: Client<HttpConnector, Empty<Bytes>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the demo cloud does not answer on its control address {address}: is `genset demo-cloud` running?")]
pub struct DemoGone {
    address: SocketAddr,
}

impl DemoControl {
    pub(crate) fn new(address: SocketAddr) -> Self {
        DemoControl { address, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Takes the demo cloud away: connections are refused, running answers are cut.
    ///
    /// # Errors
    /// When the demo cloud's control does not answer.
    pub async fn cut(&self) -> Result<(), DemoGone> {
        self.call(Method::POST, "/cut").await.map(drop)
    }

    /// Brings it back.
    ///
    /// # Errors
    /// When the demo cloud's control does not answer.
    pub async fn restore(&self) -> Result<(), DemoGone> {
        self.call(Method::POST, "/restore").await.map(drop)
    }

    /// Whether it is away now.
    ///
    /// # Errors
    /// When the demo cloud's control does not answer.
    pub async fn is_cut(&self) -> Result<bool, DemoGone> {
        let body = self.call(Method::GET, "/state").await?;
        let state: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        Ok(state["state"] != "up")
    }

    async fn call(&self, method: Method, path: &str) -> Result<Bytes, DemoGone> {
        let gone = || DemoGone { address: self.address };
        let uri = format!("http://{}{path}", self.address);
        let request = Request::builder().method(method).uri(uri).body(Empty::new()).map_err(|_| gone())?;
        let answer = tokio::time::timeout(Duration::from_secs(2), async {
            let response = self.client.request(request).await.map_err(|_| gone())?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(|_| gone())?.to_bytes();
            if status.is_success() { Ok(body) } else { Err(gone()) }
        });
        answer.await.map_err(|_| gone())?
    }
}

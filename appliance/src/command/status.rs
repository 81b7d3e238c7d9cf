//! `genset status`: asks the running box how it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::cli::{Failure, say};
use crate::config::Config;
use crate::tls;

pub(crate) async fn run(file: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let body = ask(&super::load(file)?).await?;
    if as_json {
        say(&String::from_utf8_lossy(&body));
    } else {
        summary(&parse(&body)?).iter().for_each(|line| say(line));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the running box says of its site.
pub(super) async fn site(config: &Config) -> Result<Value, Failure> {
    parse(&ask(config).await?)
}

async fn ask(config: &Config) -> Result<Bytes, Failure> {
    let answer = tokio::time::timeout(Duration::from_secs(5), fetch(config));
    answer.await.map_err(|_| Failure::Failed("the box does not answer within 5 s".into()))?
}

fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::Failed(error.to_string()))
}

fn summary(site: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut lines = vec![format!("{}: {}", text(&site["name"]), text(&site["state"]))];
    for upstream in site["upstreams"].as_array().into_iter().flatten() {
        let verdict = upstream["verdict"].as_str().map_or(String::new(), |verdict| format!(", {verdict}"));
        lines.push(format!(
            "  upstream {}: breaker {}{verdict}",
            text(&upstream["name"]),
            text(&upstream["breaker"])
        ));
    }
    for local in site["locals"].as_array().into_iter().flatten() {
        let age =
            local["proven_age_s"].as_u64().map_or(String::new(), |age| format!(", last token {age} s ago"));
        let detail = local["detail"].as_str().filter(|detail| !detail.is_empty());
        let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
        lines.push(format!("  local {}: {}{age}{detail}", text(&local["name"]), text(&local["status"])));
    }
    lines
}

/// Over plain HTTP where the box listens so, else over its own TLS.
async fn fetch(config: &Config) -> Result<Bytes, Failure> {
    let address = config.http.or(config.https.map(reachable));
    let Some(address) = address else { return Err(Failure::Failed("the box listens nowhere".into())) };
    let socket = TcpStream::connect(address).await.map_err(|error| {
        Failure::Failed(format!("no box answers at {address} ({error}). Start it with `genset serve`."))
    })?;
    if config.http.is_some() {
        return get(socket, address).await;
    }
    let failed = |what: String| Failure::Failed(what);
    let pem =
        std::fs::read(tls::authority_file(&config.data_dir)).map_err(|error| failed(error.to_string()))?;
    let ca = CertificateDer::from_pem_slice(&pem)
        .map_err(|_| failed("the box's certificate is unusable".into()))?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).map_err(|error| failed(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    let tls = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, socket).await;
    get(tls.map_err(|error| failed(format!("no TLS with the box at {address} ({error})")))?, address).await
}

/// An address that is listened on everywhere is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

async fn get(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
) -> Result<Bytes, Failure> {
    let failed = |error: hyper::Error| Failure::Failed(format!("the box at {address} broke off ({error})"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(failed)?;
    let request = Request::get("/api/status")
        .header("host", address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Failed(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(failed)?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(Failure::Failed(format!("the box answers {status}"))) }
    };
    tokio::select! {
        answer = exchange => answer,
        ended = connection => Err(Failure::Failed(format!("the box closed the connection ({ended:?})"))),
    }
}

//! The way to an upstream's address: a name, a TCP connection, and TLS over it where the address asks for it.

#[path = "resolver.rs"]
mod resolver;

use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::net::TcpStream;

use super::ClientError;
use crate::settings::UpstreamSettings;
use resolver::Resolver;

pub(super) type Connector = HttpsConnector<HttpConnector<Resolver>>;
pub(super) type Connection = MaybeHttpsStream<TokioIo<TcpStream>>;

pub(super) fn build(settings: &UpstreamSettings) -> Result<Connector, ClientError> {
    let tls = tls_config(settings)?;
    let mut tcp = HttpConnector::new_with_resolver(Resolver::within(settings.deadlines.connect));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(15)));
    // Shared out among the addresses of a name: behind a dead one stands another, which must have its turn in time.
    tcp.set_connect_timeout(Some(settings.deadlines.connect));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
    Ok(https.wrap_connector(tcp))
}

fn tls_config(settings: &UpstreamSettings) -> Result<rustls::ClientConfig, ClientError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = &settings.extra_roots_pem {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(ClientError::Roots { upstream: settings.name.clone() });
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

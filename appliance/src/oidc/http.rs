//! Calls to the identity provider: rustls with ring, the usual roots and perhaps more, bounded in time and in size,
//! and never to where a redirect points.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use zeroize::Zeroizing;

/// Two calls and more fit into the five seconds that a person may wait.
const DEADLINE: Duration = Duration::from_secs(2);
const MAX_BYTES: usize = 256 * 1024;

/// Why a call came to nothing; one line for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Silent,
    #[error("no connection ({0})")]
    Unreachable(String),
    #[error("the status {0}")]
    Status(StatusCode),
    #[error("an answer that broke off or is over {MAX_BYTES} bytes")]
    Body,
    #[error("{0} that makes no sense")]
    Nonsense(&'static str),
}

/// Connections are not kept: one that was would hide that no new one can be made.
#[derive(Clone)]
pub(super) struct Http(Legacy<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Nothing in a `ca_file` is a certificate.
#[derive(Debug, thiserror::Error)]
#[error("holds no usable PEM certificate")]
pub(crate) struct NoRoots;

impl Http {
    pub(super) fn new(extra_roots_pem: Option<&[u8]>) -> Result<Http, NoRoots> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls(extra_roots_pem)?).https_or_http();
        let connector = https.enable_http1().wrap_connector(tcp);
        Ok(Http(Legacy::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }

    pub(super) async fn get(&self, url: &str) -> Result<Bytes, CallError> {
        self.call(Request::builder().method(Method::GET).uri(url), Bytes::new()).await
    }

    /// Posts a form. Whoever answers may hold the client's secret: it is wiped here, and in no error.
    pub(super) async fn post_form(
        &self,
        url: &str,
        authorization: Option<&Zeroizing<String>>,
        form: &Zeroizing<String>,
    ) -> Result<Bytes, CallError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            let mut value = http::HeaderValue::from_str(authorization)
                .map_err(|_| CallError::Nonsense("a client secret"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        self.call(request, Bytes::copy_from_slice(form.as_bytes())).await
    }

    async fn call(&self, request: http::request::Builder, body: Bytes) -> Result<Bytes, CallError> {
        let request = request.header(header::ACCEPT, "application/json").body(Full::new(body));
        let request = request.map_err(|_| CallError::Nonsense("an address"))?;
        let answered = async {
            let response = self.0.request(request).await;
            let response =
                response.map_err(|error| CallError::Unreachable(crate::app::with_sources(&error)))?;
            if response.status() != StatusCode::OK {
                return Err(CallError::Status(response.status()));
            }
            let whole = Limited::new(response.into_body(), MAX_BYTES).collect().await;
            whole.map(|body| body.to_bytes()).map_err(|_| CallError::Body)
        };
        tokio::time::timeout(DEADLINE, answered).await.unwrap_or(Err(CallError::Silent))
    }
}

fn tls(extra_roots_pem: Option<&[u8]>) -> Result<rustls::ClientConfig, NoRoots> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_roots_pem {
        let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(NoRoots);
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

//! An identity provider on real sockets: OpenID Connect with codes, PKCE and signed tokens, and moods.
//!
//! It runs on a runtime of its own, so its verbs are plain functions. Whoever comes to its page is signed in at once
//! as the person that the test has put before it.

mod answer;
mod browser;
mod signer;

pub use browser::Browser;
pub use signer::Algorithm;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::{Authority, places};
use signer::Signer;

/// The secret that the provider shares with the box.
pub const CLIENT_SECRET: &str = "fake-idp-client-secret";
pub const CLIENT_ID: &str = "genset";

/// What is wrong with the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Connections are taken and nothing is ever answered.
    Silent,
    /// The same, for whoever brings a code.
    SilentAtTheToken,
    /// The person is asked and says no.
    Denies,
    WrongNonce,
    WrongAudience,
    WrongIssuer,
    Expired,
    FromTheFuture,
    /// `alg: none` and no signature.
    Unsigned,
    /// `alg: HS256`, signed with the client's secret.
    SharedSecret,
    /// A good signature under the name of a key that is not in the set.
    UnknownKey,
    /// The right key's name, another key's signature.
    Forged,
}

pub(crate) struct Shared {
    pub(crate) issuer: String,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) mood: Mood,
    /// The claims of whoever comes.
    pub(crate) person: Value,
    pub(crate) signer: Signer,
    /// Codes that nobody has brought yet.
    pub(crate) codes: HashMap<String, Granted>,
    pub(crate) key_calls: usize,
    pub(crate) tokens: Vec<String>,
}

/// What a code stands for.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) nonce: String,
    pub(crate) challenge: String,
    pub(crate) redirect_uri: String,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// The provider. Dropping it closes everything.
pub struct FakeIdp {
    shared: Arc<Shared>,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    ca_file: Option<PathBuf>,
    runtime: Option<Runtime>,
    listening: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl FakeIdp {
    /// A provider on plain HTTP at a loopback address, up and well.
    pub fn start() -> FakeIdp {
        FakeIdp::on(None)
    }

    /// The same over TLS, under an authority of its own.
    pub fn with_tls() -> FakeIdp {
        FakeIdp::on(Some(&Authority::new()))
    }

    fn on(authority: Option<&Authority>) -> FakeIdp {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = places::free_address();
        let names = ["localhost".to_owned(), address.ip().to_string()];
        let tls = authority.map(|authority| authority.server(&names, &[b"http/1.1"]));
        let ca_file = authority.map(|authority| {
            let file = folder.path().join("ca.pem");
            std::fs::write(&file, authority.pem()).expect("writable");
            file
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let issuer = format!("{scheme}://{address}/realms/main");
        let state = State {
            mood: Mood::Well,
            person: json!({"sub": "0001", "preferred_username": "lee", "groups": ["ward-7"]}),
            signer: Signer::new(Algorithm::Es256),
            codes: HashMap::new(),
            key_calls: 0,
            tokens: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let mut idp = FakeIdp {
            shared: Arc::new(Shared { issuer, state: Mutex::new(state) }),
            address,
            tls,
            ca_file,
            runtime: Some(runtime.expect("a runtime")),
            listening: None,
            _folder: folder,
        };
        idp.restore();
        idp
    }

    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    pub fn mood(&self, mood: Mood) {
        self.shared.state().mood = mood;
    }

    /// Whoever comes next has these claims beside the usual ones.
    pub fn person(&self, claims: Value) {
        self.shared.state().person = claims;
    }

    /// A new key of this kind and of another name; the old one is in the set no more.
    pub fn rotate_key(&self, algorithm: Algorithm) {
        self.shared.state().signer = Signer::new(algorithm);
    }

    /// How often the keys were asked for.
    pub fn key_calls(&self) -> usize {
        self.shared.state().key_calls
    }

    /// All tokens that were given so far.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.state().tokens.clone()
    }

    /// Nobody listens any more.
    pub fn refuse(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            while !listening.is_finished() {
                std::thread::yield_now();
            }
        }
    }

    /// Somebody listens again.
    pub fn restore(&mut self) {
        let runtime = self.runtime.as_ref().expect("it lives");
        let listener = std::net::TcpListener::bind(self.address).expect("nobody else uses this address");
        listener.set_nonblocking(true).expect("a socket can be told so");
        let _entered = runtime.enter();
        let listener = TcpListener::from_std(listener).expect("a runtime takes a socket");
        self.listening = Some(runtime.spawn(serve(listener, self.tls.clone(), self.shared.clone())));
    }
}

impl Drop for FakeIdp {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>, shared: Arc<Shared>) {
    let tls = tls.map(TlsAcceptor::from);
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            match tls {
                None => speak(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        speak(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer::answer(shared.clone(), request));
    // A client that goes away is part of the test.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

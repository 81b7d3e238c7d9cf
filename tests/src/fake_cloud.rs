//! A cloud upstream in the OpenAI dialect that fails on command, on real sockets.
//!
//! It runs on a runtime of its own, so its verbs are plain functions and it goes on while a test blocks.

mod answer;
mod control;
mod line;
mod mood;
mod place;
mod play;
mod script;

pub(crate) use mood::Mood;
pub(crate) use place::Place;
pub use place::Wire;
pub use script::{Lasts, Prefill, Script, SignsOfLife, Trouble};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{Authority, places};
use line::Door;

/// The key that the fake cloud accepts.
pub const KEY: &str = "fake-cloud-key";
/// A model that it lists.
pub const MODEL: &str = "large";
/// A model that makes vectors.
pub const VECTORS: &str = "vectors";

/// What the answers look like.
#[derive(Debug, Clone)]
pub(crate) struct Speech {
    /// Said instead of the usual answer, word for word.
    pub(crate) text: Option<String>,
    /// The pause before each piece of a stream.
    pub(crate) pace: Duration,
}

/// A request as the fake cloud saw it, without its key.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When, since the fake cloud was started.
    pub at: Duration,
    pub method: String,
    pub path: String,
    /// Names in lower case; `authorization` is left out.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; null if it was none.
    pub body: Value,
    /// The request carried the right key.
    pub authorized: bool,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
}

pub(crate) struct Shared {
    mood: watch::Sender<Mood>,
    speech: Mutex<Speech>,
    /// Models that behave by a script of their own while the mood is well.
    scripts: Mutex<BTreeMap<String, script::Played>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Cancelled to reset all connections, then replaced.
    cut: Mutex<CancellationToken>,
    started: Instant,
    name: String,
}

/// The cloud. Dropping it closes everything.
pub struct FakeCloud {
    shared: Arc<Shared>,
    base_url: String,
    address: SocketAddr,
    ca_file: Option<PathBuf>,
    doors: mpsc::UnboundedSender<Door>,
    runtime: Option<Runtime>,
    _folder: tempfile::TempDir,
}

impl FakeCloud {
    /// A fake cloud on plain HTTP, up and well.
    pub fn start() -> FakeCloud {
        FakeCloud::on(Wire::Plain, "cloud")
    }

    /// A fake cloud that speaks as `wire` says; its answers begin with `name`.
    pub fn on(wire: Wire, name: &str) -> FakeCloud {
        let address = places::free_address();
        let place = Place { address, hosts: vec!["localhost".to_owned()], namespace: None };
        let authority = (wire != Wire::Plain).then(Authority::new);
        FakeCloud::launch(wire, name, place, authority.as_ref())
    }

    /// A second, unrelated one; its answers begin with `name`.
    pub fn named(name: &str) -> FakeCloud {
        FakeCloud::on(Wire::Plain, name)
    }

    /// A fake cloud on TLS with HTTP/2, under an authority of its own.
    pub fn with_tls() -> FakeCloud {
        FakeCloud::on(Wire::TlsHttp2, "cloud")
    }

    /// A fake cloud on TLS with HTTP/2 in another place, with a certificate of this authority.
    pub(crate) fn at(name: &str, place: Place, authority: &Authority) -> FakeCloud {
        FakeCloud::launch(Wire::TlsHttp2, name, place, Some(authority))
    }

    fn launch(wire: Wire, name: &str, place: Place, authority: Option<&Authority>) -> FakeCloud {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut names = place.hosts.clone();
        if place.namespace.is_none() {
            names.push(place.address.ip().to_string());
        }
        let tls = authority.map(|authority| authority.server(&names, wire.protocols()));
        let ca_file = authority.map(|authority| {
            let file = folder.path().join("fake-cloud-ca.pem");
            std::fs::write(&file, authority.pem()).expect("the temporary folder takes a file");
            file
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base_url = format!("{scheme}://{}/v1", place.authority());
        let shared = Arc::new(Shared {
            mood: watch::channel(Mood::Well).0,
            speech: Mutex::new(Speech { text: None, pace: Duration::from_millis(5) }),
            scripts: Mutex::default(),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            cut: Mutex::default(),
            started: Instant::now(),
            name: name.to_owned(),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (doors, orders) = mpsc::unbounded_channel();
        let listener = {
            let _entered = runtime.enter();
            line::listen(&place).expect("the port was free a moment ago")
        };
        let address = place.address;
        runtime.spawn(line::serve(shared.clone(), listener, place, tls, orders));
        FakeCloud { shared, base_url, address, ca_file, doors, runtime: Some(runtime), _folder: folder }
    }

    /// What goes into an upstream's `base_url`.
    pub fn base_url(&self) -> String {
        self.base_url.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority's certificate, where the fake cloud speaks TLS.
    pub fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    /// From here on every answer is `text`, word for word.
    pub fn say(&self, text: &str) {
        lock(&self.shared.speech).text = Some(text.to_owned());
    }

    /// Back to the usual answer.
    pub fn say_the_usual(&self) {
        lock(&self.shared.speech).text = None;
    }

    /// The pause before each piece of a stream; 5 ms at the start.
    pub fn pace(&self, pause: Duration) {
        lock(&self.shared.speech).pace = pause;
    }

    /// One more model, which behaves by its script from here on.
    pub fn model(&self, name: &str, script: Script) {
        lock(&self.shared.scripts).insert(name.to_owned(), script::Played::new(script));
    }

    /// Every request seen so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// The chat requests among them, without the box's own trials, which ask nothing.
    pub fn chats(&self) -> Vec<Seen> {
        let is_chat = |seen: &Seen| seen.path.ends_with("/chat/completions");
        let asks = |seen: &Seen| seen.body["messages"] != Value::Array(Vec::new());
        self.seen().into_iter().filter(|seen| is_chat(seen) && asks(seen)).collect()
    }

    /// When the chats for `model` came that were somebody's: a request without messages only probes it.
    pub fn attempts_on(&self, model: &str) -> Vec<Duration> {
        let asked = |seen: &Seen| seen.body["model"] == model && !play::is_probe(&seen.body);
        self.chats().into_iter().filter(asked).map(|seen| seen.at).collect()
    }

    /// How long the fake cloud has been there: the clock of [`Seen::at`].
    pub fn elapsed(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// The requests for the model list among them.
    pub fn probes(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path.ends_with("/models")).collect()
    }

    /// Connections accepted so far; refused ones leave no trace here.
    pub fn attempts(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Serves the verbs over HTTP until the process ends, for tests in other languages.
    pub fn serve_control(self, listener: std::net::TcpListener) {
        control::serve(self, listener);
    }
}

impl Drop for FakeCloud {
    fn drop(&mut self) {
        self.shared.cut_all();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn cut_all(&self) {
        std::mem::take(&mut *lock(&self.cut)).cancel();
    }

    /// A token by which one connection is reset, alone or with all others.
    fn line_token(&self) -> CancellationToken {
        lock(&self.cut).child_token()
    }

    fn record(&self, seen: Seen) {
        lock(&self.seen).push(seen);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests;

//! The real box as a child process, with its own data folder, a fake cloud and the pilot light.

mod config;
mod process;

pub use config::Builder;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Door, Reply, Sent};
use crate::lab::Namespace;
use crate::{Portal, places};
use process::Process;
pub(crate) use process::signal;

/// A box starts, stops and changes its mind within this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running box. Dropping it stops it and asserts that no process and no secret is left behind.
pub struct TestAppliance {
    folder: TempDir,
    /// Where the box was restored to, once it was.
    restored: Option<PathBuf>,
    http: std::net::SocketAddr,
    https: Option<std::net::SocketAddr>,
    process: Option<Process>,
    environment: Vec<(String, String)>,
    namespace: Option<Namespace>,
    key: String,
    sent: Sent,
}

impl TestAppliance {
    /// A box that waits to be described.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A box whose alias `assistant` goes to `cloud`, with the pilot light as its standby.
    pub async fn with_cloud(cloud: &crate::FakeCloud) -> TestAppliance {
        TestAppliance::builder().cloud(cloud).start().await
    }

    /// A client with an API key.
    pub fn client(&self) -> Client {
        self.anonymous().with_key(&self.key)
    }

    /// A client with a new key of its own; `options` are those of `genset key create`.
    pub fn client_of(&self, name: &str, options: &[&str]) -> Client {
        let made = self.cli(&[&["key", "create", name], options].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.anonymous().with_key(String::from_utf8_lossy(&made.stdout).trim())
    }

    /// A client that gives no key.
    pub fn anonymous(&self) -> Client {
        self.inside(Client::new(Door::Http(self.http), self.sent.clone()))
    }

    /// A client on the box's own network.
    fn inside(&self, client: Client) -> Client {
        match &self.namespace {
            Some(namespace) => client.on(namespace.clone()),
            None => client,
        }
    }

    /// Where the box listens for TLS.
    pub fn https_address(&self) -> std::net::SocketAddr {
        self.https.expect("the test asked for an HTTPS listener")
    }

    /// A client with an API key, over HTTPS with the box's own authority.
    pub fn https_client(&self) -> Client {
        self.visitor().with_key(&self.key)
    }

    /// A visitor of the portal, over HTTPS, who is nobody yet.
    pub fn visitor(&self) -> Client {
        let address = self.https.expect("the test asked for an HTTPS listener");
        self.inside(Client::new(Door::Https(address, self.data_dir().join("tls/ca.pem")), self.sent.clone()))
    }

    /// The owner, signed in on the first visit with the setup code.
    pub async fn portal(&self) -> Portal {
        let printed = self.cli(&["setup-code"]);
        let code = String::from_utf8(printed.stdout).expect("a code is text");
        Portal::first_visit(self.visitor(), code.trim()).await
    }

    /// Somebody whom the command line has added with these words after the name, signed in.
    pub async fn person(&self, name: &str, words: &[&str]) -> Portal {
        let added = self.cli(&[&["user", "add", name], words].concat());
        assert_eq!(added.status.code(), Some(0), "{}", String::from_utf8_lossy(&added.stderr));
        let code = String::from_utf8(added.stdout).expect("a code is text");
        Portal::welcomed(self.anonymous(), name, code.trim()).await
    }

    /// What the door says to a name and a password.
    pub async fn knock(&self, name: &str, password: &str) -> Reply {
        self.visitor().post_form("/sign-in", &[("name", name), ("password", password)]).await
    }

    /// Somebody who signs in with a password that is no matter of the box.
    pub async fn enter(&self, name: &str, password: &str) -> Portal {
        Portal::entered(&self.visitor(), &self.knock(name, password).await)
    }

    /// The owner, signed in once more.
    pub async fn portal_again(&self) -> Portal {
        Portal::sign_in(self.visitor()).await
    }

    /// The API key of [`TestAppliance::client`].
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The plain listener, `http://address:port`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The data folder of the box.
    pub fn data_dir(&self) -> PathBuf {
        self.restored.as_deref().unwrap_or(self.folder.path()).join("data")
    }

    /// The configuration file of the box.
    pub fn config_file(&self) -> PathBuf {
        self.restored.as_deref().unwrap_or(self.folder.path()).join("genset.toml")
    }

    /// Runs `genset ARGUMENTS --config FILE` to its end.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        process::cli(self.folder.path(), &self.config_file(), arguments, self.namespace.as_ref())
    }

    /// What the box has logged so far, on both of its outputs.
    pub fn log(&self) -> String {
        process::log(self.folder.path())
    }

    /// `/api/status` as JSON.
    pub async fn status(&self) -> Value {
        self.client().get("/api/status").await.json()
    }

    /// The site state, as the contract writes it.
    pub async fn site_state(&self) -> String {
        self.status().await["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the site state is `wanted`, and says how long that took.
    pub async fn until_state(&self, wanted: &str) -> Duration {
        let started = Instant::now();
        loop {
            let state = self.site_state().await;
            if state == wanted {
                return started.elapsed();
            }
            assert!(started.elapsed() < PATIENCE, "the site state stays {state}, {wanted} was expected");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `/api/status` says of this local model what is `wanted`.
    pub async fn until_local(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let status = self.status().await;
            let mut locals = status["locals"].as_array().expect("a list").iter();
            let local = locals.find(|local| local["name"] == name).expect("it is configured");
            if wanted(local) {
                return local.clone();
            }
            assert!(started.elapsed() < PATIENCE, "{local}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The same of its status, such as `ready` or `failed`.
    pub async fn until_local_is(&self, name: &str, wanted: &str) -> Value {
        self.until_local(name, |local| local["status"] == wanted).await
    }

    /// The process id of control.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the box runs").id()
    }

    /// Process ids of the running workers.
    pub fn workers(&self) -> Vec<u32> {
        process::of_box(self.folder.path())
            .into_iter()
            .filter(|found| found.is_worker())
            .map(|found| found.pid)
            .collect()
    }

    /// The file of a local model that [`Builder::standby`] made.
    pub fn model_file(&self, standby: &str) -> PathBuf {
        model_file(self.folder.path(), standby)
    }

    /// Freezes the worker of one such model with SIGSTOP.
    pub fn freeze_worker_of(&self, standby: &str) {
        self.signal_worker_of(standby, rustix::process::Signal::STOP);
    }

    /// Lets a frozen worker go on.
    pub fn thaw_worker_of(&self, standby: &str) {
        self.signal_worker_of(standby, rustix::process::Signal::CONT);
    }

    /// Kills the worker of one such model with SIGKILL.
    pub fn kill_worker_of(&self, standby: &str) {
        self.signal_worker_of(standby, rustix::process::Signal::KILL);
    }

    /// The process id of the worker of one such model; `None` when there is none.
    pub fn worker_of(&self, standby: &str) -> Option<u32> {
        let file = self.model_file(standby).display().to_string();
        let found = process::of_box(self.folder.path());
        let worker = found.iter().find(|found| found.is_worker() && found.command.contains(&file));
        worker.map(|found| found.pid)
    }

    fn signal_worker_of(&self, standby: &str, signal: rustix::process::Signal) {
        process::signal(self.worker_of(standby).expect("the model has a worker"), signal);
    }

    /// Kills every worker with SIGKILL and says how many there were.
    pub fn kill_worker(&self) -> usize {
        let workers = self.workers();
        for worker in &workers {
            process::signal(*worker, rustix::process::Signal::KILL);
        }
        workers.len()
    }

    /// Freezes every worker with SIGSTOP and says how many there were.
    pub fn freeze_worker(&self) -> usize {
        let workers = self.workers();
        for worker in &workers {
            process::signal(*worker, rustix::process::Signal::STOP);
        }
        workers.len()
    }

    /// From now on whatever writes to the data folder waits, until [`TestAppliance::disk_answers`].
    pub fn disk_hangs(&self) {
        std::fs::write(self.folder.path().join("hang"), "").expect("writable");
    }

    /// What waited is carried out.
    pub fn disk_answers(&self) {
        std::fs::remove_file(self.folder.path().join("hang")).expect("it hung");
    }

    /// Sends SIGTERM and returns at once.
    pub fn terminate(&self) {
        self.process.as_ref().expect("the box runs").terminate();
    }

    /// Stops the box with SIGTERM; it must end with 0 and leave no process behind.
    pub async fn stop(&mut self) {
        self.terminate();
        self.stopped().await;
    }

    /// Waits for the end of a box that was told to stop; it must end with 0 and leave no process behind.
    pub async fn stopped(&mut self) {
        let mut process = self.process.take().expect("the box runs");
        let code = process.wait(PATIENCE).await;
        assert_eq!(code, Some(0), "the box ends with 0 after SIGTERM; its log:\n{}", self.log());
        self.assert_nothing_runs();
    }

    /// Starts another box on the same data with listeners of its own; gives its exit code and its log. A box that does
    /// not end by itself within a while has none, and is killed.
    pub async fn second_box(&self) -> (Option<i32>, String) {
        let folder = self.folder.path().join("second");
        std::fs::create_dir(&folder).expect("the folder is new");
        let text = std::fs::read_to_string(self.config_file()).expect("the box has a configuration");
        let address = self.http.to_string();
        let other = self.folder.path().join("second.toml");
        std::fs::write(&other, text.replace(&address, &places::free_address().to_string()))
            .expect("writable");
        let mut process = Process::start(&folder, &other, &[], self.namespace.as_ref());
        (process.wait(Duration::from_secs(15)).await, process::log(&folder))
    }

    /// Kills the box itself with SIGKILL; its workers must follow by themselves.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("the box runs");
        process.kill().await;
        self.assert_nothing_runs();
    }

    /// Starts the box again after it was stopped or killed, with the same data.
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "the box was stopped before");
        let (folder, config) = (self.folder.path(), self.config_file());
        self.process = Some(Process::start(folder, &config, &self.environment, self.namespace.as_ref()));
        self.ready().await;
        self.loaded().await;
    }

    /// Starts the box that was restored to another folder, on the same addresses.
    pub async fn move_to(&mut self, restored: &Path) {
        self.restored = Some(restored.to_owned());
        self.start_again().await;
    }

    /// Makes the API key of [`TestAppliance::client`].
    fn make_key(&mut self) {
        let created = self.cli(&["key", "create", "test-client"]);
        assert!(created.status.success(), "key create fails: {}", String::from_utf8_lossy(&created.stderr));
        let printed = String::from_utf8(created.stdout).expect("a key is text");
        self.key = printed.trim().to_owned();
        let alone = !self.key.is_empty() && !self.key.contains(char::is_whitespace);
        assert!(alone, "the key stands alone on standard output");
    }

    /// Waits until the box says that it can do its work: one of its models is proven.
    async fn ready(&mut self) {
        self.answers("/readyz").await;
    }

    /// Waits until every model is ready that comes with the box, or has failed.
    async fn loaded(&self) {
        let started = Instant::now();
        let is_coming = |local: &Value| local["status"] == "starting" || local["status"] == "loading";
        loop {
            let locals = self.status().await["locals"].take();
            if !locals.as_array().expect("a list").iter().any(is_coming) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{locals}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `path` is answered with success.
    async fn answers(&mut self, path: &str) {
        let started = Instant::now();
        loop {
            if let Some(code) = self.process.as_mut().and_then(Process::ended) {
                panic!("the box ended with {code} instead of getting ready; its log:\n{}", self.log());
            }
            if self.anonymous().try_get(path).await.is_ok_and(|reply| reply.status.is_success()) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{path} does not succeed; its log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn assert_nothing_runs(&self) {
        let left = process::gone(self.folder.path(), Duration::from_secs(20));
        assert!(left.is_empty(), "processes of the box outlive it: {left:?}");
    }

    /// No prompt that was sent, and no key, may stand in the logs.
    fn assert_logs_are_clean(&self) {
        let log = self.log();
        assert!(self.key.is_empty() || !log.contains(&self.key), "the API key is in the log");
        let sent: std::collections::BTreeSet<_> = self.sent.lock().unwrap().iter().cloned().collect();
        for text in sent.iter().filter(|text| text.chars().count() >= 8) {
            assert!(!log.contains(text.as_str()), "a prompt is in the log: {text}");
        }
    }
}

impl Drop for TestAppliance {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end(PATIENCE);
        }
        if std::thread::panicking() {
            eprintln!("the box's log:\n{}", self.log());
            process::kill_all(self.folder.path());
            return;
        }
        self.assert_nothing_runs();
        self.assert_logs_are_clean();
    }
}

/// Where the file of a further local model lies. Its own name says what the pilot light speaks.
fn model_file(folder: &Path, standby: &str) -> PathBuf {
    folder.join("models").join(standby).join("pilot-light.gguf")
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository")
}

/// The binary under test: `GENSET_BIN`, or `genset` beside the test's own executable.
pub fn genset_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GENSET_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test has an executable");
    let beside =
        test.ancestors().skip(1).take(2).map(|folder| folder.join("genset")).find(|path| path.exists());
    beside.expect("genset is missing beside the tests: cargo build -p appliance, or set GENSET_BIN")
}

/// A question that the pilot light knows by heart, and its answer.
#[derive(Debug, Clone)]
pub struct Known {
    pub question: String,
    pub answer: String,
}

/// All that the pilot light knows by heart.
pub fn known_answers() -> Vec<Known> {
    let file = repository().join("provisioning/pilot-light/known-answers.json");
    let text = std::fs::read_to_string(&file).expect("the pilot light's known answers are in the repository");
    let list: Vec<Value> = serde_json::from_str(&text).expect("the known answers are a JSON list");
    let field =
        |entry: &Value, name: &str| entry[name].as_str().expect("question and answer are texts").to_owned();
    list.iter()
        .map(|entry| Known { question: field(entry, "question"), answer: field(entry, "answer") })
        .collect()
}

/// The longest known answer in English, or in Korean.
pub fn known_answer(korean: bool) -> Known {
    let is_korean = |text: &str| text.chars().any(|char| ('가'..='힣').contains(&char));
    let fits = |known: &Known| is_korean(&known.question) == korean && is_korean(&known.answer) == korean;
    let longest = known_answers().into_iter().filter(fits).max_by_key(|known| known.answer.chars().count());
    longest.expect("the pilot light knows answers in both languages")
}

/// A new nonce for a question; the fake cloud repeats it.
pub fn nonce() -> String {
    places::nonce()
}

//! The two servers on one model: the box, asked over its API, and llama-server.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inference::plan::{self, Need};
use inference::{ModelSpec, gguf, worker};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::client::{self, Ask, Sampling};
use crate::options::Options;

/// Cells of the context and answers at a time, the same for all three programs.
pub(crate) const CELLS: u32 = 32768;
pub(crate) const SEQUENCES: u32 = 16;

/// Tokens of one step of the engine.
pub(crate) const STEP: u32 = 512;

/// A server with its model loaded.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    /// A box whose one alias is served by the model alone.
    pub(crate) async fn start_box(options: &Options) -> Server {
        let (folder, address) = (folder(), free_port());
        let config = folder.path().join("genset.toml");
        let model = options.model.canonicalize().expect("the model is there");
        let text = format!(
            "[site]\nname = \"bench\"\ndata_dir = \"data\"\n[listen]\nhttp = \"{address}\"\n\
             [[local]]\nname = \"model\"\nfile = {model:?}\ncontext_cells = {CELLS}\nsequences = {SEQUENCES}\n\
             clinical_reserve = 0\nthreads = {}\n[[alias]]\nname = \"model\"\ncloud = []\nstandby = [\"model\"]\n",
            options.threads
        );
        fs::write(&config, text).expect("written");
        let made =
            Command::new(&options.genset).args(["key", "create", "bench", "--config"]).arg(&config).output();
        let key = String::from_utf8(made.expect("a key").stdout).expect("text").trim().to_owned();
        let mut command = Command::new(&options.genset);
        command.args(["serve", "--config"]).arg(&config);
        Server::start("box", command, address, key, folder).await
    }

    /// llama-server with the same context, as it is shipped but for its page; and it keeps no more of what has ended outside
    /// of its context than the box does.
    pub(crate) async fn start_peer(options: &Options) -> Server {
        let address = free_port();
        let kept_mib = kept_bytes(&options.model) >> 20;
        let mut command = Command::new(options.peers.join("llama-server"));
        command
            .arg("--model")
            .arg(&options.model)
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--ctx-size", &CELLS.to_string(), "--parallel", &SEQUENCES.to_string(), "--kv-unified"])
            .args(["--threads", &options.threads.to_string(), "--ubatch-size", &STEP.to_string()])
            .args(["--cache-ram", &kept_mib.to_string(), "--no-webui"]);
        Server::start("llama-server", command, address, "none".into(), folder()).await
    }

    async fn start(
        name: &'static str,
        mut command: Command,
        address: SocketAddr,
        key: String,
        folder: tempfile::TempDir,
    ) -> Server {
        let log = folder.path().join("log");
        let output = fs::File::create(&log).expect("a file");
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} can't be started: {error}"));
        let mut server = Server { name, address, key, process, _folder: folder };
        server.wait(&log).await;
        server
    }

    async fn wait(&mut self, log: &Path) {
        let ask = Ask::new("Ready?".into(), 1, Sampling::Likeliest);
        for _ in 0..1200 {
            if let Some(status) = self.process.try_wait().expect("a process") {
                panic!("{} {status}: {}", self.name, fs::read_to_string(log).unwrap_or_default());
            }
            if TcpStream::connect(self.address).await.is_ok() && client::try_ask(self, &ask).await.is_some() {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "{} is not ready after two minutes: {}",
            self.name,
            fs::read_to_string(log).unwrap_or_default()
        );
    }

    /// Of the process that holds the model: the box's worker, or llama-server itself.
    pub(crate) fn model_process(&self) -> u32 {
        let pid = self.process.id();
        let children = PathBuf::from(format!("/proc/{pid}/task/{pid}/children"));
        let child = fs::read_to_string(children).ok();
        child
            .and_then(|list| list.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| child_of(pid).unwrap_or(pid))
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.model_process())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a figure");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// A process is the child of the thread that started it, which need not be the first.
fn child_of(pid: u32) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.flatten().find_map(|thread| {
        let list = fs::read_to_string(thread.path().join("children")).ok()?;
        list.split_whitespace().next()?.parse().ok()
    })
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("target").expect("a folder on the disk of the checkout")
}

/// What the box keeps of ended answers outside of the context of this model.
fn kept_bytes(model: &Path) -> u64 {
    let file = gguf::inspect(model).expect("a model");
    let spec = ModelSpec {
        context_cells: CELLS,
        sequences: SEQUENCES,
        on_cpu: true,
        ..ModelSpec::new("model", model, "genset")
    };
    let free = worker::free_memory(&spec).expect("the machine tells what is free");
    plan::swap_bytes(&Need::of(&file, spec.wish()), &free)
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

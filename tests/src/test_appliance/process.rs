//! The box's processes: known by a mark in their environment or by the folder in their arguments, so that none of
//! them is overlooked.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::genset_binary;
use crate::lab::Namespace;

/// The variable that carries the mark, which is the box's folder. A worker may have a bare environment, but its model
/// lies in the folder.
const MARK: &str = "GENSET_TEST_FOLDER";

/// A running `genset serve`.
pub(super) struct Process {
    child: Child,
}

/// A process of a box.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) pid: u32,
    pub(super) command: String,
}

impl Found {
    pub(super) fn is_worker(&self) -> bool {
        self.command.split(' ').nth(1) == Some("worker")
    }
}

impl Process {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn start(
        folder: &Path,
        config: &Path,
        environment: &[(String, String)],
        namespace: Option<&Namespace>,
    ) -> Process {
        let log = |name: &str| {
            let file = File::options().create(true).append(true).open(folder.join(name));
            Stdio::from(file.expect("the folder takes a log"))
        };
        let mut command = genset(namespace);
        command.arg("serve").arg("--config").arg(config).env(MARK, folder).process_group(0);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log("stdout.log")).stderr(log("stderr.log"));
        Process { child: command.spawn().expect("the binary runs") }
    }

    pub(super) fn terminate(&self) {
        signal(self.child.id(), Signal::TERM);
    }

    pub(super) async fn kill(&mut self) {
        signal(self.child.id(), Signal::KILL);
        self.wait(Duration::from_secs(15)).await;
    }

    /// The exit code, if it has ended; -1 after a signal.
    pub(super) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().expect("a child can be asked").map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for the end and gives the exit code; none after a signal or when it does not end.
    pub(super) async fn wait(&mut self, patience: Duration) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < patience {
            if let Some(code) = self.ended() {
                return Some(code);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends").code()
    }

    /// Ends it, politely at first.
    pub(super) fn end(mut self, patience: Duration) {
        self.terminate();
        let started = Instant::now();
        while self.ended().is_none() && started.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.ended().is_none() {
            self.child.kill().expect("a child can be killed");
            self.child.wait().expect("a killed child ends");
        }
    }
}

/// Runs `genset` to its end.
pub(super) fn cli(folder: &Path, config: &Path, arguments: &[&str], namespace: Option<&Namespace>) -> Output {
    let mut command = genset(namespace);
    command.args(arguments).arg("--config").arg(config).env(MARK, folder).stdin(Stdio::null());
    command.output().expect("the binary runs")
}

/// The program, in its network.
fn genset(namespace: Option<&Namespace>) -> Command {
    match namespace {
        Some(namespace) => namespace.command(genset_binary()),
        None => Command::new(genset_binary()),
    }
}

/// Both logs, one after the other.
pub(super) fn log(folder: &Path) -> String {
    let read = |name: &str| {
        String::from_utf8_lossy(&std::fs::read(folder.join(name)).unwrap_or_default()).into_owned()
    };
    format!("{}{}", read("stdout.log"), read("stderr.log"))
}

/// All processes of the box in `folder`.
pub(super) fn of_box(folder: &Path) -> Vec<Found> {
    let folder = folder.display().to_string();
    let mark = format!("{MARK}={folder}");
    let entries = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        let found = !command.is_empty() && (marked || command.contains(&folder));
        found.then_some(Found { pid, command })
    })
    .collect()
}

/// Waits until no process of the box is left, and gives those that still are.
pub(super) fn gone(folder: &Path, patience: Duration) -> Vec<Found> {
    let started = Instant::now();
    loop {
        let left = of_box(folder);
        if left.is_empty() || started.elapsed() > patience {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills what is left of a failed test.
pub(super) fn kill_all(folder: &Path) {
    for found in of_box(folder) {
        signal(found.pid, Signal::KILL);
    }
}

/// Sends a signal; a process that has gone in the meantime is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = rustix::process::kill_process(pid, signal);
}

//! `provisioning/up`: what a visitor runs first. The build is left out; the binary under test is used.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::{genset_binary, repository};

/// `provisioning/up` in a folder of its own, up to its last line.
struct Up {
    child: Child,
    said: String,
}

impl Up {
    fn start(folder: &Path) -> Up {
        let mut child = command(folder).stderr(Stdio::inherit()).spawn().unwrap();
        let mut said = String::new();
        let mut buffer = [0; 4096];
        let output = child.stdout.as_mut().unwrap();
        while !said.contains("Ctrl-C stops everything") {
            let read = output.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "it ended: {said}");
            said.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        Up { child, said }
    }

    /// The word after `label` in what was printed.
    fn word(&self, label: &str) -> &str {
        let after =
            self.said.split(label).nth(1).unwrap_or_else(|| panic!("{label} is missing:\n{}", self.said));
        after.split_whitespace().next().unwrap()
    }

    /// Runs the printed curl command as it stands, with another address if one is given.
    fn printed_curl(&self) -> Value {
        let start = self.said.find("curl --cacert").unwrap();
        let command = self.said[start..].split("\n\n").next().unwrap();
        run(command)
    }

    /// Sends a signal and waits for the end; the exit code, none if the signal itself ended it.
    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(repository().join("provisioning/up"));
    command.env("GENSET_BIN", genset_binary()).env("GENSET_FOLDER", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(command: &str) -> Value {
    let output = Command::new("bash").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)))
}

/// Processes that were started by `up` for this folder, with their arguments.
fn processes_of(folder: &Path) -> Vec<(Pid, String)> {
    let mark = format!("GENSET_FOLDER={}", folder.display());
    let name = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter_map(|pid| {
        let read = |file: &str| std::fs::read(format!("/proc/{}/{file}", pid.as_raw_pid())).ok();
        let command = String::from_utf8_lossy(&read("cmdline")?).replace('\0', " ");
        let marked = read("environ")?.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        (!command.is_empty() && (marked || command.contains(&name))).then_some((pid, command))
    })
    .collect()
}

fn assert_nothing_runs(folder: &Path) {
    let started = Instant::now();
    while !processes_of(folder).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "left behind: {:?}", processes_of(folder));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_command_shows_the_cloud_lost_and_found_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    assert!(up.word("Portal ").starts_with("https://localhost:"));
    assert!(up.word("Setup code ").len() >= 16);
    let key = up.word("API key ").to_owned();

    let before = up.printed_curl();
    assert_eq!(before["genset"]["route"], "cloud", "{before}");
    assert!(before["choices"][0]["message"]["content"].as_str().unwrap().starts_with("[demo cloud]"));

    let control = up.word("curl -X POST ").to_owned();
    assert_eq!(run(&format!("curl -sS -X POST {control}"))["state"], "cut");
    let during = up.printed_curl();
    assert_eq!(during["genset"]["route"], "local", "{during}");
    let question = "What should I do when the cloud is down?";
    let known = tests::test_appliance::known_answers();
    let known = known.iter().find(|known| known.question == question).expect("the printed question is known");
    assert_eq!(during["choices"][0]["message"]["content"], json!(known.answer));

    assert_eq!(run(&format!("curl -sS -X POST {}", control.replace("/cut", "/restore")))["state"], "up");
    let started = Instant::now();
    while up.printed_curl()["genset"]["route"] != "cloud" {
        assert!(started.elapsed() < Duration::from_secs(90), "the cloud does not come back");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(up.end(Signal::INT), Some(130));
    assert_nothing_runs(folder.path());

    let started = Instant::now();
    let again = Up::start(folder.path());
    assert!(started.elapsed() < Duration::from_secs(30), "the second start took {:?}", started.elapsed());
    assert_eq!(again.word("API key "), key, "the key is kept");
    assert_eq!(again.printed_curl()["choices"][0]["finish_reason"], "stop");
    assert_eq!(again.end(Signal::INT), Some(130));
    assert_nothing_runs(folder.path());
}

#[test]
fn taken_ports_are_replaced_and_named_and_a_second_box_in_the_same_folder_is_refused() {
    let holders = [8443, 8080, 18080].map(|port| TcpListener::bind(("127.0.0.1", port)));
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    assert_eq!(up.printed_curl()["genset"]["route"], "cloud");
    let config = std::fs::read_to_string(folder.path().join("evaluation.toml")).unwrap();
    for port in [":8443\"", ":8080\"", ":18080/"] {
        assert!(!config.contains(port), "{port} is taken: {config}");
    }
    let second = command(folder.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.lines().count() == 1 && said.contains(&folder.path().display().to_string()), "{said}");
    assert_eq!(up.printed_curl()["genset"]["route"], "cloud", "the first one is unharmed");
    assert_eq!(up.end(Signal::TERM), Some(0));
    assert_nothing_runs(folder.path());
    drop(holders);
}

#[test]
fn when_the_box_ends_by_itself_everything_ends_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Up::start(folder.path());
    let processes = processes_of(folder.path());
    let (serve, _) = processes.iter().find(|(_, command)| command.contains(" serve ")).expect("the box runs");
    kill_process(*serve, Signal::KILL).unwrap();
    assert_eq!(up.child.wait().unwrap().code(), Some(1));
    assert_nothing_runs(folder.path());
}

#[test]
fn when_the_command_itself_is_killed_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(folder.path());
    assert_eq!(up.end(Signal::KILL), None);
    assert_nothing_runs(folder.path());
}

#[test]
fn a_key_that_no_longer_works_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let first = Up::start(folder.path());
    let key = first.word("API key ").to_owned();
    assert_eq!(first.end(Signal::INT), Some(130));
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let second = Up::start(folder.path());
    assert_ne!(second.word("API key "), key);
    assert_eq!(second.printed_curl()["choices"][0]["finish_reason"], "stop");
    assert_eq!(second.end(Signal::INT), Some(130));
    assert_nothing_runs(folder.path());
}

//! `provisioning/up`: what a visitor runs first. The build is left out; the binary under test is used.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{genset_binary, repository};

/// `provisioning/up` in a folder of its own, up to its last line.
struct Up {
    child: Child,
    said: String,
}

impl Up {
    fn start(folder: &Path) -> Up {
        let mut command = Command::new(repository().join("provisioning/up"));
        command.env("GENSET_BIN", genset_binary()).env("GENSET_FOLDER", folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
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

    fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

fn run(command: &str) -> Value {
    let output = Command::new("bash").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)))
}

fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let commands = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
    commands.filter(|command| command.contains(&folder)).collect()
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
    assert_eq!(up.stop(), Some(130));
    assert_eq!(processes_of(folder.path()), Vec::<String>::new());

    let started = Instant::now();
    let again = Up::start(folder.path());
    assert!(started.elapsed() < Duration::from_secs(5), "the second start took {:?}", started.elapsed());
    assert_eq!(again.word("API key "), key, "the key is kept");
    assert_eq!(again.printed_curl()["choices"][0]["finish_reason"], "stop");
    assert_eq!(again.stop(), Some(130));
    assert_eq!(processes_of(folder.path()), Vec::<String>::new());
}

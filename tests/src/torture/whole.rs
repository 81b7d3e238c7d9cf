//! A whole box in a folder of its own, whose programs run on the breakable disk (`tests/disk`).

pub(super) mod journal;
pub(super) mod remains;

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::platter::Fault;
use crate::client::{Client, Door, Sent};
use crate::places::free_address;
use crate::{fake_cloud, genset_binary};

/// No box takes so long to get ready, or to say that it will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the disk under one program does.
#[derive(Debug, Clone, Default)]
pub(super) struct Orders {
    /// The kind of call, how many of them pass, and whether all that follow fail too.
    pub(super) fault: Option<(Fault, u64, bool)>,
    /// Where each change is written down.
    pub(super) journal: Option<PathBuf>,
}

impl Orders {
    pub(super) fn fails(fault: Fault, passes: u64, stays: bool) -> Orders {
        Orders { fault: Some((fault, passes, stays)), journal: None }
    }

    pub(super) fn journal(path: &Path) -> Orders {
        Orders { fault: None, journal: Some(path.to_owned()) }
    }
}

/// The library that a program preloads.
pub(crate) fn library() -> PathBuf {
    let library = genset_binary().with_file_name("libbreakable_disk.so");
    assert!(library.is_file(), "{}: cargo build --workspace makes it", library.display());
    library
}

/// A box that may not exist yet: its configuration, and the plain key of a cloud account.
pub(super) struct Site {
    folder: TempDir,
    address: SocketAddr,
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) printed: String,
    pub(super) said: String,
    pub(super) failed_calls: u64,
}

impl Ended {
    pub(super) fn is_panic(&self) -> bool {
        self.code.is_none_or(|code| code == 101) || self.said.contains("panicked at")
    }
}

impl Site {
    pub(super) fn new() -> Site {
        let site = Site { folder: TempDir::new().expect("a folder"), address: free_address() };
        let config = format!(
            "[site]\nname = \"Harbor Hospital\"\ndata_dir = \"data\"\n[listen]\nhttp = \"{0}\"\nhttps = \"{1}\"\n\
             [[upstream]]\nname = \"cloud\"\ndialect = \"openai\"\nbase_url = \"http://{0}/nowhere\"\n\
             api_key_file = \"cloud.key\"\n[[local]]\nname = \"pilot-light\"\nfile = \"pilot-light.gguf\"\n\
             [[alias]]\nname = \"assistant\"\ncloud = [\"cloud/large\"]\nstandby = [\"pilot-light\"]\n\
             [[alias]]\nname = \"local-only\"\ncloud = []\nstandby = [\"pilot-light\"]\n\
             [backup]\nfolder = \"backups\"\n[audit]\nanchor_file = \"anchors\"\n",
            site.address,
            free_address()
        );
        std::fs::write(site.config(), config).expect("writable");
        std::fs::write(site.path().join("cloud.key"), format!("{}\n", fake_cloud::KEY)).expect("writable");
        site
    }

    /// The same box once more, in another folder.
    pub(super) fn copy(&self) -> Site {
        let copy = Site { folder: TempDir::new().expect("a folder"), address: self.address };
        copy_folder(self.path(), copy.path());
        copy
    }

    /// The box that a power cut left.
    pub(super) fn of_remains(&self, remains: &remains::Remains) -> Site {
        let site = Site { folder: TempDir::new().expect("a folder"), address: self.address };
        remains.put_into(site.path());
        site
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path().join("genset.toml")
    }

    /// The backups that look like backups.
    pub(super) fn backups(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path().join("backups")).into_iter().flatten().flatten();
        let mut backups: Vec<_> = entries.map(|entry| entry.path()).collect();
        backups.retain(|path| path.extension().is_some_and(|end| end == "backup"));
        backups.sort();
        backups
    }

    fn command(&self, orders: &Orders) -> Command {
        let mut command = Command::new(genset_binary());
        command.env("LD_PRELOAD", library()).env("DISK_FOLDER", self.path()).current_dir(self.path());
        command.env("RUST_BACKTRACE", "0");
        if let Some((fault, passes, stays)) = orders.fault {
            let how = if stays { "stays" } else { "once" };
            command.env("DISK_FAULT", format!("{},{passes},{how}", format!("{fault:?}").to_lowercase()));
            command.env("DISK_FAILED", self.failed());
        }
        if let Some(journal) = &orders.journal {
            command.env("DISK_JOURNAL", journal);
        }
        command
    }

    /// Beside the folder that fails.
    fn failed(&self) -> PathBuf {
        self.path().with_extension("failed")
    }

    fn failed_calls(&self) -> u64 {
        let count = std::fs::metadata(self.failed()).map_or(0, |facts| facts.len());
        let _ = std::fs::remove_file(self.failed());
        count
    }

    /// Runs `genset WORDS --config FILE` to its end; `typed` goes to its standard input.
    pub(super) fn run(&self, words: &[&str], typed: &str, orders: &Orders) -> Ended {
        let mut command = self.command(orders);
        command.args(words);
        if words[0] != "restore" {
            command.arg("--config").arg(self.config());
        }
        let typed_file = self.path().with_extension("typed");
        std::fs::write(&typed_file, typed).expect("writable");
        let output = command.stdin(File::open(&typed_file).expect("it was written")).output();
        let output = output.expect("the binary runs");
        let _ = std::fs::remove_file(typed_file);
        Ended {
            code: output.status.code(),
            printed: String::from_utf8_lossy(&output.stdout).into_owned(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
            failed_calls: self.failed_calls(),
        }
    }

    /// The same on a good disk, where it must do its work.
    pub(super) fn must(&self, words: &[&str], typed: &str) -> String {
        let ended = self.run(words, typed, &Orders::default());
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.said);
        ended.printed
    }

    /// Whether a command goes well on a good disk, and what it says otherwise.
    pub(super) fn check(&self, words: &[&str], typed: &str) -> Result<(), String> {
        let ended = self.run(words, typed, &Orders::default());
        if ended.code == Some(0) {
            Ok(())
        } else {
            Err(format!("{words:?}: {:?}: {}", ended.code, ended.said))
        }
    }

    pub(super) fn serve(&self, orders: &Orders) -> Serving<'_> {
        let log = self.path().with_extension("log");
        let mut command = self.command(orders);
        command.arg("serve").arg("--config").arg(self.config()).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).expect("writable"));
        Serving { site: self, log, child: command.spawn().expect("the binary runs") }
    }

    pub(super) fn client(&self) -> Client {
        Client::new(Door::Http(self.address), Sent::default())
    }

    /// Answers to one question about one of the databases.
    pub(super) fn ask(&self, file: &str, question: &str) -> Result<String, String> {
        let path = self.data().join(file);
        if !path.exists() {
            return Ok("none".to_owned());
        }
        let file = super::life::open(&path)?;
        super::life::ask(&file, &format!("SELECT CAST(({question}) AS TEXT)"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for end in ["log", "failed", "typed"] {
            let _ = std::fs::remove_file(self.path().with_extension(end));
        }
    }
}

/// A running `genset serve`; killed when dropped.
pub(super) struct Serving<'a> {
    site: &'a Site,
    log: PathBuf,
    child: Child,
}

impl Serving<'_> {
    /// Waits until the box is alive (`/livez`) or ready (`/readyz`); false when it ended by itself before.
    pub(super) async fn answers(&mut self, path: &str) -> Result<bool, String> {
        let begun = Instant::now();
        loop {
            if self.child.try_wait().expect("a child can be asked").is_some() {
                return Ok(false);
            }
            let client = self.site.client();
            if client.try_get(path).await.is_ok_and(|reply| reply.status.is_success()) {
                return Ok(true);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{path} does not succeed: {}", self.log()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Kills it, if it has not ended; how it ended.
    pub(super) fn end(mut self) -> Ended {
        let ended = self.child.try_wait().expect("a child can be asked");
        self.kill();
        Ended {
            code: ended.map_or(Some(0), |status| status.code()),
            printed: String::new(),
            said: self.log(),
            failed_calls: self.site.failed_calls(),
        }
    }

    fn kill(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let (Ok(None), Some(group)) = (self.child.try_wait(), group) {
            // With its workers, which would follow by themselves a little later.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        self.child.wait().expect("a killed child ends");
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("readable").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            std::fs::create_dir(&target).expect("writable");
            let mode = std::fs::metadata(&path).expect("it is there").permissions();
            std::fs::set_permissions(&target, mode).expect("it is ours");
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("writable");
        }
    }
}

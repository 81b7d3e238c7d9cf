//! The helper that cuts the box's way out, as it runs on an installed box: another user, with one right.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::namespace::as_user;
use super::{Lab, Site};
use crate::genset_binary;
use crate::test_appliance::Builder;

/// The user of the box; root's packets are never cut.
const BOX: u32 = 4711;
const HELPER: u32 = 4712;

/// A running helper; it ends when this is dropped.
pub struct Cutter {
    child: Child,
    socket: PathBuf,
}

impl Lab {
    /// Starts the helper and waits until it listens.
    pub fn cutter(&self) -> Cutter {
        let socket = self.folder.path().join("cutter.socket");
        let mut command = self.inside.command("env");
        // The right to read the program is the test's own: its folder may be closed to others.
        command.args(as_user(HELPER, "+net_admin,+dac_override,+fowner")).arg(genset_binary());
        command.arg("cutter").arg("--socket").arg(&socket).args(["--user", &BOX.to_string()]);
        let _ = std::fs::remove_file(&socket);
        let child = command.stdin(Stdio::null()).spawn().expect("the helper runs");
        let started = Instant::now();
        while !socket.exists() {
            assert!(started.elapsed() < Duration::from_secs(30), "the helper does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Cutter { child, socket }
    }

    /// A box that is not root's, with this helper.
    pub fn appliance_with(&self, cutter: &Cutter) -> Builder {
        let extra = format!("cutter = {:?}\n", cutter.socket.display().to_string());
        self.appliance().in_namespace(self.inside.of_user(BOX)).extra(&format!("\n[drill]\n{extra}"))
    }

    /// Whether a connection of the box's own user reaches a cloud.
    pub fn box_reaches(&self, site: Site) -> bool {
        self.reaches(self.inside.of_user(BOX).command("timeout"), site)
    }

    /// Whether one of root does.
    pub fn root_reaches(&self, site: Site) -> bool {
        self.reaches(self.inside.command("timeout"), site)
    }

    fn reaches(&self, mut timeout: std::process::Command, site: Site) -> bool {
        let connect = format!("</dev/tcp/{}/{}", site.address(), super::HTTPS);
        let output = timeout.args(["2", "bash", "-c", &connect]).output();
        output.expect("bash runs").status.success()
    }

    /// The packet filter of a drill, as nftables lists it; nothing where there is none.
    pub fn cut(&self) -> String {
        let mut command = self.inside.command("nft");
        let output = command.args(["list", "table", "inet", "genset_drill"]).output().expect("nft runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Cutter {
    /// Kills the helper, which then cannot give the way free itself.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32);
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

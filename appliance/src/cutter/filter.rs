//! The one packet filter that the helper sets: its text has no part that anybody else wrote but a number.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Where distributions put the program.
const PLACES: [&str; 4] = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"];

/// Makes the table and lets it go in one transaction, whether it was there or not.
const REMOVE: &str = "add table inet genset_drill\ndelete table inet genset_drill\n";

/// Has the kernel follow every connection from its first packet. Without it, an answer to a client of the building that
/// runs at the cut would be taken for a connection that the box begins, because its first packet seen is the box's.
const TRACK: &str = "add table inet genset_track\ndelete table inet genset_track\n\
    table inet genset_track {\n\
    chain in { type filter hook input priority filter; policy accept; ct state new accept; }\n\
    chain out { type filter hook output priority filter; policy accept; ct state new accept; }\n}\n";

const UNTRACK: &str = "add table inet genset_track\ndelete table inet genset_track\n";

/// The rule for the packets of one user.
#[derive(Debug)]
pub(crate) struct Filter {
    uid: u32,
    program: PathBuf,
}

impl Filter {
    /// # Errors
    /// When the user is root, whose packets are the whole machine's, or nftables is not installed.
    pub(crate) fn new(uid: u32) -> Result<Filter, String> {
        if uid == 0 {
            return Err("the box runs as root: cutting root's way would cut the whole machine's".into());
        }
        let found = PLACES.iter().map(PathBuf::from).find(|place| place.exists());
        let program = found.ok_or_else(|| format!("there is no nft at {}", PLACES.join(", ")))?;
        Ok(Filter { uid, program })
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// From here on connections are followed; nothing is cut.
    pub(super) async fn track(&self) -> Result<(), String> {
        self.apply(TRACK).await
    }

    pub(super) async fn untrack(&self) -> Result<(), String> {
        self.apply(UNTRACK).await
    }

    pub(super) async fn cut(&self) -> Result<(), String> {
        let uid = self.uid;
        let rule = "meta skuid @box ct direction original oifname != \"lo\" counter drop";
        self.apply(&format!(
            "{REMOVE}table inet genset_drill {{\n\
             set box {{ typeof meta skuid; flags timeout; elements = {{ {uid} timeout 10s }} }}\n\
             chain out {{ type filter hook output priority filter; policy accept; {rule}; }}\n}}\n"
        ))
        .await
    }

    /// Gives the rule its 10 seconds anew; in one transaction, so that no packet slips through.
    pub(super) async fn renew(&self) -> Result<(), String> {
        let uid = self.uid;
        self.apply(&format!(
            "add element inet genset_drill box {{ {uid} }}\n\
             delete element inet genset_drill box {{ {uid} }}\n\
             add element inet genset_drill box {{ {uid} timeout 10s }}\n"
        ))
        .await
    }

    pub(super) async fn remove(&self) -> Result<(), String> {
        self.apply(REMOVE).await
    }

    async fn apply(&self, script: &str) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.program.display());
        let mut child = Command::new(&self.program)
            .args(["-f", "-"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(script.as_bytes()).await.map_err(failed)?;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("nft says: {}", said.lines().next().unwrap_or("nothing")))
    }
}

//! One network namespace with a view of files of its own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpSocket, TcpStream};

/// A namespace; it is gone when the last clone and everything that runs in it is gone.
#[derive(Debug, Clone)]
pub struct Namespace {
    held: Arc<Held>,
    /// Who runs commands inside; root where nobody is named.
    user: Option<u32>,
}

#[derive(Debug)]
struct Held {
    /// Ends when its input ends, at the latest when this process does.
    keeper: Child,
    network: OwnedFd,
}

impl Namespace {
    /// Whether this process may make one.
    pub(super) fn possible() -> bool {
        let tried =
            Command::new("unshare").args(["--net", "--mount", "ip", "link", "set", "lo", "up"]).output();
        tried.is_ok_and(|output| output.status.success())
    }

    pub(super) fn new() -> Namespace {
        Namespace::hold("true")
    }

    /// One whose programs read this file as `/etc/resolv.conf`.
    pub(super) fn with_resolver(file: &Path) -> Namespace {
        Namespace::hold(&format!("mount --bind {} /etc/resolv.conf", file.display()))
    }

    fn hold(first: &str) -> Namespace {
        let script = format!("{first} && ip link set lo up && echo held && exec cat");
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("unshare runs");
        let mut said = String::new();
        let output = keeper.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut said).expect("a pipe can be read");
        assert_eq!(said, "held\n", "a namespace could not be made");
        let file = std::fs::File::open(format!("/proc/{}/ns/net", keeper.id())).expect("the keeper runs");
        Namespace { held: Arc::new(Held { keeper, network: file.into() }), user: None }
    }

    /// A command that runs inside.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let keeper = self.held.keeper.id();
        let mut command = Command::new("nsenter");
        command.args([format!("--net=/proc/{keeper}/ns/net"), format!("--mount=/proc/{keeper}/ns/mnt")]);
        command.arg("--");
        if let Some(user) = self.user {
            // It reads and writes what the tests have made as root, and may do nothing else that root may.
            command.args(as_user(user, "+dac_override,+fowner"));
        }
        command.arg(program);
        command
    }

    /// The same network for programs of another user than root.
    pub(super) fn of_user(&self, user: u32) -> Namespace {
        Namespace { held: self.held.clone(), user: Some(user) }
    }

    /// Runs a line of shell inside; it must succeed.
    pub(super) fn shell(&self, line: &str) {
        let output = self.command("sh").args(["-c", line]).output().expect("nsenter runs");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Gives a script to nftables inside.
    pub(super) fn filter(&self, script: &str) {
        let mut command = self.command("nft");
        let command = command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut nft = command.spawn().expect("nsenter runs");
        let mut input = nft.stdin.take().expect("its input is a pipe");
        input.write_all(script.as_bytes()).expect("nft reads its script");
        drop(input);
        let output = nft.wait_with_output().expect("nft ends");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Lays a cable to another namespace, with an address at each end; `gateway` is the far end's way to all else.
    pub(super) fn link(
        &self,
        name: &str,
        address: &str,
        far: &Namespace,
        far_name: &str,
        far_address: &str,
        gateway: Option<&str>,
    ) {
        let keeper = far.held.keeper.id();
        self.shell(&format!(
            "ip link add {name} type veth peer name {far_name} netns {keeper} && \
             ip addr add {address} dev {name} && ip link set {name} up"
        ));
        let route =
            gateway.map(|gateway| format!(" && ip route add default via {gateway}")).unwrap_or_default();
        far.shell(&format!("ip addr add {far_address} dev {far_name} && ip link set {far_name} up{route}"));
    }

    /// Runs something on a thread inside: the sockets that it makes belong here, wherever they are used.
    pub(crate) fn enter<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        let network = &self.held.network;
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("the namespace is there");
                run()
            });
            inside.join().expect("what runs inside does not panic")
        })
    }

    /// A connection from here.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let runtime = tokio::runtime::Handle::current();
        let socket = self.enter(|| {
            let _entered = runtime.enter();
            TcpSocket::new_v4()
        })?;
        socket.connect(address).await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The words before a command that make it run as a user with these capabilities alone.
pub(super) fn as_user(user: u32, capabilities: &str) -> Vec<String> {
    let mut words = vec!["setpriv".to_owned(), "--clear-groups".to_owned()];
    words.extend([format!("--reuid={user}"), format!("--regid={user}")]);
    words.extend(["inh-caps", "ambient-caps"].map(|set| format!("--{set}={capabilities}")));
    words.push(format!("--bounding-set=-all,{capabilities}"));
    words
}

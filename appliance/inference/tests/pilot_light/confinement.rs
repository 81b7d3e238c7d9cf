//! What a worker that has fallen into wrong hands can reach: nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use inference::worker::confine;
use inference::{Confinement, Status};
use rustix::process::{Pid, Resource, Rlimit, getppid, setrlimit, test_kill_process};

use crate::harness::*;

type Attempt<'a> = (&'static str, Box<dyn FnOnce() -> io::Result<()> + Send + 'a>);

/// Needs the wall of files; what is not named here needs the wall of calls.
const FILES: [&str; 7] = [
    "read the accounts",
    "read the passwords of the machine",
    "read its own environment",
    "look into the folder of the models",
    "write to the model",
    "write beside the model",
    "read the passwords from a thread",
];

/// What some kernels refuse to everybody.
const RARE: [&str; 4] =
    ["look into the box", "copy the memory of the box", "make a ring of calls", "trace the kernel"];

/// Everything that a trespasser tries. The model is the one thing that may be read.
fn attempts<'a>(model: &'a Path, core: &'a Path, port: u16, control: Pid) -> Vec<Attempt<'a>> {
    let read = |path: &Path| fs::read(path).map(drop);
    let open_to_write =
        |path: &Path| File::options().write(true).create(true).truncate(false).open(path).map(drop);
    vec![
        ("read the model", Box::new(move || read(model))),
        ("read the accounts", Box::new(move || read(core))),
        ("read the passwords of the machine", Box::new(move || read("/etc/passwd".as_ref()))),
        ("read its own environment", Box::new(move || read("/proc/self/environ".as_ref()))),
        ("look into the folder of the models", Box::new(|| fs::read_dir(model.parent().unwrap()).map(drop))),
        ("write to the model", Box::new(move || open_to_write(model))),
        ("write beside the model", Box::new(move || open_to_write(&model.with_extension("note")))),
        (
            "read the passwords from a thread",
            Box::new(move || std::thread::spawn(move || read("/etc/passwd".as_ref())).join().unwrap()),
        ),
        ("connect to the box", Box::new(move || TcpStream::connect(("127.0.0.1", port)).map(drop))),
        ("send a datagram", Box::new(|| UdpSocket::bind("127.0.0.1:0").map(drop))),
        ("make a pair of sockets", Box::new(|| UnixStream::pair().map(drop))),
        ("start a program", Box::new(|| Command::new("/bin/true").status().map(drop))),
        ("signal the box", Box::new(move || Ok(test_kill_process(control)?))),
        ("look into the box", Box::new(move || calls::answered(calls::peek_at(control)))),
        ("copy the memory of the box", Box::new(move || calls::answered(calls::read_from(control)))),
        ("make code of data", Box::new(|| calls::answered(calls::executable_memory()))),
        ("make a ring of calls", Box::new(|| calls::answered(calls::io_uring()))),
        ("trace the kernel", Box::new(|| calls::answered(calls::bpf()))),
        (
            "give itself more files",
            Box::new(|| {
                let more = Rlimit { current: Some(64), maximum: Some(64) };
                Ok(setrlimit(Resource::Nofile, more)?)
            }),
        ),
        // The last one: where it succeeds there is nobody to go on.
        ("become a program", Box::new(|| Err(Command::new("/bin/true").exec()))),
    ]
}

#[allow(unsafe_code, reason = "what safe code has no words for is what a trespasser would use")]
mod calls {
    use std::io;

    use rustix::process::Pid;

    /// A call that was refused by the filter, rather than for what it asked.
    pub(super) fn answered(result: libc::c_long) -> io::Result<()> {
        match io::Error::last_os_error() {
            error if result == -1 && error.raw_os_error() == Some(libc::EPERM) => Err(error),
            _ => Ok(()),
        }
    }

    /// Without being attached, which changes nothing.
    pub(super) fn peek_at(process: Pid) -> libc::c_long {
        unsafe {
            libc::syscall(libc::SYS_ptrace, libc::PTRACE_PEEKDATA, process.as_raw_nonzero().get(), 0, 0)
        }
    }

    pub(super) fn read_from(process: Pid) -> libc::c_long {
        unsafe { libc::syscall(libc::SYS_process_vm_readv, process.as_raw_nonzero().get(), 0, 0, 0, 0, 0) }
    }

    pub(super) fn executable_memory() -> libc::c_long {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        unsafe { libc::syscall(libc::SYS_mmap, 0, 4096, prot, flags, -1, 0) }
    }

    pub(super) fn io_uring() -> libc::c_long {
        unsafe { libc::syscall(libc::SYS_io_uring_setup, 0, 0) }
    }

    pub(super) fn bpf() -> libc::c_long {
        unsafe { libc::syscall(libc::SYS_bpf, -1, 0, 0) }
    }
}

/// Another test starts this program again, with the place of the model and of a database after `--`.
#[test]
#[ignore = "becomes a trespasser for another test"]
fn becomes_a_trespasser() {
    let args: Vec<String> = std::env::args().skip_while(|arg| arg != "--").skip(1).collect();
    let [model, core, port, walls] = args.as_slice() else { return };
    let (model, core) = (Path::new(model), Path::new(core));
    let control = getppid().expect("a parent");
    let confinement = match walls.as_str() {
        "walls" => confine(&File::open(model).unwrap(), false),
        _ => Confinement { files: false, calls: false },
    };
    let mut out = io::stdout();
    writeln!(out, "walls: {}", serde_json::to_string(&confinement).unwrap()).unwrap();
    for (what, attempt) in attempts(model, core, port.parse().unwrap(), control) {
        let denied = attempt().err().map_or_else(|| "done".to_owned(), |error| error.kind().to_string());
        writeln!(out, "{what}: {denied}").unwrap();
    }
}

/// What a trespasser says of each attempt, and of the walls around it.
fn trespass(walls: &str) -> (Confinement, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    let (model, core) = (folder.path().join("model.gguf"), folder.path().join("core.db"));
    fs::copy(pilot_light(), &model).unwrap();
    fs::write(&core, "accounts").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "confinement::becomes_a_trespasser", "--"])
        .args([&model, &core])
        .args([&port, walls])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut said: BTreeMap<String, String> = said
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(what, how)| (what.to_owned(), how.to_owned()))
        .collect();
    (serde_json::from_str(&said.remove("walls").unwrap()).unwrap(), said)
}

fn names() -> impl Iterator<Item = &'static str> {
    let nobody = Pid::from_raw(1).unwrap();
    attempts(Path::new(""), Path::new(""), 0, nobody).into_iter().skip(1).map(|(name, _)| name)
}

#[test]
fn a_worker_reads_its_model_and_reaches_nothing_else() {
    let (walls, said) = trespass("walls");
    println!("{walls:?}: {said:#?}");
    assert_eq!(said["read the model"], "done");
    for what in names() {
        let is_walled = if FILES.contains(&what) { walls.files } else { walls.calls };
        assert!(!is_walled || said[what] == "permission denied", "{what}: {}", said[what]);
    }
}

#[test]
fn without_walls_the_same_attempts_succeed() {
    let (_, said) = trespass("none");
    for what in names().filter(|what| !RARE.contains(what) && *what != "become a program") {
        assert_eq!(said[what], "done", "{what}");
    }
}

#[test]
fn all_threads_of_a_running_worker_are_confined() {
    with_model(spec(), async |model| {
        let Status::Ready { facts, .. } = model.status().borrow().clone() else { panic!("it is ready") };
        let process = format!("/proc/{}", model.worker_pid().unwrap());
        let threads: Vec<_> =
            fs::read_dir(format!("{process}/task")).unwrap().map(|task| task.unwrap()).collect();
        println!("{:?}, {} threads", facts.confinement, threads.len());
        for thread in threads {
            let status = fs::read_to_string(thread.path().join("status")).unwrap();
            let has = |line: &str| status.lines().any(|there| there == line);
            assert!(!facts.confinement.calls || (has("Seccomp:\t2") && has("NoNewPrivs:\t1")), "{status}");
        }
        let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
        for name in ["Max core file size", "Max file size"] {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
            assert_eq!(line.split_whitespace().filter(|word| *word == "0").count(), 2, "{line}");
        }
        assert_eq!(fs::read_to_string(format!("{process}/oom_score_adj")).unwrap().trim(), "1000");
    });
}

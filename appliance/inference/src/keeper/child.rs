//! One worker process, from its start to its end.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{ChildStderr, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, FramedRead, LengthDelimitedCodec};

use crate::frames::{self, FromWorker, MAX_FRAME_BYTES, ToWorker};
use crate::spec::ModelSpec;
use crate::worker::{Measured, WorkerOptions};

/// What a worker may inherit: where the GPU drivers are and how they behave, and no secret.
const INHERITED: [&str; 12] = [
    "CUDA_",
    "GGML_",
    "GPU_",
    "HIP_",
    "HSA_",
    "LD_LIBRARY_PATH",
    "MESA_",
    "OMP_",
    "PATH",
    "ROCR_",
    "VK_",
    "__GL_",
];

/// For a model on the CPU: its worker takes nothing of any GPU, also where it looks for devices.
const NO_GPU: [(&str, &str); 3] =
    [("CUDA_VISIBLE_DEVICES", "-1"), ("HIP_VISIBLE_DEVICES", "-1"), ("GGML_VK_VISIBLE_DEVICES", "")];

/// The last lines of standard error that are kept for the reason of an early end, and what is taken for one of them at most.
const LINES_KEPT: usize = 8;
const MAX_LINE_BYTES: usize = 4096;

/// How long a worker may take to end when it is told to.
const GRACE: Duration = Duration::from_secs(2);

type Writer = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A running worker process. Dropping it kills it.
pub(super) struct Child {
    process: tokio::process::Child,
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    outbox: mpsc::UnboundedSender<Vec<u8>>,
    /// Sends what is in the outbox; `None` once the socket has failed.
    writer: Option<Writer>,
    errors: Option<FramedRead<ChildStderr, Lines>>,
    last_lines: VecDeque<String>,
}

/// How a worker ended; shown as the part of a sentence.
pub(super) struct End {
    status: Option<ExitStatus>,
    last_line: Option<String>,
}

impl Child {
    /// `mapped_bytes`: what other models have mapped, see [`WorkerOptions`].
    pub(super) fn start(
        spec: &ModelSpec,
        measured: Option<Measured>,
        mapped_bytes: u64,
    ) -> io::Result<Child> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut process = Command::new(&spec.program)
            .args(&spec.program_args)
            .args(WorkerOptions { measured, mapped_bytes, ..WorkerOptions::from(spec) }.to_args())
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_inherited(&name.to_string_lossy())))
            .envs(NO_GPU.iter().filter(|_| spec.on_cpu).copied())
            // Else a failed assertion of ggml asks a debugger to look, from a child of a dying process.
            .env("GGML_NO_BACKTRACE", "1")
            // Each token goes through all weights: with large pages that takes a tenth less time on the CPU.
            .env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // An interrupt at the terminal is control's to handle: it ends the worker when the answers are done.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let errors = process.stderr.take().map(|pipe| FramedRead::new(pipe, Lines));
        let (read, write) = UnixStream::from_std(ours)?.into_split();
        let (outbox, queue) = mpsc::unbounded_channel();
        Ok(Child {
            process,
            frames: FramedRead::new(read, codec()),
            outbox,
            writer: Some(Box::pin(send_all(write, queue))),
            errors,
            last_lines: VecDeque::new(),
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Puts a frame into the outbox; it leaves while [`next`](Child::next) is awaited.
    pub(super) fn send(&self, frame: &ToWorker) {
        match frames::encode(frame) {
            Ok(frame) => drop(self.outbox.send(frame)),
            Err(error) => tracing::error!(%error, "a frame to the worker could not be encoded"),
        }
    }

    /// The next frame; `None` when the worker has gone or speaks nonsense. May be dropped while waiting.
    pub(super) async fn next(&mut self) -> Option<FromWorker> {
        loop {
            tokio::select! {
                frame = self.frames.next() => return frame?.and_then(|body| frames::decode(&body)).ok(),
                () = drive(&mut self.writer) => {}
                () = keep_line(&mut self.errors, &mut self.last_lines) => {}
            }
        }
    }

    /// Tells the worker to end, and kills it when it does not.
    pub(super) async fn stop(mut self) {
        self.send(&ToWorker::Stop);
        let _ = timeout(GRACE, async { while self.next().await.is_some() {} }).await;
        self.bury().await;
    }

    /// What it said while it loaded is no reason of what comes.
    pub(super) fn has_loaded(&mut self) {
        self.last_lines.clear();
    }

    /// Makes sure that the worker is dead, and says how it died.
    pub(super) async fn bury(mut self) -> End {
        let own_end = timeout(Duration::from_millis(100), self.process.wait()).await;
        let status = match own_end {
            Ok(status) => status.ok(),
            Err(_) => self.kill().await,
        };
        let rest = async {
            while self.errors.is_some() {
                keep_line(&mut self.errors, &mut self.last_lines).await;
            }
        };
        let _ = timeout(Duration::from_millis(100), rest).await;
        End { status, last_line: telling(&self.last_lines) }
    }

    async fn kill(&mut self) -> Option<ExitStatus> {
        let _ = self.process.start_kill();
        timeout(GRACE, self.process.wait()).await.ok()?.ok()
    }
}

/// The line that tells the most: the message of a panic, or else the last one.
fn telling(lines: &VecDeque<String>) -> Option<String> {
    let says = |line: &&String| !line.trim().is_empty() && !line.starts_with("note: ");
    let lines: Vec<&String> = lines.iter().filter(says).collect();
    // Its place stands in the line before.
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let message = panic.and_then(|at| lines.get(at + 1)).or(lines.last());
    message.map(|line| (*line).clone())
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec()
}

fn is_inherited(name: &str) -> bool {
    INHERITED.iter().any(|prefix| name.starts_with(prefix))
}

async fn send_all(mut socket: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Vec<u8>>) -> io::Result<()> {
    while let Some(frame) = queue.recv().await {
        socket.write_all(&frame).await?;
    }
    Ok(())
}

/// Runs the writer until it fails, which the reader's end will tell better; then waits for ever.
async fn drive(writer: &mut Option<Writer>) {
    match writer {
        Some(running) => {
            let _ = running.await;
            *writer = None;
        }
        None => std::future::pending().await,
    }
}

/// Cuts what a worker writes into lines, whatever it writes: it is read to its end, and none is longer than is allowed.
struct Lines;

impl Decoder for Lines {
    type Item = String;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<String>> {
        let within = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
        let end = match within.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if within.len() == MAX_LINE_BYTES => MAX_LINE_BYTES,
            None => return Ok(None),
        };
        let line = bytes.split_to(end);
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> io::Result<Option<String>> {
        let line = self.decode(bytes)?;
        let mut rest = || String::from_utf8_lossy(&bytes.split()).into_owned();
        Ok(line.or_else(|| Some(rest()).filter(|rest| !rest.is_empty())))
    }
}

async fn keep_line(errors: &mut Option<FramedRead<ChildStderr, Lines>>, last_lines: &mut VecDeque<String>) {
    let Some(lines) = errors else { return std::future::pending().await };
    match lines.next().await {
        Some(Ok(line)) => {
            tracing::debug!("worker: {line}");
            if last_lines.len() == LINES_KEPT {
                last_lines.pop_front();
            }
            last_lines.push_back(line);
        }
        None | Some(Err(_)) => *errors = None,
    }
}

impl End {
    /// By the kernel, or by control.
    pub(super) fn was_killed(&self) -> bool {
        self.status.is_some_and(|status| status.signal() == Some(libc::SIGKILL))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status.map(|status| (status.signal(), status.code())) {
            Some((Some(signal), _)) => write!(f, "ended by signal {signal}")?,
            Some((None, Some(code))) => write!(f, "ended with code {code}")?,
            _ => write!(f, "ended")?,
        }
        match &self.last_line {
            Some(line) => write!(f, ", saying: {}", line.trim()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_tells_why_is_told() {
        let telling = |lines: &[&str]| telling(&lines.iter().map(|line| (*line).to_owned()).collect());
        let panic =
            ["thread 'main' panicked at a.rs:1:", "no such thing", "note: run with `RUST_BACKTRACE=1`"];
        assert_eq!(telling(&panic).as_deref(), Some("no such thing"));
        assert_eq!(telling(&["one", "two", " "]).as_deref(), Some("two"));
        assert_eq!(telling(&["note: nothing else"]), None);
    }

    #[test]
    fn whatever_a_worker_writes_is_cut_into_lines_of_bounded_length() {
        let mut written = BytesMut::from(&b"one\r\n\xff two\n"[..]);
        written.extend_from_slice(&[b'x'; MAX_LINE_BYTES + 3]);
        let mut lines = Vec::new();
        while let Some(line) = Lines.decode(&mut written).unwrap() {
            lines.push(line);
        }
        while let Some(line) = Lines.decode_eof(&mut written).unwrap() {
            lines.push(line);
        }
        let long = "x".repeat(MAX_LINE_BYTES);
        assert_eq!(lines, ["one", "\u{fffd} two", &long, "xxx"]);
    }
}

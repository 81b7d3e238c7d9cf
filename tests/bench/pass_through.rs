//! The benchmark of the pass-through: requests a second and latency, direct and through the box, in turn.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark spawns its load and prints")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const ROUNDS: usize = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let genset = PathBuf::from(arguments.next().expect("the path of the release binary"));
    let seconds: u64 = arguments.next().map_or(5, |text| text.parse().expect("seconds"));
    println!(
        "upstream | clients | way | requests/s | p50 ms | p99 ms | added p50 ms | added p99 ms | failures"
    );
    for (delay, clients) in [(20, 1), (20, 16), (20, 64), (0, 1), (0, 16)] {
        let upstream = start_upstream(Duration::from_millis(delay)).await;
        let mut site = Site::start(&genset, upstream).await;
        let (mut direct, mut boxed) = (Sample::default(), Sample::default());
        for _ in 0..ROUNDS {
            let span = Duration::from_secs(seconds) / ROUNDS as u32;
            direct.add(load(upstream, None, clients, span).await);
            boxed.add(load(site.address, Some(&site.key), clients, span).await);
        }
        report(&format!("{delay} ms | {clients}"), &direct, &boxed);
        println!(
            "  control: resident {:.1} MiB, {:.0} us of CPU per request",
            site.resident_mib(),
            site.cpu_us(&boxed)
        );
        site.stop();
    }
}

fn report(case: &str, direct: &Sample, boxed: &Sample) {
    let (d50, d99) = (direct.quantile(0.50), direct.quantile(0.99));
    let (b50, b99) = (boxed.quantile(0.50), boxed.quantile(0.99));
    println!("{case} | direct | {:.0} | {d50:.2} | {d99:.2} | | | {}", direct.rate(), direct.failures);
    println!(
        "{case} | box | {:.0} ({:.2} of direct) | {b50:.2} | {b99:.2} | {:.2} | {:.2} | {}",
        boxed.rate(),
        boxed.rate() / direct.rate(),
        b50 - d50,
        b99 - d99,
        boxed.failures
    );
}

/// What a load measured: latencies in milliseconds, and the time that it took.
#[derive(Default)]
struct Sample {
    latencies_ms: Vec<f64>,
    seconds: f64,
    failures: usize,
}

impl Sample {
    fn add(&mut self, other: Sample) {
        self.latencies_ms.extend(other.latencies_ms);
        self.seconds += other.seconds;
        self.failures += other.failures;
    }

    fn rate(&self) -> f64 {
        self.latencies_ms.len() as f64 / self.seconds
    }

    fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.latencies_ms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(((sorted.len() as f64 - 1.0) * q) as usize).copied().unwrap_or(f64::NAN)
    }
}

async fn load(address: SocketAddr, key: Option<&str>, clients: usize, span: Duration) -> Sample {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let key = key.unwrap_or("none").to_owned();
            tokio::spawn(async move { one_client(address, &key, begun + span).await })
        })
        .collect();
    let mut sample = Sample::default();
    for task in tasks {
        let client = task.await.expect("a client does not panic");
        sample.latencies_ms.extend(client.latencies_ms);
        sample.failures += client.failures;
    }
    sample.seconds = begun.elapsed().as_secs_f64();
    sample
}

async fn one_client(address: SocketAddr, key: &str, until: Instant) -> Sample {
    let mut sample = Sample::default();
    let mut sender = connect(address).await;
    while Instant::now() < until {
        let begun = Instant::now();
        if ask(&mut sender, address, key).await {
            sample.latencies_ms.push(begun.elapsed().as_secs_f64() * 1000.0);
        } else {
            sample.failures += 1;
            sender = connect(address).await;
        }
    }
    sample
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(address).await.expect("somebody listens");
    socket.set_nodelay(true).expect("a socket");
    let (sender, connection) = handshake(TokioIo::new(socket)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, address: SocketAddr, key: &str) -> bool {
    const BODY: &[u8] = br#"{"model":"assistant","messages":[{"role":"system","content":"You help the staff of a hospital."},{"role":"user","content":"Who is on call tonight, and how do I reach them?"}],"temperature":0.2}"#;
    let request = Request::post("/v1/chat/completions")
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(BODY)))
        .expect("a request");
    if sender.ready().await.is_err() {
        return false;
    }
    match sender.send_request(request).await {
        Ok(response) if response.status() == 200 => response.into_body().collect().await.is_ok(),
        _ => false,
    }
}

/// An upstream that answers every chat with 600 bytes after `delay`.
async fn start_upstream(delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut answer = json!({"id": "chatcmpl-bench", "object": "chat.completion", "created": 1_700_000_000, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 80, "total_tokens": 110}});
    let missing = 600 - answer.to_string().len();
    answer["choices"][0]["message"]["content"] = "x".repeat(missing).into();
    let answer = Bytes::from(answer.to_string());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a connection");
            socket.set_nodelay(true).expect("a socket");
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = answer.clone();
                    async move { Ok::<_, Infallible>(upstream_answer(request, answer, delay).await) }
                });
                // The box closes its pooled connections when it stops; that is no failure here.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    address
}

async fn upstream_answer(
    request: Request<hyper::body::Incoming>,
    answer: Bytes,
    delay: Duration,
) -> Response<Full<Bytes>> {
    let is_chat = request.method() == "POST";
    request.into_body().collect().await.expect("a whole request");
    let body = if is_chat { answer } else { Bytes::from_static(br#"{"object":"list","data":[]}"#) };
    if is_chat && !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    Response::builder().header("content-type", "application/json").body(Full::new(body)).expect("a response")
}

/// A box of its own, on the first core.
struct Site {
    process: Child,
    address: SocketAddr,
    key: String,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start(genset: &Path, upstream: SocketAddr) -> Site {
        let folder = tempfile::tempdir_in("target").expect("a folder on the disk of the checkout");
        let config = folder.path().join("genset.toml");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let text = format!(
            "[site]\nname = \"bench\"\ndata_dir = \"data\"\n[listen]\nhttp = \"{port}\"\n[[upstream]]\nname = \"u\"\n\
             dialect = \"openai\"\nbase_url = \"http://{upstream}/v1\"\napi_key_file = \"key\"\n[[alias]]\n\
             name = \"assistant\"\ncloud = [\"u/m\"]\n[limits]\nkey_max_per_minute = 1000000\n"
        );
        std::fs::write(&config, text).expect("written");
        std::fs::write(folder.path().join("key"), "bench").expect("written");
        let made = Command::new(genset).args(["key", "create", "bench", "--config"]).arg(&config).output();
        let key = String::from_utf8(made.expect("a key").stdout).expect("text").trim().to_owned();
        let process = Command::new("taskset")
            .args(["--cpu-list", "0"])
            .arg(genset)
            .args(["serve", "--config"])
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .expect("the box starts");
        for _ in 0..200 {
            if TcpStream::connect(port).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Site { process, address: port, key, _folder: folder }
    }

    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a figure");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
    }

    /// User and system time since the start, by 100 ticks a second, over the requests that were served.
    fn cpu_us(&self, boxed: &Sample) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks: f64 =
            fields[11].parse::<f64>().expect("a number") + fields[12].parse::<f64>().expect("a number");
        ticks * 10_000.0 / boxed.latencies_ms.len() as f64
    }

    fn stop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

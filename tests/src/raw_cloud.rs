//! An upstream on a bare socket: every byte of its answers is the test's own, and so is every way in which they end.
//!
//! The path says which of its wires is meant (`/NAME/v1/...`), so one of it is as many upstreams as a test needs.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::places;

/// One thing that happens on the wire.
#[derive(Debug, Clone)]
pub enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// The connection is reset.
    Reset,
    /// Nothing more happens until the box sends something more, or goes away.
    UntilMore,
    /// Nothing more happens until the box goes away.
    Hold,
}

impl Step {
    pub fn send(bytes: impl Into<Vec<u8>>) -> Step {
        Step::Send(bytes.into())
    }
}

/// A request as it came: its path and its head in lower case, with the key if it carried one.
#[derive(Debug, Clone)]
pub struct Heard {
    pub path: String,
    pub head: String,
    pub body: Value,
}

#[derive(Default)]
struct Shared {
    wires: Mutex<BTreeMap<String, Vec<Step>>>,
    heard: Mutex<Vec<Heard>>,
    over: AtomicBool,
}

/// The upstream. Dropping it closes its door.
pub struct RawCloud {
    address: SocketAddr,
    shared: Arc<Shared>,
    door: Option<JoinHandle<()>>,
}

impl RawCloud {
    pub fn start() -> RawCloud {
        let listener = TcpListener::bind(places::free_address()).expect("the port was free a moment ago");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        let door = std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::Relaxed) {
                    return;
                }
                let serving = serving.clone();
                // A client that goes away is part of the test.
                std::thread::spawn(move || drop(serving.answer(socket)));
            }
        });
        RawCloud { address, shared, door: Some(door) }
    }

    /// What goes into the `base_url` of the upstream that is this wire.
    pub fn base_url(&self, wire: &str) -> String {
        format!("http://{}/{wire}/v1", self.address)
    }

    /// From here on every chat on this wire is answered so.
    pub fn play(&self, wire: &str, steps: Vec<Step>) {
        self.shared.wires.lock().unwrap().insert(wire.to_owned(), steps);
    }

    /// The chats that were asked on this wire, without those that only probe it.
    pub fn chats(&self, wire: &str) -> Vec<Heard> {
        let own = format!("/{wire}/v1/chat/completions");
        self.heard().into_iter().filter(|heard| heard.path == own && !is_probe(&heard.body)).collect()
    }

    /// All that was asked of it.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }
}

impl Drop for RawCloud {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(door) = self.door.take() {
            let _ = door.join();
        }
    }
}

impl Shared {
    fn answer(&self, mut socket: TcpStream) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        let heard = read_request(&mut socket)?;
        let wire = heard.path.split('/').nth(1).unwrap_or_default().to_owned();
        let (asks, is_list) = (!is_probe(&heard.body), heard.path.ends_with("/models"));
        self.heard.lock().unwrap().push(heard);
        if is_list {
            return socket.write_all(&json_response(200, &json!({ "object": "list", "data": [] })));
        }
        if !asks {
            let error = json!({ "error": { "message": "messages must not be empty", "code": "invalid" } });
            return socket.write_all(&json_response(400, &error));
        }
        let steps = self.wires.lock().unwrap().get(&wire).cloned().unwrap_or_default();
        for step in steps {
            match step {
                Step::Send(bytes) => socket.write_all(&bytes)?,
                Step::Pause(pause) => std::thread::sleep(pause),
                Step::Reset => {
                    return rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO))
                        .map_err(Into::into);
                }
                Step::UntilMore => drop(socket.read(&mut [0; 1 << 16])?),
                Step::Hold => while socket.read(&mut [0; 64])? > 0 {},
            }
        }
        Ok(())
    }
}

/// One response with a JSON body.
pub fn json_response(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    format!("{head}connection: close\r\n\r\n{body}").into_bytes()
}

/// A chat without messages is one that no model has to answer.
fn is_probe(body: &Value) -> bool {
    body["messages"].as_array().is_some_and(Vec::is_empty)
}

fn read_request(socket: &mut TcpStream) -> std::io::Result<Heard> {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if request.len() - (head.len() + 4) >= length {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            return Ok(Heard { path, body: serde_json::from_str(body).unwrap_or_default(), head });
        }
    }
}

//! A name server on a real socket: A records, and every way in which names fail.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Namespace;

/// What the name server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    Well,
    /// No name exists.
    Nxdomain,
    /// It says that it cannot.
    Servfail,
    /// It reads and does not answer.
    Nothing,
    /// Every name leads here, as behind a captive portal.
    Everything(Ipv4Addr),
}

const A: u16 = 1;
const NO_ERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

pub(super) struct NameServer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    known: Mutex<BTreeMap<String, Vec<Ipv4Addr>>>,
    answering: Mutex<Answering>,
    questions: AtomicUsize,
    over: AtomicBool,
}

impl NameServer {
    pub(super) fn start(namespace: &Namespace, address: SocketAddr) -> NameServer {
        let socket =
            namespace.enter(|| UdpSocket::bind(address)).expect("the address is the namespace's own");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
        let shared = Arc::new(Shared {
            known: Mutex::default(),
            answering: Mutex::new(Answering::Well),
            questions: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let serving = shared.clone();
        let thread = std::thread::spawn(move || serving.serve(&socket));
        NameServer { shared, thread: Some(thread) }
    }

    /// One more address of a name, before all others.
    pub(super) fn knows(&self, name: &str, address: Ipv4Addr) {
        self.shared.known.lock().unwrap().entry(name.to_owned()).or_default().insert(0, address);
    }

    pub(super) fn answer(&self, answering: Answering) {
        *self.shared.answering.lock().unwrap() = answering;
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; 1500];
        while !self.over.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            self.questions.fetch_add(1, Ordering::Relaxed);
            if let Some(answer) = self.reply(&buffer[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    }

    /// The answer to one question, by RFC 1035; none where nothing is said.
    fn reply(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = name_of(question)?;
        let kind = u16::from_be_bytes([*question.get(end)?, *question.get(end + 1)?]);
        let asked = question.get(12..end + 4)?;
        let known = self.known.lock().unwrap().get(&name.to_lowercase()).cloned();
        let (code, mut addresses) = match *self.answering.lock().unwrap() {
            Answering::Nothing => return None,
            Answering::Servfail => (SERVFAIL, Vec::new()),
            Answering::Nxdomain => (NXDOMAIN, Vec::new()),
            Answering::Everything(address) => (NO_ERROR, vec![address]),
            Answering::Well => (if known.is_some() { NO_ERROR } else { NXDOMAIN }, known.unwrap_or_default()),
        };
        addresses.retain(|_| kind == A && code == NO_ERROR);
        let mut answer = vec![question[0], question[1], 0x81, 0x80 | code, 0, 1, 0, addresses.len() as u8];
        answer.extend([0, 0, 0, 0]);
        answer.extend(asked);
        for address in addresses {
            // The name of the question again, kind A, class IN, valid for one second, four bytes.
            answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }
}

/// The name that is asked for, and where it ends in the message.
fn name_of(question: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).into_owned());
        at += length;
    }
}

//! One connection to the directory: encrypted before anything is said, one question at a time, every read bounded.
//!
//! The box speaks the six messages that it needs itself. The client crates spawn tasks of their own, panic at an answer
//! that is no LDAP, or read nested values by calling themselves, so that whoever sits on the wire before the encryption
//! begins could end the box.

use std::io;

use rustls::pki_types::ServerName;
use store::{DirectoryTrouble as Trouble, Secret};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ber::{Malformed, SEQUENCE, big_end_first, length_bytes};
use super::message::{self, Outcome, RawEntry, Response, Search};
use super::{DirectorySettings, Encryption};

/// The longest message that is read: some ten thousand groups of one person.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Messages of one answer; a search says how many entries it wants, and a directory may send less useful ones between.
const MAX_MESSAGES: usize = 2_000;

const OK: u32 = 0;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Open, and nobody's yet.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    last_id: u32,
}

impl From<Malformed> for Trouble {
    fn from(_: Malformed) -> Trouble {
        Trouble::Garbled
    }
}

impl Connection {
    pub(super) async fn open(settings: &DirectorySettings) -> Result<Connection, Trouble> {
        let address = (settings.host.as_str(), settings.port);
        let stream = TcpStream::connect(address).await.map_err(|_| Trouble::NoConnection)?;
        // Not to wait for more to send: each question is one small packet.
        let _ = stream.set_nodelay(true);
        match &settings.encryption {
            Encryption::None => Ok(Connection { stream: Box::new(stream), last_id: 0 }),
            Encryption::Tls(tls) => Connection::encrypted(settings, tls, stream, 0).await,
            Encryption::StartTls(tls) => {
                let mut plain = Connection { stream: Box::new(stream), last_id: 0 };
                let id = plain.next_id();
                plain.send(&message::start_tls(id)).await?;
                match plain.answer(id).await? {
                    Response::Extended(outcome) if outcome.code == OK => {}
                    Response::Extended(_) => return Err(Trouble::Tls),
                    _ => return Err(Trouble::Garbled),
                }
                // Not a byte was read beyond that answer: what somebody has slipped in behind it is no handshake.
                Connection::encrypted(settings, tls, plain.stream, id).await
            }
        }
    }

    async fn encrypted(
        settings: &DirectorySettings,
        tls: &TlsConnector,
        stream: impl Stream + 'static,
        last_id: u32,
    ) -> Result<Connection, Trouble> {
        let name = ServerName::try_from(settings.host.clone()).map_err(|_| Trouble::Tls)?;
        let stream = tls.connect(name, stream).await.map_err(|_| Trouble::Tls)?;
        Ok(Connection { stream: Box::new(stream), last_id })
    }

    /// Says who asks. An empty password is never sent: a directory takes it for a visit without a name, and is content.
    pub(super) async fn bind(&mut self, name: &str, password: &Secret) -> Result<Outcome, Trouble> {
        if name.is_empty() || password.expose().is_empty() {
            return Ok(Outcome { code: super::INVALID_CREDENTIALS, said: String::new() });
        }
        let id = self.next_id();
        self.send(&message::bind(id, name, password.expose())).await?;
        match self.answer(id).await? {
            Response::Bound(outcome) => Ok(outcome),
            _ => Err(Trouble::Garbled),
        }
    }

    pub(super) async fn search(&mut self, search: &Search<'_>) -> Result<(Vec<RawEntry>, Outcome), Trouble> {
        let id = self.next_id();
        self.send(&message::search(id, search)).await?;
        let mut entries = Vec::new();
        for _ in 0..MAX_MESSAGES {
            match self.answer(id).await? {
                Response::Entry(entry) => entries.push(entry),
                Response::Searched(outcome) => return Ok((entries, outcome)),
                Response::Other => {}
                _ => return Err(Trouble::Garbled),
            }
        }
        Err(Trouble::Garbled)
    }

    /// Takes leave; nobody is waited for.
    pub(super) async fn close(mut self) {
        let id = self.next_id();
        if self.send(&message::unbind(id)).await.is_ok() {
            let _ = self.stream.shutdown().await;
        }
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), Trouble> {
        let sent = async {
            self.stream.write_all(message).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| lost(&error))
    }

    /// The next answer to this question. One to no question is the directory's farewell.
    async fn answer(&mut self, id: u32) -> Result<Response, Trouble> {
        let content = self.receive().await?;
        match message::read(&content)? {
            (0, _) => Err(Trouble::Busy),
            (answered, response) if answered == id => Ok(response),
            _ => Err(Trouble::Garbled),
        }
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.map_err(|error| lost(&error))?;
        let [tag, first] = head;
        if tag != SEQUENCE {
            return Err(Trouble::Garbled);
        }
        let mut more = [0; 4];
        let more = &mut more[..length_bytes(first)?];
        self.stream.read_exact(more).await.map_err(|error| lost(&error))?;
        let length = if more.is_empty() { usize::from(first) } else { big_end_first(more) };
        if length > MAX_MESSAGE_BYTES {
            return Err(Trouble::Garbled);
        }
        let mut content = vec![0; length];
        self.stream.read_exact(&mut content).await.map_err(|error| lost(&error))?;
        Ok(content)
    }
}

/// A connection that broke off.
fn lost(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::InvalidData => Trouble::Tls,
        _ => Trouble::Garbled,
    }
}

//! An HTTP client for one role: who it is, what it sends, and what came back.

mod reply;
mod stream;

pub use reply::Reply;
pub use stream::{Ended, Streamed, Streaming};

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};

use crate::lab::Namespace;
use crate::{Chat, tls};

/// No test waits longer than this for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every text that a client sent, so that the end of the test can look for it where it must not be.
pub(crate) type Sent = Arc<Mutex<Vec<String>>>;

/// Where a client connects.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    Http(SocketAddr),
    /// By the name `localhost`, trusting only the box's own authority.
    Https(SocketAddr, PathBuf),
}

/// A client. Each request has a connection of its own, which closes with the answer.
#[derive(Debug, Clone)]
pub struct Client {
    door: Door,
    headers: Vec<(HeaderName, String)>,
    sent: Sent,
    /// Where it connects from, if that is not the test's own network.
    namespace: Option<Namespace>,
    /// The address that it connects from, if the test cares.
    source: Option<IpAddr>,
}

impl Client {
    pub(crate) fn new(door: Door, sent: Sent) -> Client {
        Client { door, headers: Vec::new(), sent, namespace: None, source: None }
    }

    /// The same client on another network.
    pub(crate) fn on(mut self, namespace: Namespace) -> Client {
        self.namespace = Some(namespace);
        self
    }

    /// The same client at another address of this machine: all of 127.0.0.0/8 is its own.
    #[must_use]
    pub fn from_address(mut self, source: IpAddr) -> Client {
        self.source = Some(source);
        self
    }

    /// The same client with this bearer key.
    pub fn with_key(mut self, key: &str) -> Client {
        self.headers.retain(|(name, _)| *name != header::AUTHORIZATION);
        self.headers.push((header::AUTHORIZATION, format!("Bearer {key}")));
        self
    }

    /// The same client with one more header on each request.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Client {
        self.headers.push((HeaderName::from_static(name), value.to_owned()));
        self
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// `POST path` with these bytes, called JSON.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::POST, path, &[(header::CONTENT_TYPE, "application/json".to_owned())], body.into())
            .await
    }

    /// `POST path` as a form of fields, percent-encoded.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let (content, body) = form(fields);
        self.send(Method::POST, path, &[content], body).await
    }

    /// A chat that is answered whole.
    pub async fn ask(&self, chat: &Chat) -> Reply {
        let response = self.chat(chat).await;
        Reply::read(response).await
    }

    /// The same, where the connection itself may fail, or break off within the answer.
    pub async fn try_ask(&self, chat: &Chat) -> io::Result<Reply> {
        Reply::try_read(self.try_chat(chat).await?).await
    }

    /// `GET path`, where the connection may fail or break off.
    pub(crate) async fn try_get(&self, path: &str) -> io::Result<Reply> {
        Reply::try_read(self.request(Method::GET, path, &[], Bytes::new()).await?).await
    }

    /// `POST path` as a form, where the connection may fail or break off.
    pub(crate) async fn try_post_form(&self, path: &str, fields: &[(&str, &str)]) -> io::Result<Reply> {
        let (content, body) = form(fields);
        Reply::try_read(self.request(Method::POST, path, &[content], body).await?).await
    }

    /// A chat whose answer streams; returns when the headers are there.
    pub async fn stream(&self, chat: &Chat) -> Streaming {
        Streaming::new(self.chat(&chat.clone().with("stream", true)).await)
    }

    /// A chat whose answer streams, read to its end.
    pub async fn stream_whole(&self, chat: &Chat) -> Streamed {
        self.stream(chat).await.finish().await
    }

    /// Takes note of a text that must not stand in any log.
    pub fn note(&self, text: &str) {
        self.sent.lock().unwrap().push(text.to_owned());
    }

    async fn chat(&self, chat: &Chat) -> Response<Incoming> {
        self.try_chat(chat).await.expect("the box answers")
    }

    async fn try_chat(&self, chat: &Chat) -> io::Result<Response<Incoming>> {
        self.sent.lock().unwrap().extend(chat.texts());
        let mut headers = vec![(header::CONTENT_TYPE, "application/json".to_owned())];
        headers.extend(
            chat.headers().iter().map(|(name, value)| (HeaderName::from_static(name), value.clone())),
        );
        self.request(Method::POST, "/v1/chat/completions", &headers, chat.body().to_string().into()).await
    }

    async fn send(&self, method: Method, path: &str, headers: &[(HeaderName, String)], body: Bytes) -> Reply {
        let response = self.request(method, path, headers, body).await;
        Reply::read(response.unwrap_or_else(|error| panic!("{path}: the box does not answer: {error}"))).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> io::Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a test's path is a path");
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        for (name, value) in self.headers.iter().chain(headers) {
            request.headers_mut().insert(name.clone(), value.parse().expect("a test's header is a header"));
        }
        let mut connection = self.connect().await?;
        let answer = tokio::time::timeout(PATIENCE, connection.send_request(request)).await;
        answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map_err(io::Error::other)
    }
    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let socket = self.socket().await?;
        match &self.door {
            Door::Http(_) => handshake(socket).await,
            Door::Https(_, ca_file) => {
                let connector = tokio_rustls::TlsConnector::from(tls::trusting(ca_file));
                let name = ServerName::try_from("localhost").expect("localhost is a name");
                handshake(connector.connect(name, socket).await?).await
            }
        }
    }

    async fn socket(&self) -> io::Result<TcpStream> {
        let (Door::Http(address) | Door::Https(address, _)) = self.door;
        match (&self.namespace, self.source) {
            (Some(namespace), _) => namespace.connect(address).await,
            (None, Some(source)) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((source, 0).into())?;
                socket.connect(address).await
            }
            (None, None) => TcpStream::connect(address).await,
        }
    }
}

async fn handshake<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Reads a body to its end; the error says that it was cut.
async fn collect(body: Incoming) -> Result<Bytes, hyper::Error> {
    tokio::time::timeout(PATIENCE, body.collect()).await.expect("an answer ends").map(|body| body.to_bytes())
}

/// A form as it is sent, and the header that says so.
fn form(fields: &[(&str, &str)]) -> ((HeaderName, String), Bytes) {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    ((header::CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()), pairs.join("&").into())
}

/// Percent-encodes all but letters and digits.
fn encoded(value: &str) -> String {
    let byte = |byte: &u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.as_bytes().iter().map(byte).collect()
}

/// The value of a JSON document; null if it is none.
fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or(Value::Null)
}

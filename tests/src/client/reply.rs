//! A whole answer.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

/// A whole answer: status, headers, body.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub(super) async fn read(response: Response<Incoming>) -> Reply {
        Reply::try_read(response).await.expect("a body that was begun is sent whole")
    }

    /// The same, where the body may be cut.
    pub(super) async fn try_read(response: Response<Incoming>) -> io::Result<Reply> {
        let (parts, body) = response.into_parts();
        let body = super::collect(body).await.map_err(io::Error::other)?;
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        super::json(&self.body)
    }

    /// What the answer says: the content of its first choice.
    pub fn said(&self) -> String {
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default()
    }

    /// Every cookie that it sets, as it stands in the header.
    pub fn cookies(&self) -> Vec<String> {
        let all = self.headers.get_all(http::header::SET_COOKIE).iter();
        all.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// `cloud` or `local`, from the header.
    pub fn route(&self) -> String {
        self.header("x-genset-route")
    }

    /// `upstream/model` or `local/model`, from the header.
    pub fn served_by(&self) -> String {
        self.header("x-genset-served-by")
    }

    /// The code of an error in the OpenAI shape.
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The sentence of an error in the OpenAI shape.
    pub fn error_message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

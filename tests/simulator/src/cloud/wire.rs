//! Just enough of HTTP/1.1 to say every byte of it, whole or not.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::sleep;

use super::Gone;
use crate::words::Order;

pub(super) struct Wire<'a> {
    bytes: &'a mut DuplexStream,
    read: Vec<u8>,
}

/// A request that came.
pub(super) struct Call {
    head: String,
    body: Value,
}

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a mut DuplexStream) -> Self {
        Wire { bytes, read: Vec::new() }
    }

    /// The next request; `None` when the client has closed.
    pub(super) async fn read_call(&mut self) -> Option<Call> {
        loop {
            if let Some(call) = self.take_call() {
                return Some(call);
            }
            if self.bytes.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    fn take_call(&mut self) -> Option<Call> {
        let end = self.read.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap_or_default());
        let whole = end + 4 + length;
        if self.read.len() < whole {
            return None;
        }
        let body = serde_json::from_slice(&self.read[end + 4..whole]).unwrap_or_default();
        self.read.drain(..whole);
        Some(Call { head, body })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.bytes.write_all(bytes).await.map_err(|_| Gone)
    }

    pub(super) async fn shut(&mut self) {
        // The client may have gone in this moment, and then there is nothing to close.
        let _ = self.bytes.shutdown().await;
    }

    /// Waits, unless the client goes away first.
    pub(super) async fn wait(&mut self, pause: Duration) -> Result<(), Gone> {
        tokio::select! {
            biased;
            read = self.bytes.read_buf(&mut self.read) => match read {
                Ok(0) | Err(_) => Err(Gone),
                Ok(_) => Ok(()),
            },
            () = sleep(pause) => Ok(()),
        }
    }
}

impl Call {
    pub(super) fn is_list(&self) -> bool {
        self.head.starts_with("get ")
    }

    /// What the last message asks for; `None` in a chat that asks for nothing.
    pub(super) fn order(&self) -> Option<Order> {
        Order::read(self.body["messages"].as_array()?.last()?["content"].as_str()?)
    }

    pub(super) fn model(&self) -> String {
        self.body["model"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn wants_stream(&self) -> bool {
        self.body["stream"] == Value::Bool(true)
    }

    pub(super) fn wants_usage(&self) -> bool {
        self.body["stream_options"]["include_usage"] == Value::Bool(true)
    }

    pub(super) fn max_tokens(&self) -> Option<usize> {
        let limit = self.body["max_completion_tokens"].as_u64().or(self.body["max_tokens"].as_u64());
        limit.map(|limit| limit as usize)
    }
}

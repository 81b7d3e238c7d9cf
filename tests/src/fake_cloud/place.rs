//! Where a fake cloud is, and how it speaks.

use std::net::SocketAddr;

use crate::lab::Namespace;

/// How a fake cloud speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wire {
    Plain,
    TlsHttp1,
    TlsHttp2,
}

impl Wire {
    /// What a TLS server offers, best first.
    pub(super) fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Wire::Plain | Wire::TlsHttp1 => &[b"http/1.1"],
            Wire::TlsHttp2 => &[b"h2", b"http/1.1"],
        }
    }
}

/// Where a fake cloud is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// The names in its certificate; the first is that of its URL.
    pub(crate) hosts: Vec<String>,
    /// Its network, where that is not the test's own.
    pub(crate) namespace: Option<Namespace>,
}

impl Place {
    /// How a URL names it: by its name where a name server may know it, else by its address.
    pub(super) fn authority(&self) -> String {
        match self.namespace {
            Some(_) => self.hosts[0].clone(),
            None => self.address.to_string(),
        }
    }
}

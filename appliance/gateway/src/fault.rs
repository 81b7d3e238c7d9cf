//! What can go wrong with one attempt at a route: what it says of the upstream, and in which words.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use continuity::{Failure, Outcome, Sign};
use dialect::ApiError;

/// Why an attempt gave no answer, or stopped giving one.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the name of the upstream could not be resolved")]
    Dns,
    #[error("the connection was refused")]
    Refused,
    #[error("there is no route to the upstream")]
    NoRoute,
    #[error("no connection within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    #[error(
        "the TLS handshake failed: the certificate is not the upstream's, or its authority is not trusted"
    )]
    Tls,
    #[error("the connection was reset")]
    Reset,
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("no token for {} ms in the middle of an answer", .0.as_millis())]
    Stalled(Duration),
    #[error("the answer was cut off in the middle")]
    Cut,
    #[error("status {0}")]
    Status(u16),
    #[error("throttled")]
    Throttled { retry_after: Option<Duration> },
    #[error("the key was rejected with status {0}")]
    KeyRejected(u16),
    #[error("the model is not there")]
    ModelWithdrawn,
    #[error("the request itself was refused with status {}", .0.status)]
    Caller(Box<ApiError>),
    #[error("a web page or a redirect came instead of an answer")]
    Intercepted,
    #[error("the answer was malformed")]
    Malformed,
    #[error("the way to the upstream was found broken while the request waited")]
    Lost,
    #[error("the key file cannot be read")]
    NoKey,
}

impl Fault {
    /// What the fault says of the upstream.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Fault::NoRoute
            | Fault::Dns
            | Fault::Refused
            | Fault::ConnectTimeout(_)
            | Fault::Tls
            | Fault::Reset
            | Fault::Intercepted => Outcome::Failure(Failure::Hard),
            Fault::Silent(_) | Fault::Stalled(_) | Fault::Cut | Fault::Status(_) | Fault::Malformed => {
                Outcome::Failure(Failure::Soft)
            }
            Fault::Throttled { .. } => Outcome::Throttled,
            Fault::KeyRejected(_) | Fault::NoKey => Outcome::KeyRejected,
            Fault::Caller(_) | Fault::ModelWithdrawn => Outcome::CallerFault,
            // The breaker knows already: the loss was its own finding.
            Fault::Lost => Outcome::Cancelled,
        }
    }

    /// The fixed word of `x-genset-reason`.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Fault::Dns => "dns",
            Fault::NoRoute => "no-route",
            Fault::Refused => "refused",
            Fault::ConnectTimeout(_) | Fault::Silent(_) => "silent",
            Fault::Tls => "tls",
            Fault::Reset => "reset",
            Fault::Stalled(_) => "stalled",
            Fault::Cut => "cut",
            Fault::Status(_) => "upstream-error",
            Fault::Throttled { .. } => "throttled",
            Fault::KeyRejected(_) | Fault::NoKey => "key-rejected",
            Fault::ModelWithdrawn => "model-withdrawn",
            Fault::Caller(_) => "caller-fault",
            Fault::Intercepted => "intercepted",
            Fault::Malformed => "malformed",
            Fault::Lost => "upstream-lost",
        }
    }

    /// The request did not even get through: what two unrelated upstreams can only have from a shared cause.
    pub(crate) fn is_transport(&self) -> bool {
        matches!(
            self,
            Fault::Dns
                | Fault::Refused
                | Fault::ConnectTimeout(_)
                | Fault::Tls
                | Fault::Reset
                | Fault::Silent(_)
        )
    }

    /// What the fault is a sign of, for the verdict.
    pub(crate) fn sign(&self) -> Sign {
        match self {
            Fault::Dns => Sign::DnsFailed,
            Fault::NoRoute => Sign::NoRoute,
            Fault::Refused => Sign::Refused,
            Fault::ConnectTimeout(_) | Fault::Silent(_) | Fault::Lost => Sign::Silent,
            Fault::Tls => Sign::TlsFailed,
            Fault::Reset => Sign::Reset,
            Fault::Stalled(_) => Sign::Slow,
            Fault::Cut | Fault::Malformed => Sign::Malformed,
            Fault::Status(status) | Fault::KeyRejected(status) => Sign::Status(*status),
            Fault::Throttled { .. } => Sign::Status(429),
            Fault::NoKey => Sign::Status(401),
            Fault::ModelWithdrawn => Sign::ModelMissing,
            Fault::Caller(_) => Sign::Answered,
            Fault::Intercepted => Sign::NotJson,
        }
    }

    /// One more try on the same upstream makes sense: it failed fast, before any byte, and not by being away.
    pub(crate) fn retry_at_once(&self) -> bool {
        matches!(self, Fault::Status(500 | 502) | Fault::Reset)
    }

    /// Reads the fault out of what the HTTP client says.
    pub(crate) fn from_client(error: &hyper_util::client::legacy::Error) -> Self {
        let mut cause = error.source();
        let connecting = error.is_connect();
        while let Some(current) = cause {
            if let Some(timeout) = current.downcast_ref::<ConnectDeadline>() {
                return Fault::ConnectTimeout(timeout.0);
            }
            if current.is::<rustls::Error>() {
                return Fault::Tls;
            }
            if let Some(fault) = current.downcast_ref::<io::Error>().and_then(from_io) {
                return fault;
            }
            if connecting && current.to_string().starts_with("dns error") {
                return Fault::Dns;
            }
            cause = current.source();
        }
        if connecting { Fault::Refused } else { Fault::Reset }
    }
}

/// An `io::Error` may hold another error that its `source` skips, and that one a further one: each is looked into.
fn from_io(error: &io::Error) -> Option<Fault> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => return Some(Fault::Refused),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Some(Fault::Reset),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => return Some(Fault::NoRoute),
        _ => {}
    }
    let inner = error.get_ref()?;
    if inner.is::<rustls::Error>() {
        return Some(Fault::Tls);
    }
    inner.downcast_ref::<io::Error>().and_then(from_io)
}

/// The connector's own deadline ran out.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} ms", .0.as_millis())]
pub(crate) struct ConnectDeadline(pub Duration);

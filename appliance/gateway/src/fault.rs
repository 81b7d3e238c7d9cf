//! What can go wrong with one attempt at a route: what it says of the upstream, and in which words.

mod reading;

use std::error::Error as _;
use std::io;
use std::time::Duration;

use continuity::{Failure, Outcome, Sign};
use dialect::ApiError;

use crate::reason::Reason;

pub(crate) use reading::{of_answer, of_error_inside};

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
    #[error("the upstream's certificate is {0} at the time that this box has")]
    CertificateTime(CertificateTime),
    #[error("the connection was reset")]
    Reset,
    /// A connection that was kept from an earlier answer had been closed: it happens where nothing is wrong.
    #[error("the connection that was kept had been closed")]
    Dropped,
    /// Nothing came, and a probe sent meanwhile was missed as well; or the probe itself was.
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("connected, but no answer began within {} ms", .0.as_millis())]
    HeadersTimeout(Duration),
    #[error("the answer began, but no token came within {} ms", .0.as_millis())]
    FirstTokenTimeout(Duration),
    #[error("no token for {} ms in the middle of an answer", .0.as_millis())]
    Stalled(Duration),
    #[error("the answer was not whole within {} ms", .0.as_millis())]
    WholeTimeout(Duration),
    /// The local start that raced the waiting upstream gave its token first.
    #[error("a local model answered sooner, after {} ms", .0.as_millis())]
    Slow(Duration),
    #[error("the answer was cut off in the middle")]
    Cut,
    #[error("status {0}")]
    Status(u16),
    #[error("throttled")]
    Throttled { retry_after: Option<Duration> },
    #[error("the key was rejected with status {0}")]
    KeyRejected(u16),
    #[error("the quota or the credit of the account is used up (status {0})")]
    Quota(u16),
    #[error("the model is not there")]
    ModelWithdrawn,
    #[error("the request itself was refused with status {}", .0.status)]
    Caller(Box<ApiError>),
    #[error("the conversation is too long for the upstream's model")]
    ContextTooLong(Box<ApiError>),
    #[error("the upstream's content filter refused the request")]
    ContentFilter(Box<ApiError>),
    #[error("a web page or a redirect came instead of an answer")]
    Intercepted,
    #[error("the answer was malformed")]
    Malformed,
    #[error("the way to the upstream was found broken while the request waited")]
    Lost,
    #[error("the key file cannot be read")]
    NoKey,
}

/// How a certificate and the box's clock disagree: one of the two is wrong, and nobody is in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateTime {
    Expired,
    NotYetValid,
}

impl std::fmt::Display for CertificateTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CertificateTime::Expired => "expired",
            CertificateTime::NotYetValid => "not valid yet",
        })
    }
}

/// What a fault is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The way to the upstream, or its account: all of its models have it alike.
    Upstream,
    /// The answer of one model; the upstream's other models may be well.
    Model,
    /// The request, or something that the breakers know already.
    Nobody,
}

impl Fault {
    /// It speaks against the upstream: neither against the request nor for fewer of them.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.outcome(), Outcome::Failure(_) | Outcome::KeyRejected)
    }

    /// What the fault says of the upstream or the model that it is held against.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Fault::NoRoute
            | Fault::Dns
            | Fault::Refused
            | Fault::ConnectTimeout(_)
            | Fault::Tls
            | Fault::CertificateTime(_)
            | Fault::Reset
            | Fault::Intercepted => Outcome::Failure(Failure::Hard),
            Fault::Silent(_)
            | Fault::HeadersTimeout(_)
            | Fault::FirstTokenTimeout(_)
            | Fault::Stalled(_)
            | Fault::WholeTimeout(_)
            | Fault::Slow(_)
            | Fault::Cut
            | Fault::Status(_)
            | Fault::ModelWithdrawn
            | Fault::Malformed => Outcome::Failure(Failure::Soft),
            Fault::Throttled { .. } => Outcome::Throttled,
            Fault::KeyRejected(_) | Fault::Quota(_) | Fault::NoKey => Outcome::KeyRejected,
            Fault::Caller(_) | Fault::ContextTooLong(_) | Fault::ContentFilter(_) => Outcome::CallerFault,
            // The breaker knows already: the loss was its own finding. What was dropped says nothing.
            Fault::Lost | Fault::Dropped => Outcome::Cancelled,
        }
    }

    pub(crate) fn blame(&self) -> Blame {
        match self {
            Fault::NoRoute
            | Fault::Dns
            | Fault::Refused
            | Fault::ConnectTimeout(_)
            | Fault::Tls
            | Fault::CertificateTime(_)
            | Fault::Reset
            | Fault::Silent(_)
            | Fault::Intercepted
            | Fault::KeyRejected(_)
            | Fault::Quota(_)
            | Fault::NoKey => Blame::Upstream,
            Fault::HeadersTimeout(_)
            | Fault::FirstTokenTimeout(_)
            | Fault::Stalled(_)
            | Fault::WholeTimeout(_)
            | Fault::Slow(_)
            | Fault::Cut
            | Fault::Status(_)
            | Fault::Malformed
            | Fault::Throttled { .. }
            | Fault::ModelWithdrawn => Blame::Model,
            Fault::Caller(_)
            | Fault::ContextTooLong(_)
            | Fault::ContentFilter(_)
            | Fault::Lost
            | Fault::Dropped => Blame::Nobody,
        }
    }

    /// What the upstream said of the request itself: it is passed on, and no other route is asked.
    pub(crate) fn refusal(&self) -> Option<&ApiError> {
        match self {
            Fault::Caller(error) | Fault::ContextTooLong(error) | Fault::ContentFilter(error) => Some(error),
            _ => None,
        }
    }

    /// The deadline that ran out, if it was one, as metrics name it.
    pub(crate) fn deadline(&self) -> Option<&'static str> {
        match self {
            Fault::ConnectTimeout(_) => Some("connect"),
            Fault::HeadersTimeout(_) => Some("headers"),
            Fault::FirstTokenTimeout(_) => Some("first-token"),
            Fault::Stalled(_) => Some("between-tokens"),
            Fault::WholeTimeout(_) => Some("whole"),
            _ => None,
        }
    }

    /// Why the next route serves.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Fault::Dns => Reason::Dns,
            Fault::NoRoute => Reason::NoRoute,
            Fault::Refused => Reason::Refused,
            Fault::ConnectTimeout(_)
            | Fault::Silent(_)
            | Fault::HeadersTimeout(_)
            | Fault::FirstTokenTimeout(_) => Reason::Silent,
            Fault::Tls | Fault::CertificateTime(_) => Reason::Tls,
            Fault::Reset | Fault::Dropped => Reason::Reset,
            Fault::Stalled(_) => Reason::Stalled,
            Fault::WholeTimeout(_) | Fault::Slow(_) => Reason::Slow,
            Fault::Cut => Reason::Cut,
            Fault::Status(_) => Reason::UpstreamError,
            Fault::Throttled { .. } => Reason::Throttled,
            Fault::KeyRejected(_) | Fault::NoKey => Reason::KeyRejected,
            Fault::Quota(_) => Reason::Quota,
            Fault::ModelWithdrawn => Reason::ModelWithdrawn,
            Fault::ContextTooLong(_) => Reason::Context,
            Fault::Caller(_) | Fault::ContentFilter(_) => Reason::CallerFault,
            Fault::Intercepted => Reason::Intercepted,
            Fault::Malformed => Reason::Malformed,
            Fault::Lost => Reason::UpstreamLost,
        }
    }

    /// The request did not even get through: what two unrelated upstreams can only have from a shared cause.
    pub(crate) fn is_transport(&self) -> bool {
        matches!(
            self,
            Fault::Dns
                | Fault::NoRoute
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
            Fault::CertificateTime(CertificateTime::Expired) => Sign::CertificateExpired,
            Fault::CertificateTime(CertificateTime::NotYetValid) => Sign::CertificateNotYetValid,
            Fault::Reset | Fault::Dropped => Sign::Reset,
            Fault::HeadersTimeout(_)
            | Fault::FirstTokenTimeout(_)
            | Fault::Stalled(_)
            | Fault::WholeTimeout(_)
            | Fault::Slow(_) => Sign::Slow,
            Fault::Cut | Fault::Malformed => Sign::Malformed,
            Fault::Status(status) | Fault::KeyRejected(status) => Sign::Status(*status),
            Fault::Quota(_) => Sign::QuotaSpent,
            Fault::Throttled { .. } => Sign::Status(429),
            Fault::NoKey => Sign::NoKey,
            Fault::ModelWithdrawn => Sign::ModelMissing,
            Fault::Caller(_) | Fault::ContextTooLong(_) | Fault::ContentFilter(_) => Sign::Answered,
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
            if let Some(error) = current.downcast_ref::<rustls::Error>() {
                return from_tls(error);
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
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            return Some(Fault::Reset);
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => return Some(Fault::NoRoute),
        _ => {}
    }
    let inner = error.get_ref()?;
    if let Some(error) = inner.downcast_ref::<rustls::Error>() {
        return Some(from_tls(error));
    }
    inner.downcast_ref::<io::Error>().and_then(from_io)
}

/// A certificate that is only out of its time shows no stranger on the way: the box's clock may be wrong.
fn from_tls(error: &rustls::Error) -> Fault {
    use rustls::CertificateError as Wrong;
    match error {
        rustls::Error::InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. }) => {
            Fault::CertificateTime(CertificateTime::Expired)
        }
        rustls::Error::InvalidCertificate(Wrong::NotValidYet | Wrong::NotValidYetContext { .. }) => {
            Fault::CertificateTime(CertificateTime::NotYetValid)
        }
        _ => Fault::Tls,
    }
}

/// The connector's own deadline ran out.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} ms", .0.as_millis())]
pub(crate) struct ConnectDeadline(pub Duration);

//! What is wrong with the way to the cloud, for staff in a sentence and for administrators with an action.

mod past;
mod steady;
mod told;
mod words;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use steady::SteadyVerdict;

/// What is wrong with the way to one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    LinkDown,
    DnsDown,
    InternetDown,
    /// A captive portal or a TLS inspection answers in the upstream's place.
    Intercepted,
    UpstreamDown,
    ModelWithdrawn,
    KeyRejected,
    QuotaExhausted,
    Throttled,
    Slow,
}

/// The languages of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Language {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "ko")]
    Korean,
}

/// What one look at an upstream showed, and what else answered around the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    pub sign: Sign,
    pub link: Link,
    /// All upstreams, this one among them.
    pub upstreams: Asked,
    /// Hosts that are no upstream, asked by their address so that they don't hang on DNS.
    pub witnesses: Asked,
    /// Names that are no upstream's, asked of the name servers.
    pub names: Asked,
    /// The upstreams at the addresses that their names last had.
    pub addresses: Asked,
}

/// The box's own connection to the outside, as its kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// A carrier, and a default route over it.
    Up,
    /// The interface of every default route is without a carrier.
    NoCarrier,
    NoDefaultRoute,
    /// The kernel does not say, or this upstream is not reached over it.
    #[default]
    Unknown,
}

/// How many were asked, and how many of them did not answer. Who has never answered is not counted: a firewall may
/// keep the box from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    pub asked: u32,
    pub failing: u32,
}

/// The one thing that a request or a probe ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Answered,
    /// No route to the network or the host.
    NoRoute,
    DnsFailed,
    Refused,
    Reset,
    /// A certificate of a stranger, or no TLS at all.
    TlsFailed,
    /// The right upstream's certificate, as far as can be seen, and not valid at the box's time.
    CertificateExpired,
    CertificateNotYetValid,
    /// Connecting, or the first byte, ran into its deadline.
    Silent,
    /// HTML, or another kind of page, in place of JSON.
    NotJson,
    /// JSON that is not the dialect's, or an answer that breaks off.
    Malformed,
    /// The upstream's list, or its 404, says that the model is no longer there.
    ModelMissing,
    /// An error whose body says that the quota or the credit is used up.
    QuotaSpent,
    /// The box has no key to show.
    NoKey,
    /// Answers come, later than the deadlines that the box keeps for them.
    Slow,
    /// Any other answer, by its HTTP status.
    Status(u16),
}

/// The verdict on an upstream; none when it answers, or when the fault is in what it was asked.
pub fn diagnose(evidence: &Evidence) -> Option<Verdict> {
    match evidence.sign {
        Sign::Answered => None,
        Sign::TlsFailed | Sign::NotJson => Some(Verdict::Intercepted),
        Sign::Malformed | Sign::CertificateExpired | Sign::CertificateNotYetValid => {
            Some(Verdict::UpstreamDown)
        }
        Sign::ModelMissing => Some(Verdict::ModelWithdrawn),
        Sign::QuotaSpent => Some(Verdict::QuotaExhausted),
        Sign::NoKey => Some(Verdict::KeyRejected),
        Sign::Slow => Some(Verdict::Slow),
        Sign::Status(status) => of_status(status),
        Sign::NoRoute | Sign::DnsFailed | Sign::Refused | Sign::Reset | Sign::Silent => {
            Some(of_transport(evidence))
        }
    }
}

/// Nothing came through: the widest cause that the evidence supports.
fn of_transport(evidence: &Evidence) -> Verdict {
    match (evidence.link, evidence.sign) {
        (Link::NoCarrier | Link::NoDefaultRoute, _) => Verdict::LinkDown,
        // Without the kernel's word on the link this is as near as the box can say. With it, a router further away
        // has no route.
        (Link::Unknown, Sign::NoRoute) => Verdict::LinkDown,
        (_, Sign::DnsFailed) => of_names(evidence),
        _ if evidence.nothing_answers() => Verdict::InternetDown,
        _ => Verdict::UpstreamDown,
    }
}

/// A name was not found. What is asked by address says whether anything is reached without names, witnesses by name
/// whether it is this name alone.
fn of_names(evidence: &Evidence) -> Verdict {
    let (hosts, addresses) = (evidence.witnesses, evidence.addresses);
    let asked_without_names = hosts.asked > 0 || addresses.asked > 0;
    let none_without_names = asked_without_names && hosts.answering() == 0 && addresses.answering() == 0;
    if evidence.names.answering() > 0 {
        Verdict::UpstreamDown
    } else if none_without_names && evidence.upstreams.answering() == 0 {
        Verdict::InternetDown
    } else {
        Verdict::DnsDown
    }
}

/// An upstream's API never redirects and never asks for a network login; captive portals and proxies do.
fn of_status(status: u16) -> Option<Verdict> {
    match status {
        // These are the request's own affair, and are no sign of anything; a 400 is one only where it speaks of the key.
        200..=299 | 404 | 413 | 422 => None,
        300..=399 | 407 | 511 => Some(Verdict::Intercepted),
        400 | 401 | 403 => Some(Verdict::KeyRejected),
        402 => Some(Verdict::QuotaExhausted),
        408 => Some(Verdict::Slow),
        410 => Some(Verdict::ModelWithdrawn),
        429 => Some(Verdict::Throttled),
        _ => Some(Verdict::UpstreamDown),
    }
}

impl Sign {
    /// Nothing came through: what else answers decides what it means.
    pub fn is_of_transport(self) -> bool {
        matches!(self, Sign::NoRoute | Sign::DnsFailed | Sign::Refused | Sign::Reset | Sign::Silent)
    }
}

impl Evidence {
    /// One upstream alone is no proof that the internet is down: it takes a second host that does not answer.
    fn nothing_answers(&self) -> bool {
        let all_failing = self.upstreams.answering() == 0 && self.witnesses.answering() == 0;
        all_failing && self.upstreams.failing.saturating_add(self.witnesses.failing) >= 2
    }
}

impl Asked {
    pub fn answering(self) -> u32 {
        self.asked.saturating_sub(self.failing)
    }
}

impl Verdict {
    pub const ALL: [Verdict; 10] = [
        Verdict::LinkDown,
        Verdict::DnsDown,
        Verdict::InternetDown,
        Verdict::Intercepted,
        Verdict::UpstreamDown,
        Verdict::ModelWithdrawn,
        Verdict::KeyRejected,
        Verdict::QuotaExhausted,
        Verdict::Throttled,
        Verdict::Slow,
    ];

    /// The word of metrics, records and `/api/status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::LinkDown => "link-down",
            Verdict::DnsDown => "dns-down",
            Verdict::InternetDown => "internet-down",
            Verdict::Intercepted => "intercepted",
            Verdict::UpstreamDown => "upstream-down",
            Verdict::ModelWithdrawn => "model-withdrawn",
            Verdict::KeyRejected => "key-rejected",
            Verdict::QuotaExhausted => "quota-exhausted",
            Verdict::Throttled => "throttled",
            Verdict::Slow => "slow",
        }
    }

    /// One calm sentence on what is wrong, for anyone. It names no upstream, and does not say who answers now: the
    /// site state does.
    pub fn sentence_for_staff(self, language: Language) -> &'static str {
        match language {
            Language::English => words::english_for_staff(self),
            Language::Korean => words::korean_for_staff(self),
        }
    }

    /// The same of an outage that is over.
    pub fn sentence_in_the_past(self, language: Language) -> &'static str {
        match language {
            Language::English => past::english(self),
            Language::Korean => past::korean(self),
        }
    }

    /// What an administrator can check or do, or that nothing is to be done.
    pub fn action_for_administrator(self, language: Language) -> &'static str {
        match language {
            Language::English => words::english_for_administrator(self),
            Language::Korean => words::korean_for_administrator(self),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;

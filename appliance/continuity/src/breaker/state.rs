//! The states of a breaker, and its changes with their causes, in the words of logs and pages.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::LostBy;

/// Where a breaker stands.
///
/// ```text
///         trip: missed probes, hard failures, failures,
///         success ratio, key rejected, model withdrawn,
///         shared fate, link down, by hand
///    ┌───────────────────────────────────────────────┐
///    │                                               ▼
/// ┌──┴───────────┐                           ┌───────────────┐
/// │ CLOSED       │                           │ OPEN until T  │
/// │ requests and │                           │ nothing       │
/// │ probes pass  │                           │ passes        │
/// └──────────────┘                           └───────────────┘
///    ▲                                         │           ▲
///    │                               at T: tick│           │ a bad probe, too old
///    │                                         ▼           │ at a tick, or a trip:
///    │  reset: enough good        ┌─────────────────────┐  │ the next longer T
///    │  probes in a row           │ HALF-OPEN           │  │
///    └────────────────────────────┤ one probe at a time ├──┘
///                                 └─────────────────────┘
/// ```
///
/// Closed after a reset is on trial until a first request succeeds: probes ask less than requests do, so one failure
/// is enough to trip again. So it is after a failure that a good probe contradicts: the next one trips.
///
/// Every state has an exit that needs nobody: open ends at `T`, which is at most `open_max * (1 + open_jitter)`
/// away, and half-open ends at `half_open_max_age` even when its probe never settles. `T` grows with each return
/// to open, and starts over when a reset has held for `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant, good_probes: u32 },
}

/// A state without its times, for logs, metrics and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateKind {
    Closed,
    Open,
    HalfOpen,
}

/// Why a breaker was tripped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trip {
    MissedProbes,
    HardFailures,
    Failures,
    SuccessRatio,
    KeyRejected,
    ModelWithdrawn,
    /// Other upstreams were lost in the same moment.
    SharedFate,
    /// The box's own link to the outside is down.
    LinkDown,
    ByHand,
}

/// Why a breaker changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Trip(Trip),
    /// Open to half-open: its time has come.
    TimeToProbe,
    /// Half-open to open: the trial failed.
    BadProbe,
    /// Half-open to open: neither enough good probes nor a bad one within `half_open_max_age`.
    TooOld,
    /// Half-open to closed.
    GoodProbes,
}

/// A change of state, once per change: what is worth one line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    pub from: StateKind,
    pub to: StateKind,
    pub cause: Cause,
}

impl State {
    pub fn kind(self) -> StateKind {
        match self {
            State::Closed => StateKind::Closed,
            State::Open { .. } => StateKind::Open,
            State::HalfOpen { .. } => StateKind::HalfOpen,
        }
    }
}

impl Flip {
    /// Closed to open: the upstream is lost, and its [`crate::Failback`] is to be told.
    pub fn is_trip(&self) -> bool {
        self.from == StateKind::Closed
    }

    /// For a trip: whether requests have found what is wrong.
    pub fn lost_by(&self) -> LostBy {
        match self.cause {
            Cause::Trip(Trip::HardFailures | Trip::Failures | Trip::SuccessRatio) => LostBy::Requests,
            _ => LostBy::Others,
        }
    }

    /// Half-open to closed: the upstream is back, and its [`crate::Failback`] is to be told.
    pub fn is_reset(&self) -> bool {
        self.to == StateKind::Closed
    }
}

impl StateKind {
    pub fn as_str(self) -> &'static str {
        match self {
            StateKind::Closed => "closed",
            StateKind::Open => "open",
            StateKind::HalfOpen => "half-open",
        }
    }
}

impl Trip {
    /// A fixed word for metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Trip::MissedProbes => "missed-probes",
            Trip::HardFailures => "hard-failures",
            Trip::Failures => "failures",
            Trip::SuccessRatio => "success-ratio",
            Trip::KeyRejected => "key-rejected",
            Trip::ModelWithdrawn => "model-withdrawn",
            Trip::SharedFate => "shared-fate",
            Trip::LinkDown => "link-down",
            Trip::ByHand => "by-hand",
        }
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trip::MissedProbes => "probes missed in a row",
            Trip::HardFailures => "requests that could not get through, in a row",
            Trip::Failures => "failed requests in a row",
            Trip::SuccessRatio => "too few requests succeed",
            Trip::KeyRejected => "the key is rejected",
            Trip::ModelWithdrawn => "the model is no longer there",
            Trip::LinkDown => "the link to the outside is down",
            Trip::SharedFate => "other upstreams were lost in the same moment",
            Trip::ByHand => "tripped by hand",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Trip(trip) => trip.fmt(f),
            Cause::TimeToProbe => f.write_str("time to probe"),
            Cause::BadProbe => f.write_str("a probe failed"),
            Cause::TooOld => f.write_str("the probes did not settle it in time"),
            Cause::GoodProbes => f.write_str("enough good probes in a row"),
        }
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}: {}", self.from, self.to, self.cause)
    }
}

//! What is said of a drill in the end, with every finding.

use serde::{Deserialize, Serialize};

use super::Drill;

/// The worst that was found decides: an abort hides nothing, and a broken promise is not excused by a flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillResult {
    Passed,
    /// A promise was broken.
    Failed,
    /// It ended before its time.
    Aborted,
    /// All promises were kept, but it does not count as a drill.
    Invalid,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    pub result: DrillResult,
    pub findings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// No local model answered after the cut.
    NoTransfer,
    SlowTransfer {
        ms: u64,
        promise_ms: u64,
    },
    /// Answers that users were refused or that broke off.
    LostRequests {
        requests: u64,
    },
    /// A cloud answered although its way was cut.
    CloudAnswered {
        answers: u64,
    },
    /// The standby was warmed before the cut, so it was no cold start.
    Warmed {
        by: Warmth,
    },
    TooLittleLoad {
        percent: u32,
        wanted: u32,
    },
    AbortedBy {
        who: String,
    },
    /// An order was given meanwhile: the persons in charge had other things to do.
    OrderGiven,
    TooManyRefusals {
        refused: u64,
        limit: u64,
    },
    TooSlow {
        p95_ms: u64,
        limit_ms: u64,
    },
    StandbyUnproven,
    /// The way could not be cut, or the cut was lost.
    CutFailed,
    /// The cloud did not come back after the restore: from here on it is a real outage.
    CloudStayedAway,
    /// The box stopped in the middle.
    BoxStopped,
}

/// What somebody did shortly before a drill that made the standby warm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warmth {
    /// By order the standby had carried the requests.
    ForcedLocal,
    /// A standby model was loaded or started again.
    WorkerStarted,
    /// Another drill had just ended.
    EarlierDrill,
}

impl DrillResult {
    pub fn as_str(self) -> &'static str {
        match self {
            DrillResult::Passed => "passed",
            DrillResult::Failed => "failed",
            DrillResult::Aborted => "aborted",
            DrillResult::Invalid => "invalid",
        }
    }
}

impl Finding {
    fn weight(&self) -> DrillResult {
        match self {
            Finding::NoTransfer
            | Finding::SlowTransfer { .. }
            | Finding::LostRequests { .. }
            | Finding::CloudAnswered { .. } => DrillResult::Failed,
            Finding::Warmed { .. } | Finding::TooLittleLoad { .. } => DrillResult::Invalid,
            _ => DrillResult::Aborted,
        }
    }
}

pub(super) fn judge(drill: &Drill, warmed_by: &[Warmth]) -> Judgement {
    let mut findings: Vec<Finding> = drill.abort.iter().cloned().collect();
    if drill.cut {
        findings
            .extend(broken_promises(drill).into_iter().filter(|found| Some(found) != drill.abort.as_ref()));
    }
    findings.extend(warmed_by.iter().map(|by| Finding::Warmed { by: *by }));
    let load = drill.load();
    // Nothing is rounded up to the rule; the last digits of a sum of floats are forgiven.
    let percent = ((load.real + load.synthetic) * 100.0 + 1e-6).floor().clamp(0.0, 100.0) as u32;
    if drill.abort.is_none() && percent < drill.plan.load_percent {
        findings.push(Finding::TooLittleLoad { percent, wanted: drill.plan.load_percent });
    }
    let ranked = [DrillResult::Aborted, DrillResult::Failed, DrillResult::Invalid];
    let worst = ranked.into_iter().find(|rank| findings.iter().any(|found| found.weight() == *rank));
    let failed_to_transfer = findings.contains(&Finding::NoTransfer);
    let result = if failed_to_transfer { DrillResult::Failed } else { worst.unwrap_or(DrillResult::Passed) };
    Judgement { result, findings }
}

fn broken_promises(drill: &Drill) -> Vec<Finding> {
    let (plan, sight) = (&drill.plan, &drill.sight);
    let mut found = Vec::new();
    match sight.transfer {
        Some(transfer) if transfer > plan.promise => found.push(Finding::SlowTransfer {
            ms: transfer.as_millis() as u64,
            promise_ms: plan.promise.as_millis() as u64,
        }),
        // Who aborts before the promise is over has not shown that it would be broken.
        None if drill.abort.is_none() || drill.carried > plan.promise => found.push(Finding::NoTransfer),
        _ => {}
    }
    let requests = sight.refused + sight.broken;
    if requests > 0 {
        found.push(Finding::LostRequests { requests });
    }
    if sight.cloud_answers > 0 {
        found.push(Finding::CloudAnswered { answers: sight.cloud_answers });
    }
    found
}

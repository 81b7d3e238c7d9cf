//! A rehearsed outage after the generator rule: its phases, its limits, and what is said of it in the end.

mod due;
mod judge;

use std::time::{Duration, Instant};

pub use due::{Due, Urgency};
pub use judge::{DrillResult, Finding, Judgement, Warmth};

/// One drill. While there is none, the box is idle.
///
/// ```text
///  (idle)                                                          abort, limit, cut lost
///    │ begin: standby proven,      ┌──────────────────────────────────────────────┐
///    │ no outage, no order         │                                              │
///    ▼                             │                                              ▼
/// ┌───────────┐ settled ┌─────────┐│ cut is there  ┌───────────────┐ time  ┌───────────┐
/// │ PREPARING ├────────▶│ CUTTING ├┴──────────────▶│ CARRYING LOAD ├──────▶│ RESTORING │
/// └─────┬─────┘  Cut    └─────────┘                └───────────────┘Restore└─────┬─────┘
///       │ abort, standby lost its proof                                          │ cloud is back,
///       ▼                                                                        ▼ or stays away
/// ┌───────────────────────────────────────────────────────────────────────────────────────┐
/// │ OVER: passed, failed, aborted or invalid                                              │
/// └───────────────────────────────────────────────────────────────────────────────────────┘
/// ```
#[derive(Debug, Clone)]
pub struct Drill {
    plan: Plan,
    phase: Phase,
    entered: Instant,
    seen: Instant,
    cut: bool,
    carried: Duration,
    /// Load times seconds, as parts of the rated load.
    load: Load,
    abort: Option<Finding>,
    sight: Sight,
}

/// What is rehearsed, and when it is enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// From the cut to the restore.
    pub carry: Duration,
    /// Before the cut, so that what runs at the cut is known.
    pub prepare: Duration,
    /// How long the cloud may take to come back before the loss counts as a real one.
    pub restore: Duration,
    /// From the cut to the first local answer.
    pub promise: Duration,
    /// The least mean load, in percent of what the standby is rated for.
    pub load_percent: u32,
    pub max_refusals: u64,
    pub max_first_token_p95: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Preparing,
    Cutting,
    CarryingLoad,
    Restoring,
    Over,
}

/// What the box sees of itself at one moment of a drill; numbers count from the drill's beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sight {
    pub standby_is_proven: bool,
    /// From the cut to the first answer that went over to a local model.
    pub transfer: Option<Duration>,
    /// Answers that users were refused.
    pub refused: u64,
    /// Answers of users that broke off.
    pub broken: u64,
    /// Of answers that began after the cut, known from a few of them on.
    pub first_token_p95: Option<Duration>,
    /// Answers that a cloud began after the cut: it should not have been reached.
    pub cloud_answers: u64,
    pub real_load: f64,
    pub synthetic_load: f64,
    /// All upstreams that were there before the cut are there again.
    pub cloud_is_back: bool,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Cut,
    Restore,
}

/// The mean load while it was carried, as parts of the rated load.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    pub real: f64,
    pub synthetic: f64,
}

/// What stands at the moment when a drill is to begin.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readiness {
    pub standby_is_proven: bool,
    pub cloud_is_there: bool,
    pub order_stands: bool,
    pub drill_runs: bool,
}

/// Why no drill begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    #[error("a drill is running already")]
    Running,
    #[error("an order stands; lift it first")]
    OrderStands,
    #[error("the cloud is not wholly there: a real outage is going on or has just ended")]
    Outage,
    #[error("no local model has proven within the last minute that it can answer")]
    StandbyUnproven,
}

impl NotNow {
    pub const ALL: [NotNow; 4] =
        [NotNow::Running, NotNow::OrderStands, NotNow::Outage, NotNow::StandbyUnproven];

    /// The word of records.
    pub fn as_str(self) -> &'static str {
        match self {
            NotNow::Running => "running",
            NotNow::OrderStands => "order-stands",
            NotNow::Outage => "outage",
            NotNow::StandbyUnproven => "standby-unproven",
        }
    }
}

/// A cut that is not there within this is none.
const CUT_PATIENCE: Duration = Duration::from_secs(15);

/// With no local answer for so long after the cut, people are not kept waiting for the sake of a drill.
const TRANSFERS_WAITED: u32 = 3;

impl Readiness {
    /// # Errors
    /// The first reason against a drill.
    pub fn check(self) -> Result<(), NotNow> {
        match self {
            Readiness { drill_runs: true, .. } => Err(NotNow::Running),
            Readiness { order_stands: true, .. } => Err(NotNow::OrderStands),
            Readiness { cloud_is_there: false, .. } => Err(NotNow::Outage),
            Readiness { standby_is_proven: false, .. } => Err(NotNow::StandbyUnproven),
            _ => Ok(()),
        }
    }
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Preparing => "preparing",
            Phase::Cutting => "cutting",
            Phase::CarryingLoad => "carrying-load",
            Phase::Restoring => "restoring",
            Phase::Over => "over",
        }
    }
}

impl Drill {
    pub fn begin(plan: Plan, now: Instant) -> Self {
        Drill {
            plan,
            phase: Phase::Preparing,
            entered: now,
            seen: now,
            cut: false,
            carried: Duration::ZERO,
            load: Load::default(),
            abort: None,
            sight: Sight::default(),
        }
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How long the load has been carried, from the cut on.
    pub fn carried(&self) -> Duration {
        self.carried
    }

    /// The mean load while it was carried.
    pub fn load(&self) -> Load {
        let seconds = self.carried.as_secs_f64();
        if seconds == 0.0 {
            return Load::default();
        }
        Load { real: self.load.real / seconds, synthetic: self.load.synthetic / seconds }
    }

    /// Takes a new look into account; says what is to be done now.
    pub fn tick(&mut self, sight: Sight, now: Instant) -> Option<Act> {
        let passed = now.saturating_duration_since(std::mem::replace(&mut self.seen, now));
        if self.phase == Phase::CarryingLoad {
            self.carry(&sight, passed);
        }
        if matches!(self.phase, Phase::Preparing | Phase::Cutting | Phase::CarryingLoad) {
            self.sight = sight;
            if let Some(limit) = self.broken_limit(now) {
                return self.abort(limit, now);
            }
        }
        let here = now.saturating_duration_since(self.entered);
        match self.phase {
            Phase::Preparing if here >= self.plan.prepare => {
                self.enter(Phase::Cutting, now);
                Some(Act::Cut)
            }
            Phase::CarryingLoad if self.carried >= self.plan.carry => {
                self.enter(Phase::Restoring, now);
                Some(Act::Restore)
            }
            Phase::Restoring if sight.cloud_is_back => {
                self.enter(Phase::Over, now);
                None
            }
            Phase::Restoring if here >= self.plan.restore => {
                self.abort.get_or_insert(Finding::CloudStayedAway);
                self.enter(Phase::Over, now);
                None
            }
            _ => None,
        }
    }

    /// The way to the cloud is cut.
    pub fn cut_done(&mut self, now: Instant) {
        if self.phase == Phase::Cutting {
            self.cut = true;
            self.seen = now;
            self.enter(Phase::CarryingLoad, now);
        }
    }

    /// Ends the drill before its time. What was cut must be restored.
    pub fn abort(&mut self, why: Finding, now: Instant) -> Option<Act> {
        match self.phase {
            Phase::Preparing => {
                self.abort = Some(why);
                self.enter(Phase::Over, now);
                None
            }
            Phase::Cutting | Phase::CarryingLoad => {
                self.abort = Some(why);
                self.enter(Phase::Restoring, now);
                Some(Act::Restore)
            }
            Phase::Restoring | Phase::Over => None,
        }
    }

    /// What is said of the drill, from what was seen until the restore.
    pub fn judge(&self, warmed_by: &[Warmth]) -> Judgement {
        judge::judge(self, warmed_by)
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.entered = now;
    }

    fn carry(&mut self, sight: &Sight, passed: Duration) {
        self.carried += passed;
        let seconds = passed.as_secs_f64();
        self.load.real += sight.real_load.clamp(0.0, 1.0) * seconds;
        self.load.synthetic += sight.synthetic_load.clamp(0.0, 1.0) * seconds;
    }

    fn broken_limit(&self, now: Instant) -> Option<Finding> {
        let (plan, sight) = (&self.plan, &self.sight);
        let waited_in_vain = sight.transfer.is_none() && self.carried > plan.promise * TRANSFERS_WAITED;
        let slow = sight.first_token_p95.filter(|p95| *p95 > plan.max_first_token_p95);
        let no_cut =
            self.phase == Phase::Cutting && now.saturating_duration_since(self.entered) > CUT_PATIENCE;
        match () {
            () if !sight.standby_is_proven => Some(Finding::StandbyUnproven),
            () if sight.refused > plan.max_refusals => {
                Some(Finding::TooManyRefusals { refused: sight.refused, limit: plan.max_refusals })
            }
            () if waited_in_vain => Some(Finding::NoTransfer),
            () if no_cut => Some(Finding::CutFailed),
            () => slow.map(|p95| Finding::TooSlow {
                p95_ms: p95.as_millis() as u64,
                limit_ms: plan.max_first_token_p95.as_millis() as u64,
            }),
        }
    }
}

#[cfg(test)]
mod tests;

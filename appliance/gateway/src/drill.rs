//! Drills on the running box: asked for by a person, the command line or the schedule, carried out one at a time.
//!
//! What a drill is, and what is said of it, is [`continuity::drill`]. Here is what it does to the box: the cut, the
//! load, the counting and the report.

mod bank;
mod keeper;
mod refusal;
mod report;
mod run;
mod schedule;
mod scope;
mod tally;
mod timetable;
mod way;

use std::sync::Arc;
use std::time::Duration;

use continuity::drill::Due;
use serde::Serialize;
use store::StoreError;
use tokio::sync::{Notify, watch};

pub use keeper::SCHEDULE;
pub(crate) use keeper::keep;
pub use refusal::NoDrill;
pub use report::{Cut, DrillReport, Means, Served as DrillServed};
pub use schedule::{Schedule, ScheduleError};
pub use scope::{BadScope, Scope};
pub(crate) use tally::Tally;

use crate::clock;
use crate::gateway::Gateway;

/// The running box answers a wish within this, or nobody is there.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// A cheap handle; all clones are the same drills.
#[derive(Clone, Default)]
pub struct Drills(Arc<Parts>);

#[derive(Default)]
struct Parts {
    /// Wakes the keeper: something was asked for.
    asked: Notify,
    overview: watch::Sender<Arc<Overview>>,
    tally: Tally,
}

#[derive(Debug, Clone, Default)]
struct Overview {
    running: Option<RunningDrill>,
    last_passed_ms: Option<i64>,
    last_long_ms: Option<i64>,
    next_ms: Option<i64>,
}

/// The drills of the site, for pages and dashboards.
#[derive(Debug, Clone, Serialize)]
pub struct DrillView {
    pub running: Option<RunningDrill>,
    /// When the whole site last passed a drill; unix milliseconds.
    pub last_passed_ms: Option<i64>,
    /// The same of the long one, which is due once in 36 months.
    pub last_long_ms: Option<i64>,
    /// When the schedule begins the next one.
    pub next_ms: Option<i64>,
    #[serde(flatten)]
    pub due: Due,
}

impl DrillView {
    fn of(overview: Overview, now_ms: i64) -> Self {
        let Overview { running, last_passed_ms, last_long_ms, next_ms } = overview;
        DrillView { running, last_passed_ms, last_long_ms, next_ms, due: Due::of(last_passed_ms, now_ms) }
    }
}

/// Of a site that has never had one.
impl Default for DrillView {
    fn default() -> Self {
        DrillView::of(Overview::default(), 0)
    }
}

/// The drill that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunningDrill {
    pub id: i64,
    /// `preparing`, `cutting`, `carrying-load` or `restoring`.
    pub phase: &'static str,
    pub scope: Scope,
    pub started_ms: i64,
    pub carried_s: u64,
    pub of_s: u64,
}

/// Why no drill began.
#[derive(Debug, thiserror::Error)]
pub enum DrillRefused {
    #[error(transparent)]
    NotNow(NoDrill),
    #[error("no running box has answered; start it with `genset serve`")]
    NobodyThere,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Drills {
    pub(crate) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    pub(crate) fn view(&self) -> DrillView {
        DrillView::of((**self.0.overview.borrow()).clone(), clock::unix_ms())
    }

    fn change(&self, change: impl FnOnce(&mut Overview)) {
        self.0.overview.send_modify(|overview| change(Arc::make_mut(overview)));
    }
}

impl Gateway {
    /// Asks for a drill and waits until it has begun; gives its number.
    ///
    /// # Errors
    /// The reason why it does not begin.
    pub async fn start_drill(&self, by: &str, scope: &Scope, long: bool) -> Result<i64, DrillRefused> {
        let id = self.store().work.ask_drill(by, &scope.to_string(), long).await?;
        self.drills().0.asked.notify_one();
        drill_begun(&self.store().work, id).await
    }

    /// Ends the running drill; false when none is running.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn abort_drill(&self, by: &str) -> Result<bool, StoreError> {
        let aborted = self.store().work.abort_drill(by).await?;
        self.drills().0.asked.notify_one();
        Ok(aborted.is_some())
    }
}

/// Waits until the running box has begun the drill that was asked for.
///
/// # Errors
/// Its reason against it, or that no box runs.
pub async fn drill_begun(work: &store::Work, id: i64) -> Result<i64, DrillRefused> {
    let answered = tokio::time::timeout(ANSWERED_WITHIN, async {
        loop {
            match work.drill(id)? {
                Some(drill) if drill.state == "asked" => tokio::time::sleep(Duration::from_millis(50)).await,
                Some(drill) if drill.state == "refused" => {
                    return Err(DrillRefused::NotNow(NoDrill::of_record(&drill.refusal.unwrap_or_default())));
                }
                Some(_) => return Ok(id),
                None => return Err(DrillRefused::NobodyThere),
            }
        }
    });
    match answered.await {
        Ok(answer) => answer,
        // A box that answers in this very moment has begun it.
        Err(_) if work.withdraw_drill(id).await? => Err(DrillRefused::NobodyThere),
        Err(_) => Ok(id),
    }
}

//! Takes wishes for drills from the store and from the schedule, and carries them out one after the other.

use std::time::Duration;

use continuity::drill::{DrillResult, Finding, Judgement, Warmth};
use inference::LocalModel;
use jiff::Timestamp;
use store::{DrillRecord, OrderKind, StoreError};
use tokio::time::Instant;

use super::refusal::NoDrill;
use super::report::DrillReport;
use super::run::{self, Wish};
use super::scope::Scope;
use super::timetable::Timetable;
use crate::clock;
use crate::gateway::Gateway;

/// Who asks for the monthly drill.
pub const SCHEDULE: &str = "schedule";

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A wish that is older was made while no box was running, and nobody waits for it any more.
const WISH_LASTS_MS: i64 = 30_000;

/// The moment of the schedule is missed when the clock has passed it by more: it was set, or the box was off.
const MISSED_AFTER_MS: i64 = 10 * 60_000;

/// Orders that are looked through for one that has warmed the standby.
const ORDERS_READ: u32 = 50;

/// Runs as long as the box does.
pub(crate) async fn keep(gateway: &Gateway) {
    if let Err(error) = close_what_was_left(gateway).await {
        tracing::error!(%error, "a drill of before the start cannot be closed");
    }
    let mut workers = Workers::new(gateway.locals());
    let settings = &gateway.settings().drill;
    let mut timetable = Timetable::new(settings.schedule, settings.time_zone.clone(), Timestamp::now());
    loop {
        refresh(gateway, timetable.next().map(Timestamp::as_millisecond));
        workers.look(gateway.locals());
        if let Some(due) = timetable.take_due(Timestamp::now()) {
            ask_by_schedule(gateway, due.as_millisecond()).await;
        }
        match gateway.store().work.drills_in("asked") {
            Ok(asked) => {
                for wish in asked {
                    let is_scheduled = wish.asked_by == SCHEDULE;
                    match begin(gateway, &workers, wish).await {
                        true if is_scheduled => timetable.begun(),
                        false if is_scheduled => timetable.could_not_begin(Timestamp::now()),
                        _ => {}
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the wishes for drills cannot be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = gateway.drills().0.asked.notified() => {}
        }
    }
}

fn refresh(gateway: &Gateway, next_ms: Option<i64>) {
    let work = &gateway.store().work;
    let (Ok(passed), Ok(long)) = (work.last_passed_drill_ms(false), work.last_passed_drill_ms(true)) else {
        return;
    };
    gateway.drills().change(|overview| {
        (overview.last_passed_ms, overview.last_long_ms, overview.next_ms) = (passed, long, next_ms);
    });
}

async fn ask_by_schedule(gateway: &Gateway, due_ms: i64) {
    if clock::unix_ms() - due_ms > MISSED_AFTER_MS {
        tracing::warn!(
            "the scheduled drill was missed: the clock has passed its time by more than 10 minutes"
        );
        return;
    }
    let scope = gateway.settings().drill.scope.to_string();
    if let Err(error) = gateway.store().work.ask_drill(SCHEDULE, &scope, false).await {
        tracing::error!(%error, "the scheduled drill cannot be asked for");
    }
}

/// Whether the drill was begun; it is over then.
async fn begin(gateway: &Gateway, workers: &Workers, wish: DrillRecord) -> bool {
    let id = wish.id;
    let refusal = match check(gateway, &wish) {
        Ok(ready) => {
            let warmed_by = warmed_by(gateway, workers);
            run::run(gateway, ready, warmed_by).await;
            return true;
        }
        Err(refusal) => refusal,
    };
    tracing::warn!(drill = id, "drill {id} by {} does not begin: {refusal}", wish.asked_by);
    if let Err(error) = gateway.store().work.refuse_drill(id, refusal.as_str()).await {
        tracing::error!(%error, "the refusal of drill {id} cannot be written down");
    }
    false
}

fn check(gateway: &Gateway, wish: &DrillRecord) -> Result<Wish, NoDrill> {
    if clock::unix_ms() - wish.asked_ms > WISH_LASTS_MS {
        return Err(NoDrill::Stale);
    }
    let scope = wish.scope.parse().map_err(|_: super::BadScope| NoDrill::BadScope)?;
    find(gateway, &scope)?;
    let alias = run::alias_of(gateway, &scope).ok_or(NoDrill::NothingToRehearse)?;
    run::readiness(gateway).check().map_err(NoDrill::NotNow)?;
    Ok(Wish { id: wish.id, by: wish.asked_by.clone(), scope, long: wish.long, alias })
}

/// Whoever the scope names must be there: a drill of nobody would pass for one of somebody.
fn find(gateway: &Gateway, scope: &Scope) -> Result<(), NoDrill> {
    match scope {
        Scope::Site => Ok(()),
        Scope::Alias(name) => gateway.alias(name).map(drop).map_err(|_| NoDrill::NoSuchAlias),
        Scope::Key(name) => match gateway.store().core.keys() {
            Ok(keys) if keys.iter().any(|key| key.name == *name && key.revoked_ms.is_none()) => Ok(()),
            Ok(_) => Err(NoDrill::NoSuchKey),
            Err(error) => {
                tracing::error!(%error, "the keys cannot be read");
                Err(NoDrill::NoSuchKey)
            }
        },
    }
}

/// Who or what has warmed the standby in the time before now.
fn warmed_by(gateway: &Gateway, workers: &Workers) -> Vec<Warmth> {
    let quiet = gateway.settings().drill.quiet;
    if quiet.is_zero() {
        return Vec::new();
    }
    let since_ms = clock::unix_ms() - quiet.as_millis() as i64;
    let orders = gateway.store().core.orders(ORDERS_READ).unwrap_or_default();
    // A model that was loaded by order is a worker that was started.
    let mut forced =
        orders.iter().filter(|order| matches!(order.kind, OrderKind::ForceLocal | OrderKind::Isolate(_)));
    let was_forced = forced.any(|order| order.ended_ms.is_none_or(|ended_ms| ended_ms > since_ms));
    let last_drill_ms = gateway.store().work.last_drill_ms().ok().flatten();
    let found = [
        (Warmth::ForcedLocal, was_forced),
        (Warmth::WorkerStarted, workers.newest.elapsed() < quiet),
        (Warmth::EarlierDrill, last_drill_ms.is_some_and(|ended_ms| ended_ms > since_ms)),
    ];
    found.into_iter().filter(|(_, is_so)| *is_so).map(|(by, _)| by).collect()
}

/// When a worker was last started, for whichever reason; the box's own start counts.
struct Workers {
    pids: Vec<Vec<u32>>,
    newest: Instant,
}

impl Workers {
    fn new(locals: &[LocalModel]) -> Self {
        Workers { pids: locals.iter().map(LocalModel::worker_pids).collect(), newest: Instant::now() }
    }

    fn look(&mut self, locals: &[LocalModel]) {
        let pids: Vec<_> = locals.iter().map(LocalModel::worker_pids).collect();
        if pids != self.pids {
            self.pids = pids;
            self.newest = Instant::now();
        }
    }
}

/// A drill that was running when the box stopped is over: the way was given free when the box was gone.
async fn close_what_was_left(gateway: &Gateway) -> Result<(), StoreError> {
    for left in gateway.store().work.drills_in("running")? {
        let report = DrillReport {
            judgement: Some(Judgement { result: DrillResult::Aborted, findings: vec![Finding::BoxStopped] }),
            scope: left.scope,
            long: left.long,
            asked_by: left.asked_by,
            started_ms: left.started_ms.unwrap_or(left.asked_ms),
            ended_ms: clock::unix_ms(),
            ..DrillReport::default()
        };
        tracing::warn!(drill = left.id, "drill {} was cut off by the end of the box", left.id);
        run::write_down(gateway, left.id, &report).await;
    }
    Ok(())
}

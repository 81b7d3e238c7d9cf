//! One drill from its beginning to its report.

use std::time::Duration;

use continuity::SiteState;
use continuity::drill::{Act, Drill, DrillResult, Finding, NotNow, Phase, Plan, Readiness, Sight, Warmth};
use inference::{Kind, LocalModel, Status};
use serde_json::json;
use store::EventRow;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::RunningDrill;
use super::bank::Bank;
use super::report::DrillReport;
use super::scope::Scope;
use super::tally::Counted;
use super::way::Way;
use crate::announcer::AnnouncementKind;
use crate::board::now;
use crate::clock;
use crate::gateway::Gateway;
use crate::settings::AliasSettings;

const TICK: Duration = Duration::from_millis(100);

/// How often the store is asked whether somebody wants the drill to end, or wants another one.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Loss of the cloud to the next local answer.
const PROMISE: Duration = Duration::from_secs(10);

/// Three probes after the longest pause of an open breaker, several times over.
const RESTORE_PATIENCE: Duration = Duration::from_secs(120);

/// A cut outlasts the plan by this at most, should the box forget it.
const CUT_MARGIN: Duration = Duration::from_secs(30);

/// A wish that may be carried out.
pub(super) struct Wish {
    pub id: i64,
    pub by: String,
    pub scope: Scope,
    pub long: bool,
    /// What the load bank asks for.
    pub alias: String,
}

/// The first alias in the scope whose requests go over from a cloud to a standby.
pub(super) fn alias_of(gateway: &Gateway, scope: &Scope) -> Option<String> {
    let aliases = &gateway.settings().aliases;
    let in_scope = |name: &str| !matches!(scope, Scope::Alias(wanted) if wanted != name);
    let goes_over = |a: &&AliasSettings| a.kind == Kind::Chat && !a.cloud.is_empty() && !a.standby.is_empty();
    let fits = aliases.iter().filter(goes_over).find(|a| in_scope(&a.name));
    fits.map(|alias| alias.name.clone())
}

pub(super) fn readiness(gateway: &Gateway) -> Readiness {
    let orders = gateway.orders().current();
    Readiness {
        standby_is_proven: standby_is_proven(gateway),
        cloud_is_there: gateway.board().site_state() == SiteState::Connected,
        order_stands: !orders.orders.is_empty(),
        drill_runs: orders.drill.is_some(),
    }
}

pub(super) async fn run(gateway: &Gateway, wish: Wish, warmed_by: Vec<Warmth>) {
    let mut run = Run::begin(gateway, wish).await;
    run.carry_out().await;
    run.finish(&warmed_by).await;
}

struct Run<'a> {
    gateway: &'a Gateway,
    wish: Wish,
    drill: Drill,
    bank: Bank<'a>,
    way: Option<Way<'a>>,
    report: DrillReport,
    began: Instant,
    restored: Option<Instant>,
    looked: Instant,
    published: Phase,
}

impl<'a> Run<'a> {
    async fn begin(gateway: &'a Gateway, wish: Wish) -> Self {
        let settings = &gateway.settings().drill;
        let carry = if wish.long { settings.carry_long } else { settings.carry };
        let plan = Plan {
            carry,
            prepare: settings.prepare,
            restore: RESTORE_PATIENCE,
            promise: PROMISE,
            load_percent: settings.load_percent,
            max_refusals: settings.max_refusals,
            max_first_token_p95: settings.max_first_token_p95,
        };
        let report = DrillReport {
            scope: wish.scope.to_string(),
            long: wish.long,
            asked_by: wish.by.clone(),
            started_ms: clock::unix_ms(),
            promise_ms: PROMISE.as_millis() as u64,
            wanted_s: carry.as_secs(),
            wanted_load_percent: plan.load_percent,
            rated_sequences: rated(gateway),
            quiet_s: settings.quiet.as_secs(),
            ..DrillReport::default()
        };
        let Wish { id, by, scope, .. } = &wish;
        tracing::warn!(drill = id, "drill {id} ({scope}) by {by} begins, for {} s", carry.as_secs());
        let detail =
            json!({"drill": id, "scope": scope.to_string(), "long": wish.long, "wanted_s": carry.as_secs()});
        tell(gateway, by, "drill-began", detail);
        gateway.announcer().tell(AnnouncementKind::DrillBegan);
        if let Err(error) = gateway.store().work.begin_drill(*id).await {
            tracing::error!(%error, "the beginning of drill {id} cannot be written down");
        }
        gateway.drills().tally().begin(scope.clone());
        let bank = Bank::new(gateway, wish.alias.clone());
        let (drill, began) = (Drill::begin(plan, now()), Instant::now());
        Run {
            gateway,
            wish,
            drill,
            bank,
            way: None,
            report,
            began,
            restored: None,
            looked: began,
            published: Phase::Over,
        }
    }

    async fn carry_out(&mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.drill.phase() != Phase::Over {
            let lost = async {
                match &mut self.way {
                    Some(way) => way.lost().await,
                    None => std::future::pending().await,
                }
            };
            let act = tokio::select! {
                _ = tick.tick() => None,
                () = self.bank.next() => {
                    // The load is sampled by the clock alone: just after an answer it looks smaller than it is.
                    self.load();
                    continue;
                }
                () = lost => self.drill.abort(Finding::CutFailed, now()),
            };
            self.act(act).await;
            self.look_for_wishes().await;
            self.bank.look(busy(self.gateway, Busy::Running));
            self.load();
            let act = self.drill.tick(self.sight(), now());
            self.act(act).await;
            self.publish();
        }
    }

    async fn act(&mut self, act: Option<Act>) {
        match act {
            Some(Act::Cut) => {
                self.gateway.orders().rehearse(Some(self.wish.scope.clone()));
                self.gateway.board().changed.notify_one();
                let lasts = self.drill.plan().carry + CUT_MARGIN;
                let way = Way::cut(self.gateway, &self.wish.scope, lasts).await;
                self.gateway.drills().tally().cut();
                self.report.cut_ms = Some(clock::unix_ms());
                self.report.cuts.clone_from(&way.cuts);
                self.report.softer_because.clone_from(&way.softer_because);
                self.way = Some(way);
                self.drill.cut_done(now());
            }
            Some(Act::Restore) => self.restore().await,
            None => {}
        }
    }

    async fn restore(&mut self) {
        self.bank.stop();
        let counted = self.gateway.drills().tally().end();
        self.fill_in(counted);
        // What was lost on purpose is no flap, so the way back has no hold-down.
        let since = now().checked_sub(self.began.elapsed()).unwrap_or_else(now);
        for upstream in &self.gateway.board().upstreams {
            upstream.circuit.forgive(since);
            upstream.models.iter().for_each(|model| model.circuit.forgive(since));
        }
        if let Some(way) = self.way.take() {
            way.restore().await;
        }
        if self.wish.scope != Scope::Site {
            self.gateway.orders().rehearse(None);
        }
        self.restored = Some(Instant::now());
        self.report.restored_ms = Some(clock::unix_ms());
    }

    fn fill_in(&mut self, counted: Counted) {
        let ms = |time: Option<Duration>| time.map(|time| time.as_millis() as u64);
        let report = &mut self.report;
        (report.transfer_ms, report.first_token_p50_ms, report.first_token_p95_ms) =
            (ms(counted.transfer), ms(counted.p50), ms(counted.p95));
        (report.real, report.synthetic, report.by_model) =
            (counted.real, counted.synthetic, counted.by_model);
    }

    /// Asks what is missing of the load; never in the way of real work.
    fn load(&mut self) {
        if self.drill.phase() != Phase::CarryingLoad {
            return;
        }
        if self.gateway.drills().tally().counted().transfer.is_none() {
            self.bank.scout(Instant::now());
            return;
        }
        let rated = self.report.rated_sequences;
        let wanted = (f64::from(rated) * self.wanted_load()).ceil() as u32 + 1;
        let real = busy(self.gateway, Busy::WithQueue).saturating_sub(self.bank.len() as u32);
        self.bank.fill(wanted.min(rated).saturating_sub(real) as usize);
    }

    /// The load to aim at, as a part of the rated one: between two questions a place is empty for a moment, so it is a
    /// little more than is wanted, and what the mean lacks is made up for; at most twice as much, so that a burst of
    /// real work finds room.
    fn wanted_load(&self) -> f64 {
        let (wanted, load) = (f64::from(self.drill.plan().load_percent) / 100.0, self.drill.load());
        let lacking = (wanted - load.real - load.synthetic).max(0.0);
        (wanted * 1.2 + 4.0 * lacking).min(wanted * 2.0)
    }

    fn sight(&self) -> Sight {
        let counted = self.gateway.drills().tally().counted();
        let rated = f64::from(self.report.rated_sequences.max(1));
        let (running, bank) = (busy(self.gateway, Busy::Running), self.bank.len() as u32);
        Sight {
            standby_is_proven: standby_is_proven(self.gateway),
            transfer: counted.transfer,
            refused: counted.real.refused,
            broken: counted.real.broken,
            first_token_p95: counted.p95.filter(|_| counted.p95_is_known),
            cloud_answers: counted.cloud_answers,
            real_load: f64::from(running.saturating_sub(bank)) / rated,
            synthetic_load: f64::from(running.min(bank)) / rated,
            cloud_is_back: self.wish.scope != Scope::Site
                || self.gateway.board().upstreams.iter().all(|upstream| upstream.circuit.admits_requests()),
        }
    }

    /// Somebody may want the drill to end; whoever wants another one is told that this one runs.
    async fn look_for_wishes(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        let work = &self.gateway.store().work;
        for other in work.drills_in("asked").unwrap_or_default() {
            let _ = work.refuse_drill(other.id, NotNow::Running.as_str()).await;
        }
        let abort_by = work.drill(self.wish.id).ok().flatten().and_then(|drill| drill.abort_by);
        let act = match abort_by {
            Some(who) => self.drill.abort(Finding::AbortedBy { who }, now()),
            None if !self.gateway.orders().current().orders.is_empty() => {
                self.drill.abort(Finding::OrderGiven, now())
            }
            None => None,
        };
        self.act(act).await;
    }

    fn publish(&mut self) {
        let phase = self.drill.phase();
        let running = RunningDrill {
            id: self.wish.id,
            phase: phase.as_str(),
            scope: self.wish.scope.clone(),
            started_ms: self.report.started_ms,
            carried_s: self.drill.carried().as_secs(),
            of_s: self.report.wanted_s,
        };
        self.gateway.drills().change(|overview| overview.running = Some(running));
        if std::mem::replace(&mut self.published, phase) != phase {
            self.gateway.board().changed.notify_one();
        }
    }

    async fn finish(mut self, warmed_by: &[Warmth]) {
        if self.restored.is_none() {
            let counted = self.gateway.drills().tally().end();
            self.fill_in(counted);
        }
        let judgement = self.drill.judge(warmed_by);
        let (load, report) = (self.drill.load(), &mut self.report);
        report.carried_s = self.drill.carried().as_secs();
        let percent = |part: f64| (part * 1000.0).round() / 10.0;
        (report.real_load_percent, report.synthetic_load_percent) =
            (percent(load.real), percent(load.synthetic));
        report.cloud_back_ms = self.restored.map(|at| at.elapsed().as_millis() as u64);
        report.ended_ms = clock::unix_ms();
        let passed = judgement.result == DrillResult::Passed;
        report.judgement = Some(judgement);
        write_down(self.gateway, self.wish.id, report).await;
        self.gateway.orders().rehearse(None);
        self.gateway.drills().change(|overview| overview.running = None);
        self.gateway.announcer().tell(AnnouncementKind::DrillEnded { passed });
        self.gateway.board().changed.notify_one();
    }
}

/// The end of a drill: its row, one line in the log, one row in the audit.
pub(super) async fn write_down(gateway: &Gateway, id: i64, report: &DrillReport) {
    let result = report.judgement.as_ref().map_or("aborted", |judgement| judgement.result.as_str());
    tracing::warn!(drill = id, result, transfer_ms = report.transfer_ms, "drill {id} is over: {result}");
    let findings = report.judgement.as_ref().map(|judgement| &judgement.findings);
    let detail = json!({"drill": id, "result": result, "findings": findings, "transfer_ms": report.transfer_ms,
        "carried_s": report.carried_s, "cuts": report.cuts, "real": report.real, "synthetic": report.synthetic});
    tell(gateway, "genset", "drill-ended", detail);
    let text = serde_json::to_string(report).unwrap_or_default();
    if let Err(error) = gateway.store().work.end_drill(id, result, &text).await {
        tracing::error!(%error, "the report of drill {id} cannot be written down");
    }
}

fn tell(gateway: &Gateway, who: &str, what: &str, detail: serde_json::Value) {
    let row = EventRow { at_ms: clock::unix_ms(), who: who.into(), what: what.into(), detail };
    // The writer logs and counts what it cannot write.
    drop(gateway.store().audit.event(row));
}

fn standby_is_proven(gateway: &Gateway) -> bool {
    gateway.speakers().any(|model| model.status().borrow().is_proven())
}

fn ready(gateway: &Gateway) -> impl Iterator<Item = &LocalModel> {
    gateway.speakers().filter(|model| matches!(&*model.status().borrow(), Status::Ready { .. }))
}

/// Answers at the same time that the resident models are made for.
fn rated(gateway: &Gateway) -> u32 {
    ready(gateway).map(|model| model.occupancy().sequences).sum()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Busy {
    Running,
    WithQueue,
}

fn busy(gateway: &Gateway, which: Busy) -> u32 {
    let count = |model: &LocalModel| {
        let occupancy = model.occupancy();
        let waiting = if which == Busy::WithQueue { occupancy.waiting.iter().sum() } else { 0 };
        occupancy.running + waiting
    };
    ready(gateway).map(count).sum()
}

//! The monitor: probes the upstreams, and publishes what the box knows of its site.

mod machine;
mod outage;
mod scarcity;
mod view;

use std::sync::Arc;
use std::time::Duration;

use continuity::{SiteState, State};
use futures_util::StreamExt;
use futures_util::future::{join, join_all, join5};
use futures_util::stream::FuturesUnordered;
use inference::gpus::{self, GpuView};
use inference::{LocalModel, Status};
use serde_json::json;
use store::EventRow;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use outage::OutageRecords;
pub(crate) use view::first_site;

use crate::board::{FlipNote, RouteId, now};
use crate::circuit::draw;
use crate::clock;
use crate::fault::{Blame, Fault};
use crate::gateway::Gateway;
use crate::site::Site;
use crate::upstream::{Listed, Upstream};

/// A closed breaker that has missed one probe is asked again so soon, and a half-open one between its trials.
const NEXT_TRIAL: Duration = Duration::from_secs(1);

/// Ages on the pages grow by themselves, so the site is published at least so often.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Runs until it is cancelled. What it learns is in `Gateway::site`.
pub struct Monitor {
    gateway: Gateway,
    flips: mpsc::UnboundedReceiver<FlipNote>,
    publish: watch::Sender<Arc<Site>>,
    gpus: GpuView,
}

impl Monitor {
    pub(crate) fn new(
        gateway: Gateway,
        flips: mpsc::UnboundedReceiver<FlipNote>,
        publish: watch::Sender<Arc<Site>>,
    ) -> Self {
        Monitor { gateway, flips, publish, gpus: gpus::none() }
    }

    /// Publishes the GPUs of this machine, too.
    pub fn with_gpus(self, gpus: GpuView) -> Self {
        Monitor { gpus, ..self }
    }

    pub async fn run(self, cancel: CancellationToken) {
        let Monitor { gateway, flips, publish, gpus } = self;
        let watches =
            join_all((0..gateway.board().upstreams.len()).map(|index| watch_upstream(&gateway, index)));
        let watches = join(watches, crate::outside::watch(gateway.board()));
        let models = join_all(gateway.board().routes().map(|route| watch_model(&gateway, route)));
        let orders = crate::orders::keep(&gateway);
        let drills = crate::drill::keep(&gateway);
        let scarcity = scarcity::watch_scarcity(&gateway);
        let publishing = join(publish_site(&gateway, &publish, &gpus), machine::watch_workers(&gateway));
        let by_order = join(orders, drills);
        let work = join5(join(watches, models), tell_flips(&gateway, flips), publishing, by_order, scarcity);
        cancel.run_until_cancelled(work).await;
    }
}

/// Probes one upstream for ever: steadily while its breaker is closed, at its time while it is open, and quickly
/// while a decision is due.
async fn watch_upstream(gateway: &Gateway, index: usize) {
    let board = gateway.board();
    let upstream = &board.upstreams[index];
    let mut missed = false;
    loop {
        let wait = match upstream.circuit.reading(now()).state {
            State::Closed if !missed => jittered(upstream.settings.probe.interval),
            State::Closed | State::HalfOpen { .. } => NEXT_TRIAL.min(upstream.settings.probe.interval),
            State::Open { until } => until.saturating_duration_since(now()),
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = upstream.circuit.suspect.notified() => {}
        }
        board.tick(index);
        if upstream.circuit.begin_look() && probe(upstream).await.is_ok() {
            upstream.circuit.contradicted();
        }
        if upstream.circuit.begin_probe(now()) {
            let result = probe(upstream).await;
            missed = result.is_err();
            board.record_probe(index, &result);
        }
    }
}

/// The list of models; and where requests found something wrong, a chat too: the list may still come.
async fn probe(upstream: &Upstream) -> Result<Listed, Fault> {
    let doubts_requests = upstream.circuit.doubts_requests();
    let listed = upstream.probe().await?;
    match upstream.models.first().filter(|_| doubts_requests) {
        Some(model) => match upstream.probe_model(model).await {
            Err(fault) if fault.blame() == Blame::Upstream => Err(fault),
            _ => Ok(listed),
        },
        None => Ok(listed),
    }
}

/// Tries a model of which a request has failed, and one whose breaker is not closed, at its time. While its upstream is
/// out there is nothing to try.
async fn watch_model(gateway: &Gateway, route: RouteId) {
    let board = gateway.board();
    let upstream = &board.upstreams[route.upstream];
    let Some(model) = upstream.models.get(route.model) else { return };
    loop {
        if model.circuit.begin_look() && upstream.probe_model(model).await.is_ok() {
            model.circuit.contradicted();
        }
        match model.circuit.reading(now()).state {
            State::Closed => {
                model.circuit.suspect.notified().await;
                if model.circuit.is_in_question() && upstream.circuit.admits_requests() {
                    settle_question(gateway, route).await;
                }
                continue;
            }
            State::HalfOpen { .. } => {
                tokio::time::sleep(NEXT_TRIAL.min(upstream.settings.probe.interval)).await;
            }
            State::Open { until } if upstream.circuit.admits_requests() => {
                tokio::time::sleep_until(until.into()).await;
            }
            State::Open { .. } => {}
        }
        if !upstream.circuit.admits_requests() {
            until_upstream_is_back(gateway, route).await;
            board.hasten_model(route);
        }
        board.tick_model(route);
        try_model(gateway, route).await;
    }
}

/// A request has failed: a few trials say whether the breaker opens for it, or the next failure alone will open it.
async fn settle_question(gateway: &Gateway, route: RouteId) {
    let board = gateway.board();
    let upstream = &board.upstreams[route.upstream];
    let circuit = &upstream.models[route.model].circuit;
    for _ in 0..upstream.settings.thresholds.max_missed_probes {
        try_model(gateway, route).await;
        if !circuit.is_in_question() || !upstream.circuit.admits_requests() || circuit.is_throttled(now()) {
            return;
        }
        tokio::time::sleep(NEXT_TRIAL.min(upstream.settings.probe.interval)).await;
    }
}

async fn try_model(gateway: &Gateway, route: RouteId) {
    let board = gateway.board();
    let upstream = &board.upstreams[route.upstream];
    let model = &upstream.models[route.model];
    if model.circuit.begin_probe(now()) {
        let result = match model.is_missing() {
            true => Err(Fault::ModelWithdrawn),
            false => upstream.probe_model(model).await,
        };
        board.record_model_probe(route, result.err().as_ref());
    }
}

/// Nothing is tried meanwhile, and a trial that began before grows too old, as it does anywhere.
async fn until_upstream_is_back(gateway: &Gateway, route: RouteId) {
    let board = gateway.board();
    let back = board.upstreams[route.upstream].circuit.until_it_admits();
    tokio::pin!(back);
    let is_on_trial =
        || board.model(route).is_some_and(|m| matches!(m.reading(now()).state, State::HalfOpen { .. }));
    while is_on_trial() {
        tokio::select! {
            () = &mut back => return,
            () = tokio::time::sleep(NEXT_TRIAL) => board.tick_model(route),
        }
    }
    back.await;
}

/// The interval, a tenth longer or shorter, so that probes of many upstreams do not march in step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * draw())
}

/// One line in the log and one row in the audit for each flip of a breaker.
async fn tell_flips(gateway: &Gateway, mut flips: mpsc::UnboundedReceiver<FlipNote>) {
    while let Some(FlipNote { whose, flip, evidence }) = flips.recv().await {
        let evidence = evidence.unwrap_or_default();
        tracing::warn!(upstream = whose, evidence, "upstream {whose}: breaker {flip}");
        let detail = json!({
            "upstream": whose, "from": flip.from.as_str(), "to": flip.to.as_str(), "evidence": evidence,
        });
        drop(gateway.store().audit.event(event("breaker", detail)));
    }
}

async fn publish_site(gateway: &Gateway, publish: &watch::Sender<Arc<Site>>, gpus: &GpuView) {
    let mut told = view::Told::default();
    let mut told_idle = machine::ToldIdle::default();
    let mut history = History::new(publish.borrow().state, clock::unix_ms());
    let mut locals: Vec<_> = gateway.locals().iter().map(LocalModel::status).collect();
    loop {
        let mut site = view::site(gateway, publish.borrow().started_ms, &mut told);
        site.machine = machine::machine(&gpus.borrow(), gateway.locals());
        told_idle.turn(&site.machine);
        history.turn(gateway, &mut site);
        // Nobody waits for the disk to learn of the state; the records follow.
        publish.send_replace(Arc::new(site.clone()));
        history.outages.turn(gateway, &site).await;
        history.complete(gateway, &mut site);
        publish.send_replace(Arc::new(site));
        tokio::select! {
            () = tokio::time::sleep(PUBLISH_EVERY) => {}
            () = gateway.board().changed.notified() => {}
            () = gateway.announcer().changed.notified() => {}
            () = one_changes(&mut locals) => {}
        }
    }
}

/// Resolves when a local model is loaded, ready or failed. One whose keeper has ended changes no more.
async fn one_changes(locals: &mut [watch::Receiver<Status>]) {
    let mut changes: FuturesUnordered<_> = locals.iter_mut().map(watch::Receiver::changed).collect();
    while let Some(change) = changes.next().await {
        if change.is_ok() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// What lasts from one look to the next: since when the state holds, and the outage that is going on.
struct History {
    state: SiteState,
    since_ms: i64,
    outages: OutageRecords,
}

impl History {
    fn new(state: SiteState, since_ms: i64) -> Self {
        History { state, since_ms, outages: OutageRecords::default() }
    }

    /// Takes a new look into account, tells what has turned, and completes the look.
    fn turn(&mut self, gateway: &Gateway, site: &mut Site) {
        if site.state != self.state {
            let (from, to) = (self.state, site.state);
            tracing::warn!(%from, %to, "site state {to} (was {from})");
            let detail = json!({"from": from.as_str(), "to": to.as_str()});
            drop(gateway.store().audit.event(event("site-state", detail)));
            (self.state, self.since_ms) = (to, clock::unix_ms());
        }
        site.since_ms = self.since_ms;
        self.complete(gateway, site);
    }

    /// What the records say.
    fn complete(&self, gateway: &Gateway, site: &mut Site) {
        site.outage = self.outages.view();
        site.partial_outages = self.outages.partial();
        site.local_answers_24h = gateway.tally().local_answers_24h();
        site.brown_out_step = gateway.admission().step();
        site.announcements = gateway.announcer().kept();
    }
}

fn event(what: &str, detail: serde_json::Value) -> EventRow {
    EventRow { at_ms: clock::unix_ms(), who: "genset".into(), what: what.into(), detail }
}

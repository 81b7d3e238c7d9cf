//! All upstreams and their models side by side: what one of them learns may concern the others.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use continuity::{Flip, SharedFate, SiteState, Trip, UpstreamCondition, site_state};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::{Notify, mpsc};

use crate::fault::{Blame, Fault};
use crate::reason::Reason;
use crate::tally::Tally;
use crate::upstream::{Listed, Upstream};
use crate::{circuit::Circuit, clock, drill::Drills, orders::Orders, outside::Outside};

pub(crate) struct Board {
    pub upstreams: Vec<Upstream>,
    /// What is seen of the outside beside the upstreams.
    pub outside: Outside,
    /// What persons in charge have ordered.
    pub orders: Orders,
    /// Upstreams at one host are one to the shared fate: the first of them.
    hosts: Vec<usize>,
    pub drills: Drills,
    shared_fate: Mutex<SharedFate>,
    /// Wakes whoever publishes the site.
    pub changed: Notify,
    flips: mpsc::UnboundedSender<FlipNote>,
    /// How often each deadline of an answer ran out.
    pub deadlines_exceeded: Family<DeadlineLabels, Counter>,
    /// What outage records say of requests.
    pub tally: Tally,
}

/// A cloud route by its places on the board: an upstream and one of the models that are used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouteId {
    pub upstream: usize,
    pub model: usize,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct DeadlineLabels {
    upstream: String,
    deadline: &'static str,
}

/// A trip or a reset, for the log and the audit.
#[derive(Debug)]
pub(crate) struct FlipNote {
    /// The upstream, or `upstream/model`.
    pub whose: String,
    pub flip: Flip,
    pub evidence: Option<String>,
}

impl Board {
    pub(crate) fn new(
        upstreams: Vec<Upstream>,
        outside: Outside,
        orders: Orders,
    ) -> (Self, mpsc::UnboundedReceiver<FlipNote>) {
        let (flips, receiver) = mpsc::unbounded_channel();
        let host = |upstream: &Upstream| upstream.settings.authority().to_owned();
        let hosts: Vec<String> = upstreams.iter().map(host).collect();
        let first = |host: &String| hosts.iter().position(|other| other == host).unwrap_or_default();
        let board = Board {
            hosts: hosts.iter().map(first).collect(),
            upstreams,
            outside,
            orders,
            drills: Drills::default(),
            shared_fate: Mutex::new(SharedFate::default()),
            changed: Notify::new(),
            flips,
            deadlines_exceeded: Family::default(),
            tally: Tally::default(),
        };
        (board, receiver)
    }

    pub(crate) fn route(&self, upstream: usize, model: &str) -> RouteId {
        let models = &self.upstreams[upstream].models;
        let place = models.iter().position(|known| known.name == model);
        RouteId { upstream, model: place.unwrap_or(models.len()) }
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = RouteId> {
        self.upstreams.iter().enumerate().flat_map(|(upstream, known)| {
            (0..known.models.len()).map(move |model| RouteId { upstream, model })
        })
    }

    /// Whether a request may go this way now.
    ///
    /// # Errors
    /// Why not. A route that is throttled may still be asked when nothing else can answer; the others may not.
    pub(crate) fn admits(&self, route: RouteId) -> Result<(), Reason> {
        if !self.upstreams[route.upstream].circuit.admits_requests() {
            return Err(Reason::CircuitOpen);
        }
        match self.model(route) {
            Some(model) if !model.admits_requests() || model.is_in_doubt() => Err(Reason::ModelOpen),
            Some(model) if model.is_throttled(now()) => Err(Reason::Throttled),
            _ => Ok(()),
        }
    }

    /// The ramps of the upstream and of its model both let this conversation go to the cloud; without a conversation,
    /// the next request.
    pub(crate) fn admits_by_ramp(&self, route: RouteId, conversation: Option<u64>) -> bool {
        let (upstream, now) = (&self.upstreams[route.upstream].circuit, now());
        upstream.admits_by_ramp(now, conversation)
            && self.model(route).is_none_or(|model| model.admits_by_ramp(now, conversation))
    }

    /// Resolves when there is no more sense in waiting for a first token on this route.
    pub(crate) async fn lost(&self, route: RouteId) -> Fault {
        let upstream = &self.upstreams[route.upstream];
        let suspicion = upstream.settings.deadlines.suspicion;
        let doubt = async {
            match self.model(route) {
                Some(model) => model.doubt(suspicion).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            fault = upstream.circuit.lost(suspicion) => fault,
            () = doubt => Fault::Lost,
        }
    }

    /// The state of the site at this moment, straight from the breakers.
    pub(crate) fn site_state(&self) -> SiteState {
        let (now, orders) = (now(), self.orders.current());
        let of_upstream =
            |upstream: &Upstream| conditions(upstream, now, orders.isolates(&upstream.settings.name));
        let (conditions, throttled): (Vec<_>, Vec<_>) = self.upstreams.iter().flat_map(of_upstream).unzip();
        match site_state(&conditions, orders.of_the_site()) {
            SiteState::Connected | SiteState::Recovering if throttled.contains(&true) => SiteState::Degraded,
            state => state,
        }
    }

    /// What a request learned on a route; `None` is a success, which proves the way and the model alike.
    pub(crate) fn record(&self, route: RouteId, fault: Option<&Fault>) {
        if let Some(deadline) = fault.and_then(Fault::deadline) {
            let upstream = self.upstreams[route.upstream].settings.name.clone();
            self.deadlines_exceeded.get_or_create(&DeadlineLabels { upstream, deadline }).inc();
        }
        let blame = fault.map(Fault::blame);
        if matches!(blame, None | Some(Blame::Model)) {
            self.record_at_model(route, fault);
        }
        if matches!(blame, None | Some(Blame::Upstream)) {
            let flip = self.upstreams[route.upstream].circuit.record(fault, now(), clock::unix_ms());
            self.learned(route.upstream, fault, flip);
        }
    }

    fn record_at_model(&self, route: RouteId, fault: Option<&Fault>) {
        self.tally.evidence(route.upstream, fault.is_some_and(Fault::is_failure));
        let Some(model) = self.model(route) else { return };
        let flip = match fault {
            // One such answer is beyond doubt: the name of the model is the configuration's, not the caller's.
            Some(Fault::ModelWithdrawn) => model.trip(Trip::ModelWithdrawn, fault, now(), clock::unix_ms()),
            _ => model.record(fault, now(), clock::unix_ms()),
        };
        if matches!(fault, Some(Fault::Throttled { .. })) {
            self.changed.notify_one();
        }
        self.model_flipped(route, flip, fault);
    }

    /// What a probe learned of an upstream: the models that it lists, or a fault.
    pub(crate) fn record_probe(&self, index: usize, result: &Result<Listed, Fault>) {
        let fault = result.as_ref().err();
        let flip = self.upstreams[index].circuit.record_probe(fault, now(), clock::unix_ms());
        self.learned(index, fault, flip);
        let Ok(listed) = result else { return };
        for (place, model) in self.upstreams[index].models.iter().enumerate() {
            if model.notice(listed) {
                let route = RouteId { upstream: index, model: place };
                self.record_at_model(route, Some(&Fault::ModelWithdrawn));
            }
        }
    }

    /// What a synthetic chat learned of a model; `None` is an answer in the upstream's own words.
    pub(crate) fn record_model_probe(&self, route: RouteId, fault: Option<&Fault>) {
        let Some(model) = self.model(route) else { return };
        let flip = match fault.map(Fault::blame) {
            // The trial says nothing of the model then; the upstream's own circuit hears of it.
            Some(Blame::Upstream) => {
                let cancelled = model.record_probe(Some(&Fault::Lost), now(), clock::unix_ms());
                self.record(route, fault);
                cancelled
            }
            _ => model.record_probe(fault, now(), clock::unix_ms()),
        };
        self.model_flipped(route, flip, fault);
    }

    /// Lets time pass for the breaker of an upstream.
    pub(crate) fn tick(&self, index: usize) {
        let flip = self.upstreams[index].circuit.tick(now(), clock::unix_ms());
        self.flipped(self.upstreams[index].settings.name.clone(), flip, None);
    }

    /// Lets time pass for the breaker of a model.
    pub(crate) fn tick_model(&self, route: RouteId) {
        let flip = self.model(route).and_then(|model| model.tick(now(), clock::unix_ms()));
        self.model_flipped(route, flip, None);
    }

    /// The upstream of a model is back, so the model need not wait out its own time to be tried.
    pub(crate) fn hasten_model(&self, route: RouteId) {
        let flip = self.model(route).and_then(|model| model.hasten(now(), clock::unix_ms()));
        self.model_flipped(route, flip, None);
    }

    pub(crate) fn model(&self, route: RouteId) -> Option<&Circuit> {
        self.upstreams[route.upstream].models.get(route.model).map(|model| &model.circuit)
    }

    fn learned(&self, index: usize, fault: Option<&Fault>, flip: Option<Flip>) {
        self.tally.evidence(index, fault.is_some_and(Fault::is_failure));
        self.flipped(self.upstreams[index].settings.name.clone(), flip, fault);
        if fault.is_some_and(|fault| fault.sign().is_of_transport()) {
            self.outside.trouble();
            self.look_at_the_others(index);
        }
        let mut shared = self.shared_fate.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            None => shared.answered(),
            Some(fault) if fault.is_transport() && shared.observe(self.hosts[index], now()) => {
                drop(shared);
                self.trip_all(fault);
            }
            Some(_) => {}
        }
    }

    /// Trouble on the way that has just begun may be everybody's: those that still seem well are probed at once.
    fn look_at_the_others(&self, index: usize) {
        let began = self.upstreams[index].circuit.failing_since();
        let is_new =
            began.is_some_and(|began| now().saturating_duration_since(began) < Duration::from_millis(100));
        let others = self.upstreams.iter().enumerate().filter(|(other, _)| *other != index && is_new);
        for (_, other) in others.filter(|(_, other)| !other.circuit.has_fault()) {
            other.circuit.suspect.notify_one();
        }
    }

    /// One that has shown no trouble itself yet is open like the others, and tried at once.
    fn trip_all(&self, fault: &Fault) {
        for upstream in &self.upstreams {
            let (circuit, name) = (&upstream.circuit, &upstream.settings.name);
            let flip = circuit.trip(Trip::SharedFate, None, now(), clock::unix_ms());
            self.flipped(name.clone(), flip, Some(fault));
            if flip.is_some() && !circuit.has_fault() {
                self.flipped(name.clone(), circuit.hasten(now(), clock::unix_ms()), None);
            }
        }
    }

    /// The box's own link is down: every upstream outside is lost with it, and nobody needs to try.
    pub(crate) fn link_lost(&self) {
        self.outside.trouble();
        for upstream in self.upstreams.iter().filter(|upstream| upstream.settings.is_outside()) {
            let fault = Some(&Fault::NoRoute);
            let flip = upstream.circuit.trip(Trip::LinkDown, fault, now(), clock::unix_ms());
            self.flipped(upstream.settings.name.clone(), flip, fault);
        }
    }

    /// There is a sign that the outside is reached again: what is out is tried without waiting for its time.
    pub(crate) fn way_is_back(&self) {
        for upstream in &self.upstreams {
            if upstream.circuit.fault_is_of_transport() {
                let flip = upstream.circuit.hasten(now(), clock::unix_ms());
                self.flipped(upstream.settings.name.clone(), flip, None);
            }
        }
    }

    pub(crate) fn has_trouble_on_the_way(&self) -> bool {
        self.upstreams.iter().any(|upstream| upstream.circuit.fault_is_of_transport())
    }

    fn model_flipped(&self, route: RouteId, flip: Option<Flip>, fault: Option<&Fault>) {
        let upstream = &self.upstreams[route.upstream];
        if let Some(model) = upstream.models.get(route.model) {
            self.flipped(format!("{}/{}", upstream.settings.name, model.name), flip, fault);
        }
    }

    fn flipped(&self, whose: String, flip: Option<Flip>, fault: Option<&Fault>) {
        let Some(flip) = flip else { return };
        // A trial of an open breaker is a poll; what is worth a line is that it was lost, and that it is back.
        if flip.is_trip() || flip.is_reset() {
            // Nobody listens any more while the box stops; then there is nothing left to tell.
            let _ = self.flips.send(FlipNote { whose, flip, evidence: fault.map(ToString::to_string) });
        }
        self.changed.notify_one();
    }
}

/// One condition for each model that is used of the upstream, or one for the upstream where none is; and whether a
/// throttle is worth telling.
fn conditions(upstream: &Upstream, now: Instant, is_isolated: bool) -> Vec<(UpstreamCondition, bool)> {
    let (mut of_all, _) = upstream.circuit.condition(now);
    of_all.is_isolated = is_isolated;
    if upstream.models.is_empty() {
        return vec![(of_all, false)];
    }
    let of_model = |circuit: &Circuit| {
        let (condition, throttled) = circuit.condition(now);
        let both = UpstreamCondition {
            admits: of_all.admits && condition.admits,
            share_percent: of_all.share_percent.min(condition.share_percent),
            is_isolated,
        };
        (both, throttled)
    };
    upstream.models.iter().map(|model| of_model(&model.circuit)).collect()
}

/// The runtime's clock, which tests may pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;

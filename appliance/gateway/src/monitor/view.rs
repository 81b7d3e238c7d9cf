//! The snapshot of the site, made from the breakers and the local models as they are now.

use std::time::{Duration, Instant};

use continuity::{Asked, Evidence, Language, Link, Sign, StateKind, SteadyVerdict, Verdict, diagnose};
use inference::{Facts, LocalModel, Pooling, Status};
use store::Condition;

use crate::board::{Board, now};
use crate::circuit::Reading;
use crate::clock;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::outside::Seen;
use crate::settings::Settings;
use crate::site::{
    AliasView, FileFacts, Layers, LocalView, MachineView, ModelView, Site, UpstreamView, VectorView,
};
use crate::upstream::{CloudModel, Upstream};

/// A verdict is told at the latest so long after the trouble began, whatever is still being asked.
const EVIDENCE_WAIT: Duration = Duration::from_secs(3);

/// The verdicts that people have been told, in the order of the upstreams.
#[derive(Default)]
pub(super) struct Told(Vec<SteadyVerdict>);

/// The site before the monitor's first look.
pub(crate) fn first_site(settings: &Settings, board: &Board, locals: &[LocalModel]) -> Site {
    let now_ms = clock::unix_ms();
    snapshot(settings, board, locals, now_ms, &mut Told::default())
}

pub(super) fn site(gateway: &Gateway, started_ms: i64, told: &mut Told) -> Site {
    let site = snapshot(gateway.settings(), gateway.board(), gateway.locals(), started_ms, told);
    Site { store: gateway.store().condition(), ..site }
}

fn snapshot(
    settings: &Settings,
    board: &Board,
    locals: &[LocalModel],
    started_ms: i64,
    told: &mut Told,
) -> Site {
    Site {
        name: settings.site_name.clone(),
        state: board.site_state(),
        since_ms: started_ms,
        started_ms,
        upstreams: upstreams(board, told),
        locals: locals.iter().map(local).collect(),
        aliases: settings
            .aliases
            .iter()
            .map(|alias| AliasView {
                name: alias.name.clone(),
                kind: alias.kind.name(),
                cloud: alias.cloud.iter().map(|route| route.label.clone()).collect(),
                standby: alias.standby.clone(),
            })
            .collect(),
        outage: None,
        partial_outages: Vec::new(),
        local_answers_24h: 0,
        brown_out_step: 0,
        orders: board.orders.current().views(),
        drill: board.drills.view(),
        announcements: Vec::new(),
        store: Condition::default(),
        machine: MachineView::default(),
    }
}

/// The upstreams as they are, each with the verdict that is told of it. `told` remembers from look to look.
fn upstreams(board: &Board, told: &mut Told) -> Vec<UpstreamView> {
    let now = now();
    let looks: Vec<Look<'_>> = board.upstreams.iter().map(|upstream| Look::at(upstream, now)).collect();
    let seen = board.outside.seen();
    let well = looks.iter().map(|look| &look.own).filter(|own| own.admits && own.evidence.fault.is_none());
    let well_since = well.map(|own| own.evidence.probed_at).min().unwrap_or(Some(now));
    let around = Around { upstreams: asked(&looks), seen, well_since, now };
    told.0.resize_with(looks.len(), SteadyVerdict::default);
    looks.iter().zip(&mut told.0).map(|(look, steady)| look.view(&around, steady)).collect()
}

/// Who gets through. One that has no key is never asked.
fn asked(looks: &[Look<'_>]) -> Asked {
    let faults = looks.iter().map(|look| look.own.evidence.fault.as_ref());
    let signs: Vec<Option<Sign>> = faults.map(|fault| fault.map(Fault::sign)).collect();
    let count = |is: fn(Sign) -> bool| signs.iter().flatten().filter(|sign| is(**sign)).count() as u32;
    let silenced = count(|sign| sign == Sign::NoKey);
    Asked { asked: signs.len() as u32 - silenced, failing: count(Sign::is_of_transport) }
}

/// What is seen around an upstream.
struct Around {
    upstreams: Asked,
    seen: Seen,
    /// All upstreams that seem well have been probed since.
    well_since: Option<Instant>,
    now: Instant,
}

/// One upstream with its models at one moment.
struct Look<'a> {
    upstream: &'a Upstream,
    own: Reading,
    models: Vec<(&'a CloudModel, Reading)>,
}

impl<'a> Look<'a> {
    fn at(upstream: &'a Upstream, now: Instant) -> Self {
        let models = upstream.models.iter().map(|model| (model, model.circuit.reading(now))).collect();
        Look { upstream, own: upstream.circuit.reading(now), models }
    }

    fn view(&self, around: &Around, steady: &mut SteadyVerdict) -> UpstreamView {
        let models: Vec<ModelView> =
            self.models.iter().map(|(model, reading)| model_view(model, reading)).collect();
        let evidence = self.evidence(around);
        let verdict = match self.own.evidence.fault.as_ref() {
            Some(fault) if fault.sign().is_of_transport() && !self.is_settled(around) => steady.told(),
            Some(_) => steady.look(evidence.as_ref().and_then(diagnose), around.now),
            None => steady.look(verdict_of_all(&models), around.now),
        };
        let in_words =
            |language| evidence.as_ref().map(|evidence| evidence.in_words(language)).unwrap_or_default();
        UpstreamView {
            name: self.upstream.settings.name.clone(),
            breaker: self.breaker().as_str(),
            verdict,
            evidence: in_words(Language::English),
            evidence_ko: in_words(Language::Korean),
            share_percent: self.share_percent(),
            last_probe_ms: self.own.evidence.last_probe_ms,
            since_ms: self.since_ms(),
            demo: self.upstream.settings.demo,
            models,
        }
    }

    /// Of the upstream itself, or else of a model that is not well.
    fn evidence(&self, around: &Around) -> Option<Evidence> {
        let of_models = || self.models.iter().find_map(|(_, reading)| shown_fault(reading));
        let fault = self.own.evidence.fault.as_ref().or_else(of_models)?;
        Some(Evidence {
            sign: fault.sign(),
            link: if self.upstream.settings.is_outside() { around.seen.link } else { Link::Unknown },
            upstreams: around.upstreams,
            witnesses: around.seen.hosts,
            names: around.seen.names,
            addresses: around.seen.addresses,
        })
    }

    /// Witnesses and other upstreams have been asked since the trouble began, or will not say: until then what they
    /// said is of better times.
    fn is_settled(&self, around: &Around) -> bool {
        if matches!(around.seen.link, Link::NoCarrier | Link::NoDefaultRoute) {
            return true;
        }
        self.own.evidence.failing_since.is_none_or(|since| {
            let all_asked = around.well_since >= Some(since) && around.seen.is_newer_than(since);
            all_asked || around.now.saturating_duration_since(since) >= EVIDENCE_WAIT
        })
    }

    /// Its own, or that of its models where none of them is closed.
    fn breaker(&self) -> StateKind {
        let own = self.own.state.kind();
        if !self.is_lost_by_its_models() {
            return own;
        }
        let mut kinds = self.models.iter().map(|(_, reading)| reading.state.kind());
        if kinds.any(|kind| kind == StateKind::HalfOpen) { StateKind::HalfOpen } else { StateKind::Open }
    }

    /// Of the breaker that is shown: of several models, the newest change of any of them.
    fn since_ms(&self) -> i64 {
        let of_models = self.models.iter().map(|(_, reading)| reading.evidence.since_ms).max();
        let of_models = of_models.filter(|_| self.is_lost_by_its_models());
        of_models.unwrap_or(self.own.evidence.since_ms)
    }

    fn is_lost_by_its_models(&self) -> bool {
        let is_closed = |reading: &Reading| reading.state.kind() == StateKind::Closed;
        is_closed(&self.own)
            && !self.models.is_empty()
            && !self.models.iter().any(|(_, reading)| is_closed(reading))
    }

    /// That of its best model.
    fn share_percent(&self) -> u8 {
        let of_models = self.models.iter().map(|(_, reading)| share_percent(reading)).max();
        share_percent(&self.own).min(of_models.unwrap_or(100))
    }
}

/// What is wrong with an upstream none of whose models answers: what they all have, or that it is down.
fn verdict_of_all(models: &[ModelView]) -> Option<Verdict> {
    let first = models.first()?.verdict?;
    if models.iter().all(|model| model.verdict == Some(first)) {
        return Some(first);
    }
    models.iter().all(|model| model.breaker != "closed").then_some(Verdict::UpstreamDown)
}

fn model_view(model: &CloudModel, reading: &Reading) -> ModelView {
    ModelView {
        name: model.name.clone(),
        breaker: reading.state.kind().as_str(),
        since_ms: reading.evidence.since_ms,
        verdict: shown_fault(reading).and_then(|fault| verdict_of_answer(fault.sign())),
        share_percent: share_percent(reading),
    }
}

fn share_percent(reading: &Reading) -> u8 {
    if reading.admits { reading.share_percent } else { 0 }
}

/// A single bad answer of a model is nothing to tell: its next one will be good, or its breaker trips. A throttle is told
/// for as long as it holds, whatever a trial or a request that was on its way has found since.
fn shown_fault(reading: &Reading) -> Option<&Fault> {
    match reading.state.kind() {
        StateKind::Closed if reading.is_throttled => Some(&Fault::Throttled { retry_after: None }),
        StateKind::Closed => None,
        StateKind::Open | StateKind::HalfOpen => reading.evidence.fault.as_ref(),
    }
}

/// What a model's answers say needs no witness.
fn verdict_of_answer(sign: Sign) -> Option<Verdict> {
    let nobody = Asked::default();
    diagnose(&Evidence {
        sign,
        link: Link::Unknown,
        upstreams: nobody,
        witnesses: nobody,
        names: nobody,
        addresses: nobody,
    })
}

fn local(model: &LocalModel) -> LocalView {
    let status = model.status().borrow().clone();
    let proven = status.is_proven();
    let mut view = LocalView {
        name: model.name().to_owned(),
        kind: model.kind().name(),
        status: "starting",
        resident: model.is_resident(),
        percent: None,
        detail: String::new(),
        proven_age_s: None,
        proven,
        in_flight: model.in_flight(),
        device: None,
        confined: None,
        facts: None,
        layers: None,
        memory: model.memory(),
    };
    match status {
        Status::Starting => {}
        Status::Loading { percent } => (view.status, view.percent) = ("loading", Some(percent)),
        Status::Ready { facts, proven_at } => {
            view.status = "ready";
            view.detail = detail(&facts);
            view.proven_age_s = Some(proven_at.elapsed().as_secs());
            view.confined = Some(facts.confinement.is_whole());
            view.facts = Some(FileFacts {
                sha256: facts.sha256.clone(),
                size_bytes: facts.size_bytes,
                layers: facts.layers,
                context_train: facts.context_train,
                kv_bytes_per_token: facts.kv_bytes_per_token,
                vectors: facts.vectors.map(|vectors| VectorView {
                    dimensions: vectors.dimensions,
                    pooling: vectors.pooling.name(),
                }),
            });
            let placement = &facts.placement;
            view.layers = Some(Layers {
                all: placement.layers,
                on_gpu: placement.layers_on_gpu,
                is_short: placement.is_short(),
            });
            view.device = Some(model.devices().join(", ")).filter(|devices| !devices.is_empty());
        }
        Status::Failed { reason, .. } => (view.status, view.detail) = ("failed", reason),
        Status::Unloading => view.status = "unloading",
        Status::Unloaded => view.status = "unloaded",
    }
    view
}

/// What a model is, on one line that reads alike in every language: `llama F16, 2.1M`, `bert F16, 22.7M, 384d mean`.
fn detail(facts: &Facts) -> String {
    let Facts { architecture, quantisation, .. } = facts;
    let made = facts
        .vectors
        .filter(|vectors| vectors.pooling != Pooling::Rank)
        .map_or(String::new(), |vectors| format!(", {}d {}", vectors.dimensions, vectors.pooling.name()));
    let millions = facts.parameters as f64 / 1e6;
    let size =
        if millions < 1000.0 { format!("{millions:.1}M") } else { format!("{:.1}B", millions / 1000.0) };
    format!("{architecture} {quantisation}, {size}{made}")
}

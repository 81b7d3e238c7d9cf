//! The snapshot of the site, made from the breakers and the local models as they are now.

use std::time::Instant;

use continuity::{Asked, Evidence, StateKind, Verdict, diagnose};
use inference::{LocalModel, Status};

use crate::board::{Board, now};
use crate::circuit::Reading;
use crate::clock;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::settings::Settings;
use crate::site::{AliasView, LocalView, ModelView, Site, UpstreamView};
use crate::upstream::{CloudModel, Upstream};

/// A token within so many seconds makes a model proven.
const PROVEN_S: u64 = 60;

/// The site before the monitor's first look.
pub(crate) fn first_site(settings: &Settings, board: &Board, locals: &[LocalModel]) -> Site {
    let now_ms = clock::unix_ms();
    snapshot(settings, board, locals, now_ms)
}

pub(super) fn site(gateway: &Gateway, started_ms: i64) -> Site {
    snapshot(gateway.settings(), gateway.board(), gateway.locals(), started_ms)
}

fn snapshot(settings: &Settings, board: &Board, locals: &[LocalModel], started_ms: i64) -> Site {
    Site {
        name: settings.site_name.clone(),
        state: board.site_state(),
        since_ms: started_ms,
        started_ms,
        upstreams: upstreams(board),
        locals: locals.iter().map(local).collect(),
        aliases: settings
            .aliases
            .iter()
            .map(|alias| AliasView {
                name: alias.name.clone(),
                cloud: alias.cloud.iter().map(|route| route.label.clone()).collect(),
                standby: alias.standby.clone(),
            })
            .collect(),
        outage: None,
        orders: board.orders.current().views(),
        drill: board.drills.view(),
        announcements: Vec::new(),
    }
}

fn upstreams(board: &Board) -> Vec<UpstreamView> {
    let now = now();
    let readings: Vec<Reading> = board.upstreams.iter().map(|u| u.circuit.reading(now)).collect();
    let failing =
        readings.iter().filter(|r| r.evidence.fault.as_ref().is_some_and(|f| f.is_transport())).count();
    let asked = Asked { asked: readings.len() as u32, failing: failing as u32 };
    let views = board.upstreams.iter().zip(readings);
    views.map(|(upstream, reading)| view_of(upstream, &reading, asked, now)).collect()
}

fn view_of(upstream: &Upstream, reading: &Reading, asked: Asked, now: Instant) -> UpstreamView {
    let readings: Vec<Reading> = upstream.models.iter().map(|model| model.circuit.reading(now)).collect();
    let models: Vec<ModelView> = upstream
        .models
        .iter()
        .zip(&readings)
        .map(|(model, reading)| model_view(model, reading, asked))
        .collect();
    let fault = reading.evidence.fault.as_ref();
    let own_verdict = fault.and_then(|fault| verdict(fault, asked));
    let of_models = (!models.is_empty() && models.iter().all(|model| model.breaker != "closed"))
        .then(|| models.iter().find(|model| model.breaker == "half-open").unwrap_or(&models[0]).breaker);
    let own_breaker = reading.state.kind();
    let fault = fault.or_else(|| readings.iter().find_map(|reading| shown_fault(reading)));
    UpstreamView {
        name: upstream.settings.name.clone(),
        breaker: match of_models {
            Some(breaker) if own_breaker == StateKind::Closed => breaker,
            _ => own_breaker.as_str(),
        },
        verdict: own_verdict.or_else(|| verdict_of_all(&models)),
        evidence: fault.map(ToString::to_string).unwrap_or_default(),
        share_percent: match reading.admits {
            true => {
                models.iter().map(|model| model.share_percent).max().unwrap_or(100).min(reading.share_percent)
            }
            false => 0,
        },
        last_probe_ms: reading.evidence.last_probe_ms,
        since_ms: reading.evidence.since_ms,
        demo: upstream.settings.demo,
        models,
    }
}

/// What is wrong with an upstream none of whose models answers: what they all have, or that it is down.
fn verdict_of_all(models: &[ModelView]) -> Option<Verdict> {
    let first = models.first()?.verdict?;
    let all = |has: fn(&ModelView, Verdict) -> bool| models.iter().all(|model| has(model, first));
    if all(|model, first| model.verdict == Some(first)) {
        Some(first)
    } else {
        all(|model, _| model.breaker != "closed").then_some(Verdict::UpstreamDown)
    }
}

fn model_view(model: &CloudModel, reading: &Reading, asked: Asked) -> ModelView {
    ModelView {
        name: model.name.clone(),
        breaker: reading.state.kind().as_str(),
        verdict: shown_fault(reading).and_then(|fault| verdict(fault, asked)),
        share_percent: if reading.admits { reading.share_percent } else { 0 },
    }
}

/// A single bad answer of a model is nothing to tell: its next one will be good, or its breaker trips.
fn shown_fault(reading: &Reading) -> Option<&Fault> {
    let tells = reading.state.kind() != StateKind::Closed || reading.is_throttled;
    reading.evidence.fault.as_ref().filter(|_| tells)
}

fn verdict(fault: &Fault, upstreams: Asked) -> Option<Verdict> {
    diagnose(&Evidence { sign: fault.sign(), link_is_up: true, upstreams, witnesses: Asked::default() })
}

fn local(model: &LocalModel) -> LocalView {
    let status = model.status().borrow().clone();
    let mut view = LocalView {
        name: model.name().to_owned(),
        status: "starting",
        percent: None,
        detail: String::new(),
        proven_age_s: None,
        proven: false,
        in_flight: model.in_flight(),
        device: None,
    };
    match status {
        Status::Starting => {}
        Status::Loading { percent } => (view.status, view.percent) = ("loading", Some(percent)),
        Status::Ready { facts, proven_at } => {
            let age = proven_at.elapsed().as_secs();
            view.status = "ready";
            view.detail = format!(
                "{} {}, {:.1} million parameters",
                facts.architecture,
                facts.quantisation,
                facts.parameters as f64 / 1e6
            );
            (view.proven_age_s, view.proven) = (Some(age), age <= PROVEN_S);
            view.device = Some(facts.device);
        }
        Status::Failed { reason, .. } => (view.status, view.detail) = ("failed", reason),
    }
    view
}

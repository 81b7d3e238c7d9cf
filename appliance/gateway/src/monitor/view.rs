//! The snapshot of the site, made from the breakers and the local models as they are now.

use continuity::{Asked, Evidence, diagnose};
use inference::{LocalModel, Status};

use crate::board::{Board, now};
use crate::circuit::Reading;
use crate::clock;
use crate::gateway::Gateway;
use crate::settings::Settings;
use crate::site::{AliasView, LocalView, Site, UpstreamView};

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
        announcements: Vec::new(),
    }
}

fn upstreams(board: &Board) -> Vec<UpstreamView> {
    let now = now();
    let readings: Vec<Reading> = board.upstreams.iter().map(|u| u.circuit.reading(now)).collect();
    let failing =
        readings.iter().filter(|r| r.evidence.fault.as_ref().is_some_and(|f| f.is_transport())).count();
    let asked = Asked { asked: readings.len() as u32, failing: failing as u32 };
    let views = board.upstreams.iter().zip(readings).map(|(upstream, reading)| {
        let fault = reading.evidence.fault.as_ref();
        let verdict = fault.and_then(|fault| {
            diagnose(&Evidence {
                sign: fault.sign(),
                link_is_up: true,
                upstreams: asked,
                witnesses: Asked::default(),
            })
        });
        UpstreamView {
            name: upstream.settings.name.clone(),
            breaker: reading.state.kind().as_str(),
            verdict,
            evidence: fault.map(ToString::to_string).unwrap_or_default(),
            share_percent: if reading.admits { reading.share_percent } else { 0 },
            last_probe_ms: reading.evidence.last_probe_ms,
            since_ms: reading.evidence.since_ms,
            demo: upstream.settings.demo,
        }
    });
    views.collect()
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

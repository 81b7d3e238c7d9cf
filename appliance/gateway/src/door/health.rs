//! What machines ask of the box itself: is it alive, is it ready, how is it.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use prometheus_client::encoding::text::encode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Audit, Condition};

use super::Door;
use super::refusal::{self, Refused};
use crate::answer::Refusal;
use crate::gateway::Gateway;
use crate::site::{LocalView, Site};

/// The process answers.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    verbose: Option<String>,
    lane: Option<String>,
}

/// Ready is a token that a local model generated in the last minute (a vector is none), and a record of what is answered; a box without
/// local models is ready while an upstream's breaker is closed.
///
/// Who asks for no lane asks whether anybody can be answered, so that a load balancer does not keep the clinical lane
/// from a box whose log cannot be written and whose spool has room. `?lane=interactive` asks for the others.
pub(super) async fn readyz(State(gateway): State<Gateway>, Query(query): Query<Wanted>) -> Response {
    let site = gateway.site().borrow().clone();
    let ready = Readiness::of(&site, &gateway.store().audit);
    let is_ready = match query.lane.as_deref() {
        None | Some("clinical") => ready.clinical,
        Some("interactive" | "batch") => ready.others,
        Some("administration") => ready.administration,
        Some(_) => {
            let message = "lane must be clinical, interactive, batch or administration";
            return Refused(Refusal::new(400, "invalid_request_error", "unknown_lane", message))
                .into_response();
        }
    };
    let status = if is_ready { 200 } else { 503 };
    let body = match query.verbose {
        Some(_) => capabilities(&site, is_ready, ready),
        None => json!({"ready": is_ready}),
    };
    refusal::json(status, &body)
}

/// What the box can do now.
#[derive(Clone, Copy)]
struct Readiness {
    clinical: bool,
    /// The interactive lane and the batch lane.
    others: bool,
    /// Changes of people, rights, orders: they need the log, and the accounts.
    administration: bool,
}

impl Readiness {
    fn of(site: &Site, audit: &Audit) -> Readiness {
        let standby_proven = site.locals.iter().any(|local| local.speaks() && local.proven);
        let cloud_only = !site.locals.iter().any(LocalView::speaks)
            && site.upstreams.iter().any(|u| u.breaker == "closed");
        let answers = standby_proven || cloud_only;
        let records = audit.is_well() && site.store.is_recording();
        // A disk that hangs gives no error after which a row would go to the spool.
        let spools = audit.spool().has_room && !audit.hangs();
        Readiness {
            clinical: answers && (records || spools),
            others: answers && records,
            administration: audit.is_well() && site.store.is_writable(),
        }
    }
}

fn capabilities(site: &Site, is_ready: bool, ready: Readiness) -> Value {
    let standby = site.locals.iter().map(|local| {
        let facts = json!({"ready": local.proven, "kind": local.kind, "status": local.status,
            "percent": local.percent, "proven_age_s": local.proven_age_s, "detail": local.detail});
        (local.name.clone(), facts)
    });
    let cloud = site.upstreams.iter().map(|upstream| {
        let facts = json!({"ready": upstream.breaker == "closed", "breaker": upstream.breaker,
            "verdict": upstream.verdict});
        (upstream.name.clone(), facts)
    });
    let aliases = site.aliases.iter().map(|alias| {
        let facts = json!({"standby_ready": site.standby_of(alias).any(|local| local.proven),
            "cloud": alias.cloud, "standby": alias.standby});
        (alias.name.clone(), facts)
    });
    json!({
        "ready": is_ready,
        "lanes": {"clinical": ready.clinical, "interactive": ready.others, "batch": ready.others},
        "administration": ready.administration,
        "site_state": site.state,
        "standby": standby.collect::<serde_json::Map<_, _>>(),
        "cloud": cloud.collect::<serde_json::Map<_, _>>(),
        "aliases": aliases.collect::<serde_json::Map<_, _>>(),
        "store": store(&site.store),
    })
}

/// Damage is told and does not make the box unready: what can still be answered in an emergency is answered.
fn store(condition: &Condition) -> Value {
    let files = condition.files.iter().map(|file| {
        let facts = json!({"ready": file.trouble.is_none() && file.damage.is_none(),
            "trouble": file.trouble, "damage": file.damage, "slow_commit_ms": file.slow_commit_ms});
        (file.file.to_owned(), facts)
    });
    json!({
        "ready": condition.is_writable() && condition.is_whole(),
        "unclean_stop": condition.unclean_stop,
        "checked_ms": condition.checked_ms,
        "files": files.collect::<serde_json::Map<_, _>>(),
        "anchors": condition.anchors,
    })
}

pub(super) async fn metrics(State(door): State<Door>) -> Response {
    let mut text = String::new();
    if encode(&mut text, &door.registry).is_err() {
        return Refused(Refusal::new(
            500,
            "server_error",
            "metrics_failed",
            "The numbers could not be written down.",
        ))
        .into_response();
    }
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// The site for other dashboards: open on the box itself, with a key from elsewhere.
pub(super) async fn status(State(gateway): State<Gateway>) -> Response {
    let site = gateway.site().borrow().clone();
    refusal::json_bytes(200, serde_json::to_vec(&*site).unwrap_or_default())
}

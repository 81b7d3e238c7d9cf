//! The status page, as anybody on the box may read it, and what it should say.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::Body;
use gateway::Peer;
use http::Request;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::book::{Look, ShownBreaker};
use crate::sabotage::Sabotage;
use crate::world::World;

impl World {
    /// Looks at the page once a second.
    pub(crate) async fn watch(&self) {
        let mut last = None;
        loop {
            if let Some(look) = self.look().await {
                let out = look.breakers.iter().filter(|breaker| breaker.state != "closed");
                let out: Vec<String> = out.map(|b| format!("{} {}", b.whose, b.state)).collect();
                let shown = format!("status: {} {}", look.state, out.join(", "));
                if last.as_ref() != Some(&shown) {
                    self.book.tell(&shown);
                    last = Some(shown);
                }
                self.book.pages().looks.push(look);
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    pub(crate) async fn look(&self) -> Option<Look> {
        let request = Request::get("/api/status").extension(Peer(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let Ok(response) = self.door.clone().oneshot(request.body(Body::empty()).ok()?).await;
        let body = response.into_body().collect().await.ok()?.to_bytes();
        let site: Page = serde_json::from_slice(&body).expect("the page says what is looked at here");
        let mut breakers = breakers(&site);
        let lie = match self.sabotage {
            Some(Sabotage::StuckHalfOpen) => Some("half-open"),
            Some(Sabotage::NeverBack) => Some("open"),
            _ => None,
        };
        if let Some(lie) = lie {
            breakers.iter_mut().for_each(|breaker| lie.clone_into(&mut breaker.state));
        }
        let state = match self.sabotage {
            Some(Sabotage::FalseState) => "connected",
            _ => &site.state,
        };
        Some(Look {
            at: self.book.now(),
            state: state.to_owned(),
            adds_up_to: adds_up_to(&site),
            breakers,
            brown_out_step: match self.sabotage {
                Some(Sabotage::StuckLadder) => 4,
                _ => site.brown_out_step,
            },
            in_flight: site.locals.iter().map(|local| local.in_flight).sum(),
        })
    }
}

/// What is looked at of the page; the rest is for people.
#[derive(Deserialize)]
struct Page {
    state: String,
    brown_out_step: u64,
    upstreams: Vec<Upstream>,
    locals: Vec<Local>,
    orders: Vec<Order>,
}

#[derive(Deserialize)]
struct Upstream {
    name: String,
    breaker: String,
    since_ms: i64,
    share_percent: u64,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    breaker: String,
    since_ms: i64,
    share_percent: u64,
    verdict: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Local {
    in_flight: u64,
}

#[derive(Deserialize)]
struct Order {
    kind: String,
    upstream: Option<String>,
}

fn breakers(site: &Page) -> Vec<ShownBreaker> {
    let mut breakers = Vec::new();
    for Upstream { name, breaker, since_ms, models, .. } in &site.upstreams {
        breakers.push(ShownBreaker { whose: name.clone(), state: breaker.clone(), since_ms: *since_ms });
        breakers.extend(models.iter().map(|model| ShownBreaker {
            whose: format!("{name}/{}", model.name),
            state: model.breaker.clone(),
            since_ms: model.since_ms,
        }));
    }
    breakers
}

/// The state that orders and breakers add up to.
fn adds_up_to(site: &Page) -> Vec<&'static str> {
    let ordered = |kind: &str| site.orders.iter().any(|order| order.kind == kind);
    if ordered("force-local") {
        return vec!["forced-local"];
    }
    if ordered("force-cloud") {
        return vec!["forced-cloud"];
    }
    let mut ways = Vec::new();
    for Upstream { name, breaker, share_percent, models, .. } in &site.upstreams {
        let isolates = |order: &Order| order.kind == "isolate" && order.upstream.as_ref() == Some(name);
        let isolated = site.orders.iter().any(isolates);
        let (share, closed) = (*share_percent, breaker == "closed");
        if models.is_empty() {
            ways.push(Way { isolated, closed, share, held: false });
        }
        ways.extend(models.iter().map(|model| Way {
            isolated,
            closed: closed && model.breaker == "closed",
            share: share.min(model.share_percent),
            held: model.verdict.is_some(),
        }));
    }
    let is_out = |way: &Way| way.isolated || !way.closed;
    if !ways.is_empty() && ways.iter().all(|way| way.isolated) {
        vec!["forced-local"]
    } else if ways.iter().all(is_out) {
        vec!["offline"]
    } else if ways.iter().any(is_out) {
        vec!["degraded"]
    } else {
        let full = ways.iter().all(|way| way.share == 100);
        let mut words = vec![if full { "connected" } else { "recovering" }];
        words.extend(ways.iter().any(|way| way.held).then_some("degraded"));
        words
    }
}

/// One model of an upstream, as far as the state of the site asks.
struct Way {
    isolated: bool,
    closed: bool,
    share: u64,
    /// Something is told of it though its breaker is closed: a throttle.
    held: bool,
}

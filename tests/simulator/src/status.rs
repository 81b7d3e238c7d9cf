//! The status page, as anybody on the box may read it, and what it should say.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::Body;
use gateway::Peer;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
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
        let site: Value = serde_json::from_slice(&body).ok()?;
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
            _ => site["state"].as_str().unwrap_or("?"),
        };
        Some(Look {
            at: self.book.now(),
            state: state.to_owned(),
            adds_up_to: adds_up_to(&site),
            breakers,
            brown_out_step: match self.sabotage {
                Some(Sabotage::StuckLadder) => 4,
                _ => site["brown_out_step"].as_u64().unwrap_or_default(),
            },
            in_flight: list(&site, "locals").filter_map(|local| local["in_flight"].as_u64()).sum(),
        })
    }
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of[name].as_array().into_iter().flatten()
}

fn breakers(site: &Value) -> Vec<ShownBreaker> {
    let mut breakers = Vec::new();
    for upstream in list(site, "upstreams") {
        let name = text(upstream, "name");
        breakers.push(breaker(upstream, name.clone()));
        let models = list(upstream, "models");
        breakers.extend(models.map(|model| breaker(model, format!("{name}/{}", text(model, "name")))));
    }
    breakers
}

fn breaker(of: &Value, whose: String) -> ShownBreaker {
    ShownBreaker { whose, state: text(of, "breaker"), since_ms: of["since_ms"].as_i64().unwrap_or_default() }
}

fn text(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or("?").to_owned()
}

/// The state that orders and breakers add up to.
fn adds_up_to(site: &Value) -> Vec<&'static str> {
    let ordered = |kind: &str| list(site, "orders").any(|order| order["kind"] == kind);
    if ordered("force-local") {
        return vec!["forced-local"];
    }
    if ordered("force-cloud") {
        return vec!["forced-cloud"];
    }
    let mut ways = Vec::new();
    for upstream in list(site, "upstreams") {
        let isolated =
            list(site, "orders").any(|o| o["kind"] == "isolate" && o["upstream"] == upstream["name"]);
        let share = upstream["share_percent"].as_u64().unwrap_or_default();
        let closed = upstream["breaker"] == "closed";
        let mut models = list(upstream, "models").peekable();
        if models.peek().is_none() {
            ways.push(Way { isolated, closed, share, held: false });
        }
        ways.extend(models.map(|model| Way {
            isolated,
            closed: closed && model["breaker"] == "closed",
            share: share.min(model["share_percent"].as_u64().unwrap_or_default()),
            held: !model["verdict"].is_null(),
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

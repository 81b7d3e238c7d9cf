//! Vectors of a cloud model: the request passes through as it came, and so do the numbers of its answer.

use std::time::Duration;

use tokio::time::Instant;

use super::{Gave, VectorAsk, Wanted, time_left};
use crate::answer::Served;
use crate::board::RouteId;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::reason::Reason;
use crate::relay::another_try;
use crate::settings::CloudRoute;
use crate::upstream::{Patience, Upstream, Way};

/// When the request came, and whether another route could answer it.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub at: Instant,
    pub has_alternative: bool,
}

/// Why the route may not be asked now: by policy, by order, or by its breakers.
pub(super) fn why_not(gateway: &Gateway, ask: &VectorAsk, route: &CloudRoute) -> Option<Reason> {
    if ask.local_only {
        return Some(Reason::LocalOnly);
    }
    let (board, orders) = (gateway.board(), gateway.orders().current());
    if let Some(reason) = orders.keeps_from(&board.upstreams[route.upstream].settings.name) {
        return Some(reason);
    }
    if orders.rehearses(&ask.caller, ask.wanted.alias()) {
        return Some(Reason::Drill);
    }
    if orders.forces_cloud() {
        return None;
    }
    let id = board.route(route.upstream, &route.model);
    let ramp = || (!board.admits_by_ramp(id, None)).then_some(Reason::Recovering);
    board.admits(id).err().or_else(ramp)
}

/// Asks one cloud route, once more where that makes sense.
pub(super) async fn ask(
    gateway: &Gateway,
    ask: &VectorAsk,
    route: &CloudRoute,
    served: &Served,
    asked: Asked,
) -> Gave {
    // No cloud is asked for scores: there is no shape that they share.
    let Wanted::Embeddings(request) = &ask.wanted else { return Gave::Next(Reason::CloudLacks, None) };
    let board = gateway.board();
    let (upstream, id) = (&board.upstreams[route.upstream], board.route(route.upstream, &route.model));
    upstream.retries.request();
    let body = request.body_for(&route.model);
    let attempt = |way| attempt(gateway, upstream, id, body.clone(), request.count, way, asked);
    let mut answer = attempt(Way::Kept).await;
    if let Err(fault) = &answer
        && let Some(another) = another_try(upstream, fault)
    {
        note(gateway, upstream, id, fault);
        let reason = fault.reason();
        // What this try taught may have opened a breaker.
        match why_not(gateway, ask, route) {
            None | Some(Reason::Throttled | Reason::Recovering) => {}
            Some(_) => return Gave::Next(reason, None),
        }
        tokio::time::sleep(another.after).await;
        answer = attempt(another.way).await;
    }
    match answer {
        Ok(answer) => {
            board.record(id, None);
            let tokens = answer.usage.unwrap_or_else(|| request.text_bytes().div_ceil(4));
            let extension = served.extension(None).with_usage(answer.usage.is_none());
            Gave::Answer { body: answer.stamped(&extension), tokens }
        }
        Err(fault) => {
            note(gateway, upstream, id, &fault);
            match fault {
                // What the upstream says of the request itself is passed on and never routed around.
                Fault::Caller(refusal) | Fault::ContentFilter(refusal) | Fault::ContextTooLong(refusal) => {
                    Gave::Refused(refusal)
                }
                fault => Gave::Next(fault.reason(), None),
            }
        }
    }
}

async fn attempt(
    gateway: &Gateway,
    upstream: &Upstream,
    id: RouteId,
    body: Vec<u8>,
    count: usize,
    way: Way,
    asked: Asked,
) -> Result<dialect::openai::EmbeddingAnswer, Fault> {
    let deadlines = upstream.settings.deadlines;
    let whole_answer = time_left(asked.at, deadlines.whole_answer);
    if whole_answer < Duration::from_millis(1) {
        return Err(Fault::WholeTimeout(deadlines.whole_answer));
    }
    // Vectors come all at once, so their beginning is waited for as long as a first token is.
    let patience =
        Patience { headers: deadlines.first_token, first_token: deadlines.first_token, whole_answer };
    let answer = upstream.embeddings(body, count, way, patience);
    // Where nothing else could answer, or by order, the cloud is waited for also when its breaker gives it up.
    if !asked.has_alternative || gateway.orders().current().forces_cloud() {
        return answer.await;
    }
    tokio::select! {
        biased;
        answer = answer => answer,
        fault = gateway.board().lost(id) => Err(fault),
    }
}

/// A fault goes to the breakers and into the numbers.
fn note(gateway: &Gateway, upstream: &Upstream, id: RouteId, fault: &Fault) {
    gateway.board().record(id, Some(fault));
    gateway.metrics().failed_over(&upstream.settings.name, fault.reason());
}

//! The questions that every route is asked before it may serve a request, each with one reason for a no.
//!
//! To hold routes back for a new reason, write a filter and put its name into the list, at the place of its rank.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use inference::{LocalModel, Status};

use super::Say;
use crate::{
    answer::{Ask, Route},
    gateway::Gateway,
    orders::Standing,
    settings::CloudRoute,
};

type CloudFilter = fn(&Look<'_>, &CloudRoute) -> Say;
type StandbyFilter = fn(&Look<'_>, &LocalModel) -> Say;

/// In order of rank: what a person or a policy forbids, what cannot be, what should not be now.
pub(super) const CLOUD: &[CloudFilter] = &[stays_inside, ordered, breaker, home, ramp];

pub(super) const STANDBY: &[StandbyFilter] = &[has_failed];

/// What the filters look at.
pub(super) struct Look<'a> {
    gateway: &'a Gateway,
    ask: &'a Ask,
    /// Where the conversation stands in the ramp of failback, and in every other share.
    draw: u64,
    began_locally: bool,
    orders: Arc<Standing>,
}

impl<'a> Look<'a> {
    pub(super) fn new(gateway: &'a Gateway, ask: &'a Ask, request_id: &str) -> Self {
        let conversation = ask.conversation.as_deref();
        let home = conversation.and_then(|id| gateway.homes().of(id));
        let draw = conversation_draw(conversation.unwrap_or(request_id));
        let began_locally = home == Some(Route::Local);
        Look { gateway, ask, draw, began_locally, orders: gateway.orders().current() }
    }
}

/// A request may have to stay in the building.
fn stays_inside(look: &Look<'_>, _: &CloudRoute) -> Say {
    if look.ask.local_only { Say::Never("local-only") } else { Say::Pass }
}

/// What a person in charge has ordered stands above all that the box finds out by itself.
fn ordered(look: &Look<'_>, route: &CloudRoute) -> Say {
    let upstream = &look.gateway.board().upstreams[route.upstream].settings.name;
    match look.orders.keeps_from(upstream) {
        Some(reason) => Say::Never(reason),
        None if look.orders.rehearses(look.ask) => Say::Never("drill"),
        None if look.orders.forces_cloud() => Say::Ordered("forced-cloud"),
        None => Say::Pass,
    }
}

/// The breakers of the upstream and of its model must be closed; a throttled route is not asked while others are left.
fn breaker(look: &Look<'_>, route: &CloudRoute) -> Say {
    let board = look.gateway.board();
    match board.admits(board.route(route.upstream, &route.model)) {
        Ok(()) => Say::Pass,
        Err("throttled") => Say::Last("throttled"),
        Err(reason) => Say::Never(reason),
    }
}

/// A conversation that began on a local model is finished there.
fn home(look: &Look<'_>, _: &CloudRoute) -> Say {
    if look.began_locally { Say::Last("conversation") } else { Say::Pass }
}

/// An upstream that is back gets its load by and by.
fn ramp(look: &Look<'_>, route: &CloudRoute) -> Say {
    let board = look.gateway.board();
    let route = board.route(route.upstream, &route.model);
    if board.admits_conversation(route, look.draw) { Say::Pass } else { Say::Last("recovering") }
}

/// A local model whose file cannot be used is no standby.
fn has_failed(_: &Look<'_>, model: &LocalModel) -> Say {
    let failed = matches!(*model.status().borrow(), Status::Failed { .. });
    if failed { Say::Never("standby-unready") } else { Say::Pass }
}

/// The same conversation always stands at the same place.
fn conversation_draw(conversation: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    conversation.hash(&mut hasher);
    hasher.finish()
}

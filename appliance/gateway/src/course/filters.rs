//! The questions that every route is asked before it may serve a request, each with one reason for a no.
//!
//! To hold routes back for a new reason, write a filter and put its name into the list, at the place of its rank.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use inference::LocalModel;

use super::needs::{Wants, facts_of};
use super::{Say, is_ready};
use crate::{
    answer::{Ask, Lane, Route},
    gateway::Gateway,
    orders::Standing,
    reason::Reason,
    settings::{AliasSettings, CloudRoute},
    warm_share,
};

/// The name of the small model that is part of the program.
const PILOT_LIGHT: &str = "pilot-light";

type CloudFilter = fn(&Look<'_>, &CloudRoute) -> Say;
type StandbyFilter = fn(&Look<'_>, &LocalModel) -> Say;

/// In order of rank: what a person or a policy forbids, what cannot be, what should not be now.
pub(super) const CLOUD: &[CloudFilter] =
    &[stays_inside, can, has_room_for, ordered, breaker, home, ramp, warm];

pub(super) const STANDBY: &[StandbyFilter] =
    &[standby_can, standby_has_room_for, is_out, is_unproven, smaller_first];

/// What the filters look at.
pub(super) struct Look<'a> {
    gateway: &'a Gateway,
    alias: &'a AliasSettings,
    ask: &'a Ask,
    pub(super) wants: Wants,
    /// Where the conversation stands in the ramp of failback and in the warm share; a request without one, in the latter.
    draw: u64,
    /// What the conversation's first answer, from a local model, was given for.
    began_locally: Option<Reason>,
    /// Nothing of the conversation was answered yet.
    is_new: bool,
    orders: Arc<Standing>,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        gateway: &'a Gateway,
        alias: &'a AliasSettings,
        ask: &'a Ask,
        request_id: &str,
    ) -> Self {
        let conversation = ask.conversation.as_deref();
        let home = conversation.and_then(|id| gateway.homes().of(id));
        let draw = conversation_draw(conversation.unwrap_or(request_id));
        let began_locally = home.filter(|home| home.route == Route::Local).map(|home| home.reason);
        let (wants, orders) = (Wants::of(&ask.request).of_alias(alias), gateway.orders().current());
        let is_new = home.is_none();
        Look { gateway, alias, ask, wants, draw, began_locally, is_new, orders }
    }

    /// The standby can do what the request wants, as far as is known without asking it.
    fn fits(&self, model: &LocalModel) -> bool {
        let facts = facts_of(self.gateway, model);
        self.wants.lacking(&facts).is_none() && !self.wants.is_too_long(&facts)
    }
}

/// A request may have to stay in the building.
fn stays_inside(look: &Look<'_>, _: &CloudRoute) -> Say {
    if look.ask.local_only { Say::Never(Reason::LocalOnly) } else { Say::Pass }
}

/// What the request needs must be among what the route can do.
fn can(look: &Look<'_>, route: &CloudRoute) -> Say {
    if look.wants.lacking(&route.facts).is_some() { Say::Never(Reason::CloudLacks) } else { Say::Pass }
}

/// A conversation that is certainly too long is not sent.
fn has_room_for(look: &Look<'_>, route: &CloudRoute) -> Say {
    if look.wants.is_too_long(&route.facts) { Say::Never(Reason::Context) } else { Say::Pass }
}

/// What a person in charge has ordered stands above all that the box finds out by itself.
fn ordered(look: &Look<'_>, route: &CloudRoute) -> Say {
    let upstream = &look.gateway.board().upstreams[route.upstream].settings.name;
    match look.orders.keeps_from(upstream) {
        Some(reason) => Say::Never(reason),
        None if look.orders.rehearses(&look.ask.caller, &look.ask.request.model) => Say::Never(Reason::Drill),
        None if look.orders.forces_cloud() => Say::Ordered(Reason::ForcedCloud),
        None => Say::Pass,
    }
}

/// The breakers of the upstream and of its model must be closed; a throttled route is not asked while others are left.
fn breaker(look: &Look<'_>, route: &CloudRoute) -> Say {
    let board = look.gateway.board();
    match board.admits(board.route(route.upstream, &route.model)) {
        Ok(()) => Say::Pass,
        Err(Reason::Throttled) => Say::Last(Reason::Throttled),
        Err(reason) => Say::Never(reason),
    }
}

/// A conversation that began on a local model is finished there.
fn home(look: &Look<'_>, _: &CloudRoute) -> Say {
    match look.began_locally {
        // The cloud could have begun it: what goes on is no more a stand-in for the cloud than its beginning.
        Some(Reason::WarmShare) => Say::Last(Reason::WarmShare),
        Some(_) => Say::Last(Reason::Conversation),
        None => Say::Pass,
    }
}

/// An upstream that is back gets its load by and by.
fn ramp(look: &Look<'_>, route: &CloudRoute) -> Say {
    let board = look.gateway.board();
    let route = board.route(route.upstream, &route.model);
    let conversation = look.ask.conversation.as_ref().map(|_| look.draw);
    if board.admits_by_ramp(route, conversation) { Say::Pass } else { Say::Last(Reason::Recovering) }
}

/// The same of a standby.
fn standby_can(look: &Look<'_>, model: &LocalModel) -> Say {
    let lacks = look.wants.lacking(&facts_of(look.gateway, model)).is_some();
    if lacks { Say::Never(Reason::StandbyLacks) } else { Say::Pass }
}

/// What is left after this is counted by the worker, exactly, before it does any work.
fn standby_has_room_for(look: &Look<'_>, model: &LocalModel) -> Say {
    let is_too_long = look.wants.is_too_long(&facts_of(look.gateway, model));
    if is_too_long { Say::Never(Reason::StandbyContext) } else { Say::Pass }
}

/// A standby that has not proven itself of late is passed over while another one of the alias has.
fn is_unproven(look: &Look<'_>, model: &LocalModel) -> Say {
    let others = look.alias.standby.iter().filter_map(|name| look.gateway.local(name));
    let another_is = others.into_iter().any(|other| other.name() != model.name() && is_proven(other));
    if !is_proven(model) && another_is { Say::Last(Reason::StandbyUnproven) } else { Say::Pass }
}

fn is_proven(model: &LocalModel) -> bool {
    model.status().borrow().is_proven()
}

/// A small part of the new conversations goes local, so that the way is travelled daily; the cloud stays behind it.
fn warm(look: &Look<'_>, _: &CloudRoute) -> Say {
    let alias = look.alias;
    let is_drawn = warm_share::takes(alias.warm_share_percent, look.draw);
    let may_go = look.is_new && look.ask.lane != Lane::Clinical && is_drawn;
    let standby = alias.standby.first().and_then(|name| look.gateway.local(name));
    match standby {
        Some(model) if may_go && is_proven(model) && look.fits(model) => Say::Last(Reason::WarmShare),
        _ => Say::Pass,
    }
}

/// From the second step of the ladder of scarcity on, the next standby goes before the largest one.
fn smaller_first(look: &Look<'_>, model: &LocalModel) -> Say {
    match smaller_than(look.gateway, look.alias, look.ask.lane, model) {
        Some(_) => Say::Last(Reason::BrownOut),
        None => Say::Pass,
    }
}

/// The standby that is to be asked before this one by the step of the ladder of scarcity that holds now.
pub(super) fn smaller_than<'a>(
    gateway: &'a Gateway,
    alias: &AliasSettings,
    lane: Lane,
    model: &LocalModel,
) -> Option<&'a LocalModel> {
    let is_largest = alias.standby.first().is_some_and(|name| name == model.name());
    if !is_largest || !gateway.admission().prefers_smaller(lane) {
        return None;
    }
    // The pilot light knows too little to stand in for a model that is merely busy.
    let name = alias.standby.get(1).filter(|name| *name != PILOT_LIGHT)?;
    gateway.local(name).filter(|smaller| is_ready(smaller))
}

/// A local model whose file cannot be used is no standby, nor is one that is not loaded.
fn is_out(_: &Look<'_>, model: &LocalModel) -> Say {
    if model.status().borrow().is_out() { Say::Never(Reason::StandbyUnready) } else { Say::Pass }
}

/// The same conversation always stands at the same place.
fn conversation_draw(conversation: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    conversation.hash(&mut hasher);
    hasher.finish()
}

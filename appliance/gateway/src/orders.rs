//! What persons in charge have ordered, as a snapshot that every request reads, and the giving and lifting of orders.

mod keeper;

use std::sync::Arc;
use std::time::Duration;

use continuity::Order as SiteOrder;
use inference::LocalModel;
use store::{NewOrder, OrderError, OrderKind, OrderRecord};
use tokio::sync::{Notify, watch};

pub(crate) use keeper::keep;

use crate::answer::Caller;
use crate::clock;
use crate::drill::Scope;
use crate::gateway::Gateway;
use crate::reason::Reason;
use crate::site::OrderView;

/// An order that was given or lifted is in force within this, or the keeper has ended.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(1);

/// A cheap handle; all clones are the same orders.
#[derive(Clone)]
pub struct Orders(Arc<Parts>);

struct Parts {
    standing: watch::Sender<Arc<Standing>>,
    /// Wakes the keeper: something was written.
    written: Notify,
}

/// The orders that stand at one moment. A reader keeps it as long as it likes.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub orders: Vec<StandingOrder>,
    /// The drill that has cut the way, if one has.
    pub drill: Option<Scope>,
}

/// An order in force.
#[derive(Debug, Clone)]
pub struct StandingOrder {
    pub record: OrderRecord,
    /// When it ends, by the wall clock as it is now; unix milliseconds.
    pub until_ms: i64,
}

impl Orders {
    /// The orders that the store says stand, in force from the first request on.
    pub(crate) fn standing(records: Vec<OrderRecord>) -> Self {
        let now_ms = clock::unix_ms();
        let in_force = records.into_iter().filter(|record| !record.left(now_ms).is_zero());
        let orders = in_force.map(|record| StandingOrder::new(record, now_ms)).collect();
        let standing = watch::Sender::new(Arc::new(Standing { orders, drill: None }));
        Orders(Arc::new(Parts { standing, written: Notify::new() }))
    }

    /// The orders that stand now.
    pub fn current(&self) -> Arc<Standing> {
        self.0.standing.borrow().clone()
    }

    /// A drill has cut the way, or has given it free.
    pub(crate) fn rehearse(&self, drill: Option<Scope>) {
        self.0.standing.send_modify(|standing| Arc::make_mut(standing).drill = drill);
    }

    /// Waits until an order has come into force, or until it has ended.
    async fn until(&self, id: i64, stands: bool) {
        self.0.written.notify_one();
        let mut standing = self.0.standing.subscribe();
        let settled = standing.wait_for(|now| now.orders.iter().any(|order| order.record.id == id) == stands);
        let _ = tokio::time::timeout(IN_FORCE_WITHIN, settled).await;
    }
}

impl Standing {
    /// Why nothing that users ask may go to this upstream.
    pub fn keeps_from(&self, upstream: &str) -> Option<Reason> {
        self.orders.iter().find_map(|order| match &order.record.kind {
            OrderKind::ForceLocal => Some(Reason::ForcedLocal),
            OrderKind::Isolate(isolated) if isolated == upstream => Some(Reason::Isolated),
            OrderKind::Isolate(_) | OrderKind::ForceCloud | OrderKind::Load(_) | OrderKind::Unload(_) => None,
        })
    }

    /// The cloud is asked first, whatever the breakers and the ramp say.
    pub fn forces_cloud(&self) -> bool {
        self.orders.iter().any(|order| order.record.kind == OrderKind::ForceCloud)
    }

    pub fn isolates(&self, upstream: &str) -> bool {
        self.orders.iter().any(|order| order.record.kind.upstream() == Some(upstream))
    }

    /// The order that the whole site stands under.
    pub fn of_the_site(&self) -> Option<SiteOrder> {
        let ordered = self.orders.iter().find_map(|order| match order.record.kind {
            OrderKind::ForceLocal => Some(SiteOrder::ForceLocal),
            OrderKind::ForceCloud => Some(SiteOrder::ForceCloud),
            OrderKind::Isolate(_) | OrderKind::Load(_) | OrderKind::Unload(_) => None,
        });
        ordered.or_else(|| self.rehearses_site().then_some(SiteOrder::Drill))
    }

    /// Loads what is ordered to be, unloads what is ordered not to be, and leaves the others as they are by themselves.
    pub(crate) fn rule(&self, models: &[LocalModel]) {
        let ordered = |name: &str| {
            self.orders.iter().find_map(|order| match &order.record.kind {
                OrderKind::Load(model) if model == name => Some(true),
                OrderKind::Unload(model) if model == name => Some(false),
                _ => None,
            })
        };
        for model in models {
            model.want(ordered(model.name()).unwrap_or(model.is_resident()));
        }
    }

    pub(crate) fn rehearses_site(&self) -> bool {
        self.drill == Some(Scope::Site)
    }

    /// This request alone is treated as if the way were cut; for the whole site it is cut.
    pub(crate) fn rehearses(&self, caller: &Caller, alias: &str) -> bool {
        !self.rehearses_site() && self.drill.as_ref().is_some_and(|scope| scope.covers(caller, alias))
    }

    pub(crate) fn views(&self) -> Vec<OrderView> {
        self.orders.iter().map(StandingOrder::view).collect()
    }
}

impl StandingOrder {
    fn new(record: OrderRecord, now_ms: i64) -> Self {
        StandingOrder { until_ms: later(now_ms, record.left(now_ms)), record }
    }

    fn view(&self) -> OrderView {
        let OrderRecord { id, kind, who, reason, given_ms, .. } = &self.record;
        OrderView {
            id: *id,
            kind: kind.as_str(),
            upstream: kind.upstream().map(str::to_owned),
            model: kind.model().map(str::to_owned),
            who: who.clone(),
            reason: reason.clone(),
            given_ms: *given_ms,
            until_ms: self.until_ms,
        }
    }
}

impl Gateway {
    /// Gives an order, and comes back when it is in force.
    ///
    /// # Errors
    /// See [`store::Store::give_order`].
    pub async fn give_order(&self, new: NewOrder) -> Result<OrderRecord, OrderError> {
        let order = self.store().give_order(new).await?;
        self.orders().until(order.id, true).await;
        Ok(order)
    }

    /// Lifts an order, and comes back when it is no longer in force.
    ///
    /// # Errors
    /// See [`store::Store::lift_order`].
    pub async fn lift_order(&self, id: i64, who: &str) -> Result<OrderRecord, OrderError> {
        let order = self.store().lift_order(id, who).await?;
        self.orders().until(id, false).await;
        Ok(order)
    }
}

fn later(now_ms: i64, left: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;

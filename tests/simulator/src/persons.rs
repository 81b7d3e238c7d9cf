//! The persons in charge: they give and lift orders, and revoke a key.

use std::time::Duration;

use store::{NewOrder, OrderKind};
use tokio::time::sleep;

use crate::plan::{KEYS, OrderPlan};
use crate::sabotage::Sabotage;
use crate::world::World;

/// An order that was in force for certain between two moments.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    pub(crate) kind: OrderKind,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl World {
    /// Gives one order, and lifts it or lets it run out.
    pub(crate) async fn order(&self, plan: OrderPlan) -> Option<Ordered> {
        sleep(plan.at).await;
        let before = self.book.now();
        let new = NewOrder::checked(plan.kind.clone(), "kim", "a rehearsal of the ward", plan.lasts);
        if matches!(plan.kind, OrderKind::Unload(_)) && self.sabotage == Some(Sabotage::ForgottenUnload) {
            sleep(plan.lasts).await;
            return Some(Ordered { kind: plan.kind, from: before, to: self.book.now() });
        }
        let order = match self.gateway.give_order(new.ok()?).await {
            Ok(order) => order,
            Err(error) => {
                self.book.tell(format!("the order {:?} is refused: {error}", plan.kind));
                return None;
            }
        };
        let from = self.book.now();
        self.book.tell(format!("somebody orders {:?} for {} s", plan.kind, plan.lasts.as_secs()));
        let Some(after) = plan.lifted_after else {
            let to = before + plan.lasts;
            sleep((to + Duration::from_secs(2)).saturating_sub(self.book.now())).await;
            return Some(Ordered { kind: plan.kind, from, to });
        };
        sleep(after).await;
        let to = self.book.now();
        self.book.tell(format!("somebody lifts {:?}", plan.kind));
        if let Err(error) = self.gateway.lift_order(order.id, "lee").await {
            self.book.tell(format!("the order is not lifted: {error}"));
        }
        Some(Ordered { kind: plan.kind, from, to })
    }

    /// Revokes the key of the plan; from before it was ordered to after it was known to be done.
    pub(crate) async fn revoke(&self) -> Option<(Duration, Duration)> {
        let revocation = self.plan.revoked?;
        sleep(revocation.at).await;
        let (name, before) = (KEYS[revocation.key], self.book.now());
        self.book.tell(format!("somebody revokes the key {name}"));
        if self.sabotage != Some(Sabotage::ForgottenRevocation)
            && let Err(error) = self.store.core.revoke_key(name).await
        {
            self.book.tell(format!("the key {name} is not revoked: {error}"));
            return None;
        }
        Some((before, self.book.now()))
    }
}

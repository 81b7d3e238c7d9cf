//! Giving and ending orders: the change itself and its row in the audit log, which belong together.

use serde_json::{Value, json};

use crate::{EventRow, NewOrder, OrderError, OrderRecord, Store, StoreError, now_ms};

impl Store {
    /// Gives an order, which the audit log knows first. A running box follows it within a second, whichever process
    /// gave it.
    ///
    /// # Errors
    /// When one stands that it contradicts, or the store fails.
    pub async fn give_order(&self, new: NewOrder) -> Result<OrderRecord, OrderError> {
        let order = self.core.order_to_be(new)?;
        let (who, detail) = (order.who.clone(), told(&order));
        self.recorded(&who, "order-given", detail, self.core.insert_order(order)).await
    }

    /// Lifts an order before it runs out.
    ///
    /// # Errors
    /// When it does not stand, or the store fails.
    pub async fn lift_order(&self, id: i64, who: &str) -> Result<OrderRecord, OrderError> {
        let standing = self.core.order(id)?.filter(|order| order.ended_ms.is_none());
        let detail = told(&standing.ok_or(OrderError::Unknown)?);
        let lifted = async { self.core.end_order(id, Some(who)).await?.ok_or(OrderError::Unknown) };
        self.recorded(who, "order-lifted", detail, lifted).await
    }

    /// Ends an order that has run out, which it has whether the log can be written or not; `None` when somebody has
    /// lifted it in the same moment.
    pub async fn expire_order(&self, id: i64) -> Result<Option<OrderRecord>, StoreError> {
        let Some(order) = self.core.end_order(id, None).await? else { return Ok(None) };
        let (who, what) = ("genset".to_owned(), "order-expired".to_owned());
        self.audit.event(EventRow { at_ms: now_ms(), who, what, detail: told(&order) }).await?;
        Ok(Some(order))
    }
}

fn told(order: &OrderRecord) -> Value {
    json!({
        "order": order.id, "kind": order.kind.as_str(), "upstream": order.kind.upstream(),
        "model": order.kind.model(),
        "by": order.who, "reason": order.reason, "lasts_s": order.lasts_ms / 1000,
    })
}

//! Giving and ending orders: the change itself and its row in the audit log, which belong together.

use serde_json::json;

use crate::{EventRow, NewOrder, OrderError, OrderRecord, Store, StoreError, now_ms};

impl Store {
    /// Gives an order. A running box follows it within a second, whichever process gave it.
    ///
    /// # Errors
    /// When one stands that it contradicts, or the store fails. An order that the audit log does not know is taken
    /// back.
    pub async fn give_order(&self, new: NewOrder) -> Result<OrderRecord, OrderError> {
        let order = self.core.insert_order(new).await?;
        if let Err(error) = self.note_change("order-given", &order.who, &order).await {
            self.core.end_order(order.id, Some("genset")).await?;
            return Err(error.into());
        }
        Ok(order)
    }

    /// Lifts an order before it runs out.
    ///
    /// # Errors
    /// When it does not stand, or the store fails.
    pub async fn lift_order(&self, id: i64, who: &str) -> Result<OrderRecord, OrderError> {
        let order = self.core.end_order(id, Some(who)).await?.ok_or(OrderError::Unknown)?;
        self.note_change("order-lifted", who, &order).await?;
        Ok(order)
    }

    /// Ends an order that has run out; `None` when somebody has lifted it in the same moment.
    pub async fn expire_order(&self, id: i64) -> Result<Option<OrderRecord>, StoreError> {
        let Some(order) = self.core.end_order(id, None).await? else { return Ok(None) };
        self.note_change("order-expired", "genset", &order).await?;
        Ok(Some(order))
    }

    async fn note_change(&self, what: &str, who: &str, order: &OrderRecord) -> Result<(), StoreError> {
        let detail = json!({
            "order": order.id, "kind": order.kind.as_str(), "upstream": order.kind.upstream(),
            "by": order.who, "reason": order.reason, "lasts_s": order.lasts_ms / 1000,
        });
        let row = EventRow { at_ms: now_ms(), who: who.to_owned(), what: what.to_owned(), detail };
        self.audit.event(row).await.map(drop)
    }
}

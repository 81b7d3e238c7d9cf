//! A change and its row in the audit log, which belong together.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::{EventRow, Store, StoreError, now_ms};

impl Store {
    /// Writes the row, then makes the change: no change is unknown to the log, and none is made while the log cannot
    /// be written. Where the change was not made after all, a second row says so.
    ///
    /// # Errors
    /// What the change says, or that the row could not be written.
    pub async fn recorded<T, E: Display + From<StoreError>>(
        &self,
        who: &str,
        what: &str,
        detail: Value,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let row = |what: &str, detail| EventRow {
            at_ms: now_ms(),
            who: who.to_owned(),
            what: what.to_owned(),
            detail,
        };
        self.audit.event(row(what, detail)).await?;
        let changed = change.await;
        if let Err(error) = &changed {
            let detail = json!({"what": what, "why": error.to_string()});
            self.audit.event(row("change-refused", detail)).await?;
        }
        changed
    }
}

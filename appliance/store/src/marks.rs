//! Marking a second look: the mark itself and its row in the audit log, which belong together.

use serde_json::json;

use crate::{EventRow, Store, StoreError, now_ms};

impl Store {
    /// Somebody has looked at what a local model answered to this request; false when it is unknown or was marked
    /// before.
    ///
    /// # Errors
    /// When the store fails. A mark that the audit log does not know is taken back.
    pub async fn mark_looked(&self, request_id: &str, who: &str) -> Result<bool, StoreError> {
        if self.work.mark_looked(Some(request_id), who).await? == 0 {
            return Ok(false);
        }
        let (who, what) = (who.to_owned(), "second-look-marked".to_owned());
        let row = EventRow { at_ms: now_ms(), who, what, detail: json!({"request": request_id}) };
        if let Err(error) = self.audit.event(row).await {
            self.work.take_mark_back(request_id).await?;
            return Err(error);
        }
        Ok(true)
    }
}

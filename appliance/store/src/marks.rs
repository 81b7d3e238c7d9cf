//! Marking a second look: the mark itself and its row in the audit log, which belong together.

use serde_json::json;

use crate::{Store, StoreError};

impl Store {
    /// Somebody has looked at what a local model answered to this request; false when it is unknown or was marked
    /// before.
    ///
    /// # Errors
    /// When the store fails. The audit log knows of a mark before it is made.
    pub async fn mark_looked(&self, request_id: &str, who: &str) -> Result<bool, StoreError> {
        if !self.work.waits_for_a_look(request_id)? {
            return Ok(false);
        }
        let detail = json!({"request": request_id});
        let marked = self.work.mark_looked(Some(request_id), who);
        Ok(self.recorded::<_, StoreError>(who, "second-look-marked", detail, marked).await? > 0)
    }
}

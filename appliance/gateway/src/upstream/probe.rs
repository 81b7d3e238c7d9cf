//! The probe: the upstream's list of models with the real key. It bills nothing and proves name, TLS and shape.

use bytes::Bytes;
use http::Method;

use super::{MAX_ERROR_BYTES, Upstream, read_body};
use crate::fault::Fault;

impl Upstream {
    /// Asks for the list of models within the probe's deadline.
    ///
    /// # Errors
    /// What is wrong with the way to the upstream.
    pub(crate) async fn probe(&self) -> Result<(), Fault> {
        let deadline = self.settings.probe.deadline;
        tokio::time::timeout(deadline, self.ask_for_models()).await.unwrap_or(Err(Fault::Silent(deadline)))
    }

    async fn ask_for_models(&self) -> Result<(), Fault> {
        let request = self.request(Method::GET, "/models", Bytes::new())?;
        let response = match self.send(request).await {
            // Some upstreams have no list; that they answer in their own shape is proof enough of the way.
            Err(fault) if fault.refusal().is_some() || matches!(fault, Fault::ModelWithdrawn) => {
                return Ok(());
            }
            other => other?,
        };
        let body = read_body(response, 16 * MAX_ERROR_BYTES).await?;
        let list: serde_json::Value = serde_json::from_slice(&body).map_err(|_| Fault::Malformed)?;
        if list.get("data").is_some_and(serde_json::Value::is_array) { Ok(()) } else { Err(Fault::Malformed) }
    }
}

//! The two audit rows of one request: that it was asked, and how it ended. Neither can be forgotten.

use store::{Audit, OutcomeRow, Receipt, RequestRow, StoreError};
use tokio::time::Instant;

use crate::answer::{Ask, Served};
use crate::clock;
use dialect::openai::Usage;

/// Open from the request's first moment to its last. Dropped before its end, it writes that the client left.
pub(crate) struct Ledger {
    audit: Audit,
    request_id: String,
    started: Instant,
    asked: Option<Receipt>,
    served: Option<Served>,
    pub chars_out: u64,
    pub seam: Option<u64>,
    closed: bool,
}

/// How a request ended, in the words of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub outcome: &'static str,
    pub status: u16,
    pub usage: Usage,
}

impl Ledger {
    /// Puts the request's row on its way to the disk; nobody waits for it yet.
    pub(crate) fn open(audit: &Audit, request_id: &str, ask: &Ask, first_route: &str) -> Self {
        let asked = audit.request(RequestRow {
            request_id: request_id.to_owned(),
            at_ms: clock::unix_ms(),
            who: ask.caller.who.clone(),
            alias: ask.request.model.clone(),
            route: first_route.to_owned(),
            lane: format!("{:?}", ask.lane).to_lowercase(),
            policy: if ask.local_only { "local-only" } else { "any" }.to_owned(),
            bytes_in: ask.request.text_bytes(),
        });
        Ledger {
            audit: audit.clone(),
            request_id: request_id.to_owned(),
            started: Instant::now(),
            asked: Some(asked),
            served: None,
            chars_out: 0,
            seam: None,
            closed: false,
        }
    }

    pub(crate) fn serve(&mut self, served: &Served) {
        self.served = Some(served.clone());
    }

    /// Waits until the request's row is on the disk: the last byte of an answer may not leave before.
    ///
    /// # Errors
    /// When the row could not be written.
    pub(crate) async fn on_disk(&mut self) -> Result<(), StoreError> {
        match self.asked.take() {
            Some(receipt) => receipt.await.map(drop),
            None => Ok(()),
        }
    }

    /// Writes the outcome's row; it follows within the writer's next commit.
    pub(crate) fn close(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let served = self.served.as_ref();
        let row = OutcomeRow {
            request_id: self.request_id.clone(),
            at_ms: clock::unix_ms(),
            served_by: served.map_or_else(String::new, |s| s.by.clone()),
            route: served.map_or("none", |s| s.route.as_str()).to_owned(),
            reason: served.map_or("", |s| s.reason).to_owned(),
            outcome: ending.outcome.to_owned(),
            status: ending.status,
            tokens_in: ending.usage.prompt_tokens,
            tokens_out: ending.usage.completion_tokens,
            chars_out: self.chars_out,
            seam: self.seam,
            duration_ms: self.started.elapsed().as_millis() as u64,
        };
        // The writer logs and counts what it cannot write; the answer itself is already proven by its first row.
        drop(self.audit.outcome(row));
    }

    /// When the request came.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close(Ending { outcome: "cancelled", status: 499, usage: Usage::default() });
    }
}

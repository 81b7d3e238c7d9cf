//! The two audit rows of one request: that it was asked, and how it ended. Neither can be forgotten.

use continuity::SiteState;
use inference::Lane;
use store::{OutcomeRow, Receipt, RequestRow, SecondLook, StoreError};
use tokio::time::Instant;

use crate::answer::{Ask, Caller, CallerKind, Refusal, Route, Served};
use crate::clock;
use crate::gateway::Gateway;
use dialect::openai::Usage;

/// Open from the request's first moment to its last. Dropped before its end, it writes that the client left.
pub(crate) struct Ledger {
    gateway: Gateway,
    request_id: String,
    lane: Lane,
    /// What the list of second looks says of the request, where the cloud could have answered it.
    second_look: Option<SecondLook>,
    started: Instant,
    asked: Option<Receipt>,
    served: Option<Served>,
    pub chars_out: u64,
    pub seam: Option<u64>,
    closed: bool,
}

/// What is written down of a request when it comes.
pub(crate) struct Asking<'a> {
    pub caller: &'a Caller,
    pub alias: &'a str,
    pub lane: Lane,
    pub local_only: bool,
    pub conversation: Option<&'a str>,
    pub bytes_in: u64,
    /// What a local model answered may be asked of the cloud again, later.
    pub may_be_looked_at_again: bool,
}

impl<'a> Asking<'a> {
    pub(crate) fn of(ask: &'a Ask) -> Self {
        Asking {
            caller: &ask.caller,
            alias: &ask.request.model,
            lane: ask.lane,
            local_only: ask.local_only,
            conversation: ask.conversation.as_deref(),
            bytes_in: ask.request.text_bytes(),
            may_be_looked_at_again: true,
        }
    }
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
    pub(crate) fn open(gateway: &Gateway, request_id: &str, ask: &Asking<'_>, first_route: &str) -> Self {
        let asked = gateway.store().audit.request(RequestRow {
            request_id: request_id.to_owned(),
            at_ms: clock::unix_ms(),
            who: ask.caller.who.clone(),
            alias: ask.alias.to_owned(),
            route: first_route.to_owned(),
            lane: ask.lane.as_str().to_owned(),
            policy: if ask.local_only { "local-only" } else { "any" }.to_owned(),
            bytes_in: ask.bytes_in,
        });
        Ledger {
            gateway: gateway.clone(),
            request_id: request_id.to_owned(),
            lane: ask.lane,
            second_look: second_look(gateway, request_id, ask),
            started: Instant::now(),
            asked: Some(asked),
            served: None,
            chars_out: 0,
            seam: None,
            closed: false,
        }
    }

    pub(crate) fn serve(&mut self, served: &Served) {
        if self.served.is_none() {
            self.gateway.tally().began(served);
        }
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

    /// While the log is in trouble, nothing is asked of anybody before the request is recorded.
    ///
    /// # Errors
    /// When the request cannot be recorded: it is refused, and that is its end.
    pub(crate) async fn recorded_first(&mut self) -> Result<(), Refusal> {
        if self.gateway.store().audit.is_well() || self.on_disk().await.is_ok() {
            return Ok(());
        }
        let refusal = unrecorded();
        self.gateway.metrics().refused(&refusal);
        self.close(Ending { outcome: "refused", status: refusal.status, usage: Usage::default() });
        Err(refusal)
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
            reason: served.map_or("", |s| s.reason.as_str()).to_owned(),
            outcome: ending.outcome.to_owned(),
            status: ending.status,
            tokens_in: ending.usage.prompt_tokens,
            tokens_out: ending.usage.completion_tokens,
            chars_out: self.chars_out,
            seam: self.seam,
            duration_ms: self.started.elapsed().as_millis() as u64,
        };
        // The writer logs and counts what it cannot write; the answer itself is already proven by its first row.
        drop(self.gateway.store().audit.outcome(row));
        self.count(ending.outcome);
    }

    /// Tells the outage records and the list of second looks.
    fn count(&mut self, outcome: &str) {
        let tally = self.gateway.tally();
        match (outcome, &self.served) {
            ("success", Some(served)) => {
                tally.served(self.lane, served);
                if self.seam.is_some() {
                    tally.seam();
                }
                if served.route == Route::Local
                    && served.reason.is_in_place_of_the_cloud()
                    && let Some(look) = self.second_look.take()
                {
                    let (model, reason) = (served.by.clone(), served.reason.to_string());
                    let (at_ms, chars) = (clock::unix_ms(), self.chars_out);
                    self.gateway.store().work.note_second_look(SecondLook {
                        at_ms,
                        model,
                        reason,
                        chars,
                        ..look
                    });
                }
            }
            ("refused" | "failed", _) => tally.refused(self.lane),
            _ => {}
        }
    }

    /// When the request came.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }
}

/// The answer to a request that cannot be recorded.
pub(crate) fn unrecorded() -> Refusal {
    let message = "The box cannot write its audit log, so it must not answer. Tell the administrator; the clinical lane \
                   is answered as long as its records can wait.";
    Refusal::unavailable("audit_unavailable", message)
}

/// A request whose alias has a cloud route and that may leave the building; a drill is none of the cloud's failing.
fn second_look(gateway: &Gateway, request_id: &str, ask: &Asking<'_>) -> Option<SecondLook> {
    let alias = gateway.settings().aliases.iter().find(|alias| alias.name == ask.alias)?;
    let is_drill = gateway.board().site_state() == SiteState::Drill;
    if !ask.may_be_looked_at_again || alias.cloud.is_empty() || ask.local_only || is_drill {
        return None;
    }
    Some(SecondLook {
        request_id: request_id.to_owned(),
        who: ask.caller.who.clone(),
        alias: alias.name.clone(),
        lane: ask.lane.as_str().to_owned(),
        // The conversation of a program is a name of its own choosing, and may say anything.
        conversation: ask.conversation.filter(|_| ask.caller.kind == CallerKind::Person).map(str::to_owned),
        ..SecondLook::default()
    })
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close(Ending { outcome: "cancelled", status: 499, usage: Usage::default() });
    }
}

//! The outage record: opened when the last upstream is lost, kept up to date, closed when one is back.

use continuity::{SiteState, Verdict};
use serde_json::json;
use store::Outage;

use super::event;
use crate::announcer::AnnouncementKind;
use crate::clock;
use crate::gateway::Gateway;
use crate::site::{OutageView, Site};

/// The record that is open, if one is.
#[derive(Default)]
pub(super) struct OutageRecord {
    open: Option<Open>,
}

struct Open {
    record: Outage,
    verdict: Option<Verdict>,
    answered_before: u64,
}

impl OutageRecord {
    /// Takes a new look at the site into account. What cannot be written is logged and tried again at the next look.
    pub(super) async fn turn(&mut self, gateway: &Gateway, site: &Site) {
        let out = site.state == SiteState::Offline && !site.upstreams.is_empty();
        match self.open.take() {
            None if out => self.begin(gateway, site).await,
            Some(mut open) => {
                let changed = open.look(gateway, site);
                if out {
                    if changed {
                        open.write(gateway).await;
                    }
                    self.open = Some(open);
                } else {
                    open.end(gateway).await;
                }
            }
            None => {}
        }
    }

    pub(super) fn view(&self) -> Option<OutageView> {
        self.open.as_ref().map(|open| OutageView {
            id: open.record.id.to_string(),
            started_ms: open.record.start_ms,
            verdict: open.verdict,
            served_local: open.record.served_local,
        })
    }

    async fn begin(&mut self, gateway: &Gateway, site: &Site) {
        let verdict = first_verdict(site);
        let begun = gateway.store().work.begin_outage(site.since_ms, verdict.map(Verdict::as_str)).await;
        match begun {
            Ok(record) => {
                let detail = json!({"outage": record.id, "verdict": record.verdict});
                drop(gateway.store().audit.event(event("outage-began", detail)));
                gateway.announcer().tell(AnnouncementKind::OutageBegan);
                let answered_before = gateway.metrics().answered_locally();
                self.open = Some(Open { record, verdict, answered_before });
            }
            Err(error) => tracing::error!(%error, "the outage cannot be recorded"),
        }
    }
}

impl Open {
    /// Brings the record up to date; true when there is something new in it.
    fn look(&mut self, gateway: &Gateway, site: &Site) -> bool {
        let served = gateway.metrics().answered_locally() - self.answered_before;
        let verdict = first_verdict(site).or(self.verdict);
        let changed = served != self.record.served_local || verdict != self.verdict;
        self.record.served_local = served;
        self.verdict = verdict;
        self.record.verdict = verdict.map(|verdict| verdict.as_str().to_owned());
        changed
    }

    async fn end(mut self, gateway: &Gateway) {
        self.record.end_ms = Some(clock::unix_ms());
        self.write(gateway).await;
        let detail = json!({"outage": self.record.id, "verdict": self.record.verdict,
            "started_ms": self.record.start_ms, "served_local": self.record.served_local});
        drop(gateway.store().audit.event(event("outage-ended", detail)));
        gateway.announcer().tell(AnnouncementKind::CloudBack { out_since_ms: self.record.start_ms });
    }

    async fn write(&self, gateway: &Gateway) {
        if let Err(error) = gateway.store().work.update_outage(&self.record).await {
            tracing::error!(%error, "the outage record cannot be brought up to date");
        }
    }
}

fn first_verdict(site: &Site) -> Option<Verdict> {
    site.upstreams.iter().find_map(|upstream| upstream.verdict)
}

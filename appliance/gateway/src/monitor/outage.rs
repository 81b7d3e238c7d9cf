//! The outage records: opened when the last upstream is lost, or one of several, kept up to date, closed when it is
//! back. A record that a stopped box left open goes on where the outage does, and is closed where it does not.

use std::collections::BTreeSet;

use continuity::{SiteState, Verdict};
use serde_json::json;
use store::{Outage, OutageCounts, OutageScope};

use super::event;
use crate::announcer::AnnouncementKind;
use crate::clock;
use crate::gateway::Gateway;
use crate::site::{OutageView, Site, UpstreamView};
use crate::tally::Trouble;

/// Changes are written at most so often, and a record without changes so often, so that its last sign of life is
/// known when the box dies.
const WRITE_AFTER_MS: i64 = 1_000;
const WRITE_EVERY_MS: i64 = 30_000;

/// Upstreams that are lost together go one after the other: so soon after the first the loss is not yet a partial one.
const PARTIAL_AFTER_MS: i64 = 2_000;

/// Characters of evidence that a record keeps.
const MAX_EVIDENCE_CHARS: usize = 600;

/// Ended outages whose way back is still watched.
const MAX_RETURNING: usize = 8;

/// The records that are open, if any are.
#[derive(Default)]
pub(super) struct OutageRecords {
    open: Vec<Open>,
    /// The cloud is back, not yet with all of the conversations.
    returning: Vec<Open>,
    /// What an earlier life of the box left open; `None` until it was read.
    orphans: Option<Vec<Outage>>,
}

struct Open {
    record: Outage,
    verdict: Option<Verdict>,
    /// What had been counted when it began, by this life of the box.
    before: OutageCounts,
    /// What an earlier life had counted.
    earlier: OutageCounts,
    /// As it stands in the store.
    written: Outage,
    written_ms: i64,
}

impl OutageRecords {
    /// Takes a new look at the site into account. What cannot be written is logged and tried again at the next look.
    pub(super) async fn turn(&mut self, gateway: &Gateway, site: &Site) {
        if self.orphans.is_none() {
            match gateway.store().work.open_outages() {
                Ok(orphans) => self.orphans = Some(orphans),
                // Until they are known, a new record might stand beside the one that it continues.
                Err(error) => {
                    tracing::error!(%error, "the open outage records cannot be read");
                    return;
                }
            }
        }
        self.open_new(gateway, site).await;
        for mut open in std::mem::take(&mut self.open) {
            open.look(gateway, site);
            if open.is_over(site) {
                open.end(gateway).await;
                self.returning.push(open);
            } else {
                open.write_when_due(gateway).await;
                self.open.push(open);
            }
        }
        let too_many = self.returning.len().saturating_sub(MAX_RETURNING);
        self.returning.drain(..too_many);
        for mut open in std::mem::take(&mut self.returning) {
            match open.way_back(site) {
                Some(true) => open.come_back(gateway).await,
                Some(false) => {}
                None => self.returning.push(open),
            }
        }
        self.close_orphans(gateway, site).await;
    }

    /// The outage of the whole site, if there is one.
    pub(super) fn view(&self) -> Option<OutageView> {
        self.open.iter().find(|open| open.record.scope == OutageScope::Site).map(Open::view)
    }

    /// The losses of single upstreams.
    pub(super) fn partial(&self) -> Vec<OutageView> {
        let partial = self.open.iter().filter(|open| open.record.scope == OutageScope::Upstream);
        partial.map(Open::view).collect()
    }

    async fn open_new(&mut self, gateway: &Gateway, site: &Site) {
        let all_out = is_all_out(site);
        if all_out && !self.has(OutageScope::Site, None) {
            let indices: Vec<usize> = (0..site.upstreams.len()).collect();
            self.begin(gateway, site, OutageScope::Site, &indices).await;
        }
        for (index, upstream) in site.upstreams.iter().enumerate() {
            let lasts = have_passed(PARTIAL_AFTER_MS, upstream.since_ms, clock::unix_ms());
            let is_partial = !all_out && is_out(upstream) && lasts && site.upstreams.len() > 1;
            if is_partial && !self.has(OutageScope::Upstream, Some(&upstream.name)) {
                self.begin(gateway, site, OutageScope::Upstream, &[index]).await;
            }
        }
    }

    fn has(&self, scope: OutageScope, upstream: Option<&str>) -> bool {
        self.open.iter().any(|open| {
            open.record.scope == scope && upstream.is_none_or(|name| open.record.upstreams == name)
        })
    }

    async fn begin(&mut self, gateway: &Gateway, site: &Site, scope: OutageScope, indices: &[usize]) {
        // The failure of the last one that was lost is what the record begins with.
        let troubles = indices.iter().filter_map(|index| gateway.tally().trouble(*index));
        let trouble = troubles.max_by_key(|trouble| trouble.since_ms);
        let upstreams: Vec<&str> = indices.iter().map(|index| site.upstreams[*index].name.as_str()).collect();
        let upstreams = upstreams.join(", ");
        if let Some(orphan) = self.take_orphan(scope, &upstreams) {
            tracing::warn!(outage = orphan.id, "the outage {} goes on after a restart of the box", orphan.id);
            self.open.push(Open::continued(orphan));
            return;
        }
        let tripped_ms = match scope {
            OutageScope::Site => site.since_ms,
            OutageScope::Upstream => site.upstreams[indices[0]].since_ms,
        };
        let record = Outage {
            start_ms: trouble.as_ref().map_or(tripped_ms, |trouble| trouble.since_ms.min(tripped_ms)),
            scope,
            upstreams,
            is_drill: site.state == SiteState::Drill,
            first_evidence_ms: trouble.as_ref().map(|trouble| trouble.since_ms),
            tripped_ms: Some(tripped_ms),
            seen_ms: Some(clock::unix_ms()),
            ..Outage::default()
        };
        let mut open = Open::new(record, trouble, gateway);
        open.look(gateway, site);
        match gateway.store().work.begin_outage(open.record.clone()).await {
            Ok(record) => {
                open.written = record.clone();
                open.record = record;
                open.tell_begin(gateway);
                self.open.push(open);
            }
            Err(error) => tracing::error!(%error, "the outage cannot be recorded"),
        }
    }

    fn take_orphan(&mut self, scope: OutageScope, upstreams: &str) -> Option<Outage> {
        let orphans = self.orphans.as_mut()?;
        // Records of the first version of the store name no upstream. A drill ends with the box.
        let fits = |orphan: &Outage| {
            let is_same = orphan.upstreams.is_empty() || orphan.upstreams == upstreams;
            orphan.scope == scope && is_same && !orphan.is_drill
        };
        let place = orphans.iter().position(fits)?;
        Some(orphans.remove(place))
    }

    /// What was open when the box last stopped is over once a probe of this life has found the way free.
    async fn close_orphans(&mut self, gateway: &Gateway, site: &Site) {
        let orphans = self.orphans.take().unwrap_or_default();
        let mut left = Vec::new();
        for orphan in orphans {
            if is_behind_us(&orphan, gateway, site) {
                let mut open = Open::continued(orphan);
                open.record.end_after_ms = Some(open.record.seen_ms.unwrap_or(open.record.start_ms));
                open.end(gateway).await;
                self.returning.push(open);
            } else {
                left.push(orphan);
            }
        }
        self.orphans = Some(left);
    }
}

impl Open {
    fn new(record: Outage, trouble: Option<Trouble>, gateway: &Gateway) -> Open {
        let before = trouble.map_or_else(|| gateway.tally().counts(), |trouble| trouble.before);
        let (earlier, written) = (OutageCounts::default(), Outage::default());
        Open { record, verdict: None, before, earlier, written, written_ms: clock::unix_ms() }
    }

    /// A record that an earlier life of the box began.
    fn continued(mut record: Outage) -> Open {
        record.restarts += 1;
        let earlier = record.counts.clone();
        let verdict = Verdict::ALL.into_iter().find(|v| Some(v.as_str()) == record.verdict.as_deref());
        let (before, written) = (OutageCounts::default(), Outage::default());
        Open { record, verdict, before, earlier, written, written_ms: 0 }
    }

    /// Brings the record up to date.
    fn look(&mut self, gateway: &Gateway, site: &Site) {
        let record = &mut self.record;
        let concerned: Vec<&UpstreamView> =
            site.upstreams.iter().filter(|upstream| concerns(record, upstream)).collect();
        self.verdict = concerned.iter().find_map(|upstream| upstream.verdict).or(self.verdict);
        record.verdict = self.verdict.map(|verdict| verdict.as_str().to_owned());
        let evidence = words(&concerned, |upstream| &upstream.evidence);
        if !evidence.is_empty() && record.evidence.is_empty() {
            record.evidence = evidence;
            record.evidence_ko = words(&concerned, |upstream| &upstream.evidence_ko);
        }
        record.first_local_ms = record.first_local_ms.or_else(|| gateway.tally().first_local_ms());
        record.counts = self.earlier.clone().plus(&gateway.tally().counts().since(&self.before));
        record.served_local = record.counts.served_local();
    }

    fn is_over(&self, site: &Site) -> bool {
        match self.record.scope {
            OutageScope::Site => !is_all_out(site),
            OutageScope::Upstream => {
                site.upstreams.iter().all(|upstream| !concerns(&self.record, upstream) || !is_out(upstream))
            }
        }
    }

    /// Whether all conversations go to the cloud again; false when it was lost before they did.
    fn way_back(&self, site: &Site) -> Option<bool> {
        let mut concerned = site.upstreams.iter().filter(|upstream| concerns(&self.record, upstream));
        match self.record.scope {
            OutageScope::Site if is_all_out(site) => Some(false),
            OutageScope::Site => concerned.any(|upstream| upstream.share_percent == 100).then_some(true),
            OutageScope::Upstream => match concerned.next() {
                None => Some(false),
                Some(upstream) if is_out(upstream) => Some(false),
                Some(upstream) => (upstream.share_percent == 100).then_some(true),
            },
        }
    }

    fn view(&self) -> OutageView {
        let record = &self.record;
        OutageView {
            id: record.id.to_string(),
            scope: record.scope.as_str(),
            upstreams: record.upstreams.clone(),
            started_ms: record.start_ms,
            verdict: self.verdict,
            evidence: record.evidence.clone(),
            evidence_ko: record.evidence_ko.clone(),
            detected_ms: record.tripped_ms,
            transfer_ms: transfer_ms(record),
            served_local: record.served_local,
            counts: record.counts.clone(),
        }
    }

    fn tell_begin(&self, gateway: &Gateway) {
        let Outage { id, verdict, scope, upstreams, .. } = &self.record;
        let detail =
            json!({"outage": id, "verdict": verdict, "scope": scope.as_str(), "upstreams": upstreams});
        drop(gateway.store().audit.event(event("outage-began", detail)));
        if *scope == OutageScope::Site && !self.record.is_drill {
            gateway.announcer().tell(AnnouncementKind::OutageBegan);
        }
    }

    async fn end(&mut self, gateway: &Gateway) {
        self.record.end_ms = Some(clock::unix_ms());
        self.write(gateway).await;
        let Outage { id, verdict, scope, start_ms, end_after_ms, served_local, restarts, .. } = &self.record;
        let detail = json!({"outage": id, "verdict": verdict, "scope": scope.as_str(), "started_ms": start_ms,
            "ended_after_ms": end_after_ms, "served_local": served_local, "restarts": restarts});
        drop(gateway.store().audit.event(event("outage-ended", detail)));
        if *scope == OutageScope::Site && !self.record.is_drill {
            gateway.announcer().tell(AnnouncementKind::CloudBack { out_since_ms: *start_ms });
        }
    }

    async fn come_back(&mut self, gateway: &Gateway) {
        self.record.failback_ms = Some(clock::unix_ms());
        self.write(gateway).await;
    }

    async fn write_when_due(&mut self, gateway: &Gateway) {
        let is_new = self.written != self.record;
        let pause_ms = if is_new { WRITE_AFTER_MS } else { WRITE_EVERY_MS };
        if have_passed(pause_ms, self.written_ms, clock::unix_ms()) {
            self.write(gateway).await;
        }
    }

    async fn write(&mut self, gateway: &Gateway) {
        let now_ms = clock::unix_ms();
        // What is known of the end of a record that a stopped box left is when the box last saw it.
        if self.record.end_ms.is_none() {
            self.record.seen_ms = Some(now_ms);
        }
        match gateway.store().work.update_outage(&self.record).await {
            Ok(()) => (self.written, self.written_ms) = (self.record.clone(), now_ms),
            Err(error) => tracing::error!(%error, "the outage record cannot be brought up to date"),
        }
    }
}

/// Whether so much time has passed since a moment; also when somebody has set the clock back to before it, so that
/// nothing waits for the clock to be there once more.
fn have_passed(pause_ms: i64, since_ms: i64, now_ms: i64) -> bool {
    !(0..pause_ms).contains(&now_ms.saturating_sub(since_ms))
}

/// Every upstream is lost, by what the breakers say, whatever a person has ordered meanwhile.
fn is_all_out(site: &Site) -> bool {
    let breakers_say_so = || site.upstreams.iter().all(is_out);
    !site.upstreams.is_empty() && (site.state == SiteState::Offline || breakers_say_so())
}

/// Whether an outage that an earlier life of the box recorded goes on no more.
fn is_behind_us(orphan: &Outage, gateway: &Gateway, site: &Site) -> bool {
    let upstreams = site.upstreams.iter().enumerate();
    let mut concerned = upstreams.filter(|(_, upstream)| concerns(orphan, upstream)).peekable();
    // A breaker that is new is closed while its first probes fail, and their verdict is yet to be told.
    let is_back = |(index, upstream): (usize, &UpstreamView)| {
        let is_well = !is_out(upstream) && upstream.verdict.is_none();
        is_well && upstream.last_probe_ms.is_some() && gateway.tally().trouble(index).is_none()
    };
    // A drill ends with the box, and nobody can say what became of an upstream that is configured no longer.
    orphan.is_drill || concerned.peek().is_none() || concerned.any(is_back)
}

fn is_out(upstream: &UpstreamView) -> bool {
    upstream.breaker != "closed"
}

fn concerns(record: &Outage, upstream: &UpstreamView) -> bool {
    record.scope == OutageScope::Site || record.upstreams == upstream.name
}

/// From the first failure to the first local answer.
fn transfer_ms(record: &Outage) -> Option<i64> {
    Some((record.first_local_ms? - record.first_evidence_ms?).max(0))
}

/// What each upstream showed, each text once, in the language that `of` reads.
fn words(upstreams: &[&UpstreamView], of: impl Fn(&UpstreamView) -> &str) -> String {
    let said: BTreeSet<String> = upstreams
        .iter()
        .filter(|upstream| !of(upstream).is_empty())
        .map(|upstream| format!("{}: {}", upstream.name, of(upstream)))
        .collect();
    let said: Vec<String> = said.into_iter().collect();
    said.join("; ").chars().take(MAX_EVIDENCE_CHARS).collect()
}

#[cfg(test)]
mod tests;

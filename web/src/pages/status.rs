//! The status page: the site, its upstreams, its local models, its outages, and the band alone.

use askama::Template;
use axum::response::{IntoResponse, Response};
use gateway::{AliasView, Announcement, LocalView, OutageView, Site, UpstreamView};
use http::StatusCode;
use serde::Deserialize;
use store::{Outage, Right, StoreError, authorize};

use crate::band::{Band, BandPartial};
use crate::error_page::{Failed, log};
use crate::frame::{Frame, Place};
use crate::language::Language;
use crate::line::Line;
use crate::moment::Clock;
use crate::notices;
use crate::pages::demo::DemoView;
use crate::pages::{drills, outages};
use crate::posted::Query;
use crate::text::StatusText;
use crate::visit::{Signed, Visit};

pub(crate) mod alarms;
pub(crate) mod directory;
mod events;
pub(crate) mod keeping;
pub(crate) mod machine;

use events::EventView;
use machine::GpuTable;

const OUTAGES_SHOWN: u32 = 20;

#[derive(Template)]
#[template(path = "pages/status.html")]
pub(crate) struct StatusPage {
    pub(crate) frame: Frame,
    pub(crate) line: Line,
    /// What must be mended before the cloud goes out.
    pub(crate) alarms: Vec<String>,
    pub(crate) updated: String,
    pub(crate) running_since: String,
    /// The lamp and the words for the last valid drill.
    pub(crate) drill_due: (&'static str, String),
    /// The lamp and the words for the checks of the store.
    pub(crate) checks: (&'static str, String),
    /// The lamp and the words for the last verified backup.
    pub(crate) backups: (&'static str, String),
    /// The lamp and the words for the building's directory, for those in charge.
    pub(crate) directory: Option<(&'static str, String)>,
    pub(crate) upstreams: Vec<UpstreamRow>,
    pub(crate) locals: Vec<LocalRow>,
    pub(crate) gpus: Option<GpuTable>,
    pub(crate) aliases: Vec<AliasRow>,
    pub(crate) records_failed: bool,
    pub(crate) outages: Vec<OutageRow>,
    /// The newest first.
    pub(crate) announcements: Vec<EventView>,
    pub(crate) events: Vec<EventView>,
    pub(crate) demo: Option<DemoView>,
}

pub(crate) struct UpstreamRow {
    pub(crate) name: String,
    pub(crate) demo: bool,
    pub(crate) breaker_word: &'static str,
    pub(crate) breaker: &'static str,
    pub(crate) lamp: &'static str,
    pub(crate) finding: String,
    pub(crate) evidence: Option<String>,
    pub(crate) share_percent: u8,
    pub(crate) last_probe: String,
}

pub(crate) struct LocalRow {
    pub(crate) name: String,
    /// What it is for, where it does not answer in words.
    pub(crate) purpose: Option<&'static str>,
    pub(crate) status_word: &'static str,
    pub(crate) status: String,
    pub(crate) lamp: &'static str,
    pub(crate) percent: Option<u8>,
    pub(crate) detail: Option<String>,
    /// What the file says of the model, and the beginning of its hash.
    pub(crate) facts: Option<String>,
    pub(crate) proof: String,
    pub(crate) in_flight: u32,
    pub(crate) device: String,
    /// Where its layers are, where a GPU is to be had.
    pub(crate) layers: Option<String>,
    pub(crate) memory: Option<String>,
}

pub(crate) struct AliasRow {
    pub(crate) name: String,
    pub(crate) cloud: String,
    pub(crate) standby: String,
}

pub(crate) struct OutageRow {
    pub(crate) id: String,
    pub(crate) began: String,
    pub(crate) ended: String,
    pub(crate) cause: String,
    pub(crate) served_local: u64,
}

/// `GET /status`.
pub(crate) async fn show(Signed(visit, person): Signed) -> Result<Response, Failed> {
    // What an upstream said, and who did what, is for those who run the site; that something happened is for everybody.
    let sees_all = authorize(&person.subject(), Right::ReadFindings).is_ok();
    let reader = Reader { visit: &visit, text: &visit.text().status, sees_all };
    visit.show(&reader.page().await)
}

#[derive(Deserialize)]
pub(crate) struct Seen {
    #[serde(default)]
    seen: String,
    /// The page around the band was made for somebody who was signed in.
    #[serde(default)]
    is_personal: bool,
}

/// `GET /band`: the band alone, or nothing when it is as it was, so that it is not read out again. A page whose session
/// is over is loaded anew, so that nobody's texts stay on the screen of an empty desk.
pub(crate) async fn band(visit: Visit, Query(seen): Query<Seen>) -> Result<Response, Failed> {
    if seen.is_personal && visit.person.is_none() {
        return Ok(visit.lead_to("/sign-in"));
    }
    let band = Band::of_visit(&visit);
    if band.fingerprint == seen.seen {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    visit.show(&BandPartial { band })
}

struct Reader<'a> {
    visit: &'a Visit,
    text: &'static StatusText,
    sees_all: bool,
}

impl Reader<'_> {
    async fn page(&self) -> StatusPage {
        let (portal, site) = (&self.visit.portal, self.visit.portal.site());
        let records = self.records();
        if let Err(error) = &records {
            log(error);
        }
        let records_failed = records.is_err();
        let (outages, events) = records.unwrap_or_default();
        StatusPage {
            frame: Frame::of(self.visit, Place::Status),
            line: Line::of(&site, &self.visit.text().line),
            alarms: self.alarms(&site),
            updated: (self.text.updated)(&portal.clock().full(Clock::now_ms())),
            drill_due: drills::due(self.visit, &site.drill),
            checks: keeping::checks(&site.store, &self.visit.text().keeping, portal.clock()),
            backups: keeping::backups(&site.store, &self.visit.text().keeping, portal.clock()),
            directory: self.directory(),
            running_since: (self.text.running_since)(&portal.clock().short(site.started_ms)),
            upstreams: site.upstreams.iter().map(|upstream| self.upstream(upstream)).collect(),
            locals: site.locals.iter().map(|local| self.local(local)).collect(),
            gpus: machine::table(&site.machine, &self.visit.text().machine),
            aliases: site.aliases.iter().map(|alias| self.alias(alias)).collect(),
            records_failed,
            outages,
            announcements: site.announcements.iter().rev().map(|told| self.announcement(told)).collect(),
            events,
            demo: DemoView::of(self.visit).await,
        }
    }

    fn directory(&self) -> Option<(&'static str, String)> {
        let condition = self.visit.portal.store().core.directory_condition().filter(|_| self.sees_all)?;
        Some(directory::state(&condition, &self.visit.text().directory, self.visit.portal.clock()))
    }

    /// The log that proves everything else cannot be written.
    fn unrecorded(&self) -> Option<String> {
        let audit = &self.visit.portal.store().audit;
        let spool = audit.spool();
        let is_well = audit.is_well() && spool.rows == 0;
        (!is_well).then(|| (self.visit.text().recording.unwritable)(spool.rows, spool.percent))
    }

    fn alarms(&self, site: &Site) -> Vec<String> {
        let of_store = keeping::alarms(&site.store, &self.visit.text().keeping);
        let of_machine = machine::alarms(site, &self.visit.text().machine);
        let of_models = alarms::of(site, self.text);
        self.unrecorded().into_iter().chain(of_store).chain(of_models).chain(of_machine).collect()
    }

    fn records(&self) -> Result<(Vec<OutageRow>, Vec<EventView>), StoreError> {
        let store = self.visit.portal.store();
        let recorded = store.work.outages(OUTAGES_SHOWN)?;
        let site = self.visit.portal.site();
        let running = site.outage.as_ref().map(|outage| self.running_outage(outage));
        let is_running = running.is_some();
        let ended = recorded.iter().filter(|outage| outage.end_ms.is_some() || !is_running);
        let outages = running.into_iter().chain(ended.map(|outage| self.outage(outage))).collect();
        let events = events::newest(store, self.visit.text(), self.visit.portal.clock(), self.sees_all)?;
        Ok((outages, events))
    }

    fn upstream(&self, upstream: &UpstreamView) -> UpstreamRow {
        let text = self.text;
        let language = self.visit.language.into();
        let (breaker, lamp) = match upstream.breaker {
            "closed" => (text.breaker_closed, "good"),
            "half-open" => (text.breaker_half_open, "waiting"),
            _ => (text.breaker_open, "bad"),
        };
        let finding = match upstream.verdict {
            None => text.nothing_wrong.to_owned(),
            Some(verdict) if self.sees_all => format!(
                "{} {}",
                verdict.sentence_for_staff(language),
                verdict.action_for_administrator(language)
            ),
            Some(verdict) => verdict.sentence_for_staff(language).to_owned(),
        };
        UpstreamRow {
            name: upstream.name.clone(),
            demo: upstream.demo,
            breaker_word: upstream.breaker,
            breaker,
            lamp,
            finding,
            evidence: Some(self.evidence(upstream).to_owned())
                .filter(|evidence| self.sees_all && !evidence.is_empty()),
            share_percent: upstream.share_percent,
            last_probe: upstream
                .last_probe_ms
                .map_or(text.never.to_owned(), |at| self.visit.portal.clock().full(at)),
        }
    }

    fn evidence<'a>(&self, upstream: &'a UpstreamView) -> &'a str {
        match self.visit.language {
            Language::English => &upstream.evidence,
            Language::Korean => &upstream.evidence_ko,
        }
    }

    fn local(&self, local: &LocalView) -> LocalRow {
        let (text, machine) = (self.text, &self.visit.text().machine);
        let (status, lamp) = match local.status {
            "ready" => (text.ready.to_owned(), if local.proven { "good" } else { "bad" }),
            "loading" => ((text.loading)(local.percent.unwrap_or(0)), "waiting"),
            "failed" => (text.failed.to_owned(), "bad"),
            "unloading" => (text.unloading.to_owned(), "waiting"),
            "unloaded" => (text.unloaded.to_owned(), "waiting"),
            _ => (text.starting.to_owned(), "waiting"),
        };
        let proof = match local.proven_age_s {
            _ if local.status == "unloaded" => String::new(),
            Some(age_s) if local.proven && local.speaks() => (text.proven)(age_s),
            Some(age_s) if local.proven => (text.worked)(age_s),
            _ if local.speaks() => text.unproven.to_owned(),
            _ => text.idle.to_owned(),
        };
        LocalRow {
            name: local.name.clone(),
            purpose: match local.kind {
                "embedding" => Some(text.is_embedding),
                "rerank" => Some(text.is_rerank),
                _ => None,
            },
            status_word: local.status,
            status,
            lamp,
            percent: local.percent.filter(|_| local.status == "loading"),
            detail: Some(local.detail.clone()).filter(|detail| self.sees_all && !detail.is_empty()),
            facts: local.facts.as_ref().filter(|_| self.sees_all).map(|facts| (text.model_facts)(facts)),
            proof,
            in_flight: local.in_flight,
            device: local.device.clone().unwrap_or_default(),
            layers: local.layers.filter(|layers| layers.on_gpu > 0 || layers.is_short).map(machine.layers),
            memory: local.memory.map(machine.takes),
        }
    }

    fn alias(&self, alias: &AliasView) -> AliasRow {
        let joined = |names: &[String]| {
            if names.is_empty() { self.text.none.to_owned() } else { names.join(", ") }
        };
        AliasRow { name: alias.name.clone(), cloud: joined(&alias.cloud), standby: joined(&alias.standby) }
    }

    fn announcement(&self, told: &Announcement) -> EventView {
        let clock = self.visit.portal.clock();
        let what = notices::sentence(told, &self.visit.text().notice, clock);
        EventView { when: clock.full(told.at_ms), what }
    }

    fn running_outage(&self, outage: &OutageView) -> OutageRow {
        OutageRow {
            id: outage.id.clone(),
            began: self.visit.portal.clock().full(outage.started_ms),
            ended: self.text.still_running.to_owned(),
            cause: outage.verdict.map_or(String::new(), |verdict| {
                verdict.sentence_for_staff(self.visit.language.into()).to_owned()
            }),
            served_local: outage.served_local,
        }
    }

    fn outage(&self, outage: &Outage) -> OutageRow {
        let clock = self.visit.portal.clock();
        OutageRow {
            id: outage.id.to_string(),
            began: clock.full(outage.start_ms),
            ended: outages::ended(outage, clock, &self.visit.text().outage),
            cause: outages::cause(outage, self.visit.language).unwrap_or_default().to_owned(),
            served_local: outage.served_local,
        }
    }
}

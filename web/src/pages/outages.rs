//! The pages of outages: all that were recorded, and the report of one, for the screen and for paper.

use askama::Template;
use axum::response::Response;
use continuity::Verdict;
use store::{Outage, OutageCounts, OutageScope, Right, authorize};

use crate::error_page::{Failed, Fault};
use crate::frame::{Frame, Place};
use crate::language::Language;
use crate::moment::Clock;
use crate::posted::Path;
use crate::text::OutageText;
use crate::visit::{Signed, Visit};

const SHOWN: u32 = 100;

/// The order of lanes in a report.
const LANES: [&str; 3] = ["clinical", "interactive", "batch"];

#[derive(Template)]
#[template(path = "pages/outages.html")]
pub(crate) struct OutagesPage {
    pub(crate) frame: Frame,
    pub(crate) outages: Vec<OutageRow>,
}

pub(crate) struct OutageRow {
    pub(crate) id: i64,
    pub(crate) began: String,
    pub(crate) ended: String,
    pub(crate) length: String,
    pub(crate) scope: String,
    pub(crate) is_drill: bool,
    pub(crate) cause: String,
    pub(crate) served_local: u64,
    pub(crate) refused: u64,
}

#[derive(Template)]
#[template(path = "pages/outage.html")]
pub(crate) struct OutagePage {
    pub(crate) frame: Frame,
    pub(crate) id: i64,
    pub(crate) is_drill: bool,
    pub(crate) printed: String,
    pub(crate) cause: String,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) sum: Option<String>,
    pub(crate) requests: Vec<RequestRow>,
}

/// How many requests of a lane somebody answered, or nobody did.
pub(crate) struct RequestRow {
    pub(crate) lane: String,
    pub(crate) served_by: String,
    pub(crate) count: u64,
    pub(crate) is_refusal: bool,
}

/// `GET /outages`.
pub(crate) async fn show(Signed(visit, _): Signed) -> Result<Response, Failed> {
    let outages = visit.portal.store().work.outages(SHOWN).map_err(|error| visit.internal(&error))?;
    let reader = Reader::of(&visit, false);
    visit.show(&OutagesPage {
        frame: Frame::of(&visit, Place::Outages),
        outages: outages.iter().map(|outage| reader.row(outage)).collect(),
    })
}

/// `GET /outages/{outage}`: the report.
pub(crate) async fn report(Signed(visit, person): Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let found = visit.portal.store().work.outage(id).map_err(|error| visit.internal(&error))?;
    let outage = found.ok_or_else(|| visit.fail(Fault::NotFound))?;
    // What an upstream said, and what to do about it, is for those who run the site, as on the status page.
    let reader = Reader::of(&visit, authorize(&person.subject(), Right::ReadFindings).is_ok());
    let now = reader.clock().full(Clock::now_ms());
    let requests = reader.requests(&outage.counts);
    visit.show(&OutagePage {
        frame: Frame::of(&visit, Place::Outages),
        id,
        is_drill: outage.is_drill,
        printed: (reader.text.printed)(&person.account.name, &now),
        cause: reader.cause(&outage),
        facts: reader.facts(&outage),
        sum: (!requests.is_empty()).then(|| reader.sum(&outage)),
        requests,
    })
}

struct Reader<'a> {
    visit: &'a Visit,
    text: &'static OutageText,
    sees_all: bool,
}

impl Reader<'_> {
    fn of(visit: &Visit, sees_all: bool) -> Reader<'_> {
        Reader { visit, text: &visit.text().outage, sees_all }
    }

    fn clock(&self) -> &Clock {
        self.visit.portal.clock()
    }

    fn row(&self, outage: &Outage) -> OutageRow {
        OutageRow {
            id: outage.id,
            began: self.clock().full(outage.start_ms),
            ended: ended(outage, self.clock(), self.text),
            length: self.length(outage),
            scope: self.scope(outage),
            is_drill: outage.is_drill,
            cause: self.cause(outage),
            served_local: outage.served_local,
            refused: refused(&outage.counts),
        }
    }

    fn facts(&self, outage: &Outage) -> Vec<(&'static str, String)> {
        let (text, clock) = (self.text, self.clock());
        let mut facts = vec![
            (text.scope, self.scope(outage)),
            (text.began, clock.full(outage.start_ms)),
            (text.ended, self.ended(outage)),
            (text.length, self.length(outage)),
            (text.detected, self.after(outage, outage.tripped_ms)),
            (text.transfer, self.after(outage, outage.first_local_ms)),
            (text.failback, outage.failback_ms.map_or(text.not_yet.to_owned(), |at| clock.full(at))),
            (text.failovers, outage.counts.failovers.to_string()),
            (text.seams, outage.counts.seams.to_string()),
            (text.hedges, outage.counts.hedges.to_string()),
            (text.restarts, outage.restarts.to_string()),
        ];
        if self.sees_all {
            if !outage.evidence.is_empty() {
                facts.insert(0, (text.evidence, self.evidence(outage).to_owned()));
            }
            if let Some(verdict) = verdict(outage) {
                let action = verdict.action_for_administrator(self.visit.language.into());
                facts.insert(0, (text.action, action.to_owned()));
            }
        }
        facts
    }

    fn requests(&self, counts: &OutageCounts) -> Vec<RequestRow> {
        let row = |lane: &str, served_by: &str, count: u64, is_refusal| RequestRow {
            lane: self.text.lanes.of(lane).to_owned(),
            served_by: served_by.to_owned(),
            count,
            is_refusal,
        };
        let served = counts.served.iter().flat_map(|(lane, served)| {
            served.iter().map(move |(by, count)| (lane, row(lane, by, *count, false)))
        });
        let refused =
            counts.refused.iter().map(|(lane, count)| (lane, row(lane, self.text.refused_row, *count, true)));
        let mut rows: Vec<(&String, RequestRow)> = served.chain(refused).collect();
        rows.sort_by_key(|(lane, _)| LANES.iter().position(|known| known == lane));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn sum(&self, outage: &Outage) -> String {
        let served: u64 = outage.counts.served.values().flat_map(|lane| lane.values()).sum();
        let local = outage.counts.served_local();
        (self.text.sum)(local, served.saturating_sub(local), refused(&outage.counts))
    }

    fn scope(&self, outage: &Outage) -> String {
        match outage.scope {
            OutageScope::Site => self.text.whole_site.to_owned(),
            OutageScope::Upstream => (self.text.only)(&outage.upstreams),
        }
    }

    fn cause(&self, outage: &Outage) -> String {
        let cause = cause(outage, self.visit.language);
        cause.unwrap_or(self.text.no_cause).to_owned()
    }

    fn evidence<'a>(&self, outage: &'a Outage) -> &'a str {
        match self.visit.language {
            Language::Korean if !outage.evidence_ko.is_empty() => &outage.evidence_ko,
            Language::Korean | Language::English => &outage.evidence,
        }
    }

    fn ended(&self, outage: &Outage) -> String {
        match (outage.end_ms, outage.seen_ms) {
            (None, Some(seen)) => (self.text.seen)(&self.clock().full(seen)),
            _ => ended(outage, self.clock(), self.text),
        }
    }

    fn length(&self, outage: &Outage) -> String {
        let until = |until_ms: i64| {
            let seconds = until_ms.saturating_sub(outage.start_ms).max(0) / 1000;
            (self.text.lasted)(seconds / 3600, seconds / 60 % 60, seconds % 60)
        };
        let longest = until(outage.end_ms.unwrap_or_else(Clock::now_ms));
        match outage.end_after_ms {
            Some(after_ms) => (self.text.lasted_between)(&until(after_ms), &longest),
            None => longest,
        }
    }

    /// How long after the first failure something came.
    fn after(&self, outage: &Outage, at_ms: Option<i64>) -> String {
        match (outage.first_evidence_ms, at_ms) {
            (Some(first), Some(at)) => {
                (self.text.after)(at.saturating_sub(first).max(0), &self.clock().full(at))
            }
            (None, Some(at)) => self.clock().full(at),
            (_, None) => self.text.not_measured.to_owned(),
        }
    }
}

fn verdict(outage: &Outage) -> Option<Verdict> {
    Verdict::ALL.into_iter().find(|verdict| Some(verdict.as_str()) == outage.verdict.as_deref())
}

/// When it ended, as far as the box has seen it.
pub(crate) fn ended(outage: &Outage, clock: &Clock, text: &OutageText) -> String {
    match (outage.end_after_ms, outage.end_ms) {
        (Some(after), Some(before)) => (text.ended_between)(&clock.full(after), &clock.full(before)),
        (None, Some(at)) => clock.full(at),
        (_, None) => text.still_running.to_owned(),
    }
}

/// Why the cloud was lost, or is lost still.
pub(crate) fn cause(outage: &Outage, language: Language) -> Option<&'static str> {
    let verdict = verdict(outage)?;
    Some(match outage.end_ms {
        None => verdict.sentence_for_staff(language.into()),
        Some(_) => verdict.sentence_in_the_past(language.into()),
    })
}

fn refused(counts: &OutageCounts) -> u64 {
    counts.refused.values().sum()
}

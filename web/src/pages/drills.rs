//! The pages of drills: what was, what is due, beginning one, ending one, and the report.

mod findings;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use continuity::drill::Urgency;
use gateway::drill::{DrillRefused, DrillServed, NoDrill};
use gateway::{DrillReport, DrillView, Scope};
use http::StatusCode;
use serde::Deserialize;
use store::DrillRecord;

use crate::error_page::{Failed, Fault, log};
use crate::frame::{Frame, Place};
use crate::posted::{Path, Posted};
use crate::text::DrillText;
use crate::visit::{Signed, Visit};

const SHOWN: u32 = 40;

#[derive(Template)]
#[template(path = "pages/drills.html")]
pub(crate) struct DrillsPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    pub(crate) urgency: &'static str,
    pub(crate) lamp: &'static str,
    pub(crate) due: String,
    pub(crate) long: String,
    pub(crate) next: String,
    pub(crate) running: Option<String>,
    pub(crate) drills: Vec<DrillRow>,
    pub(crate) scopes: Vec<String>,
    pub(crate) scope: String,
}

pub(crate) struct DrillRow {
    pub(crate) id: i64,
    pub(crate) asked: String,
    pub(crate) scope: String,
    pub(crate) asked_by: String,
    pub(crate) result: &'static str,
    pub(crate) why: String,
    pub(crate) has_report: bool,
}

#[derive(Template)]
#[template(path = "pages/drill.html")]
pub(crate) struct DrillPage {
    pub(crate) frame: Frame,
    pub(crate) id: i64,
    pub(crate) result_word: String,
    pub(crate) result: &'static str,
    pub(crate) findings: Vec<String>,
    pub(crate) facts: Vec<(&'static str, String)>,
}

#[derive(Deserialize)]
pub(crate) struct Wish {
    scope: String,
    #[serde(default)]
    long: String,
}

/// `GET /drills`.
pub(crate) async fn show(signed: Signed) -> Result<Response, Failed> {
    page(&signed, None)
}

/// `GET /drills/{drill}`: the report, for the screen and for paper.
pub(crate) async fn report(Signed(visit, _): Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let found = visit.portal.store().work.drill(id).map_err(|error| visit.internal(&error))?;
    let text = found.and_then(|drill| drill.report).ok_or_else(|| visit.fail(Fault::NotFound))?;
    let report = DrillReport::read(&text).map_err(|error| visit.internal(&error))?;
    let words = &visit.text().drill;
    let judgement = report.judgement.as_ref();
    let word = judgement.map_or("aborted", |judgement| judgement.result.as_str());
    visit.show(&DrillPage {
        frame: Frame::of(&visit, Place::Drills),
        id,
        result: result(word, words),
        result_word: word.to_owned(),
        findings: judgement
            .map_or(Vec::new(), |j| j.findings.iter().map(|f| findings::sentence(f, visit.text())).collect()),
        facts: facts(&visit, &report, words),
    })
}

/// `POST /drills`.
pub(crate) async fn start(signed: Signed, Posted(wish): Posted<Wish>) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let text = &visit.text().drill;
    let Ok(scope) = wish.scope.parse::<Scope>() else {
        return again(&signed, text.no_such_scope.to_owned());
    };
    match visit.portal.gateway().start_drill(&person.account.name, &scope, !wish.long.is_empty()).await {
        Ok(_) => Ok(Redirect::to("/drills").into_response()),
        Err(DrillRefused::NotNow(why)) => again(&signed, (text.not_now)(&findings::no_drill(&why, text))),
        Err(error) => {
            log(&error);
            again(&signed, text.failed_to_start.to_owned())
        }
    }
}

/// `POST /drills/abort`.
pub(crate) async fn abort(signed: Signed) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let aborted = visit.portal.gateway().abort_drill(&person.account.name).await;
    aborted.map_err(|error| visit.internal(&error))?;
    Ok(Redirect::to("/drills").into_response())
}

fn again(signed: &Signed, problem: String) -> Result<Response, Failed> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(signed, Some(problem))?).into_response())
}

fn page(signed: &Signed, problem: Option<String>) -> Result<Response, Failed> {
    let Signed(visit, person) = signed;
    let (text, portal, clock) = (&visit.text().drill, &visit.portal, visit.portal.clock());
    let drills = portal.store().work.drills(SHOWN).map_err(|error| visit.internal(&error))?;
    let site = portal.site();
    let DrillView { running, last_long_ms, next_ms, due, .. } = &site.drill;
    let (lamp, due_words) = self::due(visit, &site.drill);
    let scopes =
        std::iter::once("site".to_owned()).chain(site.aliases.iter().map(|a| format!("alias {}", a.name)));
    let moment = |ms: &Option<i64>| ms.map_or_else(|| text.never.to_owned(), |ms| clock.full(ms));
    visit.show(&DrillsPage {
        frame: Frame::of(visit, Place::Drills),
        csrf: person.csrf.clone(),
        problem,
        urgency: due.urgency.as_str(),
        lamp,
        due: due_words,
        long: (text.last_long)(&moment(last_long_ms)),
        next: next_ms.map_or_else(|| text.not_scheduled.to_owned(), |ms| (text.next)(&clock.full(ms))),
        running: running.as_ref().map(|r| (text.running)(phase(r.phase, text), r.carried_s, r.of_s)),
        drills: drills.iter().map(|drill| row(visit, drill)).collect(),
        scopes: scopes.collect(),
        scope: portal.gateway().settings().drill.scope.to_string(),
    })
}

fn row(visit: &Visit, drill: &DrillRecord) -> DrillRow {
    let DrillRecord { id, asked_ms, scope, asked_by, state, refusal, report, .. } = drill;
    DrillRow {
        id: *id,
        asked: visit.portal.clock().full(*asked_ms),
        scope: scope.clone(),
        asked_by: visit.text().actor.name(asked_by),
        result: result(state, &visit.text().drill),
        why: refusal
            .as_deref()
            .map_or(String::new(), |word| findings::no_drill(&NoDrill::of_record(word), &visit.text().drill)),
        has_report: report.is_some(),
    }
}

fn result(state: &str, text: &DrillText) -> &'static str {
    match state {
        "passed" => text.passed,
        "failed" => text.failed,
        "invalid" => text.invalid,
        "refused" => text.refused,
        "asked" | "running" => text.is_running,
        _ => text.aborted,
    }
}

/// How long ago the last valid drill was: the lamp and the words.
pub(crate) fn due(visit: &Visit, view: &DrillView) -> (&'static str, String) {
    let (text, clock) = (&visit.text().drill, visit.portal.clock());
    let lamp = match view.due.urgency {
        Urgency::Green => "good",
        Urgency::Amber => "waiting",
        Urgency::Red => "bad",
    };
    let at = view.last_passed_ms.map_or_else(|| text.never.to_owned(), |ms| clock.full(ms));
    let words = view.due.days.map_or_else(|| text.never_passed.to_owned(), |days| (text.days)(days, &at));
    (lamp, words)
}

fn phase<'a>(phase: &str, text: &'a DrillText) -> &'a str {
    match phase {
        "preparing" => text.preparing,
        "cutting" => text.cutting,
        "carrying-load" => text.carrying,
        _ => text.restoring,
    }
}

fn facts(visit: &Visit, report: &DrillReport, text: &DrillText) -> Vec<(&'static str, String)> {
    let clock = visit.portal.clock();
    let moment = |ms: Option<i64>| ms.map_or_else(|| text.never.to_owned(), |ms| clock.full(ms));
    let ms = |ms: Option<u64>| ms.map_or_else(|| text.unknown.to_owned(), |ms| format!("{ms} ms"));
    let cuts =
        report.cuts.iter().map(|cut| format!("{}: {}", cut.upstream, findings::means(cut.means, text)));
    let mut cut = cuts.collect::<Vec<_>>().join(" ");
    if report.softer_because.is_some() {
        cut = format!("{cut} {}", text.softer);
    }
    let (real, bank) = (report.real_load_percent, report.synthetic_load_percent);
    let models = report.by_model.iter().map(|(model, count)| format!("{model}: {count}"));
    vec![
        (text.scope, report.scope.clone()),
        (text.asked_by, visit.text().actor.name(&report.asked_by)),
        (text.began, moment(Some(report.started_ms))),
        (text.cut_at, moment(report.cut_ms)),
        (text.restored_at, moment(report.restored_ms)),
        (text.ended, moment(Some(report.ended_ms))),
        (text.how_cut, cut),
        (text.transfer, (text.transfer_of)(&ms(report.transfer_ms), report.promise_ms / 1000)),
        (text.carried, (text.carried_of)(report.carried_s, report.wanted_s)),
        (text.load, (text.load_of)(real, bank, report.rated_sequences, report.wanted_load_percent)),
        (
            text.first_token,
            format!("p50 {}, p95 {}", ms(report.first_token_p50_ms), ms(report.first_token_p95_ms)),
        ),
        (text.real_requests, served(&report.real, text)),
        (text.load_bank, served(&report.synthetic, text)),
        (text.by_model, models.collect::<Vec<_>>().join(", ")),
        (text.cloud_back, ms(report.cloud_back_ms)),
        (text.rule, (text.rule_of)(report.quiet_s / 60)),
    ]
}

fn served(served: &DrillServed, text: &DrillText) -> String {
    let DrillServed { asked, by_local, by_cloud, seams, whole, refused, broken, left } = *served;
    (text.served)([asked, by_local, by_cloud, seams, whole, refused, broken, left])
}

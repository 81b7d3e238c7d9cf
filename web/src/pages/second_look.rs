//! The page of second looks: answers that a local model gave in the cloud's place. Never their text.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::SecondLook;

use crate::answers::{Narrator, Out};
use crate::error_page::Failed;
use crate::frame::{Frame, Place};
use crate::posted::{Posted, Query};
use crate::visit::{Signed, Visit};

const SHOWN: u32 = 200;

/// Outages that the reasons are told from.
const OUTAGES_READ: u32 = 100;

#[derive(Template)]
#[template(path = "pages/second_look.html")]
pub(crate) struct SecondLookPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) counts: String,
    /// Said where not all are shown.
    pub(crate) shown: Option<String>,
    pub(crate) is_all: bool,
    pub(crate) looks: Vec<LookRow>,
}

pub(crate) struct LookRow {
    pub(crate) request_id: String,
    pub(crate) at: String,
    pub(crate) who: String,
    pub(crate) alias: String,
    pub(crate) model: String,
    pub(crate) reason_word: String,
    pub(crate) reason: String,
    pub(crate) lane: String,
    pub(crate) size: String,
    pub(crate) looked: Option<String>,
    pub(crate) mark_label: String,
}

#[derive(Deserialize)]
pub(crate) struct Wish {
    /// Anything but nothing: those that somebody has looked at, too.
    #[serde(default)]
    all: String,
}

#[derive(Deserialize)]
pub(crate) struct Mark {
    request: String,
    #[serde(default)]
    all: String,
}

/// `GET /second-look`.
pub(crate) async fn show(
    Signed(visit, person): Signed,
    Query(wish): Query<Wish>,
) -> Result<Response, Failed> {
    let is_all = !wish.all.is_empty();
    let work = &visit.portal.store().work;
    let counts = work.second_look_counts().map_err(|error| visit.internal(&error))?;
    let looks = work.second_looks(!is_all, SHOWN).map_err(|error| visit.internal(&error))?;
    let outages = work.outages(OUTAGES_READ).map_err(|error| visit.internal(&error))?;
    let (text, clock) = (visit.text(), visit.portal.clock());
    let outages = Out::all(&outages, visit.portal.site().outage.as_ref());
    let narrator = Narrator { text, clock, outages };
    let listed = if is_all { counts.all } else { counts.open };
    visit.show(&SecondLookPage {
        frame: Frame::of(&visit, Place::SecondLook),
        csrf: person.csrf.clone(),
        counts: (text.second_look.counts)(counts.open, counts.all),
        shown: (listed > looks.len() as u64).then(|| (text.second_look.shown)(looks.len())),
        is_all,
        looks: looks.into_iter().map(|look| row(&visit, &narrator, look)).collect(),
    })
}

/// `POST /second-look`: somebody has looked at one answer. One that is unknown, or was marked before, stays as it is.
pub(crate) async fn mark(
    Signed(visit, person): Signed,
    Posted(mark): Posted<Mark>,
) -> Result<Response, Failed> {
    let marked = visit.portal.store().mark_looked(&mark.request, &person.account.name).await;
    marked.map_err(|error| visit.internal(&error))?;
    let back = if mark.all.is_empty() { "/second-look" } else { "/second-look?all=yes" };
    Ok(Redirect::to(back).into_response())
}

fn row(visit: &Visit, narrator: &Narrator<'_>, look: SecondLook) -> LookRow {
    let (text, clock) = (&visit.text().second_look, visit.portal.clock());
    let who = look.who.strip_prefix("key:").map_or_else(|| look.who.clone(), |name| (text.by_key)(name));
    let at = clock.full(look.at_ms);
    LookRow {
        mark_label: (text.mark_label)(&at, &who),
        request_id: look.request_id,
        at,
        who,
        alias: look.alias,
        model: look.model,
        reason: narrator.why("local", &look.reason, look.at_ms).unwrap_or_default(),
        reason_word: look.reason,
        lane: visit.text().outage.lanes.of(&look.lane).to_owned(),
        size: (text.chars)(look.chars),
        looked: look.looked.map(|(at_ms, by)| (text.looked_by)(&by, &clock.short(at_ms))),
    }
}

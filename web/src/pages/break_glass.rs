//! The pages of emergencies: taking for an hour what was not granted, and looking at it afterwards.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use store::{BrokenGlass, ChangeError, Need, Object, ObjectKind, Right, Verb, authorize};

use crate::error_page::{Failed, Fault};
use crate::frame::{Frame, Place};
use crate::pages::people::person::{AliasWhy, aliases};
use crate::pages::people::{Choice, holds, status_of};
use crate::posted::Posted;
use crate::visit::{Signed, Visit};
use crate::why::Teller;

const REVIEWED_SHOWN: u32 = 50;

/// The form's word for giving orders.
const ORDERS: &str = "orders";

#[derive(Template)]
#[template(path = "pages/break_glass.html")]
pub(crate) struct BreakGlassPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    pub(crate) aliases: Vec<AliasWhy>,
    pub(crate) open: Vec<String>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) given: Emergency,
}

#[derive(Template)]
#[template(path = "pages/break_glass_review.html")]
pub(crate) struct ReviewPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    pub(crate) waiting: Vec<GlassRow>,
    pub(crate) waiting_words: String,
    pub(crate) reviewed: Vec<GlassRow>,
}

pub(crate) struct GlassRow {
    pub(crate) grant: i64,
    pub(crate) when: String,
    pub(crate) until: String,
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) reason: String,
    pub(crate) is_own: bool,
    pub(crate) finding: String,
    pub(crate) reviewed_by: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Emergency {
    /// `alias NAME`, or [`ORDERS`].
    #[serde(default)]
    pub(crate) what: String,
    #[serde(default)]
    pub(crate) reason: String,
}

#[derive(Deserialize)]
pub(crate) struct Reviewed {
    grant: i64,
    finding: String,
}

/// `GET /break-glass`.
pub(crate) async fn show(signed: Signed) -> Result<Response, Failed> {
    page(&signed, None, Emergency::default())
}

/// `POST /break-glass`.
pub(crate) async fn break_it(
    signed: Signed,
    Posted(emergency): Posted<Emergency>,
) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let object = match (emergency.what.as_str(), emergency.what.strip_prefix("alias ")) {
        (ORDERS, _) => Object::every(ObjectKind::Route),
        (_, Some(alias)) => Object::new(ObjectKind::Alias, alias),
        _ => return Err(visit.fail(Fault::BadRequest)),
    };
    match visit.portal.gateway().break_glass(&person.subject(), object, &emergency.reason).await {
        Ok(_) => Ok(Redirect::to("/break-glass").into_response()),
        Err(error) => {
            let problem = Teller::of(visit).problem(&error);
            Ok((status_of(&error), page(&signed, Some(problem), emergency)?).into_response())
        }
    }
}

/// `GET /break-glass/review`.
pub(crate) async fn queue(signed: Signed) -> Result<Response, Failed> {
    review_page(&signed, None)
}

/// `POST /break-glass/review`.
pub(crate) async fn review(signed: Signed, Posted(form): Posted<Reviewed>) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let store = visit.portal.store();
    match store.review_broken_glass(&person.subject(), form.grant, &form.finding).await {
        Ok(()) => Ok(Redirect::to("/break-glass/review").into_response()),
        Err(error @ ChangeError::BadReason) => {
            let problem = visit.text().rights.glass.finding_hint.to_owned();
            Ok((status_of(&error), review_page(&signed, Some(problem))?).into_response())
        }
        Err(error) => {
            let problem = Teller::of(visit).problem(&error);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, review_page(&signed, Some(problem))?).into_response())
        }
    }
}

fn page(signed: &Signed, problem: Option<String>, given: Emergency) -> Result<Response, Failed> {
    let Signed(visit, person) = signed;
    let (text, teller) = (&visit.text().rights.glass, Teller::of(visit));
    let subject = person.subject();
    let at_ms = person.holdings.at_ms;
    let open = person.holdings.grants.iter().filter(|grant| grant.is_broken_glass && grant.stands(at_ms));
    let clock = visit.portal.clock();
    let closed = visit.portal.gateway().settings().aliases.iter().filter(|alias| {
        alias.restricted && authorize(&subject, Need::Alias { name: &alias.name, restricted: true }).is_err()
    });
    let mut choices: Vec<Choice> = closed
        .map(|alias| Choice { value: format!("alias {}", alias.name), words: alias.name.clone() })
        .collect();
    if !holds(person, Verb::Manage, &Object::every(ObjectKind::Route)) {
        choices.push(Choice { value: ORDERS.to_owned(), words: text.orders.to_owned() });
    }
    visit.show(&BreakGlassPage {
        frame: Frame::of(visit, Place::Emergency),
        csrf: person.csrf.clone(),
        problem,
        aliases: aliases(visit, &subject),
        open: open
            .map(|grant| {
                let what = what(visit, teller, &grant.object);
                (text.open_until)(&what, &clock.full(grant.expires_ms.unwrap_or_default()))
            })
            .collect(),
        choices,
        given,
    })
}

fn review_page(Signed(visit, person): &Signed, problem: Option<String>) -> Result<Response, Failed> {
    let stored = visit.portal.store().core.broken_glass(REVIEWED_SHOWN);
    let all = stored.map_err(|error| visit.internal(&error))?;
    let (waiting, reviewed): (Vec<_>, Vec<_>) = all.into_iter().partition(|glass| glass.review.is_none());
    visit.show(&ReviewPage {
        frame: Frame::of(visit, Place::Emergency),
        csrf: person.csrf.clone(),
        problem,
        waiting_words: (visit.text().rights.glass.waiting)(waiting.len()),
        waiting: waiting.into_iter().map(|glass| row(visit, person.account.id, glass)).collect(),
        reviewed: reviewed.into_iter().map(|glass| row(visit, person.account.id, glass)).collect(),
    })
}

fn row(visit: &Visit, reader: i64, glass: BrokenGlass) -> GlassRow {
    let (text, clock) = (&visit.text().rights.glass, visit.portal.clock());
    let (finding, reviewed_by) = match glass.review {
        Some(review) => (review.finding, (text.reviewed_by)(&review.by, &clock.full(review.at_ms))),
        None => (String::new(), String::new()),
    };
    GlassRow {
        grant: glass.grant,
        when: clock.full(glass.broken_ms),
        until: clock.full(glass.ended_ms.unwrap_or(i64::MAX).min(glass.until_ms)),
        what: what(visit, Teller::of(visit), &glass.object),
        who: glass.who,
        reason: glass.reason,
        is_own: glass.account == reader,
        finding,
        reviewed_by,
    }
}

fn what(visit: &Visit, teller: Teller<'_>, object: &Object) -> String {
    match object.kind {
        ObjectKind::Route => visit.text().rights.glass.orders.to_owned(),
        _ => teller.object(object, &object.name),
    }
}

/// How many emergencies wait for a reviewer, for whoever may review them.
pub(crate) fn waiting(visit: &Visit) -> u64 {
    let person = visit.person.as_ref();
    let reviews = person.is_some_and(|p| authorize(&p.subject(), Right::ReviewBreakGlass).is_ok());
    if !reviews {
        return 0;
    }
    visit.portal.store().core.unreviewed_broken_glass().unwrap_or_default()
}

//! The page of orders: what stands, giving one, lifting one.

use std::time::Duration;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use store::{EVERY, Need, NewOrder, Object, ObjectKind, OrderError, OrderKind, OrderRecord, Verb, authorize};

use crate::error_page::{Failed, Fault, log};
use crate::frame::{Frame, Place};
use crate::moment::Clock;
use crate::posted::{Path, Posted};
use crate::text::{OrderText, Text};
use crate::visit::{Person, Signed, Visit};

const ENDED_SHOWN: u32 = 20;

/// The lengths that the form offers, in minutes.
const LENGTHS: [u64; 7] = [15, 30, 60, 120, 240, 480, 1440];

#[derive(Template)]
#[template(path = "pages/orders.html")]
pub(crate) struct OrdersPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    pub(crate) standing: Vec<OrderRow>,
    pub(crate) ended: Vec<OrderRow>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) lengths: Vec<Length>,
    /// What was filled in before it was refused.
    pub(crate) given: NewOrderForm,
}

pub(crate) struct Choice {
    pub(crate) kind: String,
    pub(crate) words: String,
}

pub(crate) struct Length {
    pub(crate) minutes: u64,
    pub(crate) words: String,
}

pub(crate) struct OrderRow {
    pub(crate) id: i64,
    pub(crate) what: String,
    pub(crate) who: String,
    pub(crate) reason: String,
    pub(crate) given: String,
    pub(crate) end: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct NewOrderForm {
    /// As an order is written in the log: `force-local`, `isolate UPSTREAM`, `unload MODEL`.
    pub(crate) kind: String,
    pub(crate) reason: String,
    pub(crate) minutes: u64,
}

/// `GET /orders`.
pub(crate) async fn show(signed: Signed) -> Result<Response, Failed> {
    page(&signed, None, NewOrderForm { minutes: 30, ..NewOrderForm::default() })
}

/// `POST /orders`.
pub(crate) async fn give(signed: Signed, Posted(form): Posted<NewOrderForm>) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let text = &visit.text().order;
    let lasts = Duration::from_secs(form.minutes.saturating_mul(60));
    let Some(kind) = choices(&visit.portal.site()).into_iter().find(|kind| kind.to_string() == form.kind)
    else {
        return again(&signed, text.no_such_kind.to_owned(), form);
    };
    check_may_order(visit, person, &kind)?;
    let new = match NewOrder::checked(kind, &person.account.name, &form.reason, lasts) {
        Ok(new) => new,
        Err(error) => return again(&signed, problem(&error, text), form),
    };
    match visit.portal.gateway().give_order(new).await {
        Ok(_) => Ok(Redirect::to("/orders").into_response()),
        Err(error) => again(&signed, problem(&error, text), form),
    }
}

/// `POST /orders/{id}/lift`. An order that has ended meanwhile is lifted already.
pub(crate) async fn lift(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let found = visit.portal.store().core.order(id).map_err(|error| visit.internal(&error))?;
    if let Some(order) = found {
        check_may_order(visit, person, &order.kind)?;
    }
    match visit.portal.gateway().lift_order(id, &person.account.name).await {
        Ok(_) | Err(OrderError::Unknown) => Ok(Redirect::to("/orders").into_response()),
        Err(error) => {
            let text = &visit.text().order;
            again(&signed, problem(&error, text), NewOrderForm::default())
        }
    }
}

/// Whoever manages one route may isolate that one; the other orders are for whoever manages all.
fn check_may_order(visit: &Visit, person: &Person, kind: &OrderKind) -> Result<(), Failed> {
    let route = Object::new(ObjectKind::Route, kind.upstream().unwrap_or(EVERY));
    let decided = authorize(&person.subject(), Need::Object(Verb::Manage, &route));
    decided.map(drop).map_err(|_| visit.fail(Fault::Forbidden))
}

/// All that can be ordered of this site.
fn choices(site: &gateway::Site) -> Vec<OrderKind> {
    let isolate = site.upstreams.iter().map(|upstream| OrderKind::Isolate(upstream.name.clone()));
    let of_model = |local: &gateway::LocalView| {
        let order = if local.resident { OrderKind::Unload } else { OrderKind::Load };
        order(local.name.clone())
    };
    let models = site.locals.iter().map(of_model);
    [OrderKind::ForceLocal, OrderKind::ForceCloud].into_iter().chain(isolate).chain(models).collect()
}

fn problem(error: &OrderError, text: &OrderText) -> String {
    match error {
        OrderError::BadReason => text.bad_reason.to_owned(),
        OrderError::BadLength => text.bad_length.to_owned(),
        OrderError::Stands(standing) => (text.stands)(&what(&standing.kind, text)),
        OrderError::Unknown => text.unknown.to_owned(),
        OrderError::AtOnce => text.at_once.to_owned(),
        OrderError::Store(error) => {
            log(error);
            text.store_failed.to_owned()
        }
    }
}

/// What an order orders, in the reader's words.
pub(crate) fn what(kind: &OrderKind, text: &OrderText) -> String {
    match kind {
        OrderKind::ForceLocal => text.force_local.to_owned(),
        OrderKind::ForceCloud => text.force_cloud.to_owned(),
        OrderKind::Isolate(upstream) => (text.isolate)(upstream),
        OrderKind::Load(model) => (text.load)(model),
        OrderKind::Unload(model) => (text.unload)(model),
    }
}

fn again(signed: &Signed, problem: String, form: NewOrderForm) -> Result<Response, Failed> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(signed, Some(problem), form)?).into_response())
}

fn page(signed: &Signed, problem: Option<String>, given: NewOrderForm) -> Result<Response, Failed> {
    let Signed(visit, person) = signed;
    let (text, portal, actor) = (&visit.text().order, &visit.portal, &visit.text().actor);
    let recorded = portal.store().core.orders(ENDED_SHOWN).map_err(|error| visit.internal(&error))?;
    let site = portal.site();
    let standing = portal.gateway().orders().current();
    let row = |record: &OrderRecord, end: String| OrderRow {
        id: record.id,
        what: what(&record.kind, text),
        who: actor.name(&record.who),
        reason: record.reason.clone(),
        given: portal.clock().short(record.given_ms),
        end,
    };
    let ended = recorded.iter().filter_map(|record| {
        let at = portal.clock().short(record.ended_ms?);
        let end = record
            .ended_by
            .as_ref()
            .map_or_else(|| (text.ran_out)(&at), |by| (text.lifted)(&actor.acting(by), &at));
        Some(row(record, end))
    });
    visit.show(&OrdersPage {
        frame: Frame::of(visit, Place::Orders),
        csrf: person.csrf.clone(),
        problem,
        standing: standing
            .orders
            .iter()
            .map(|order| row(&order.record, portal.clock().short(order.until_ms)))
            .collect(),
        ended: ended.collect(),
        choices: choices(&site)
            .iter()
            .map(|kind| Choice { kind: kind.to_string(), words: what(kind, text) })
            .collect(),
        lengths: LENGTHS.map(|minutes| Length { minutes, words: (text.length)(minutes) }).into(),
        given,
    })
}

/// The standing orders for whoever is signed in: who, until when, and why.
pub(crate) fn told(site: &gateway::Site, text: &Text, clock: &Clock) -> Vec<String> {
    let (actor, text) = (&text.actor, &text.order);
    let told = site.orders.iter().filter_map(|order| {
        let target = order.upstream.as_deref().or(order.model.as_deref());
        let kind = OrderKind::of_record(order.kind, target)?;
        Some((text.told)(
            &what(&kind, text),
            &actor.name(&order.who),
            &clock.short(order.until_ms),
            &order.reason,
        ))
    });
    told.collect()
}

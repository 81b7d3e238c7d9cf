//! The evaluation card: cuts and restores the demo cloud. It exists only in an evaluation configuration.

use std::time::Duration;

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use gateway::DemoControl;
use serde::Deserialize;
use store::{Right, authorize};

use crate::error_page::{Failed, Fault, log};
use crate::line::Line;
use crate::posted::{Posted, Query, own_path};
use crate::text::DemoText;
use crate::visit::{Form, Person, Signed, Visit};

/// A page does not wait longer than this for the demo cloud's own word on its state.
const PATIENCE: Duration = Duration::from_millis(300);

/// The card. On another page it is a partial, for htmx it is the whole answer.
#[derive(Template)]
#[template(path = "partials/demo.html")]
pub(crate) struct DemoCard {
    pub(crate) demo: DemoView,
}

pub(crate) struct DemoView {
    pub(crate) text: &'static DemoText,
    pub(crate) is_cut: bool,
    /// The demo cloud's control did not answer.
    pub(crate) failed: bool,
    pub(crate) csrf: String,
    pub(crate) back: String,
    pub(crate) line: Line,
}

impl DemoView {
    /// The card for an owner on an evaluation box; nobody else sees it.
    pub(crate) async fn of(visit: &Visit) -> Option<DemoView> {
        let person = visit.person.as_ref()?;
        authorize(&person.subject(), Right::OrderSite).ok()?;
        let control = visit.portal.gateway().demo()?;
        Some(DemoView::build(visit, person, control).await)
    }

    async fn build(visit: &Visit, person: &Person, control: &DemoControl) -> DemoView {
        let is_cut = tokio::time::timeout(PATIENCE, control.is_cut()).await.ok().and_then(Result::ok);
        DemoView {
            text: &visit.text().demo,
            is_cut: is_cut.unwrap_or(false),
            failed: is_cut.is_none(),
            csrf: person.csrf.clone(),
            back: visit.path.clone(),
            line: Line::of(&visit.portal.site(), &visit.text().line),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Order {
    #[serde(default)]
    back: String,
}

enum Wish {
    Cut,
    Restore,
}

/// `GET /demo`: the card alone.
pub(crate) async fn show(Signed(visit, _): Signed, Query(order): Query<Order>) -> Result<Response, Failed> {
    let mut demo = DemoView::of(&visit).await.ok_or_else(|| visit.fail(Fault::NotFound))?;
    demo.back = own_path(&order.back).to_owned();
    visit.show(&DemoCard { demo })
}

/// `POST /demo/cut`.
pub(crate) async fn cut(signed: Signed, Posted(order): Posted<Order>) -> Result<Response, Failed> {
    carry_out(signed, order, Wish::Cut).await
}

/// `POST /demo/restore`.
pub(crate) async fn restore(signed: Signed, Posted(order): Posted<Order>) -> Result<Response, Failed> {
    carry_out(signed, order, Wish::Restore).await
}

async fn carry_out(Signed(visit, person): Signed, order: Order, wish: Wish) -> Result<Response, Failed> {
    let control = visit.portal.gateway().demo().ok_or_else(|| visit.fail(Fault::NotFound))?;
    let (done, word) = match wish {
        Wish::Cut => (control.cut().await, "demo-cut"),
        Wish::Restore => (control.restore().await, "demo-restored"),
    };
    match &done {
        Ok(()) => visit.portal.note(&person.account.name, word).await,
        Err(error) => log(error),
    }
    if visit.form == Form::Page {
        return Ok(Redirect::to(own_path(&order.back)).into_response());
    }
    let mut demo = DemoView::build(&visit, &person, control).await;
    demo.back = own_path(&order.back).to_owned();
    visit.show(&DemoCard { demo })
}

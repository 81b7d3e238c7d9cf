use dialect::openai::ChatRequest;
use inference::Lane;
use prometheus_client::registry::Registry;
use rusqlite::Connection;
use store::Store;
use tempfile::TempDir;

use super::*;
use crate::answer::{Ask, Caller, CallerKind, Mode};
use crate::course::Course;
use crate::gateway::BuildError;
use crate::settings::Settings;

/// A gateway on the data in this folder. Its monitor, and with it the keeper of the orders, never runs.
fn build(folder: &TempDir) -> Result<Gateway, BuildError> {
    let store = Store::open(folder.path()).unwrap();
    Gateway::build(Settings::for_tests(), Vec::new(), store, &mut Registry::default())
        .map(|(gateway, _)| gateway)
}

/// Where a request would go first.
fn first_route(gateway: &Gateway) -> String {
    let ask = Ask {
        caller: Caller { who: "kim".into(), kind: CallerKind::Key },
        request: ChatRequest::from_messages("assistant", Vec::new(), false),
        lane: Lane::Interactive,
        mode: Mode::Stream,
        local_only: false,
        conversation: None,
    };
    Course::plan(gateway, gateway.alias("assistant").unwrap(), &ask, "req-1").first()
}

async fn give(folder: &TempDir, kind: OrderKind) {
    let store = Store::open(folder.path()).unwrap();
    let order = NewOrder::checked(kind, "kim", "cable works", Duration::from_secs(1800)).unwrap();
    store.give_order(order).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_standing_order_holds_from_the_first_request_on_before_its_keeper_has_run() {
    for kind in [OrderKind::ForceLocal, OrderKind::Isolate("a".into())] {
        let folder = tempfile::tempdir().unwrap();
        let gateway = build(&folder).unwrap();
        assert_eq!(first_route(&gateway), "a/large");
        gateway.store().close().await;
        give(&folder, kind.clone()).await;
        let gateway = build(&folder).unwrap();
        assert_eq!(first_route(&gateway), "none", "{kind}: no cloud route may be planned");
        assert_eq!(gateway.site().borrow().state, continuity::SiteState::ForcedLocal);
        assert_eq!(gateway.site().borrow().orders.len(), 1);
    }
}

#[tokio::test]
async fn an_order_that_ran_out_while_the_box_was_dead_holds_no_more() {
    let folder = tempfile::tempdir().unwrap();
    give(&folder, OrderKind::ForceLocal).await;
    let core = Connection::open(folder.path().join("core.db")).unwrap();
    core.execute("UPDATE orders SET noted_ms = noted_ms - 3600000", []).unwrap();
    assert_eq!(first_route(&build(&folder).unwrap()), "a/large");
}

#[tokio::test]
async fn without_the_standing_orders_no_gateway_is_built() {
    let folder = tempfile::tempdir().unwrap();
    give(&folder, OrderKind::ForceLocal).await;
    let core = Connection::open(folder.path().join("core.db")).unwrap();
    core.execute("ALTER TABLE orders RENAME TO misplaced", []).unwrap();
    assert!(matches!(build(&folder), Err(BuildError::Orders(_))));
}

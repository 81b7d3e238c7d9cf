//! Orders on a real file: what may be given, what excludes what, and how much is left when the clock has jumped.

use tempfile::TempDir;

use super::*;
use crate::{Record, Store};

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn new(kind: OrderKind) -> NewOrder {
    NewOrder::checked(kind, "kim", "cable works on floor 2", HALF_AN_HOUR).unwrap()
}

fn isolate(upstream: &str) -> OrderKind {
    OrderKind::Isolate(upstream.to_owned())
}

#[test]
fn an_order_needs_a_reason_and_an_end() {
    let checked = |reason: &str, seconds| {
        NewOrder::checked(OrderKind::ForceLocal, "kim", reason, Duration::from_secs(seconds))
    };
    for reason in ["", "  ", "ab", "  ab  ", "two\nlines", &"x".repeat(201)] {
        assert!(matches!(checked(reason, 600), Err(OrderError::BadReason)), "{reason:?}");
    }
    for seconds in [0, 59, 24 * 60 * 60 + 1] {
        assert!(matches!(checked("works", seconds), Err(OrderError::BadLength)), "{seconds}");
    }
    for (reason, seconds) in [("공사", 60), ("abc", 60), (&"x".repeat(200), 24 * 60 * 60)] {
        assert_eq!(checked(reason, seconds).is_ok(), reason != "공사", "{reason} {seconds}");
    }
}

#[tokio::test]
async fn one_of_each_kind_stands_at_a_time_and_the_two_forces_exclude_each_other() {
    let (_dir, store) = open();
    let first = store.give_order(new(OrderKind::ForceLocal)).await.unwrap();
    for kind in [OrderKind::ForceLocal, OrderKind::ForceCloud] {
        let refused = store.give_order(new(kind)).await.unwrap_err();
        assert!(matches!(refused, OrderError::Stands(standing) if standing.id == first.id));
    }
    store.give_order(new(isolate("openai"))).await.unwrap();
    store.give_order(new(isolate("other"))).await.unwrap();
    assert!(store.give_order(new(isolate("openai"))).await.is_err());
    store.give_order(new(OrderKind::Unload("openai".into()))).await.unwrap();
    store.give_order(new(OrderKind::Load("other".into()))).await.unwrap();
    for kind in [OrderKind::Unload("openai".into()), OrderKind::Unload("other".into())] {
        assert!(store.give_order(new(kind)).await.is_err());
    }
    store.lift_order(first.id, "lee").await.unwrap();
    store.give_order(new(OrderKind::ForceCloud)).await.unwrap();
    assert_eq!(store.core.standing_orders().unwrap().len(), 5);
}

#[tokio::test]
async fn every_change_is_one_row_of_the_audit_log() {
    let (_dir, store) = open();
    let lifted = store.give_order(new(OrderKind::ForceLocal)).await.unwrap();
    store.lift_order(lifted.id, "lee").await.unwrap();
    assert!(matches!(store.lift_order(lifted.id, "lee").await, Err(OrderError::Unknown)));
    let expired = store.give_order(new(OrderKind::ForceLocal)).await.unwrap();
    assert_eq!(store.expire_order(expired.id).await.unwrap().unwrap().end(), "expired");
    assert!(store.expire_order(expired.id).await.unwrap().is_none());
    let told: Vec<String> = store
        .audit
        .recent(10)
        .unwrap()
        .into_iter()
        .rev()
        .map(|entry| match entry.record {
            Record::Event(event) => format!("{} {} {}", event.what, event.who, event.detail["order"]),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        ["order-given kim 1", "order-lifted lee 1", "order-given kim 2", "order-expired genset 2"]
    );
    let ends: Vec<&str> = store.core.orders(5).unwrap().iter().map(OrderRecord::end).collect();
    assert_eq!(ends, ["expired", "lifted"]);
}

#[tokio::test]
async fn orders_survive_a_restart_of_the_box() {
    let (dir, store) = open();
    let mut given = Vec::new();
    for kind in [OrderKind::ForceLocal, isolate("openai"), OrderKind::Load("large".into())] {
        given.push(store.give_order(new(kind)).await.unwrap());
    }
    store.close().await;
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.core.standing_orders().unwrap(), given);
}

#[tokio::test]
async fn a_clock_that_jumps_neither_lengthens_an_order_nor_ends_it_early_by_more_than_the_jump() {
    let (_dir, store) = open();
    let mut order = store.give_order(new(OrderKind::ForceLocal)).await.unwrap();
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let given_ms = order.given_ms;
    let table: [(i64, Duration); 6] = [
        (0, minutes(30)),
        (10, minutes(20)),
        (30, minutes(0)),
        (10 * 365 * 24 * 60, minutes(0)),
        (-60, minutes(30)),
        (-50 * 365 * 24 * 60, minutes(30)),
    ];
    for (later_min, left) in table {
        assert_eq!(order.left(given_ms + later_min * 60_000), left, "{later_min} minutes later");
    }
    assert_eq!((order.left(i64::MAX), order.left(i64::MIN)), (minutes(0), minutes(30)));

    // The box has noted that 5 minutes are left; nothing makes them more again.
    store.core.note_order(order.id, minutes(5)).await.unwrap();
    store.core.note_order(order.id, minutes(25)).await.unwrap();
    order = store.core.order(order.id).unwrap().unwrap();
    assert_eq!(order.left(given_ms - 60_000), minutes(5));
}

#[tokio::test]
async fn an_order_that_the_log_does_not_know_never_stands_not_even_for_a_moment() {
    let (dir, store) = open();
    let audit = rusqlite::Connection::open(dir.path().join("audit.db")).unwrap();
    let refuse = "CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'broken'); END";
    audit.execute_batch(refuse).unwrap();
    // Nothing can be taken back either: the order is never written as one that stands.
    let core = rusqlite::Connection::open(dir.path().join("core.db")).unwrap();
    let no_way_back = "CREATE TRIGGER stuck BEFORE UPDATE ON orders BEGIN SELECT raise(ABORT, 'stuck'); END";
    core.execute_batch(no_way_back).unwrap();
    assert!(store.give_order(new(OrderKind::ForceLocal)).await.is_err());
    assert_eq!(store.core.standing_orders().unwrap(), []);
    core.execute_batch("DROP TRIGGER stuck").unwrap();
    audit.execute_batch("DROP TRIGGER broken").unwrap();
    let given = store.give_order(new(OrderKind::ForceLocal)).await.unwrap();
    audit.execute_batch(refuse).unwrap();
    assert!(store.lift_order(given.id, "lee").await.is_err());
    assert_eq!(store.core.standing_orders().unwrap(), [given], "nor is one lifted unseen");
}

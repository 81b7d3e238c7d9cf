use prometheus_client::registry::Registry;
use store::{NewOrder, OrderKind, Store};
use tempfile::TempDir;

use super::*;
use crate::answer::CallerKind;
use crate::fault::Fault;
use crate::settings::{RouteFacts, Settings};

/// A gateway whose alias `notes` goes to a cloud's model and to a local one that is the same.
fn build(folder: &TempDir) -> Gateway {
    let mut settings = Settings::for_tests();
    let mut notes = settings.aliases[0].clone();
    (notes.name, notes.kind) = ("notes".into(), Kind::Embedding);
    notes.cloud = vec![CloudRoute {
        upstream: 0,
        model: "v".into(),
        label: "a/v".into(),
        facts: RouteFacts::default(),
    }];
    notes.standby = vec!["twin".into()];
    settings.aliases.push(notes);
    let store = Store::open(folder.path()).unwrap();
    Gateway::build(settings, Vec::new(), store, &mut Registry::default()).unwrap().0
}

fn ask(local_only: bool) -> VectorAsk {
    let request = EmbeddingRequest::parse(br#"{"model": "notes", "input": "a"}"#).unwrap();
    let caller = Caller { who: "key:ward".into(), kind: CallerKind::Key };
    VectorAsk { caller, wanted: Wanted::Embeddings(request), lane: Lane::Interactive, local_only }
}

/// The routes in order, and why not the first one.
fn way(gateway: &Gateway, local_only: bool) -> (Vec<String>, &'static str) {
    let way = Way::plan(gateway, gateway.alias("notes").unwrap(), &ask(local_only));
    (way.left.iter().map(|route| route.label()).collect(), way.reason.as_str())
}

#[test]
fn an_alias_is_asked_for_what_it_is_for_and_told_where_else() {
    let mut alias = Settings::for_tests().aliases[0].clone();
    let table = [
        (Kind::Chat, "/v1/chat/completions"),
        (Kind::Embedding, "/v1/embeddings"),
        (Kind::Rerank, "/v1/rerank"),
    ];
    for (kind, path) in table {
        alias.kind = kind;
        assert!(alias.must_be(kind).is_ok());
        for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
            let refusal = alias.must_be(other).unwrap_err();
            assert_eq!((refusal.status, refusal.code.as_ref()), (400, "wrong_kind"));
            assert!(refusal.message.contains(path), "{}", refusal.message);
        }
    }
}

#[tokio::test]
async fn the_cloud_goes_first_and_its_twin_stands_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = build(&folder);
    assert_eq!(way(&gateway, false), (vec!["a/v".into(), "local/twin".into()], "first-route"));
    assert_eq!(way(&gateway, true), (vec!["local/twin".into()], "local-only"));
    let route = gateway.board().route(0, "v");
    gateway.board().record(route, Some(&Fault::Throttled { retry_after: None }));
    assert_eq!(way(&gateway, false), (vec!["local/twin".into(), "a/v".into()], "throttled"));
    gateway.board().record(route, Some(&Fault::ModelWithdrawn));
    assert_eq!(way(&gateway, false), (vec!["local/twin".into()], "model-open"));
}

#[tokio::test]
async fn by_order_nothing_leaves_the_building() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let order = NewOrder::checked(OrderKind::ForceLocal, "kim", "cable works", hour).unwrap();
    store.give_order(order).await.unwrap();
    store.close().await;
    assert_eq!(way(&build(&folder), false), (vec!["local/twin".into()], "forced-local"));
}

#[tokio::test]
async fn whoever_gets_nothing_is_told_why_nobody_else_answers() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = build(&folder);
    let mut alias = gateway.alias("notes").unwrap().clone();
    let lost = nothing_left(&alias, &ask(false), &Way::plan(&gateway, &alias, &ask(false)));
    assert_eq!((lost.status, lost.code.as_ref(), lost.retry_after_s), (503, "no_route", Some(5)));
    assert!(lost.message.contains("could not be compared"), "{}", lost.message);
    alias.standby.clear();
    let inside = nothing_left(&alias, &ask(true), &Way::plan(&gateway, &alias, &ask(true)));
    assert_eq!(inside.code, "no_local_route");
    alias.kind = Kind::Rerank;
    let rerank = nothing_left(&alias, &ask(false), &Way::plan(&gateway, &alias, &ask(false)));
    assert!(!rerank.message.contains("compared"), "{}", rerank.message);
}

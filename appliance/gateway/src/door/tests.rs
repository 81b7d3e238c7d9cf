//! The door's routes: each one declared, and each one closed to whoever may not use it.

use std::collections::BTreeSet;

use axum::body::Body;
use continuity::Share;
use futures_util::{poll, stream};
use http::{Request, StatusCode};
use store::{Grantee, KeyLane, NewGrant, Object, ObjectKind, Store, Subject, Verb};
use tower::ServiceExt;

use super::*;
use crate::settings::{Limits, Settings};

const ROOT: Subject<'_> = Subject::Console("root");

struct Box {
    _folder: tempfile::TempDir,
    store: Store,
    router: Router,
}

impl Box {
    /// One upstream, and the aliases `assistant`, open, and `oncology`, restricted.
    fn open() -> Box {
        Box::with(Limits::default())
    }

    fn with(limits: Limits) -> Box {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut settings = Settings::for_tests();
        let mut oncology = settings.aliases[0].clone();
        (oncology.name, oncology.restricted) = ("oncology".to_owned(), true);
        settings.aliases.push(oncology);
        settings.limits = limits;
        let mut registry = Registry::default();
        let (gateway, _monitor) = Gateway::build(settings, Vec::new(), store.clone(), &mut registry).unwrap();
        let router = Door::new(gateway, Arc::new(registry)).router();
        Box { _folder: folder, store, router }
    }

    async fn send(&self, method: &str, path: &str, key: Option<&str>, body: &str) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// The paths that a router really has, as it prints itself.
fn paths_of(router: &Router) -> BTreeSet<String> {
    let printed = format!("{router:?}");
    let routes = printed.split("fallback_router").next().unwrap();
    let quoted = routes.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with('/') && !text.contains("__private")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_route_of_the_router_declares_who_may_use_it() {
    let it = Box::open();
    let declared: BTreeSet<String> = ROUTES.iter().map(|entry| entry.path.to_owned()).collect();
    assert_eq!(paths_of(&it.router), declared);
    let forgotten = it.router.route("/v1/forgotten", get(|| async {}));
    assert_ne!(paths_of(&forgotten), declared, "a route beside the table is found");
}

#[tokio::test]
async fn every_route_is_as_open_as_it_declares() {
    let it = Box::open();
    let key = it.store.core.create_key("ward", KeyLane::default()).await.unwrap();
    for Entry { path, access, .. } in &ROUTES {
        let takes_a_body = ["/v1/chat/completions", "/v1/embeddings", "/v1/rerank"].contains(path);
        let method = if takes_a_body { "POST" } else { "GET" };
        let path = path.replace("{*path}", "nothing/here");
        let (without, body) = it.send(method, &path, None, "").await;
        let closed = *access != Access::Anybody;
        assert_eq!(without == StatusCode::UNAUTHORIZED, closed, "{path}: {without}");
        assert_eq!(body.contains("api_key_missing"), closed, "{path}: {body}");
        let (wrong, _) = it.send(method, &path, Some("gsk_0000"), "").await;
        assert_eq!(wrong == StatusCode::UNAUTHORIZED, closed, "{path}");
        let (with, _) = it.send(method, &path, Some(key.expose()), "").await;
        assert!(with != StatusCode::UNAUTHORIZED && with != StatusCode::FORBIDDEN, "{path}: {with}");
    }
    it.store.core.revoke_key("ward").await.unwrap();
    assert_eq!(it.send("GET", "/v1/models", Some(key.expose()), "").await.0, StatusCode::UNAUTHORIZED);
    let refused = it.store.audit.recent(10).unwrap().into_iter().filter_map(|entry| match entry.record {
        store::Record::Event(event) if event.what == "key-refused" => Some(event.detail),
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 1, "once a minute, however often: {refused:?}");
    assert_eq!(refused[0]["why"], "invalid_api_key");
}

#[tokio::test]
async fn nobody_is_on_the_box_by_saying_so_in_a_header() {
    let it = Box::open();
    let status = |peer: [u8; 4]| {
        let request = Request::get("/api/status").extension(Peer(peer.into()));
        let request = request.header("x-forwarded-for", "127.0.0.1").header("x-real-ip", "127.0.0.1");
        it.router.clone().oneshot(request.header("forwarded", "for=127.0.0.1").body(Body::empty()).unwrap())
    };
    assert_eq!(status([10, 0, 0, 1]).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(status([127, 0, 0, 1]).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_called_something_else_than_json_is_refused() {
    let it = Box::open();
    let key = it.store.core.create_key("ward", KeyLane::default()).await.unwrap();
    let table = [
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json", 400),
        ("Application/JSON; charset=utf-8", 400),
    ];
    for (kind, expected) in table {
        let request = Request::post("/v1/chat/completions").header("content-type", kind);
        let request = request.header("authorization", format!("Bearer {}", key.expose()));
        let response = it.router.clone().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{kind}");
    }
}

#[tokio::test]
async fn every_answer_of_the_api_is_for_programs_alone_and_is_kept_nowhere() {
    let it = Box::open();
    let paths = ROUTES.iter().map(|entry| entry.path.replace("{*path}", "nothing/here"));
    for path in paths {
        for method in ["GET", "POST", "OPTIONS", "TRACE"] {
            let request =
                Request::builder().method(method).uri(&path).header("origin", "https://evil.example");
            let response = it.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let header =
                |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap());
            let policy = header("content-security-policy");
            assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{method} {path}");
            assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
            assert_eq!(header("x-content-type-options"), "nosniff", "{method} {path}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{method} {path}");
            assert_eq!(header("cache-control"), "no-store", "{method} {path}");
            assert_eq!(header("access-control-allow-origin"), "", "{method} {path}");
            assert!(method != "TRACE" || !response.status().is_success(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_restricted_alias_is_hidden_from_a_key_and_refused_until_it_is_granted() {
    let it = Box::open();
    let secret = it.store.core.create_key("ward", KeyLane::default()).await.unwrap();
    let key = it.store.core.key(secret.expose()).unwrap().unwrap();
    let chat = r#"{"model":"oncology","messages":[{"role":"user","content":"hello"}]}"#;
    let ask = || it.send("POST", "/v1/chat/completions", Some(secret.expose()), chat);
    let models = || it.send("GET", "/v1/models", Some(secret.expose()), "");
    let (status, body) = ask().await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("alias_not_allowed") && body.contains("restricted"), "{body}");
    let listed = models().await.1;
    assert!(listed.contains("assistant") && !listed.contains("oncology"), "{listed}");
    let object = Object::new(ObjectKind::Alias, "oncology");
    let new = NewGrant { grantee: Grantee::Key(key.id), verb: Verb::Use, object, expires_ms: None };
    let grant = it.store.give_grant(&ROOT, new).await.unwrap();
    let (status, body) = ask().await;
    assert_ne!(status, StatusCode::FORBIDDEN, "{body}");
    assert!(models().await.1.contains("oncology"));
    it.store.end_grant(&ROOT, grant.id).await.unwrap();
    assert_eq!(ask().await.0, StatusCode::FORBIDDEN);
    let refused = it.store.audit.recent(10).unwrap().into_iter().filter(|entry| {
        matches!(&entry.record, store::Record::Event(event) if event.what == "alias-refused" && event.who == "key:ward")
    });
    assert_eq!(refused.count(), 2, "the log knows who was refused");
}

#[tokio::test]
async fn a_caller_over_its_limit_is_turned_away_before_anything_is_read_and_others_are_not() {
    let it = Box::with(Limits { of_a_key: Share { at_once: 1, per_minute: 4 }, ..Limits::default() });
    let (busy, calm) = (key(&it, "busy").await, key(&it, "calm").await);
    let chat = |key: &str, body: Body| {
        let request = Request::post("/v1/chat/completions").header("authorization", format!("Bearer {key}"));
        it.router.clone().oneshot(request.body(body).unwrap())
    };
    let refused = async |key: &str| {
        let response = chat(key, Body::from("no JSON")).await.unwrap();
        let (status, retry) = (response.status().as_u16(), response.headers().get("retry-after").cloned());
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let code = error["error"]["code"].as_str().unwrap().to_owned();
        (status, code, retry.map_or(0, |value| value.to_str().unwrap().parse::<u64>().unwrap()))
    };

    // Its body never ends, so it is under way until it is dropped.
    let mut held = std::boxed::Box::pin(chat(
        &busy,
        Body::from_stream(stream::pending::<Result<&str, std::io::Error>>()),
    ));
    assert!(poll!(&mut held).is_pending());
    for _ in 0..2 {
        assert_eq!(refused(&busy).await, (429, "too_many_at_once".to_owned(), 2));
    }
    assert_eq!(refused(&calm).await.0, 400, "the fault of one is not another's");
    drop(held);
    for _ in 0..3 {
        assert_eq!(refused(&busy).await.0, 400, "what was turned away took nothing");
    }
    for _ in 0..2 {
        let (status, code, retry_after_s) = refused(&busy).await;
        assert_eq!((status, code.as_str()), (429, "too_many_per_minute"));
        assert!((1..=15).contains(&retry_after_s), "{retry_after_s}");
    }
    assert_eq!(refused(&calm).await.0, 400);

    let metrics = it.send("GET", "/metrics", None, "").await.1;
    assert!(metrics.contains("turned_away_total{limit=\"at-once\"} 2"), "{metrics}");
    assert!(metrics.contains("turned_away_total{limit=\"per-minute\"} 2"), "{metrics}");
    assert!(metrics.contains("refusals_total{status=\"429\"} 4"), "{metrics}");
    let told = it.store.audit.recent(20).unwrap().into_iter().filter_map(|entry| match entry.record {
        store::Record::Event(event) if event.what == "caller-limited" => Some((event.who, event.detail)),
        _ => None,
    });
    let told: Vec<_> =
        told.map(|(who, detail)| format!("{who} {} {}", detail["limit"], detail["most"])).collect();
    assert_eq!(told, ["key:busy \"per-minute\" 4", "key:busy \"at-once\" 1"], "each once a minute");
}

#[tokio::test]
async fn the_clinical_lane_gets_in_where_others_fill_the_box() {
    let it = Box::with(Limits { max_requests: 8, ..Limits::default() });
    let usual = key(&it, "usual").await;
    let clinical = it.store.core.create_key("ward", KeyLane::Clinical).await.unwrap();
    let chat = |key: &str| {
        let request = Request::post("/v1/chat/completions").header("authorization", format!("Bearer {key}"));
        let body = Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
        std::boxed::Box::pin(it.router.clone().oneshot(request.body(body).unwrap()))
    };
    let mut crowd: Vec<_> = (0..7).map(|_| chat(&usual)).collect();
    for asked in &mut crowd {
        assert!(poll!(asked).is_pending());
    }
    let refused = chat(&usual).await.unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    let mut ward = chat(clinical.expose());
    assert!(poll!(&mut ward).is_pending(), "one place of eight is kept for it");
    assert_eq!(chat(clinical.expose()).await.unwrap().status().as_u16(), 429, "all of it is taken");
}

async fn key(it: &Box, name: &str) -> String {
    it.store.core.create_key(name, KeyLane::default()).await.unwrap().expose().to_owned()
}

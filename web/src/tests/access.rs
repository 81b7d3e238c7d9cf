//! Who gets where: setup, sign-in, rights, forms of other sites.

use std::convert::Infallible;

use bytes::Bytes;
use http::StatusCode;
use store::Right;
use tower::ServiceExt;

use super::harness::{Box, PASSWORD};
use crate::Transport;
use crate::guard::Access;
use crate::routes::{Entry, ROUTES};

/// The path with something in the place of each of its parameters.
pub(super) fn concrete(path: &str) -> String {
    path.replace("{conversation}", "0123")
        .replace("{person}", "1")
        .replace("{department}", "1")
        .replace("{grant}", "1")
        .replace("{order}", "1")
        .replace("{drill}", "1")
        .replace("{outage}", "1")
        .replace("{session}", "0123")
        .replace("{hash}", "0123")
        .replace("{name}", "x.css")
}

#[tokio::test]
async fn every_page_leads_to_the_setup_until_there_is_an_owner_and_then_the_setup_is_gone() {
    let the_box = Box::fresh();
    let mut visitor = the_box.browser();
    for Entry { path, access, .. } in ROUTES {
        let page = visitor.get(&concrete(path)).await;
        match access {
            Access::Anybody => assert_ne!(page.header("location"), "/setup", "{path}"),
            Access::Setup => assert_eq!(page.status, StatusCode::OK),
            _ => assert_eq!(page.header("location"), "/setup", "{path}"),
        }
    }
    assert_eq!(visitor.get("/no-such-page").await.header("location"), "/setup");

    let mut owner = the_box.owner().await;
    assert_eq!(owner.get("/").await.status, StatusCode::OK);
    assert_eq!(owner.get("/setup").await.status, StatusCode::NOT_FOUND);
    let late = visitor.post("/setup", &format!("code=x&name=eve&password={PASSWORD}&again={PASSWORD}")).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_route_but_the_open_ones_leads_a_stranger_to_the_sign_in() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let mut stranger = the_box.browser();
    for Entry { path, access, .. } in ROUTES {
        let closed = matches!(access, Access::Person | Access::With(_));
        let got = stranger.get(&concrete(path)).await;
        let posted = stranger.post(&concrete(path), "").await;
        for page in [got, posted] {
            assert_eq!(page.header("location").starts_with("/sign-in"), closed, "{path}");
        }
    }
}

#[tokio::test]
async fn staff_are_refused_where_their_role_lacks_the_right() {
    let the_box = Box::with_a_refusing_cloud();
    the_box.owner().await;
    let mut staff = the_box.staff("lee").await;
    for Entry { path, access, .. } in ROUTES {
        if matches!(access, Access::With(Right::OrderSite | Right::ReadAudit)) {
            let path = &concrete(path);
            assert_eq!(staff.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
            assert_eq!(staff.submit(path, "").await.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    assert!(!staff.get("/").await.has("#demo"));
}

#[tokio::test]
async fn a_form_without_the_token_of_the_session_changes_nothing() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let without = owner.post("/ask", "alias=assistant&question=hello").await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    owner.headers = vec![("sec-fetch-site", "cross-site")];
    let foreign = owner.submit("/ask", "alias=assistant&question=hello").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    owner.headers = vec![("origin", "https://evil.example")];
    let foreign = owner.post("/sign-in", &format!("name=kim&password={PASSWORD}")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    owner.headers.clear();
    assert!(!owner.get("/").await.has(".shelf-list"));
    assert_eq!(owner.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_is_refused_stands_in_the_log_once_a_minute() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let mut staff = the_box.staff("lee").await;
    for _ in 0..3 {
        assert_eq!(staff.get("/people").await.status, StatusCode::FORBIDDEN);
        assert_eq!(staff.get("/c/0123").await.status, StatusCode::NOT_FOUND);
        assert_eq!(staff.post("/ask", "alias=assistant&question=x").await.status, StatusCode::FORBIDDEN);
        the_box.browser().get("/people").await;
    }
    let entries = the_box.store.audit.recent(100).unwrap().into_iter().rev();
    let refused: Vec<_> = entries
        .filter_map(|entry| match entry.record {
            store::Record::Event(event) if event.what == "access-refused" => Some((event.who, event.detail)),
            _ => None,
        })
        .collect();
    let paths: Vec<_> = refused.iter().map(|(_, detail)| detail["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/people", "/c/{conversation}", "/ask"]);
    assert!(refused.iter().all(|(who, _)| who == "lee"));
}

#[tokio::test]
async fn what_makes_no_sense_in_an_address_or_twice_in_a_form_is_refused_in_the_readers_words() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    for path in ["/people/abc", "/outages/1.5", "/drills/-x", "/people/99999999999999999999", "/c/%FF"] {
        let page = owner.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.has("h1") && !page.body.contains("i64"), "{path}: {}", page.body);
    }
    let page = owner.get("/sign-in?signed_out=perhaps").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.has("h1") && !page.body.contains("bool"), "{}", page.body);
    let twice = owner.submit("/ask", "alias=assistant&alias=oncology&question=x").await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    let token = owner.get("/account").await.attribute("input[name=csrf]", "value");
    let twice = owner.post("/ask", &format!("csrf={token}&csrf={token}&alias=assistant&question=x")).await;
    assert_eq!(twice.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_trickles_in_is_given_up() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let body = axum::body::Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
    let request = http::Request::post("/sign-in").body(body).unwrap();
    let response = the_box.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_form_over_the_limit_is_refused_in_words() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let page = owner.submit("/ask", &format!("alias=assistant&question={}", "x".repeat(65 * 1024))).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(page.text("h1"), "That is too long");
}

#[tokio::test]
async fn the_cookie_is_bound_to_the_host_over_tls_and_works_over_plain_loopback() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let form = format!("name=kim&password={PASSWORD}");
    let table = [(None, "__Host-genset=", true), (Some(Transport::Plain), "genset-plain=", false)];
    for (transport, name, secure) in table {
        let mut browser = the_box.browser();
        browser.transport = transport;
        let cookie = browser.post("/sign-in", &form).await.header("set-cookie").to_owned();
        assert!(cookie.starts_with(name), "{cookie}");
        assert!(
            cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && cookie.contains("; Path=/")
        );
        assert_eq!(cookie.contains("; Secure"), secure);
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn every_cookie_over_tls_is_bound_to_this_host_and_hidden_from_scripts() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    owner.post("/language", "language=ko&back=/").await;
    assert_eq!(owner.get("/sign-in").await.header("location"), "/");
    let names: Vec<_> = owner.cookies.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["__Host-genset", "__Host-genset-device", "__Host-genset-language"]);
    let chosen = owner.post("/language", "language=en&back=/").await;
    let cookie = chosen.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax; Secure") && cookie.len() < 4096, "{cookie}");
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn a_page_whose_session_is_over_is_loaded_anew_and_leaves_nothing_in_the_browser() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let asks = owner.get("/").await.attribute("#band", "hx-get");
    let mut left_open = owner.clone();
    left_open.headers = vec![("hx-request", "true")];
    assert_eq!(left_open.get(&asks).await.status, StatusCode::OK);
    let out = owner.submit("/sign-out", "").await;
    assert_eq!(out.header("clear-site-data"), "\"cache\", \"storage\"");
    let over = left_open.get(&asks).await;
    assert_eq!((over.status, over.header("hx-refresh")), (StatusCode::UNAUTHORIZED, "true"));
    let strangers = the_box.browser().get("/sign-in").await.attribute("#band", "hx-get");
    left_open.cookies.clear();
    assert_eq!(left_open.get(&strangers).await.status, StatusCode::OK, "the sign-in is not loaded for ever");
}

#[tokio::test]
async fn signing_out_ends_the_session_itself() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let mut thief = owner.clone();
    assert_eq!(owner.submit("/sign-out", "").await.header("location"), "/sign-in?signed_out=true");
    assert_eq!(thief.get("/").await.header("location"), "/sign-in");
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_code_are_said_beside_the_form() {
    let the_box = Box::fresh();
    the_box.store.core.begin_setup().await.unwrap();
    let mut visitor = the_box.browser();
    assert_eq!(
        visitor.get("/setup?code=AAAA").await.attribute("#code", "value"),
        "",
        "no code in an address"
    );
    let wrong =
        visitor.post("/setup", &format!("code=AAAA&name=kim&password={PASSWORD}&again={PASSWORD}")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text(".notice--bad").starts_with("That setup code is not right."));
    assert_eq!(wrong.attribute("#name", "value"), "kim");
    let differ = visitor.post("/setup", &format!("code=A&name=kim&password={PASSWORD}&again=other")).await;
    assert!(differ.text(".notice--bad").starts_with("The two passwords"));
    let leaked = "code=A&name=kim&password=1qaz2wsx3edc&again=1qaz2wsx3edc";
    let leaked = visitor.post("/setup", leaked).await.text(".notice--bad");
    assert!(leaked.starts_with("This password is guessed among the first"), "{leaked}");
    the_box.owner().await;
    let refused = visitor.post("/sign-in", "name=kim&password=not+the+right+words").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.has(".notice--bad"));
    assert!(!refused.body.contains("not the right words"));
}

#[tokio::test]
async fn after_the_sign_in_a_visitor_is_led_back_but_never_to_another_site() {
    let the_box = Box::fresh();
    the_box.owner().await;
    for (back, expected) in [("/status", "/status"), ("//evil.example", "/"), ("https://evil.example", "/")] {
        let page =
            the_box.browser().post("/sign-in", &format!("name=kim&password={PASSWORD}&back={back}")).await;
        assert_eq!(page.header("location"), expected);
    }
}

#[tokio::test]
async fn every_answer_of_the_portal_is_locked_down_and_only_files_are_kept() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let first = owner.get("/").await;
    let stylesheet = first.attribute("link[rel=stylesheet]", "href");
    let icon = first.attribute("link[rel=icon]", "href");
    let paths = ["/", "/status", "/band", "/no-such-page", "/setup", "/ask", &stylesheet, &icon];
    for path in paths {
        let page = owner.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        for directive in
            ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(page.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(page.header("access-control-allow-origin"), "", "{path}");
        let kind = page.header("content-type");
        assert!(page.body.is_empty() || kind.ends_with("; charset=utf-8"), "{path}: {kind}");
        let kept = path.starts_with("/static/");
        assert_eq!(page.header("cache-control").contains("immutable"), kept, "{path}");
        assert_eq!(page.header("cache-control") == "no-store", !kept, "{path}");
        assert!(!page.has("[style], style, [onclick], script:not([src])"), "{path}");
        // The icon names its namespace, which nobody fetches.
        assert!(path == icon || !page.body.contains("http://") && !page.body.contains("https://"), "{path}");
    }
    assert_eq!(owner.get("/ask").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(owner.get("/static/0123/portal.css").await.status, StatusCode::NOT_FOUND);
}

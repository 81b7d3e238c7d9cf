//! What keeps the portal from being turned against its own visitors, page by page and file by file.

use std::path::Path;

use gateway::Peer;
use http::StatusCode;
use store::Record;
use tower::ServiceExt;

use super::access::concrete;
use super::harness::{Box, PASSWORD};
use crate::guard::Access;
use crate::routes::{Entry, ROUTES};

fn events(the_box: &Box) -> Vec<store::EventRow> {
    let entries = the_box.store.audit.recent(200).unwrap().into_iter();
    entries
        .filter_map(|entry| match entry.record {
            Record::Event(event) => Some(event),
            _ => None,
        })
        .collect()
}

/// Every template and script of our own, by its path.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("vendor") {
                folders.push(path);
            } else if path.is_file() {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

#[tokio::test]
async fn reading_a_page_changes_nothing_whoever_made_the_browser_read_it() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let before = events(&the_box).len();
    for Entry { path, .. } in ROUTES {
        owner.get(&concrete(path)).await;
    }
    let after = events(&the_box);
    let changed: Vec<_> = after.iter().filter(|event| event.what != "access-refused").collect();
    assert_eq!(changed.len(), before, "{changed:?}");
    assert_eq!(owner.get("/account").await.status, StatusCode::OK, "nobody was signed out by it");
}

#[tokio::test]
async fn every_page_of_somebody_who_is_signed_in_has_the_way_out() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let mut pages = 0;
    for Entry { path, access, .. } in ROUTES {
        let page = owner.get(&concrete(path)).await;
        if matches!(access, Access::Person | Access::With(_)) && page.has("html") {
            assert!(page.has("form[method=post][action='/sign-out'] button"), "{path}");
            pages += 1;
        }
    }
    assert!(pages > 15, "{pages} pages");
}

#[tokio::test]
async fn nothing_lies_about_to_be_found() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let nowhere = [
        "/.git/config",
        "/.git/HEAD",
        "/static",
        "/static/",
        "/static/0123/",
        "/static/../../core.db",
        "/static/%2e%2e/core.db",
        "/core.db",
        "/templates/base.html",
        "/debug",
        "/docs",
        "/openapi.json",
        "/server-status",
    ];
    for path in nowhere {
        assert_eq!(owner.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(owner.submit("/demo/cut", "").await.status, StatusCode::NOT_FOUND, "no demo, no switch of it");
}

#[tokio::test]
async fn only_the_methods_of_the_table_are_answered() {
    let the_box = Box::fresh();
    the_box.owner().await;
    for Entry { path, access, .. } in ROUTES {
        for method in ["TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "CONNECT"] {
            let request = http::Request::builder().method(method).uri(concrete(path));
            let request = request.body(axum::body::Body::empty()).unwrap();
            let status = the_box.router.clone().oneshot(request).await.unwrap().status();
            let open = matches!(access, Access::Anybody | Access::Visitor);
            assert!(!status.is_success(), "{method} {path}: {status}");
            assert!(!open || status == StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn where_somebody_comes_from_is_the_connection_and_not_what_a_header_says() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let form = axum::body::Body::from("name=kim&password=not the right words".replace(' ', "+"));
    let request = http::Request::post("/sign-in")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-forwarded-for", "10.9.9.9")
        .header("x-real-ip", "10.9.9.9")
        .header("forwarded", "for=10.9.9.9")
        .extension(Peer([10, 1, 2, 3].into()));
    the_box.router.clone().oneshot(request.body(form).unwrap()).await.unwrap();
    let refused = events(&the_box).into_iter().find(|event| event.what == "sign-in-refused").unwrap();
    assert_eq!(refused.detail["address"], "10.1.2.3");
}

#[tokio::test]
async fn a_form_changes_what_it_is_for_and_nothing_else() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let mut staff = the_box.staff("lee").await;
    let more = "role=owner&account=1&id=1&name=kim&is_admin=true";
    let form =
        format!("old={PASSWORD}&password=another four plain words&again=another four plain words&{more}");
    let changed = staff.submit("/account/password", &form).await;
    assert_eq!(changed.header("location"), "/account?done=password");
    let accounts = the_box.store.core.accounts().unwrap();
    let roles: Vec<_> = accounts.iter().map(|a| (a.name.as_str(), a.role.as_str())).collect();
    assert_eq!(roles, [("kim", "owner"), ("lee", "staff")]);
    let mut owner = the_box.browser();
    let entered = owner.post("/sign-in", &format!("name=kim&password={PASSWORD}&role=staff")).await;
    assert_eq!(entered.status, StatusCode::SEE_OTHER, "the owner's password is as it was");
}

#[tokio::test]
async fn an_error_inside_is_told_in_general_words_and_lets_nobody_in() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    the_box.lose_the_accounts().await;
    for path in ["/", "/status", "/people", "/account"] {
        let page = owner.get(path).await;
        assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        for word in ["SQL", "sqlite", "core.db", "closed", "src/", "panicked", "StoreError"] {
            assert!(!page.body.contains(word), "{path}: {word}");
        }
    }
    let entered = the_box.browser().post("/sign-in", &format!("name=kim&password={PASSWORD}")).await;
    assert!(entered.status.is_server_error() && entered.header("set-cookie").is_empty());
}

#[test]
fn our_script_puts_text_and_never_markup_into_a_page_and_keeps_nothing() {
    let banned = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "localStorage",
        "sessionStorage",
        "indexedDB",
        "document.cookie",
        "postMessage",
        "__proto__",
        "WebSocket",
        "Object.assign",
    ];
    for (path, text) in sources("static").iter().filter(|(path, _)| path.ends_with(".js")) {
        for word in banned {
            assert!(!text.contains(word), "{path}: {word}");
        }
        assert!(
            text.contains("\"use strict\"") && text.contains("(function () {"),
            "{path} has a scope of its own"
        );
    }
}

#[test]
fn no_template_passes_markup_through_and_htmx_may_not_evaluate_nor_keep_pages() {
    for (path, text) in sources("templates") {
        for word in ["|safe", "| safe", "escape(\"none\")", "javascript:", "<script>", " on", "style=\""] {
            let found = text.match_indices(word).find(|(at, _)| word != " on" || is_handler(&text[*at..]));
            assert!(found.is_none(), "{path}: {word}");
        }
    }
    let base = sources("templates").into_iter().find(|(path, _)| path.ends_with("base.html")).unwrap().1;
    for rule in ["\"allowEval\":false", "\"selfRequestsOnly\":true", "\"historyEnabled\":false"] {
        assert!(base.contains(rule), "{rule}");
    }
}

/// ` onclick=` and the like, in lower case as templates write attributes.
fn is_handler(text: &str) -> bool {
    let name = text[3..].find('=').map_or("", |end| &text[3..3 + end]);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[test]
fn passwords_are_hidden_may_be_pasted_and_are_known_to_password_managers() {
    let mut fields = 0;
    for (path, text) in sources("templates") {
        for input in text.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            let is_password =
                ["password", "old", "again"].iter().any(|name| input.contains(&format!("name=\"{name}\"")));
            if is_password && !input.contains("type=\"hidden\"") {
                fields += 1;
                assert!(input.contains("type=\"password\""), "{path}: {input}");
                let known = ["current-password", "new-password"];
                assert!(
                    known.iter().any(|word| input.contains(&format!("autocomplete=\"{word}\""))),
                    "{input}"
                );
                assert!(!input.contains("maxlength") && !input.contains("pattern"), "{path}: {input}");
            }
        }
        assert!(!text.contains("onpaste"), "{path}");
    }
    assert!(fields >= 10, "{fields} fields");
    assert!(sources("static").iter().all(|(path, text)| !path.ends_with(".js") || !text.contains("paste")));
    let hints = sources("templates").into_iter().map(|(_, text)| text.to_lowercase()).collect::<String>();
    assert!(!hints.contains("secret question") && !hints.contains("password reminder"));
}

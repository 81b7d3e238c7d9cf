//! A person's own account: the page, its sessions, the password, and who keeps a session awake.

use http::StatusCode;
use serde_json::Value;
use store::Record;

use super::harness::{Box, Browser, PASSWORD};

const NEW_PASSWORD: &str = "another four plain words";

/// The owner once more, on a device of its own.
async fn again(the_box: &Box, agent: &'static str) -> Browser {
    let mut browser = the_box.browser();
    browser.headers = vec![("user-agent", agent)];
    let page = browser.post("/sign-in", &format!("name=kim&password={PASSWORD}")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    browser
}

/// The events of the log that persons caused, the newest first.
fn events(the_box: &Box) -> Vec<(String, String, Value)> {
    let entries = the_box.store.audit.recent(100).unwrap();
    let events = entries.into_iter().filter_map(|entry| match entry.record {
        Record::Event(event) => Some((event.who, event.what, event.detail)),
        _ => None,
    });
    events.collect()
}

#[tokio::test]
async fn one_sees_where_one_is_signed_in_and_ends_it_there() {
    let the_box = Box::fresh();
    let mut here = the_box.owner().await;
    let mut ward = again(&the_box, "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/143.0").await;
    let mut phone = again(&the_box, "Mozilla/5.0 (iPhone) Safari/604.1").await;
    let page = here.get("/account").await;
    assert_eq!(page.count("#sessions tbody tr"), 3);
    assert!(page.text("#sessions").contains("Firefox, Windows"), "{}", page.text("#sessions"));
    assert_eq!(page.text("#sessions tbody tr:first-child td:last-child"), "This session");
    assert_eq!(page.text(".masthead-person"), "kim");

    let phone_row = page.attribute("button[aria-label*='Safari, iPhone']", "aria-label");
    assert!(phone_row.starts_with("End the session on Safari, iPhone since"), "{phone_row}");
    let id = page.attribute("button[aria-label*='iPhone']", "formaction");
    let with_password = format!("password={PASSWORD}");
    let without = here.submit(&id, "password=not the right words").await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(without.text(".notice--bad").starts_with("The password as it is now is not right."));
    assert_eq!(phone.get("/").await.status, StatusCode::OK);
    assert_eq!(here.submit(&id, &with_password).await.header("location"), "/account?done=ended");
    assert_eq!(phone.get("/").await.header("location"), "/sign-in");
    assert_eq!(ward.get("/").await.status, StatusCode::OK);
    assert_eq!(here.submit(&id, &with_password).await.status, StatusCode::NOT_FOUND);

    let wrong = here.submit("/account/sessions/end-others", "password=not the right words").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    here.submit("/account/sessions/end-others", &with_password).await;
    assert_eq!(ward.get("/").await.header("location"), "/sign-in");
    let page = here.get("/account?done=ended").await;
    assert_eq!(page.count("#sessions tbody tr"), 1);
    assert!(!page.has("#end-others"));
    assert!(page.text(".notice").starts_with("Ended."));
    let what: Vec<_> = events(&the_box).into_iter().map(|(_, what, _)| what).collect();
    assert_eq!(what.iter().filter(|what| *what == "session-ended").count(), 2);
}

#[tokio::test]
async fn nobody_ends_another_persons_session() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    again(&the_box, "x").await;
    let mut lee = the_box.staff("lee").await;
    let foreign = owner.get("/account").await.attribute("#sessions button", "formaction");
    let with_password = format!("password={PASSWORD}");
    assert_eq!(lee.submit(&foreign, &with_password).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.get("/account").await.count("#sessions tbody tr"), 2);
    assert_eq!(lee.get("/account").await.count("#sessions tbody tr"), 1);
}

#[tokio::test]
async fn a_password_is_changed_with_the_old_one_and_the_log_tells_it_without_either() {
    let the_box = Box::fresh();
    let mut here = the_box.owner().await;
    let mut elsewhere = again(&the_box, "x").await;
    let form = |old: &str, new: &str, again: &str| format!("old={old}&password={new}&again={again}");
    let table = [
        (form("not the right words", NEW_PASSWORD, NEW_PASSWORD), "The password as it is now is not right."),
        (form(PASSWORD, NEW_PASSWORD, PASSWORD), "The two passwords are not the same."),
        (form(PASSWORD, "short", "short"), "The password is too short or too long."),
        (form(PASSWORD, "1qaz2wsx3edc", "1qaz2wsx3edc"), "This password is guessed among the first"),
        (
            form(PASSWORD, "harbor+hospital+7", "harbor+hospital+7"),
            "This password is guessed among the first",
        ),
    ];
    for (form, sentence) in table {
        let page = here.submit("/account/password", &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text(".notice--bad").starts_with(sentence), "{}", page.text(".notice--bad"));
        assert!(!page.body.contains(PASSWORD) && !page.body.contains(NEW_PASSWORD));
    }
    let changed = here.submit("/account/password", &form(PASSWORD, NEW_PASSWORD, NEW_PASSWORD)).await;
    assert_eq!(changed.header("location"), "/account?done=password");
    assert!(here.get("/account?done=password").await.text(".notice").starts_with("Your password is changed"));
    assert_eq!(elsewhere.get("/").await.header("location"), "/sign-in");
    let mut visitor = the_box.browser();
    let old = visitor.post("/sign-in", &format!("name=kim&password={PASSWORD}")).await;
    assert_eq!(old.status, StatusCode::UNPROCESSABLE_ENTITY);
    let new = visitor.post("/sign-in", &format!("name=kim&password={NEW_PASSWORD}")).await;
    assert_eq!(new.status, StatusCode::SEE_OTHER);
    let log = format!("{:?}", events(&the_box));
    assert!(log.contains("password-changed") && log.contains("password-change-refused"), "{log}");
    for secret in [PASSWORD, NEW_PASSWORD, "not the right words"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn a_sign_in_and_each_new_proof_of_the_password_make_the_token_before_void() {
    let the_box = Box::fresh();
    let mut here = the_box.owner().await;
    let proofs = [
        ("/account/second-factor", format!("password={PASSWORD}")),
        ("/account/sessions/end-others", format!("password={PASSWORD}")),
        ("/account/password", format!("old={PASSWORD}&password={NEW_PASSWORD}&again={NEW_PASSWORD}")),
        ("/sign-in", format!("name=kim&password={NEW_PASSWORD}")),
    ];
    for (path, form) in proofs {
        let mut thief = here.clone();
        here.submit(path, &form).await;
        assert_eq!(thief.get("/").await.header("location"), "/sign-in", "{path}");
        assert_eq!(here.get("/").await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_page_says_the_same_in_korean() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    owner.headers = vec![("accept-language", "ko")];
    let page = owner.get("/account").await;
    assert_eq!(page.text("h1"), "내 계정");
    assert_eq!(page.text("#who"), "kim 계정으로 로그인했습니다. 역할: 소유자");
    let wrong = owner.submit("/account/password", "old=x&password=y&again=z").await;
    assert!(wrong.text(".notice--bad").starts_with("두 비밀번호가 서로 다릅니다."));
}

#[tokio::test]
async fn a_dashboard_whose_session_is_over_is_loaded_anew_instead_of_standing_still() {
    let the_box = Box::fresh();
    let mut wall = the_box.owner().await;
    wall.headers = vec![("hx-request", "true")];
    assert_eq!(wall.get("/status").await.status, StatusCode::OK);
    wall.cookies.retain(|(name, _)| !name.ends_with("genset"));
    let over = wall.get("/status").await;
    assert_eq!((over.status, over.header("hx-refresh")), (StatusCode::UNAUTHORIZED, "true"));
}

#[tokio::test(start_paused = true)]
async fn guesses_are_refused_and_told_in_the_log_once_and_the_owner_still_gets_in() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    owner.submit("/sign-out", "").await;
    let mut statuses = Vec::new();
    for _ in 0..100 {
        let mut guesser = the_box.browser();
        statuses.push(guesser.post("/sign-in", "name=kim&password=guess").await.status);
    }
    let looked_at = statuses.iter().filter(|status| **status == StatusCode::UNPROCESSABLE_ENTITY).count();
    assert_eq!(looked_at, 5, "one address has half of the account's ten tries");
    let right = the_box.browser().post("/sign-in", &format!("name=kim&password={PASSWORD}")).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "a stranger, whatever the password");
    let known = owner.post("/sign-in", &format!("name=kim&password={PASSWORD}")).await;
    assert_eq!(known.status, StatusCode::SEE_OTHER);
    let told: Vec<_> =
        events(&the_box).into_iter().filter(|(_, what, _)| what == "sign-in-guessing").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].2["account"], "kim");
    let shown = owner.get("/status").await;
    assert!(shown.body.contains("Too many tries to sign in as “kim”"), "{}", shown.body);
}

#[tokio::test(start_paused = true)]
async fn what_was_typed_for_a_name_is_not_logged_unless_it_is_one() {
    let the_box = Box::fresh();
    the_box.owner().await;
    the_box.browser().post("/sign-in", "name=my secret words here&password=kim").await;
    the_box.browser().post("/sign-in", "name=KIM&password=wrong").await;
    let log = format!("{:?}", events(&the_box));
    assert!(!log.contains("secret"), "{log}");
    let refused: Vec<_> =
        events(&the_box).into_iter().filter(|(_, what, _)| what == "sign-in-refused").collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(refused[0].2["account"], "kim");
}

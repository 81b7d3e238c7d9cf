//! Persons at the door, their sessions and their passwords, on real files.

use tempfile::TempDir;

use super::*;
use crate::core::tests::whole;
use crate::{OwnPasswordError, Role, Store};

const PASSWORD: &str = "four plain words here";
const NEW_PASSWORD: &str = "another four plain words";

async fn with_owner() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.core.create_account("kim", PASSWORD.into(), Role::Owner).await.unwrap();
    (dir, store)
}

fn caller(last: u8, device: &str) -> Caller {
    let address = Some(std::net::IpAddr::from([10, 0, 0, last]));
    Caller { address, device: device.to_owned(), ..Caller::default() }
}

async fn sign_in(store: &Store, caller: &Caller) -> Session {
    whole(store.core.sign_in("kim", PASSWORD.into(), caller).await)
}

#[tokio::test]
async fn a_person_sees_where_the_account_is_signed_in_and_ends_one_session_or_all_others() {
    let (_dir, store) = with_owner().await;
    let core = &store.core;
    let mut sessions = Vec::new();
    for (last, device) in [(1, "Firefox, Windows"), (2, "Safari, iPhone"), (3, "Edge, Windows")] {
        sessions.push(sign_in(&store, &caller(last, device)).await);
    }
    let account = &sessions[0].account;
    let listed = core.sessions_of(account).unwrap();
    let mut devices: Vec<_> = listed.iter().map(|s| format!("{} {}", s.device, s.address)).collect();
    devices.sort();
    assert_eq!(devices, ["Edge, Windows 10.0.0.3", "Firefox, Windows 10.0.0.1", "Safari, iPhone 10.0.0.2"]);

    let id = Core::session_id(sessions[1].token.expose());
    assert!(listed.iter().any(|session| session.id == id));
    assert!(!core.end_session(account.id + 1, &id).await.unwrap(), "nobody else's");
    assert!(core.end_session(account.id, &id).await.unwrap());
    assert!(!core.end_session(account.id, &id).await.unwrap());
    assert_eq!(core.session(sessions[1].token.expose()).unwrap(), None);

    assert_eq!(core.end_other_sessions(account.id, sessions[0].token.expose()).await.unwrap(), 1);
    assert_eq!(core.sessions_of(account).unwrap().len(), 1);
    assert!(core.session(sessions[0].token.expose()).unwrap().is_some());
}

#[tokio::test]
async fn an_account_has_fifty_sessions_at_most_and_the_oldest_goes() {
    let (_dir, store) = with_owner().await;
    let first = sign_in(&store, &Caller::default()).await;
    for _ in 0..50 {
        // Two in one millisecond have no order.
        while crate::now_ms() <= store.core.sessions_of(&first.account).unwrap()[0].created_ms {
            tokio::task::yield_now().await;
        }
        store
            .core
            .begin_session(first.account.clone(), VouchedBy::Box, &Caller::default(), None)
            .await
            .unwrap();
    }
    assert_eq!(store.core.sessions_of(&first.account).unwrap().len(), 50);
    assert_eq!(store.core.session(first.token.expose()).unwrap(), None);
}

#[tokio::test]
async fn a_page_that_asks_by_itself_keeps_no_session_awake() {
    let (dir, store) = with_owner().await;
    let session = sign_in(&store, &Caller::default()).await;
    let other = rusqlite::Connection::open(dir.path().join("core.db")).unwrap();
    other.execute_batch("UPDATE sessions SET seen_ms = seen_ms - 600000").unwrap();
    let seen = || store.core.sessions_of(&session.account).unwrap()[0].seen_ms;
    let before = seen();
    assert!(store.core.peek_session(session.token.expose()).unwrap().is_some());
    // A write that is answered comes after every note that was queued before it.
    store.core.set_setting("after", "the note").await.unwrap();
    assert_eq!(seen(), before);
    assert!(store.core.session(session.token.expose()).unwrap().is_some());
    store.core.set_setting("after", "the note").await.unwrap();
    assert!(seen() > before);
}

#[tokio::test]
async fn a_person_changes_the_password_with_the_old_one_and_stays_signed_in_here_alone() {
    let (_dir, store) = with_owner().await;
    let core = &store.core;
    let elsewhere = sign_in(&store, &caller(2, "")).await;
    let here = sign_in(&store, &caller(1, "")).await;
    let on_this = Caller { device_token: Some(here.device_token.clone()), ..caller(1, "") };
    let token = here.token.expose();
    let change = |old: &'static str, new: &'static str| {
        core.change_own_password(&here.account, old.into(), new.into(), token, &on_this)
    };
    assert!(matches!(change("not the old password", NEW_PASSWORD).await, Err(OwnPasswordError::Wrong)));
    assert!(matches!(change(PASSWORD, "short").await, Err(OwnPasswordError::BadPassword(_))));
    change(PASSWORD, NEW_PASSWORD).await.unwrap();
    assert!(core.session(token).unwrap().is_some());
    assert_eq!(core.session(elsewhere.token.expose()).unwrap(), None);
    assert!(core.sign_in("kim", PASSWORD.into(), &on_this).await.is_err());
    assert!(core.sign_in("kim", NEW_PASSWORD.into(), &on_this).await.is_ok());
    let id = here.account.id;
    assert!(core.known_device(id, &on_this).unwrap().is_some());
    let other = Caller { device_token: Some(elsewhere.device_token), ..Caller::default() };
    assert_eq!(core.known_device(id, &other).unwrap(), None, "the other device is forgotten");
}

#[tokio::test(start_paused = true)]
async fn whoever_sits_at_an_open_session_has_ten_tries_a_minute_at_its_password() {
    let (_dir, store) = with_owner().await;
    let here = sign_in(&store, &Caller::default()).await;
    let mut outcomes = Vec::new();
    // Too short to be anybody's password, so that no hash is made for it; it is counted all the same.
    for _ in 0..12 {
        let given = store.core.confirm_password(&here.account, "short".into(), here.token.expose()).await;
        outcomes.push(matches!(given, Err(OwnPasswordError::TooManyTries { .. })));
    }
    assert_eq!(outcomes.iter().filter(|too_many| **too_many).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_owner_signs_in_from_a_known_device_while_strangers_guess() {
    let (_dir, store) = with_owner().await;
    let first = sign_in(&store, &caller(1, "")).await;
    let mut looked_at = 0;
    for guess in 0..1000_u32 {
        let refused = store.core.sign_in("kim", "guess".into(), &caller((guess % 250) as u8, "")).await;
        looked_at += usize::from(matches!(refused, Err(SignInError::Refused { .. })));
    }
    assert_eq!(looked_at, 10);
    let stranger = store.core.sign_in("kim", PASSWORD.into(), &caller(251, "")).await;
    assert!(matches!(stranger, Err(SignInError::TooManyTries { .. })), "even the right password");
    let known = Caller { device_token: Some(first.device_token.clone()), ..caller(1, "") };
    let again = whole(store.core.sign_in("kim", PASSWORD.into(), &known).await);
    assert_eq!(again.device_token.expose(), first.device_token.expose(), "the device keeps its token");
}

#[tokio::test]
async fn a_device_is_known_to_the_account_that_was_signed_in_on_it_and_to_no_other() {
    let (_dir, store) = with_owner().await;
    let session = sign_in(&store, &Caller::default()).await;
    let lee = store.core.create_account("lee", PASSWORD.into(), Role::Staff).await.unwrap();
    let caller = Caller { device_token: Some(session.device_token), ..Caller::default() };
    assert!(store.core.known_device(session.account.id, &caller).unwrap().is_some());
    assert_eq!(store.core.known_device(lee.id, &caller).unwrap(), None);
    let forged = Caller { device_token: Some("0".repeat(64).into()), ..Caller::default() };
    assert_eq!(store.core.known_device(session.account.id, &forged).unwrap(), None);
}

#[tokio::test]
async fn a_sign_in_ends_the_session_that_was_there_before_and_a_renewed_token_voids_the_old() {
    let dir = tempfile::TempDir::new().unwrap();
    let core = crate::Store::open(dir.path()).unwrap().core;
    core.create_account("kim", PASSWORD.into(), crate::Role::Owner).await.unwrap();
    let first = whole(core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    let elsewhere = whole(core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    let again = Caller { session_token: Some(first.token.clone()), ..Caller::default() };
    let second = whole(core.sign_in("kim", PASSWORD.into(), &again).await);
    assert_eq!(core.session(first.token.expose()).unwrap(), None);
    assert!(core.session(elsewhere.token.expose()).unwrap().is_some());
    let renewed = core.renew_token(second.token.expose()).await.unwrap().unwrap();
    assert_eq!(core.session(second.token.expose()).unwrap(), None);
    assert!(core.session(renewed.expose()).unwrap().is_some());
    assert!(core.renew_token(second.token.expose()).await.unwrap().is_none(), "a void token renews nothing");
}

#[tokio::test]
async fn a_password_holds_however_old_it_is() {
    let (_dir, store) = with_owner().await;
    store.core.write(|core| core.execute("UPDATE accounts SET created_ms = 0", [])).await.unwrap();
    sign_in(&store, &Caller::default()).await;
}

//! Accounts, sessions, keys and the setup, on real files.

use tempfile::TempDir;

use super::*;
use crate::{BadPassword, Role, Store};

const PASSWORD: &str = "four plain words here";

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

/// The session of a sign-in that needs no second step.
pub(super) fn whole(entered: Result<Entered, SignInError>) -> Session {
    match entered.unwrap() {
        Entered::Session(session) => session,
        Entered::SecondStep(_) => panic!("a second step is asked for"),
    }
}

/// Another process would open the folder in just this way.
fn other_process(dir: &TempDir) -> Core {
    Store::open(dir.path()).unwrap().core
}

async fn owner(core: &Core) -> Account {
    core.create_account("kim", PASSWORD.into(), Role::Owner).await.unwrap()
}

fn execute(dir: &TempDir, sql: &str) {
    rusqlite::Connection::open(dir.path().join("core.db")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn the_setup_code_makes_the_owner_once_only() {
    let (_dir, store) = open();
    let core = &store.core;
    assert!(core.needs_setup().unwrap());
    let code = core.begin_setup().await.unwrap().unwrap();
    let typed = code.expose().to_lowercase().replace('-', "");
    let account = core.finish_setup(&typed, " Kim ", PASSWORD.into(), &Caller::default()).await.unwrap();
    assert_eq!((account.name.as_str(), account.role), ("Kim", Role::Owner));
    let again = core.finish_setup(code.expose(), "lee", PASSWORD.into(), &Caller::default()).await;
    assert!(matches!(again, Err(SetupError::AlreadyDone)));
    assert!(core.begin_setup().await.unwrap().is_none());
    assert!(!core.needs_setup().unwrap());
    assert_eq!(core.accounts().unwrap(), [account]);
}

#[tokio::test]
async fn two_people_with_the_same_code_make_one_owner() {
    let (_dir, store) = open();
    let code = store.core.begin_setup().await.unwrap().unwrap();
    let nobody = Caller::default();
    let finish = |name| store.core.finish_setup(code.expose(), name, PASSWORD.into(), &nobody);
    let (first, second) = tokio::join!(finish("kim"), finish("lee"));
    assert!(first.is_ok() != second.is_ok());
    assert_eq!(store.core.accounts().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_a_replaced_or_an_old_setup_code_is_refused() {
    let (dir, store) = open();
    let core = &store.core;
    assert!(matches!(
        core.finish_setup("", "kim", PASSWORD.into(), &Caller::default()).await,
        Err(SetupError::WrongCode)
    ));
    let replaced = core.begin_setup().await.unwrap().unwrap();
    let newest = core.begin_setup().await.unwrap().unwrap();
    execute(&dir, "UPDATE setup_code SET created_ms = created_ms - 86400001");
    assert!(matches!(
        core.finish_setup(replaced.expose(), "kim", PASSWORD.into(), &Caller::default()).await,
        Err(SetupError::WrongCode)
    ));
    assert!(matches!(
        core.finish_setup(newest.expose(), "kim", PASSWORD.into(), &Caller::default()).await,
        Err(SetupError::Expired)
    ));
    assert!(core.needs_setup().unwrap());
}

#[tokio::test]
async fn a_short_password_costs_no_try_of_the_setup_code() {
    let (_dir, store) = open();
    let code = store.core.begin_setup().await.unwrap().unwrap();
    for _ in 0..20 {
        let refused = store.core.finish_setup(code.expose(), "kim", "short".into(), &Caller::default()).await;
        let Err(SetupError::Account(AccountError::BadPassword(problem))) = refused else {
            panic!("accepted")
        };
        assert_eq!(problem, BadPassword::TooShort);
    }
    store.core.finish_setup(code.expose(), "kim", PASSWORD.into(), &Caller::default()).await.unwrap();
}

#[tokio::test]
async fn signing_in_gives_a_session_that_signing_out_ends() {
    let (_dir, store) = open();
    let core = &store.core;
    let account = owner(core).await;
    let session = whole(core.sign_in("KIM ", PASSWORD.into(), &Caller::default()).await);
    assert_eq!(session.account, account);
    assert_eq!(core.session(session.token.expose()).unwrap(), Some(account));
    assert_eq!(core.session("").unwrap(), None);
    let second = whole(core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    assert_ne!(session.token.expose(), second.token.expose());
    core.sign_out(session.token.expose()).await.unwrap();
    assert_eq!(core.session(session.token.expose()).unwrap(), None);
    assert!(core.session(second.token.expose()).unwrap().is_some());
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_refused_alike() {
    let (_dir, store) = open();
    owner(&store.core).await;
    for (name, password) in [("kim", "four plain words herE"), ("nobody", PASSWORD), ("kim", "short")] {
        let refused = store.core.sign_in(name, password.into(), &Caller::default()).await;
        assert!(matches!(refused, Err(SignInError::Refused { .. })), "{name}");
    }
}

#[tokio::test]
async fn a_session_that_is_too_old_or_idle_is_gone() {
    let (dir, store) = open();
    owner(&store.core).await;
    let session = whole(store.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    execute(&dir, "UPDATE sessions SET seen_ms = seen_ms - 15 * 60000");
    assert_eq!(store.core.session(session.token.expose()).unwrap(), None);
    execute(&dir, "UPDATE sessions SET created_ms = created_ms - 12 * 3600000");
    whole(store.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    let left: Result<i64, _> =
        store.core.read(|core| core.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)));
    assert_eq!(left.unwrap(), 1);
}

#[tokio::test]
async fn a_session_in_use_stays_awake() {
    let (dir, store) = open();
    owner(&store.core).await;
    let session = whole(store.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    execute(&dir, "UPDATE sessions SET seen_ms = seen_ms - 600000");
    assert!(store.core.session(session.token.expose()).unwrap().is_some());
    store.close().await;
    let seen: i64 = other_process(&dir)
        .read(|core| core.query_row("SELECT seen_ms - created_ms FROM sessions", [], |row| row.get(0)))
        .unwrap();
    assert!(seen >= 0, "{seen}");
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let (_dir, store) = open();
    let core = &store.core;
    owner(core).await;
    let session = whole(core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    core.set_password("kim", "another four plain words".into()).await.unwrap();
    assert_eq!(core.session(session.token.expose()).unwrap(), None);
    assert!(core.sign_in("kim", PASSWORD.into(), &Caller::default()).await.is_err());
    assert!(core.sign_in("kim", "another four plain words".into(), &Caller::default()).await.is_ok());
    let unknown = core.set_password("lee", PASSWORD.into()).await;
    assert!(matches!(unknown, Err(AccountError::Unknown)));
}

#[tokio::test]
async fn accounts_have_one_name_each_and_the_last_owner_stays() {
    let (_dir, store) = open();
    let core = &store.core;
    owner(core).await;
    let taken = core.create_account("Kim", PASSWORD.into(), Role::Staff).await;
    assert!(matches!(taken, Err(AccountError::NameTaken)));
    let service = core.create_account("robot", PASSWORD.into(), Role::Service).await;
    assert!(matches!(service, Err(AccountError::NotForPeople)));
    assert!(matches!(core.remove_account("kim").await, Err(AccountError::LastOwner)));
    let lee = core.create_account("lee", PASSWORD.into(), Role::Staff).await.unwrap();
    let session = whole(core.sign_in("lee", PASSWORD.into(), &Caller::default()).await);
    core.remove_account("lee").await.unwrap();
    let next = core.create_account("lee", PASSWORD.into(), Role::Staff).await.unwrap();
    assert_ne!(lee.id, next.id, "the conversations of one would be the other's");
    assert_eq!(core.session(session.token.expose()).unwrap(), None);
}

#[tokio::test]
async fn a_key_is_found_until_it_is_revoked_by_whichever_process() {
    let (dir, store) = open();
    let (core, command_line) = (&store.core, other_process(&dir));
    let secret = command_line.create_key("ward 3", KeyLane::default()).await.unwrap();
    let key = core.key(secret.expose()).unwrap().unwrap();
    assert_eq!(key.name, "ward 3");
    for wrong in ["", "gsk_", "gsk_0000", &secret.expose()[4..], &secret.expose().to_uppercase()] {
        assert_eq!(core.key(wrong).unwrap(), None, "{wrong}");
    }
    assert!(matches!(core.create_key("WARD 3", KeyLane::default()).await, Err(KeyError::NameTaken)));
    command_line.revoke_key("ward 3").await.unwrap();
    assert_eq!(core.key(secret.expose()).unwrap(), None);
    assert!(matches!(core.revoke_key("ward 3").await, Err(KeyError::Unknown)));
    let renewed = core.create_key("ward 3", KeyLane::default()).await.unwrap();
    assert_ne!(command_line.key(renewed.expose()).unwrap().unwrap().id, key.id);
    assert_eq!(core.keys().unwrap().iter().filter(|key| key.revoked_ms.is_none()).count(), 1);
}

#[tokio::test]
async fn the_last_use_of_a_key_is_noted() {
    let (dir, store) = open();
    let secret = store.core.create_key("ward", KeyLane::default()).await.unwrap();
    assert_eq!(store.core.keys().unwrap()[0].last_used_ms, None);
    store.core.key(secret.expose()).unwrap();
    store.close().await;
    assert!(other_process(&dir).keys().unwrap()[0].last_used_ms.is_some());
}

#[tokio::test]
async fn no_secret_stands_in_the_files() {
    let (dir, store) = open();
    owner(&store.core).await;
    let key = store.core.create_key("ward", KeyLane::default()).await.unwrap();
    let session = whole(store.core.sign_in("kim", PASSWORD.into(), &Caller::default()).await);
    store.close().await;
    let bytes = std::fs::read(dir.path().join("core.db")).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("kim"));
    for secret in [PASSWORD, session.token.expose(), &key.expose()[4..]] {
        assert!(!holds(secret));
    }
}

#[tokio::test]
async fn a_setting_is_what_was_last_set() {
    let (_dir, store) = open();
    assert_eq!(store.core.setting("language").unwrap(), None);
    store.core.set_setting("language", "en").await.unwrap();
    store.core.set_setting("language", "ko").await.unwrap();
    assert_eq!(store.core.setting("language").unwrap().as_deref(), Some("ko"));
}

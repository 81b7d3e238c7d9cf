//! Accounts that follow an identity provider, on real files.

use tempfile::TempDir;

use super::*;
use crate::{Record, SecondFactorRule, Session, SessionRules, SignInRules};

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn lee(role: Option<Role>) -> Vouched {
    let departments = vec![("Ward 7".to_owned(), true), ("Ward 8".to_owned(), false)];
    Vouched {
        issuer: "https://id.example".into(),
        subject: "0001".into(),
        name: "lee".into(),
        role,
        departments,
    }
}

async fn enter(store: &Store, who: &Vouched) -> Session {
    match store.enter_vouched(who, &Caller::default()).await.unwrap() {
        Entered::Session(session) => session,
        Entered::SecondStep(_) => panic!("a second step is asked for"),
    }
}

fn departments(store: &Store, id: i64) -> Vec<String> {
    store.core.departments_of(Member::Person(id)).unwrap().into_iter().map(|d| d.name).collect()
}

/// What the identity provider changed, as the log has it, the oldest first.
fn changes(store: &Store) -> Vec<String> {
    let rows = store.audit.recent(100).unwrap().into_iter().rev();
    let events = rows.filter_map(|entry| match entry.record {
        Record::Event(event) if event.who == IDENTITY_PROVIDER => Some(event.what),
        _ => None,
    });
    events.collect()
}

#[tokio::test]
async fn the_first_sign_in_makes_the_account_and_later_ones_follow_role_and_departments() {
    let (_dir, store) = open();
    let first = enter(&store, &lee(Some(Role::Staff))).await.account;
    assert_eq!((first.name.as_str(), first.role), ("lee", Role::Staff));
    assert_eq!(departments(&store, first.id), ["Ward 7"]);
    let other = store.add_department(&Subject::Console("root"), "Pharmacy").await.unwrap().id;
    store.join(&Subject::Console("root"), other, Member::Person(first.id)).await.unwrap();
    let moved = vec![("Ward 7".to_owned(), false), ("Ward 8".to_owned(), true)];
    let promoted =
        Vouched { name: "lee.min".into(), role: Some(Role::Operator), departments: moved, ..lee(None) };
    let again = enter(&store, &promoted).await.account;
    assert_eq!((again.id, again.role, again.name.as_str()), (first.id, Role::Operator, "lee"));
    assert_eq!(departments(&store, first.id), ["Pharmacy", "Ward 8"], "what the rules do not name stays");
    enter(&store, &promoted).await;
    let expected = [
        "person-added",
        "department-added",
        "department-joined",
        "role-changed",
        "department-left",
        "department-added",
        "department-joined",
    ];
    assert_eq!(changes(&store), expected, "each change once");
    assert!(!store.core.has_password(first.id).unwrap());
}

#[tokio::test]
async fn an_account_of_the_same_name_is_not_taken_over_by_anybody() {
    let (_dir, store) = open();
    let password = "four plain words here";
    let own = store.core.create_account("Lee", password.into(), Role::Owner).await.unwrap();
    let caller = Caller::default();
    let refused = store.enter_vouched(&lee(Some(Role::Staff)), &caller).await;
    assert!(matches!(refused, Err(VouchedError::NameTaken { .. })), "{refused:?}");
    assert!(store.core.has_password(own.id).unwrap());
    assert_eq!(store.core.accounts().unwrap(), [own]);

    let min = Vouched { name: "min".into(), ..lee(Some(Role::Staff)) };
    enter(&store, &min).await;
    let others = [
        Vouched { subject: "0002".into(), ..min.clone() },
        Vouched { issuer: "https://evil.example".into(), ..min.clone() },
        Vouched { subject: "0003".into(), name: "nobody".into(), ..min.clone() },
    ];
    for other in others {
        let refused = store.enter_vouched(&other, &caller).await;
        assert!(matches!(refused, Err(VouchedError::NameTaken { .. })), "{refused:?}");
    }
    let guess = store.core.sign_in("min", password.into(), &caller).await;
    assert!(matches!(guess, Err(crate::SignInError::Refused { .. })), "it has no password to guess");
}

#[tokio::test]
async fn whoever_may_not_enter_any_more_is_out_at_once() {
    let (_dir, store) = open();
    let session = enter(&store, &lee(Some(Role::Staff))).await;
    assert!(store.core.session(session.token.expose()).unwrap().is_some());
    let refused = store.enter_vouched(&lee(None), &Caller::default()).await;
    assert!(matches!(refused, Err(VouchedError::NoRole { account: Some(_) })), "{refused:?}");
    assert!(store.core.session(session.token.expose()).unwrap().is_none());
    let stranger = Vouched { subject: "0002".into(), ..lee(None) };
    let refused = store.enter_vouched(&stranger, &Caller::default()).await;
    assert!(matches!(refused, Err(VouchedError::NoRole { account: None })), "{refused:?}");
}

#[tokio::test]
async fn the_last_two_owners_stay_whatever_the_identity_provider_says() {
    let (_dir, store) = open();
    store.core.create_account("kim", "four plain words here".into(), Role::Owner).await.unwrap();
    enter(&store, &lee(Some(Role::Owner))).await;
    let still = enter(&store, &lee(Some(Role::Staff))).await.account;
    assert_eq!(still.role, Role::Owner);
    assert_eq!(changes(&store).last().map(String::as_str), Some("change-refused"));
}

#[tokio::test]
async fn two_first_sign_ins_at_once_make_one_account() {
    let (_dir, store) = open();
    let (lee, caller) = (lee(Some(Role::Staff)), Caller::default());
    let (one, two) = tokio::join!(store.enter_vouched(&lee, &caller), store.enter_vouched(&lee, &caller));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(store.core.accounts().unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_factor_is_asked_where_everybody_needs_one_or_the_person_has_set_one_up() {
    let (_dir, store) = open();
    let account = enter(&store, &lee(Some(Role::Owner))).await.account;
    for (rule, asked) in [
        (SecondFactorRule::Nobody, false),
        (SecondFactorRule::OwnersAndAdmins, false),
        (SecondFactorRule::Everybody, true),
    ] {
        let rules = SignInRules { sessions: SessionRules::default(), second_factor: rule };
        let strict = store.clone().with_sign_in_rules(rules);
        assert_eq!(strict.core.lacks_second_factor(&account).unwrap(), asked, "{rule:?}");
    }
}

#[tokio::test]
async fn an_address_that_only_brings_nonsense_is_told_to_the_log_once() {
    let (_dir, store) = open();
    let caller = Caller { address: Some([192, 0, 2, 1].into()), ..Caller::default() };
    let good = || store.core.admit_arrival(&caller).map(|()| store.core.arrived(&caller));
    (0..100).for_each(|_| assert!(good().is_ok()));
    let refused: Vec<_> = (0..40).filter_map(|_| store.core.admit_arrival(&caller).err()).collect();
    let news =
        |error: &&crate::SignInError| matches!(error, crate::SignInError::TooManyTries { is_news: true, .. });
    assert_eq!((refused.len(), refused.iter().filter(news).count()), (10, 1));
    assert!(store.core.admit_arrival(&Caller::default()).is_ok(), "another address is not touched");
}

//! People of a directory at the door: who is let in, on whose word, and what the log says of it.

use std::sync::Mutex as StdMutex;

use tempfile::TempDir;

use super::*;
use crate::core::tests::whole;
use crate::{
    Caller, ChangeError, Entered, Member, OwnPasswordError, Record, Refusal, Session, SignInError, Store,
    Subject, VouchedBy,
};

const PASSWORD: &str = "short one";
const OTHER: &str = "other one";
const OWNER_PASSWORD: &str = "four plain words here";
const ROOT: Subject<'static> = Subject::Console("root");

/// A directory that does what a test wants.
#[derive(Default)]
struct Fake(StdMutex<World>);

#[derive(Default)]
struct World {
    people: Vec<Person>,
    is_down: bool,
    /// Names that were looked for, and passwords that were tried at an entry.
    asked: Vec<String>,
    tried: usize,
}

#[derive(Clone)]
struct Person {
    names: Vec<&'static str>,
    password: &'static str,
    proof: Option<Proof>,
    entry: DirectoryEntry,
}

impl Fake {
    fn change(&self, name: &str, change: impl FnOnce(&mut Person)) {
        let mut world = self.0.lock().unwrap();
        change(world.people.iter_mut().find(|person| person.entry.name == name).expect("somebody"));
    }

    fn go_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }
}

impl Directory for Fake {
    fn find<'a>(&'a self, name: &'a str) -> Asking<'a, Found> {
        Box::pin(async move {
            let mut world = self.0.lock().unwrap();
            if world.is_down {
                return Err(OutOfReach);
            }
            world.asked.push(name.to_owned());
            let fits = |person: &&Person| person.names.iter().any(|known| known.eq_ignore_ascii_case(name));
            let mut found = world.people.iter().filter(fits);
            Ok(match (found.next(), found.next()) {
                (None, _) => Found::Nobody,
                (Some(person), None) => Found::Entry(person.entry.clone()),
                (Some(_), Some(_)) => Found::Several,
            })
        })
    }

    fn prove<'a>(&'a self, entry: Option<&'a DirectoryEntry>, password: &'a Secret) -> Asking<'a, Proof> {
        Box::pin(async move {
            let mut world = self.0.lock().unwrap();
            assert!(!password.expose().is_empty(), "a directory takes an empty password for nobody's");
            if world.is_down {
                return Err(OutOfReach);
            }
            let Some(entry) = entry else { return Ok(Proof::Wrong) };
            world.tried += 1;
            let person =
                world.people.iter().find(|person| person.entry.id == entry.id).expect("found before");
            let fits = person.password == password.expose();
            Ok(person.proof.unwrap_or(if fits { Proof::Right } else { Proof::Wrong }))
        })
    }

    fn state(&self) -> DirectoryState {
        let reachable = Some(!self.0.lock().unwrap().is_down);
        DirectoryState { reachable, ..DirectoryState::default() }
    }
}

fn person(name: &'static str, role: Option<Role>, departments: &[&str]) -> Person {
    let entry = DirectoryEntry {
        id: format!("id of {name}"),
        place: format!("uid={name},dc=house"),
        name: name.to_owned(),
        role,
        departments: departments.iter().map(|name| (*name).to_owned()).collect(),
        is_disabled: false,
        is_locked: false,
    };
    Person { names: vec![name], password: PASSWORD, proof: None, entry }
}

struct House {
    store: Store,
    directory: Arc<Fake>,
    dir: TempDir,
}

impl House {
    /// With the owner `kim`, whose account is the box's own.
    async fn with(people: Vec<Person>) -> House {
        let dir = TempDir::new().unwrap();
        let directory = Arc::new(Fake(StdMutex::new(World { people, ..World::default() })));
        let rules = DirectoryRules {
            cached_for: Duration::from_secs(14 * 86_400),
            departments: vec!["Ward 3".to_owned(), "Ward 4".to_owned()],
        };
        let store = Store::open(dir.path()).unwrap().with_directory(directory.clone(), rules);
        store.core.create_account("kim", OWNER_PASSWORD.into(), Role::Owner).await.unwrap();
        House { store, directory, dir }
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<Entered, SignInError> {
        self.store.core.sign_in(name, password.into(), &Caller::default()).await
    }

    async fn enter(&self, name: &str) -> Session {
        whole(self.sign_in(name, PASSWORD).await)
    }

    async fn refusal(&self, name: &str, password: &str) -> (Option<String>, Refusal) {
        match self.sign_in(name, password).await {
            Err(SignInError::Refused { account, why }) => (account, why),
            other => panic!("{other:?}"),
        }
    }

    /// What the directory changed, the oldest first.
    fn log(&self) -> Vec<(String, Value)> {
        let rows = self.store.audit.recent(200).unwrap().into_iter().rev();
        let events = rows.filter_map(|entry| match entry.record {
            Record::Event(event) if event.who == DIRECTORY => Some((event.what, event.detail)),
            _ => None,
        });
        events.collect()
    }

    fn departments_of(&self, account: i64) -> Vec<String> {
        let departments = self.store.core.departments_of(Member::Person(account)).unwrap();
        departments.into_iter().map(|department| department.name).collect()
    }

    fn cached(&self) -> u64 {
        self.store.core.directory_condition().unwrap().cached_people
    }

    fn execute(&self, sql: &str) {
        rusqlite::Connection::open(self.dir.path().join("core.db")).unwrap().execute_batch(sql).unwrap();
    }
}

#[tokio::test]
async fn the_first_sign_in_makes_the_account_that_the_groups_give_and_the_log_knows_it() {
    let house = House::with(vec![person("lee", Some(Role::Operator), &["Ward 3"])]).await;
    let session = house.enter("LEE").await;
    assert_eq!((session.account.name.as_str(), session.account.role), ("lee", Role::Operator));
    assert_eq!(session.by, VouchedBy::Directory);
    assert_eq!(house.departments_of(session.account.id), ["Ward 3"]);
    let log = house.log();
    assert_eq!(log[0].0, "department-added");
    assert_eq!((log[1].0.as_str(), &log[1].1["name"]), ("person-added", &Value::from("lee")));
    assert_eq!(log[1].1["role"], "operator");
    assert!(!format!("{log:?}").contains(PASSWORD));
    let again = house.enter("lee").await;
    assert_eq!(again.account, session.account);
    assert_eq!(house.log().len(), 2, "nothing has changed since");
    assert_eq!(house.cached(), 1);
}

#[tokio::test]
async fn two_first_sign_ins_at_once_make_one_account() {
    let house = House::with(vec![person("lee", Some(Role::Staff), &["Ward 3"])]).await;
    let (one, other) = tokio::join!(house.sign_in("lee", PASSWORD), house.sign_in("lee", PASSWORD));
    assert_eq!(whole(one).account.id, whole(other).account.id);
    assert_eq!(house.store.core.accounts().unwrap().len(), 2);
}

#[tokio::test]
async fn role_and_departments_follow_the_directory_and_other_departments_stay() {
    let house = House::with(vec![person("lee", Some(Role::Staff), &["Ward 3"])]).await;
    let lee = house.enter("lee").await.account;
    let choir = house.store.add_department(&ROOT, "Choir").await.unwrap();
    house.store.join(&ROOT, choir.id, Member::Person(lee.id)).await.unwrap();
    house.directory.change("lee", |lee| {
        lee.entry.role = Some(Role::Auditor);
        lee.entry.departments = vec!["ward 4".to_owned()];
    });
    assert_eq!(house.enter("lee").await.account.role, Role::Auditor);
    assert_eq!(house.departments_of(lee.id), ["Choir", "ward 4"]);
    let what: Vec<_> = house.log().into_iter().map(|(what, _)| what).collect();
    assert!(what.ends_with(&["role-changed", "department-left", "department-joined"].map(str::to_owned)));

    house.directory.change("lee", |lee| lee.entry.role = None);
    assert_eq!(house.refusal("lee", PASSWORD).await, (Some("lee".to_owned()), Refusal::NoAccess));
    assert_eq!(house.cached(), 0, "in no group, nobody gets in without the directory either");
    assert_eq!(house.store.core.accounts().unwrap().len(), 2, "the account stays");
}

#[tokio::test]
async fn the_last_two_owners_stay_owners_whatever_the_directory_says() {
    let house = House::with(vec![person("lee", Some(Role::Owner), &[])]).await;
    house.enter("lee").await;
    house.directory.change("lee", |lee| lee.entry.role = Some(Role::Staff));
    assert_eq!(house.enter("lee").await.account.role, Role::Owner);
    let log = house.log();
    assert_eq!(log.last().unwrap().0, "change-refused");
    assert_eq!(log[log.len() - 2].0, "role-changed");
}

#[tokio::test]
async fn an_account_of_the_box_is_its_own_matter_and_is_never_taken_over() {
    let mut twin = person("kim", Some(Role::Owner), &[]);
    twin.names.push("kim@house");
    let house = House::with(vec![twin]).await;
    assert_eq!(house.refusal("kim", PASSWORD).await, (Some("kim".to_owned()), Refusal::LocalAccount));
    assert!(house.directory.0.lock().unwrap().asked.is_empty(), "the directory is not even asked");
    assert_eq!(house.refusal("kim@house", PASSWORD).await.1, Refusal::LocalAccount);
    assert_eq!(house.directory.0.lock().unwrap().tried, 0, "no password is tried at the twin");
    house.directory.go_down(true);
    let session = whole(house.sign_in("kim", OWNER_PASSWORD).await);
    assert_eq!(session.by, VouchedBy::Box, "the emergency owner needs no directory");
    assert!(house.log().is_empty());
}

#[tokio::test]
async fn an_empty_password_is_tried_nowhere() {
    let house = House::with(vec![person("lee", Some(Role::Staff), &[])]).await;
    assert_eq!(house.refusal("lee", "").await, (None, Refusal::Wrong));
    assert!(house.directory.0.lock().unwrap().asked.is_empty());
}

#[tokio::test]
async fn without_the_directory_its_last_word_lets_in_and_nothing_else_does() {
    let house = House::with(vec![person("lee", Some(Role::Staff), &[]), person("park", None, &[])]).await;
    let before = house.enter("lee").await;
    assert!(!house.store.core.is_by_cache(before.token.expose()).unwrap());
    house.directory.go_down(true);
    let session = house.enter("lee").await;
    assert_eq!((session.by, session.account.id), (VouchedBy::Cache, before.account.id));
    assert!(house.store.core.is_by_cache(session.token.expose()).unwrap());
    assert_eq!(house.refusal("lee", OTHER).await, (Some("lee".to_owned()), Refusal::OutOfReach));
    assert_eq!(house.refusal("nobody", PASSWORD).await, (None, Refusal::OutOfReach));
    let condition = house.store.core.directory_condition().unwrap();
    assert_eq!((condition.reachable, condition.cached_sign_ins), (Some(false), 1));

    house.execute("UPDATE directory_people SET verified_ms = verified_ms - 14 * 86400000");
    assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::OutOfReach);
    assert_eq!(house.cached(), 0, "too old");
    house.execute("UPDATE directory_people SET verified_ms = verified_ms + 20 * 86400000");
    assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::OutOfReach, "nor from the future");
    house.directory.go_down(false);
    assert_eq!(house.enter("lee").await.by, VouchedBy::Directory);
    assert_eq!(house.cached(), 1);
}

#[tokio::test]
async fn a_wrong_password_or_a_lock_takes_nothing_and_the_old_password_is_forgotten() {
    let house = House::with(vec![person("lee", Some(Role::Staff), &[])]).await;
    house.enter("lee").await;
    assert_eq!(house.refusal("lee", OTHER).await.1, Refusal::Wrong);
    house.directory.change("lee", |lee| lee.proof = Some(Proof::Locked));
    assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::Locked);
    house.directory.change("lee", |lee| (lee.proof, lee.entry.is_locked) = (Some(Proof::Wrong), true));
    assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::Locked, "some call a lock a wrong password");
    assert_eq!(house.cached(), 1);
    house.directory.change("lee", |lee| {
        (lee.proof, lee.entry.is_locked, lee.password) = (None, false, OTHER);
    });
    assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::Wrong);
    assert_eq!(house.cached(), 0, "the directory takes another password now");
    assert_eq!(house.log().last().unwrap().1["why"], "password-changed");
    assert_eq!(whole(house.sign_in("lee", OTHER).await).by, VouchedBy::Directory);
    house.directory.go_down(true);
    assert_eq!(whole(house.sign_in("lee", OTHER).await).by, VouchedBy::Cache);
    assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::OutOfReach);
}

#[tokio::test]
async fn whoever_is_disabled_or_gone_is_shut_out_at_once_and_told_once() {
    for (why, is_gone) in [("disabled", false), ("gone", true)] {
        let house = House::with(vec![person("lee", Some(Role::Staff), &[])]).await;
        let session = house.enter("lee").await;
        if is_gone {
            house.directory.0.lock().unwrap().people.clear();
        } else {
            house.directory.change("lee", |lee| lee.entry.is_disabled = true);
        }
        for _ in 0..3 {
            assert_eq!(house.refusal("lee", PASSWORD).await.1.as_str(), why);
        }
        assert_eq!(house.store.core.session(session.token.expose()).unwrap(), None);
        let ended: Vec<_> = house.log().into_iter().filter(|(what, _)| what.ends_with("-ended")).collect();
        assert_eq!(ended.len(), 1, "{ended:?}");
        assert_eq!(ended[0].1["why"], why);
        house.directory.go_down(true);
        assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::OutOfReach);
    }
}

#[tokio::test]
async fn a_name_that_somebody_else_has_now_does_not_open_the_old_account() {
    let house = House::with(vec![person("lee", Some(Role::Admin), &[])]).await;
    house.enter("lee").await;
    house.directory.change("lee", |lee| lee.entry.id = "another person".to_owned());
    assert_eq!(house.refusal("lee", PASSWORD).await.1, Refusal::OtherPerson);
    assert_eq!(house.cached(), 0);
}

#[tokio::test]
async fn whoever_is_renamed_keeps_the_account_and_another_way_to_write_a_name_leads_to_it() {
    let mut lee = person("lee", Some(Role::Staff), &[]);
    lee.names.push("lee@house");
    let house = House::with(vec![lee]).await;
    let first = house.enter("lee@house").await;
    assert_eq!(first.account.name, "lee");
    house.directory.go_down(true);
    assert_eq!(house.enter("Lee@House").await.account.id, first.account.id);
    house.directory.go_down(false);
    house.directory.change("lee", |lee| {
        (lee.entry.name, lee.names) = ("park".to_owned(), vec!["park"]);
    });
    let renamed = house.enter("park").await.account;
    assert_eq!((renamed.id, renamed.name.as_str()), (first.account.id, "park"));
    assert_eq!(house.log().last().unwrap().0, "person-renamed");
}

#[tokio::test(start_paused = true)]
async fn however_a_name_is_written_its_account_has_ten_tries() {
    const NAMES: [&str; 20] = [
        "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8",
        "b9", "c1", "c2",
    ];
    let mut lee = person("lee", Some(Role::Staff), &[]);
    lee.names.extend(NAMES);
    let house = House::with(vec![lee]).await;
    for (last, name) in (0_u8..).zip(NAMES) {
        let address = Some(std::net::IpAddr::from([10, 0, 0, last]));
        let caller = Caller { address, ..Caller::default() };
        let refused = house.store.core.sign_in(name, OTHER.into(), &caller).await;
        assert!(refused.is_err());
    }
    assert_eq!(house.directory.0.lock().unwrap().tried, 10);
}

#[tokio::test]
async fn several_entries_of_one_name_are_nobody() {
    let mut twin = person("park", Some(Role::Staff), &[]);
    twin.names.push("lee");
    let house = House::with(vec![person("lee", Some(Role::Staff), &[]), twin]).await;
    assert_eq!(house.refusal("lee", PASSWORD).await, (None, Refusal::Several));
}

#[tokio::test]
async fn a_person_whose_name_the_log_gives_to_something_else_gets_no_account() {
    let house = House::with(vec![person("genset", Some(Role::Staff), &[])]).await;
    assert_eq!(house.refusal("genset", PASSWORD).await.1, Refusal::BadName);
    assert!(house.log().is_empty());
}

#[tokio::test]
async fn the_password_of_a_person_of_the_directory_is_changed_in_the_directory_alone() {
    let house = House::with(vec![person("lee", Some(Role::Staff), &[])]).await;
    let session = house.enter("lee").await;
    let core = &house.store.core;
    let token = session.token.expose();
    assert!(core.confirm_password(&session.account, PASSWORD.into(), token).await.is_ok());
    let wrong = core.confirm_password(&session.account, OTHER.into(), token).await;
    assert!(matches!(wrong, Err(OwnPasswordError::Wrong)));
    let new = OWNER_PASSWORD.into();
    let changed =
        core.change_own_password(&session.account, PASSWORD.into(), new, token, &Caller::default()).await;
    assert!(matches!(changed, Err(OwnPasswordError::OfDirectory)));
    let code = house.store.renew_first_code(&ROOT, session.account.id).await;
    assert!(matches!(code, Err(ChangeError::OfDirectory)));
    house.directory.go_down(true);
    assert!(core.confirm_password(&session.account, PASSWORD.into(), token).await.is_ok());
}

#[tokio::test]
async fn where_no_directory_is_configured_any_more_nobody_of_it_gets_in() {
    let house = House::with(vec![person("lee", Some(Role::Staff), &[])]).await;
    house.enter("lee").await;
    let other = Store::open(house.dir.path()).unwrap();
    for password in [PASSWORD, OWNER_PASSWORD] {
        let refused = other.core.sign_in("lee", password.into(), &Caller::default()).await;
        assert!(matches!(refused, Err(SignInError::Refused { .. })));
    }
    assert!(other.core.is_of_directory(other.core.account_named("lee").unwrap().unwrap().id).unwrap());
}

#[tokio::test]
async fn nothing_is_kept_where_the_configuration_wants_no_cache() {
    let House { directory, dir, .. } = House::with(vec![person("lee", Some(Role::Staff), &[])]).await;
    let rules = DirectoryRules { cached_for: Duration::ZERO, departments: Vec::new() };
    let store = Store::open(dir.path()).unwrap().with_directory(directory.clone(), rules);
    let sign_in = async || store.core.sign_in("lee", PASSWORD.into(), &Caller::default()).await;
    whole(sign_in().await);
    assert_eq!(store.core.cached_people(0..i64::MAX).unwrap(), 0);
    directory.go_down(true);
    assert!(sign_in().await.is_err());
}

#[tokio::test]
async fn a_review_shuts_out_who_has_left_and_leaves_all_in_when_too_many_are_gone() {
    let names = ["lee", "park", "choi", "jung", "kang", "yoon"];
    let people = names.map(|name| person(name, Some(Role::Staff), &[]));
    let house = House::with(people.to_vec()).await;
    for name in names {
        house.enter(name).await;
    }
    let core = &house.store.core;
    house.directory.change("lee", |lee| lee.entry.is_disabled = true);
    house.directory.0.lock().unwrap().people.retain(|person| person.entry.name != "park");
    assert_eq!(core.review_directory_people().await.unwrap(), 2);
    assert_eq!((house.cached(), core.review_directory_people().await.unwrap()), (4, 0));
    house.directory.go_down(true);
    assert!(matches!(core.review_directory_people().await, Err(ReviewError::OutOfReach(_))));
    house.directory.go_down(false);
    house.directory.0.lock().unwrap().people.clear();
    let refused = core.review_directory_people().await;
    assert!(matches!(refused, Err(ReviewError::TooMany { gone: 4, of: 4 })), "{refused:?}");
    assert_eq!(house.cached(), 4);
}

//! Changes of rights on real files: who may make them, what they leave behind, and that the log knows them.

use tempfile::TempDir;

use super::*;
use crate::{Holdings, KeyLane, Record};

const PASSWORD: &str = "four plain words here";
const ROOT: Subject<'_> = Subject::Console("root");

struct Box {
    _dir: TempDir,
    store: Store,
}

impl Box {
    fn open() -> Box {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Box { _dir: dir, store }
    }

    async fn person(&self, name: &str, role: Role) -> Account {
        self.store.add_person(&ROOT, name, role, None).await.unwrap().0
    }

    async fn department(&self, name: &str) -> i64 {
        self.store.add_department(&ROOT, name).await.unwrap().id
    }

    fn holdings(&self, account: &Account) -> Holdings {
        self.store.core.holdings_of_person(account).unwrap()
    }

    fn events(&self) -> Vec<String> {
        let rows = self.store.audit.recent(100).unwrap().into_iter().rev();
        rows.filter_map(|entry| match entry.record {
            Record::Event(event) => Some(event.what),
            _ => None,
        })
        .collect()
    }

    fn may_ask(&self, account: &Account, alias: &str) -> bool {
        let need = Need::Alias { name: alias, restricted: true };
        authorize(&Subject::Person(account, &self.holdings(account)), need).is_ok()
    }
}

fn use_of(alias: &str, grantee: Grantee) -> NewGrant {
    NewGrant { grantee, verb: Verb::Use, object: Object::new(ObjectKind::Alias, alias), expires_ms: None }
}

#[tokio::test]
async fn a_person_who_is_added_chooses_the_password_with_the_code_once() {
    let it = Box::open();
    let (lee, code) = it.store.add_person(&ROOT, "lee", Role::Staff, None).await.unwrap();
    let core = &it.store.core;
    assert!(core.waiting_accounts().unwrap().contains(&lee.id));
    assert!(core.sign_in("lee", PASSWORD.into(), &crate::Caller::default()).await.is_err());
    let wrong = core.choose_first_password("lee", "AAAA", PASSWORD.into()).await;
    assert!(matches!(wrong, Err(crate::FirstPasswordError::Refused)));
    let renewed = it.store.renew_first_code(&ROOT, lee.id).await.unwrap();
    assert!(core.choose_first_password("lee", code.expose(), PASSWORD.into()).await.is_err(), "replaced");
    core.choose_first_password("LEE", &renewed.expose().to_lowercase(), PASSWORD.into()).await.unwrap();
    core.sign_in("lee", PASSWORD.into(), &crate::Caller::default()).await.unwrap();
    assert!(core.choose_first_password("lee", renewed.expose(), PASSWORD.into()).await.is_err(), "used");
    let admin = it.person("park", Role::Admin).await;
    let holdings = it.holdings(&admin);
    let late = it.store.renew_first_code(&Subject::Person(&admin, &holdings), lee.id).await;
    assert!(
        matches!(late, Err(ChangeError::PasswordChosen)),
        "a chosen password is not taken over by a code"
    );
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_at_the_box_with_a_code_and_the_second_factor_stays() {
    let it = Box::open();
    let core = &it.store.core;
    let (lee, code) = it.store.add_person(&ROOT, "lee", Role::Staff, None).await.unwrap();
    core.choose_first_password("lee", code.expose(), PASSWORD.into()).await.unwrap();
    let nobody = crate::Caller::default();
    let entered = core.sign_in("lee", PASSWORD.into(), &nobody).await.unwrap();
    let crate::Entered::Session(session) = entered else { panic!("nothing else is asked for") };
    core.begin_second_factor(lee.id).await.unwrap();
    let pending = core.pending_second_factor(lee.id).unwrap().unwrap();
    let app = totp_rs::Secret::try_from_base32(pending.expose()).unwrap();
    let app = totp_rs::Builder::new().with_secret(app).build_noncompliant();
    let shown = app.generate(now_ms() as u64 / 1000).to_string();
    core.confirm_second_factor(lee.id, &shown, session.token.expose()).await.unwrap();

    let code = it.store.renew_first_code(&ROOT, lee.id).await.unwrap();
    assert!(core.session(session.token.expose()).unwrap().is_none(), "the sessions are over");
    assert!(core.sign_in("lee", PASSWORD.into(), &nobody).await.is_err(), "the old one is void");
    core.choose_first_password("lee", code.expose(), "other four plain words".into()).await.unwrap();
    let entered = core.sign_in("lee", "other four plain words".into(), &nobody).await.unwrap();
    assert!(matches!(entered, crate::Entered::SecondStep(_)), "the second factor is asked for");
}

#[tokio::test]
async fn whoever_looks_after_a_person_ends_their_sessions_and_nobody_else_does() {
    let it = Box::open();
    let core = &it.store.core;
    let (lee, code) = it.store.add_person(&ROOT, "lee", Role::Staff, None).await.unwrap();
    core.choose_first_password("lee", code.expose(), PASSWORD.into()).await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let entered = core.sign_in("lee", PASSWORD.into(), &crate::Caller::default()).await.unwrap();
        let crate::Entered::Session(session) = entered else { panic!("nothing else is asked for") };
        tokens.push(session.token);
    }
    let (admin, operator) = (it.person("park", Role::Admin).await, it.person("choi", Role::Operator).await);
    let holdings = it.holdings(&operator);
    let refused = it.store.end_sessions_of(&Subject::Person(&operator, &holdings), lee.id).await;
    assert!(matches!(refused, Err(ChangeError::Denied(_))));
    let holdings = it.holdings(&admin);
    assert_eq!(it.store.end_sessions_of(&Subject::Person(&admin, &holdings), lee.id).await.unwrap(), 2);
    assert!(tokens.iter().all(|token| core.session(token.expose()).unwrap().is_none()));
    assert_eq!(it.events().last().map(String::as_str), Some("sessions-ended"));
    let entered = core.sign_in("lee", PASSWORD.into(), &crate::Caller::default()).await.unwrap();
    let crate::Entered::Session(session) = entered else { panic!("nothing else is asked for") };
    it.store.remove_person(&ROOT, lee.id).await.unwrap();
    assert!(core.session(session.token.expose()).unwrap().is_none(), "whoever goes is out at once");
}

#[tokio::test]
async fn the_last_two_owners_stay_and_until_there_are_two_the_only_one() {
    let it = Box::open();
    let mut owners = Vec::new();
    for name in ["kim", "lee", "park"] {
        owners.push(it.person(name, Role::Owner).await);
    }
    it.store.change_role(&ROOT, owners[2].id, Role::Staff).await.unwrap();
    for owner in &owners[..2] {
        let removed = it.store.remove_person(&ROOT, owner.id).await;
        assert!(matches!(removed, Err(ChangeError::Account(AccountError::LastOwner))));
        let demoted = it.store.change_role(&ROOT, owner.id, Role::Admin).await;
        assert!(matches!(demoted, Err(ChangeError::Account(AccountError::LastOwner))));
    }
    it.store.change_role(&ROOT, owners[2].id, Role::Owner).await.unwrap();
    it.store.remove_person(&ROOT, owners[0].id).await.unwrap();
    assert_eq!(it.store.core.accounts().unwrap().len(), 2);
}

#[tokio::test]
async fn an_admin_touches_no_owner_and_nobody_their_own_role() {
    let it = Box::open();
    let (owner, admin) = (it.person("kim", Role::Owner).await, it.person("lee", Role::Admin).await);
    let holdings = it.holdings(&admin);
    let by = Subject::Person(&admin, &holdings);
    let denied = |result: Result<(), ChangeError>| matches!(result, Err(ChangeError::Denied(_)));
    assert!(denied(it.store.remove_person(&by, owner.id).await));
    assert!(denied(it.store.renew_first_code(&by, owner.id).await.map(drop)));
    assert!(denied(it.store.change_role(&by, owner.id, Role::Staff).await));
    assert!(denied(it.store.change_role(&by, admin.id, Role::Staff).await));
    for role in [Role::Owner, Role::Operator, Role::Auditor] {
        assert!(denied(it.store.add_person(&by, "new", role, None).await.map(drop)), "{role}");
    }
    it.store.add_person(&by, "new", Role::Staff, None).await.unwrap();
}

#[tokio::test]
async fn a_grant_to_a_department_reaches_its_people_and_ends_with_membership_or_department() {
    let it = Box::open();
    let lee = it.person("lee", Role::Staff).await;
    let ward = it.store.add_department(&ROOT, "ward 3").await.unwrap();
    it.store.give_grant(&ROOT, use_of("oncology", Grantee::Department(ward.id))).await.unwrap();
    assert!(!it.may_ask(&lee, "oncology"));
    it.store.join(&ROOT, ward.id, Member::Person(lee.id)).await.unwrap();
    assert!(it.may_ask(&lee, "oncology") && !it.may_ask(&lee, "cardiology"));
    it.store.leave(&ROOT, ward.id, Member::Person(lee.id)).await.unwrap();
    assert!(!it.may_ask(&lee, "oncology"));
    it.store.join(&ROOT, ward.id, Member::Person(lee.id)).await.unwrap();
    it.store.remove_department(&ROOT, ward.id).await.unwrap();
    assert!(!it.may_ask(&lee, "oncology"));
    assert!(it.store.core.grants().unwrap().is_empty());
    let taken =
        it.store.add_department(&ROOT, "Ward 4").await.and(it.store.add_department(&ROOT, "WARD 4").await);
    assert!(matches!(taken, Err(ChangeError::DepartmentNameTaken)));
}

#[tokio::test]
async fn nobody_gives_a_department_by_filling_it_what_they_do_not_hold() {
    let it = Box::open();
    let (admin, lee) = (it.person("kim", Role::Admin).await, it.person("lee", Role::Staff).await);
    let ward = it.store.add_department(&ROOT, "ward 3").await.unwrap();
    let object = Object::new(ObjectKind::DocumentSet, "personnel");
    let files =
        NewGrant { grantee: Grantee::Department(ward.id), verb: Verb::View, object, expires_ms: None };
    it.store.give_grant(&ROOT, files).await.unwrap();
    let holdings = it.holdings(&admin);
    let by = Subject::Person(&admin, &holdings);
    let filled = it.store.join(&by, ward.id, Member::Person(lee.id)).await;
    assert!(matches!(filled, Err(ChangeError::Denied(Denied::NotHeld(..)))), "{filled:?}");
    let oneself = it.store.join(&by, ward.id, Member::Person(admin.id)).await;
    assert!(matches!(oneself, Err(ChangeError::Denied(Denied::Oneself))));
}

#[tokio::test]
async fn a_department_manager_takes_in_nobody_whom_somebody_else_looks_after() {
    let it = Box::open();
    let (manager, lee) =
        (it.person("kim", Role::DepartmentManager).await, it.person("lee", Role::Staff).await);
    let (own, next) = (it.department("ward 3").await, it.department("ward 4").await);
    let foreign = it.department("ward 5").await;
    for department in [own, next] {
        it.store.join(&ROOT, department, Member::Person(manager.id)).await.unwrap();
    }
    let holdings = it.holdings(&manager);
    let by = Subject::Person(&manager, &holdings);
    let denied = |result: Result<(), ChangeError>| matches!(result, Err(ChangeError::Denied(_)));
    assert!(denied(it.store.join(&by, own, Member::Person(lee.id)).await), "of no department");
    it.store.join(&ROOT, foreign, Member::Person(lee.id)).await.unwrap();
    assert!(denied(it.store.join(&by, own, Member::Person(lee.id)).await), "of another department");
    it.store.join(&ROOT, own, Member::Person(lee.id)).await.unwrap();
    it.store.join(&by, next, Member::Person(lee.id)).await.unwrap();
    assert!(denied(it.store.remove_person(&by, lee.id).await), "another department has a say");
    assert!(denied(it.store.leave(&by, foreign, Member::Person(lee.id)).await));
    let ward = it.store.core.department(own).unwrap().unwrap();
    let (new, _) = it.store.add_person(&by, "new", Role::Staff, Some(&ward)).await.unwrap();
    it.store.remove_person(&by, new.id).await.unwrap();
    assert!(denied(it.store.add_person(&by, "new", Role::Staff, None).await.map(drop)));
}

#[tokio::test]
async fn nobody_has_a_name_that_the_log_gives_to_something_else() {
    let it = Box::open();
    for name in ["key:ward", "box", "genset", "Nobody", "root (command line)", "command line"] {
        let added = it.store.add_person(&ROOT, name, Role::Staff, None).await;
        assert!(matches!(added, Err(ChangeError::Account(AccountError::NameTaken))), "{name}");
    }
}

#[tokio::test]
async fn what_is_granted_ends_with_the_grant_the_person_and_the_key() {
    let it = Box::open();
    let (lee, park) = (it.person("lee", Role::Staff).await, it.person("park", Role::Staff).await);
    let core = &it.store.core;
    let secret = core.create_key("ward", KeyLane::default()).await.unwrap();
    let key = core.key(secret.expose()).unwrap().unwrap();
    let grant = it.store.give_grant(&ROOT, use_of("oncology", Grantee::Person(lee.id))).await.unwrap();
    it.store.give_grant(&ROOT, use_of("oncology", Grantee::Person(park.id))).await.unwrap();
    it.store.give_grant(&ROOT, use_of("oncology", Grantee::Key(key.id))).await.unwrap();
    it.store.end_grant(&ROOT, grant.id).await.unwrap();
    assert!(!it.may_ask(&lee, "oncology") && it.may_ask(&park, "oncology"));
    assert!(matches!(it.store.end_grant(&ROOT, grant.id).await, Err(ChangeError::NoSuchGrant)));
    assert_eq!(core.grants().unwrap().len(), 2);
    it.store.remove_person(&ROOT, park.id).await.unwrap();
    core.revoke_key("ward").await.unwrap();
    assert!(core.grants().unwrap().is_empty());
    let gone = it.store.give_grant(&ROOT, use_of("oncology", Grantee::Key(key.id))).await;
    assert!(matches!(gone, Err(ChangeError::NobodyThere)));
}

#[tokio::test]
async fn broken_glass_opens_for_an_hour_and_somebody_else_reviews_it() {
    let it = Box::open();
    let (owner, lee) = (it.person("kim", Role::Owner).await, it.person("lee", Role::Staff).await);
    let oncology = Object::new(ObjectKind::Alias, "oncology");
    let holdings = it.holdings(&lee);
    let by = Subject::Person(&lee, &holdings);
    let hasty = it.store.break_glass(&by, oncology.clone(), " ").await;
    assert!(matches!(hasty, Err(ChangeError::BadReason)));
    let grant = it.store.break_glass(&by, oncology.clone(), "dose of a child, nobody on call").await.unwrap();
    assert_eq!(grant.expires_ms.unwrap() - grant.given_ms, crate::BROKEN_GLASS_LASTS_MS);
    assert!(it.may_ask(&lee, "oncology"));
    let holdings = it.holdings(&lee);
    let by = Subject::Person(&lee, &holdings);
    assert!(matches!(it.store.break_glass(&by, oncology, "again").await, Err(ChangeError::BrokenAlready)));
    let passed_on = it.store.give_grant(&by, use_of("oncology", Grantee::Person(owner.id))).await;
    assert!(matches!(passed_on, Err(ChangeError::Denied(_))));
    assert_eq!(it.store.core.unreviewed_broken_glass().unwrap(), 1);
    let own = it.store.review_broken_glass(&by, grant.id, "fine").await;
    assert!(matches!(own, Err(ChangeError::Denied(_))));
    let holdings = it.holdings(&owner);
    let reviewer = Subject::Person(&owner, &holdings);
    it.store.review_broken_glass(&reviewer, grant.id, "it was right").await.unwrap();
    let again = it.store.review_broken_glass(&reviewer, grant.id, "once more").await;
    assert!(matches!(again, Err(ChangeError::NotToReview)));
    it.store.remove_person(&ROOT, lee.id).await.unwrap();
    let kept = &it.store.core.broken_glass(10).unwrap()[0];
    assert_eq!((kept.who.as_str(), kept.reason.as_str()), ("lee", "dose of a child, nobody on call"));
    assert_eq!(kept.review.as_ref().unwrap().by, "kim");
}

#[tokio::test]
async fn an_owner_does_not_review_the_own_broken_glass() {
    let it = Box::open();
    let owner = it.person("kim", Role::Owner).await;
    let holdings = it.holdings(&owner);
    let by = Subject::Person(&owner, &holdings);
    let grant =
        it.store.break_glass(&by, Object::every(ObjectKind::Route), "nobody else here").await.unwrap();
    let own = it.store.review_broken_glass(&by, grant.id, "fine").await;
    assert!(matches!(own, Err(ChangeError::NotToReview)));
}

#[tokio::test]
async fn every_change_is_in_the_log_and_a_refused_one_too() {
    let it = Box::open();
    let lee = it.person("lee", Role::Owner).await;
    let ward = it.store.add_department(&ROOT, "ward 3").await.unwrap();
    it.store.join(&ROOT, ward.id, Member::Person(lee.id)).await.unwrap();
    let grant = it.store.give_grant(&ROOT, use_of("a", Grantee::Person(lee.id))).await.unwrap();
    it.store.end_grant(&ROOT, grant.id).await.unwrap();
    it.store.leave(&ROOT, ward.id, Member::Person(lee.id)).await.unwrap();
    it.store.remove_department(&ROOT, ward.id).await.unwrap();
    assert!(it.store.remove_person(&ROOT, lee.id).await.is_err());
    let expected = [
        "person-added",
        "department-added",
        "department-joined",
        "grant-given",
        "grant-ended",
        "department-left",
        "department-removed",
        "person-removed",
        "change-refused",
    ];
    assert_eq!(it.events(), expected);
}

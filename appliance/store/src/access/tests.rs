//! The decision as tables: role by right, and what each grant adds.

use super::*;
use crate::{KeyLane, KeyShare};

const HOUR_MS: i64 = 3_600_000;

fn person(role: Role) -> Account {
    Account { id: 1, name: "kim".to_owned(), role, created_ms: 0 }
}

fn granted(verb: Verb, object: Object) -> Grant {
    Grant {
        id: 7,
        grantee: Grantee::Person(1),
        grantee_name: "kim".to_owned(),
        verb,
        object_name: object.name.clone(),
        object,
        given_by: "lee".to_owned(),
        given_ms: 0,
        expires_ms: None,
        is_broken_glass: false,
    }
}

fn holding(grants: &[Grant]) -> Holdings {
    Holdings { at_ms: HOUR_MS, departments: Vec::new(), grants: grants.to_vec() }
}

fn may<'a>(role: Role, holdings: &Holdings, need: impl Into<Need<'a>>) -> Result<Allowed, Denied> {
    authorize(&Subject::Person(&person(role), holdings), need)
}

fn alias(name: &str, restricted: bool) -> Need<'_> {
    Need::Alias { name, restricted }
}

/// O owner, A admin, P operator, U auditor, M department manager, S staff.
const AS_DECLARED: [(Right, &str); 13] = [
    (Right::Ask, "OAPMS"),
    (Right::ReadStatus, "OAPUMS"),
    (Right::ReadFindings, "OAPU"),
    (Right::ReadAudit, "OU"),
    (Right::ReadPeople, "OAUM"),
    (Right::ManagePeople, "OAM"),
    (Right::ManageKeys, "OA"),
    (Right::ReadRights, "OAUM"),
    (Right::ManageGrants, "OAM"),
    (Right::OrderSite, "OP"),
    (Right::GiveOrders, "OP"),
    (Right::BreakGlass, "OAPMS"),
    (Right::ReviewBreakGlass, "OU"),
];

#[test]
fn each_role_has_its_rights_and_no_other() {
    assert_eq!(AS_DECLARED.map(|(right, _)| right), Right::ALL);
    let nothing = Holdings::default();
    for (right, letters) in AS_DECLARED {
        for (role, letter) in Role::OF_PEOPLE.into_iter().zip("OAPUMS".chars()) {
            let decided = may(role, &nothing, right);
            assert_eq!(decided.is_ok(), letters.contains(letter), "{role} {right:?}: {decided:?}");
        }
        let key =
            ApiKey { id: 1, name: "ward".to_owned(), lane: KeyLane::default(), share: KeyShare::default() };
        let for_keys = matches!(right, Right::Ask | Right::ReadStatus);
        assert_eq!(authorize(&Subject::Key(&key, &nothing), right).is_ok(), for_keys, "{right:?}");
        assert_eq!(authorize(&Subject::Nobody, right), Err(Denied::NotSignedIn));
        assert_eq!(authorize(&Subject::Console("root"), right), Ok(Allowed::Console));
    }
}

#[test]
fn an_alias_is_open_unless_it_is_restricted_and_then_a_grant_opens_it() {
    let nothing = Holdings::default();
    assert_eq!(may(Role::Staff, &nothing, alias("a", false)), Ok(Allowed::OpenAlias(Role::Staff)));
    assert_eq!(may(Role::Staff, &nothing, alias("a", true)), Err(Denied::Restricted));
    assert_eq!(may(Role::Owner, &nothing, alias("a", true)), Ok(Allowed::Role(Role::Owner)));
    assert_eq!(may(Role::Auditor, &nothing, alias("a", false)), Err(Denied::RoleLacks(Role::Auditor)));
    for (verb, opens) in [(Verb::View, false), (Verb::Use, true), (Verb::Manage, true)] {
        for name in ["a", EVERY] {
            let holds = holding(&[granted(verb, Object::new(ObjectKind::Alias, name))]);
            assert_eq!(may(Role::Staff, &holds, alias("a", true)).is_ok(), opens, "{verb:?} {name}");
            assert_eq!(may(Role::Staff, &holds, alias("b", true)).is_ok(), opens && name == EVERY);
        }
        let elsewhere = holding(&[granted(verb, Object::new(ObjectKind::DocumentSet, "a"))]);
        assert_eq!(may(Role::Staff, &elsewhere, alias("a", true)), Err(Denied::Restricted));
    }
}

#[test]
fn a_grant_that_ran_out_is_the_reason_and_a_clock_set_back_makes_none_longer() {
    let mut grant = granted(Verb::Use, Object::new(ObjectKind::Alias, "a"));
    grant.expires_ms = Some(2 * HOUR_MS);
    let at = |at_ms| Holdings { at_ms, departments: Vec::new(), grants: vec![grant.clone()] };
    assert!(may(Role::Staff, &at(2 * HOUR_MS - 1), alias("a", true)).is_ok());
    let over = may(Role::Staff, &at(2 * HOUR_MS), alias("a", true));
    assert_eq!(over, Err(Denied::RanOut(Box::new(grant.clone()))));
    assert!(may(Role::Staff, &at(-HOUR_MS), alias("a", true)).is_err(), "given in the future");
}

#[test]
fn grants_open_the_pages_that_they_need_and_no_other() {
    let opened = |verb, kind, name: &str| -> Vec<Right> {
        let holds = holding(&[granted(verb, Object::new(kind, name))]);
        let rights = Right::ALL.into_iter();
        rights
            .filter(|right| {
                may(Role::Auditor, &holds, *right).is_ok() && !AS_DECLARED_FOR_AUDITOR.contains(right)
            })
            .collect()
    };
    let table: [(Verb, ObjectKind, &str, &[Right]); 9] = [
        (Verb::View, ObjectKind::Alias, "a", &[]),
        (Verb::Use, ObjectKind::Alias, "a", &[Right::Ask]),
        (Verb::Manage, ObjectKind::Alias, "a", &[Right::Ask, Right::ManageGrants]),
        (Verb::Use, ObjectKind::Route, EVERY, &[]),
        (Verb::Manage, ObjectKind::Route, "a", &[Right::ManageGrants, Right::GiveOrders]),
        (Verb::Manage, ObjectKind::Route, EVERY, &[Right::ManageGrants, Right::OrderSite, Right::GiveOrders]),
        (Verb::View, ObjectKind::Department, "1", &[]),
        (Verb::Manage, ObjectKind::Department, "1", &[Right::ManagePeople, Right::ManageGrants]),
        (Verb::Manage, ObjectKind::DocumentSet, EVERY, &[Right::ManageGrants]),
    ];
    for (verb, kind, name, expected) in table {
        assert_eq!(opened(verb, kind, name), expected, "{verb:?} {kind:?} {name}");
    }
}

const AS_DECLARED_FOR_AUDITOR: [Right; 6] = [
    Right::ReadStatus,
    Right::ReadFindings,
    Right::ReadAudit,
    Right::ReadPeople,
    Right::ReadRights,
    Right::ReviewBreakGlass,
];

#[test]
fn a_role_makes_only_people_whose_role_holds_no_more() {
    let nothing = Holdings::default();
    let make =
        |by, role| may(by, &nothing, Need::Person { verb: Verb::Manage, role, departments: &[1] }).is_ok();
    for role in Role::OF_PEOPLE {
        assert!(make(Role::Owner, role));
        let by_admin = matches!(role, Role::Admin | Role::DepartmentManager | Role::Staff);
        assert_eq!(make(Role::Admin, role), by_admin, "{role}");
        for other in [Role::Operator, Role::Auditor, Role::DepartmentManager, Role::Staff] {
            assert!(!make(other, role), "{other} makes {role}");
        }
    }
}

#[test]
fn a_department_manager_looks_after_the_staff_of_the_own_departments_alone() {
    let own = Department { id: 1, name: "ward 3".to_owned(), keep_days: None };
    let holds = Holdings { at_ms: 0, departments: vec![own], grants: Vec::new() };
    let act = |verb, role, departments: &[i64]| {
        may(Role::DepartmentManager, &holds, Need::Person { verb, role, departments }).is_ok()
    };
    assert!(act(Verb::Manage, Role::Staff, &[1]));
    assert!(act(Verb::View, Role::Owner, &[2, 1]));
    for (verb, role, departments) in [
        (Verb::Manage, Role::Staff, &[2][..]),
        (Verb::Manage, Role::Staff, &[1, 2]),
        (Verb::Manage, Role::Staff, &[]),
        (Verb::Manage, Role::DepartmentManager, &[1]),
        (Verb::View, Role::Staff, &[2]),
        (Verb::View, Role::Staff, &[]),
    ] {
        assert!(!act(verb, role, departments), "{verb:?} {role} {departments:?}");
    }
    let in_name_only = may(Role::Staff, &holds, Need::Object(Verb::View, &Object::department(1)));
    assert!(in_name_only.is_err(), "a member of the staff manages nobody");
}

#[test]
fn nobody_grants_what_they_do_not_hold_nor_for_longer_nor_from_behind_broken_glass() {
    let restricted = Object::new(ObjectKind::Alias, "a");
    let give = |role, holdings: &Holdings, verb, grantee, expires_ms| {
        let grant = NewGrant { grantee, verb, object: restricted.clone(), expires_ms };
        may(role, holdings, Need::Grant { grant: &grant, departments: &[1] })
    };
    let (nothing, lee, staff) = (Holdings::default(), Grantee::Person(2), Grantee::Role(Role::Staff));
    for role in Role::OF_PEOPLE {
        let holds = matches!(role, Role::Owner | Role::Admin);
        assert_eq!(give(role, &nothing, Verb::Use, lee, None).is_ok(), holds, "{role}");
        assert_eq!(give(role, &nothing, Verb::Use, staff, None).is_ok(), holds, "{role} to all staff");
    }
    let user = holding(&[granted(Verb::Use, restricted.clone())]);
    assert_eq!(give(Role::Staff, &user, Verb::Use, lee, None), Err(Denied::MayNotGive));
    let department = Department { id: 1, name: "ward 3".to_owned(), keep_days: None };
    let manager = Holdings { departments: vec![department], ..user };
    assert!(give(Role::DepartmentManager, &manager, Verb::Use, lee, None).is_ok());
    assert!(give(Role::DepartmentManager, &manager, Verb::Manage, lee, None).is_err());
    assert_eq!(give(Role::DepartmentManager, &manager, Verb::Use, staff, None), Err(Denied::MayNotGive));

    let mut lent = granted(Verb::Manage, restricted.clone());
    lent.expires_ms = Some(2 * HOUR_MS);
    let lent_to = holding(&[lent.clone()]);
    let longer = Err(Denied::HoldsShorter { until_ms: 2 * HOUR_MS });
    assert_eq!(give(Role::Staff, &lent_to, Verb::Use, lee, None), longer);
    assert_eq!(give(Role::Staff, &lent_to, Verb::Use, lee, Some(2 * HOUR_MS + 1)), longer);
    assert!(give(Role::Staff, &lent_to, Verb::Use, lee, Some(2 * HOUR_MS)).is_ok());
    lent.is_broken_glass = true;
    assert!(give(Role::Staff, &holding(&[lent]), Verb::Use, lee, Some(2 * HOUR_MS)).is_err());
}

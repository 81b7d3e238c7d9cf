//! Who gets where, generated from the table of routes: role by route by grant, swapped numbers, and the pages.

use std::collections::BTreeSet;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use store::{EVERY, Grantee, Member, NewGrant, Object, ObjectKind, Right, Role, Subject, Verb};

use super::access::concrete;
use super::harness::{Box, Browser, PASSWORD};
use crate::guard::Access;
use crate::routes::{Entry, ROUTES};

const ROOT: Subject<'_> = Subject::Console("root");

/// What each right is declared to be for: O owner, A admin, P operator, U auditor, M department manager, S staff.
/// Written down here once more, so that a change of the rule must be meant twice.
fn declared(right: Right) -> &'static str {
    match right {
        Right::Ask | Right::BreakGlass => "OAPMS",
        Right::ReadStatus => "OAPUMS",
        Right::ReadFindings => "OAPU",
        Right::ReadAudit | Right::ReviewBreakGlass => "OU",
        Right::ReadPeople | Right::ReadRights => "OAUM",
        Right::ManagePeople | Right::ManageGrants => "OAM",
        Right::ManageKeys => "OA",
        Right::OrderSite | Right::GiveOrders => "OP",
    }
}

/// Whether a grant opens the route to those whose role does not.
fn opened(right: Right, verb: Verb, kind: ObjectKind, name: &str) -> bool {
    let manages = verb == Verb::Manage;
    match (right, kind) {
        (Right::Ask, ObjectKind::Alias) => verb != Verb::View,
        (Right::ReadPeople, ObjectKind::Department) => true,
        (Right::ManagePeople, ObjectKind::Department) | (Right::GiveOrders, ObjectKind::Route) => manages,
        (Right::OrderSite, ObjectKind::Route) => manages && name == EVERY,
        (Right::ReadRights | Right::ManageGrants, _) => manages,
        _ => false,
    }
}

fn paths_of(router: &Router) -> BTreeSet<String> {
    let printed = format!("{router:?}");
    let routes = printed.split("fallback_router").next().unwrap();
    let quoted = routes.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

async fn grant(the_box: &Box, id: i64, verb: Verb, kind: ObjectKind, name: &str) -> i64 {
    let object = Object::new(kind, name);
    let new = NewGrant { grantee: Grantee::Person(id), verb, object, expires_ms: None };
    the_box.store.give_grant(&ROOT, new).await.unwrap().id
}

fn id_of(the_box: &Box, name: &str) -> i64 {
    the_box.store.core.account_named(name).unwrap().unwrap().id
}

#[tokio::test]
async fn every_route_of_the_portal_declares_who_may_use_it() {
    let the_box = Box::fresh();
    let declared: BTreeSet<String> = ROUTES.iter().map(|entry| entry.path.to_owned()).collect();
    assert_eq!(paths_of(&the_box.router), declared);
    let forgotten = the_box.router.route("/forgotten", get(|| async {}));
    assert_ne!(paths_of(&forgotten), declared, "a route beside the table is found");
}

#[tokio::test]
async fn each_role_gets_to_its_routes_alone_and_each_grant_opens_what_it_says() {
    let the_box = Box::with_a_refusing_cloud();
    the_box.owner().await;
    let mut cells = 0;
    let grants: Vec<Option<(Verb, ObjectKind, &str)>> = std::iter::once(None)
        .chain(Verb::ALL.into_iter().flat_map(|verb| {
            let kinds = ObjectKind::ALL.into_iter();
            kinds.flat_map(move |kind| [Some((verb, kind, "1")), Some((verb, kind, EVERY))])
        }))
        .collect();
    for (role, letter) in Role::OF_PEOPLE.into_iter().zip("OAPUMS".chars()) {
        let name = format!("person-{letter}");
        let mut browser = the_box.person(&name, role).await;
        let token = browser.get("/status").await.attribute("input[name=csrf]", "value");
        for given in &grants {
            let id = id_of(&the_box, &name);
            let given_id = match given {
                Some((verb, kind, object)) => Some(grant(&the_box, id, *verb, *kind, object).await),
                None => None,
            };
            for Entry { path, access, .. } in ROUTES {
                let Access::With(right) = *access else { continue };
                let by_grant = given.is_some_and(|(verb, kind, object)| opened(right, verb, kind, object));
                let may = declared(right).contains(letter) || by_grant;
                let got = browser.get(&concrete(path)).await;
                let cell = format!("{role} {given:?} {path}: {}", got.status);
                let led_away = got.status == StatusCode::SEE_OTHER && *path == "/";
                assert_eq!(got.status == StatusCode::FORBIDDEN || led_away, !may, "{cell}");
                assert!(!got.header("location").starts_with("/sign-in"), "{cell}");
                if !may {
                    let posted = browser.post(&concrete(path), &format!("csrf={token}")).await;
                    assert_eq!(posted.status, StatusCode::FORBIDDEN, "{cell}");
                }
                cells += 1;
            }
            if let Some(grant) = given_id {
                the_box.store.end_grant(&ROOT, grant).await.unwrap();
            }
        }
    }
    assert!(cells > 1_500, "{cells} cells");
}

/// Two wards, each with a manager, a member of the staff and a conversation.
struct Wards {
    the_box: Box,
    managers: [Browser; 2],
    staff: [Browser; 2],
    staff_ids: [i64; 2],
    departments: [i64; 2],
    conversations: [String; 2],
    grants: [i64; 2],
}

impl Wards {
    async fn open() -> Wards {
        let the_box = Box::with_a_refusing_cloud();
        the_box.owner().await;
        let (mut managers, mut staff) = (Vec::new(), Vec::new());
        let (mut staff_ids, mut departments) = (Vec::new(), Vec::new());
        let (mut conversations, mut grants) = (Vec::new(), Vec::new());
        for ward in ["east", "west"] {
            let department = the_box.store.add_department(&ROOT, &format!("ward-{ward}")).await.unwrap();
            managers.push(the_box.person(&format!("manager-{ward}"), Role::DepartmentManager).await);
            staff.push(the_box.person(&format!("nurse-{ward}"), Role::Staff).await);
            for name in [format!("manager-{ward}"), format!("nurse-{ward}")] {
                let member = Member::Person(id_of(&the_box, &name));
                the_box.store.join(&ROOT, department.id, member).await.unwrap();
            }
            let nurse = id_of(&the_box, &format!("nurse-{ward}"));
            let title = format!("secret-{ward}");
            let conversation = the_box.store.work.create_conversation(nurse, &title).await.unwrap();
            conversations.push(conversation.id);
            grants.push(grant(&the_box, nurse, Verb::Use, ObjectKind::Alias, "oncology").await);
            staff_ids.push(nurse);
            departments.push(department.id);
        }
        let pair = "two wards";
        Wards {
            the_box,
            managers: managers.try_into().ok().expect(pair),
            staff: staff.try_into().ok().expect(pair),
            staff_ids: staff_ids.try_into().expect(pair),
            departments: departments.try_into().expect(pair),
            conversations: conversations.try_into().expect(pair),
            grants: grants.try_into().expect(pair),
        }
    }
}

#[tokio::test]
async fn nobody_reads_or_changes_by_a_swapped_number_what_is_not_theirs() {
    let Wards { the_box, managers, staff, staff_ids, departments, conversations, grants } =
        Wards::open().await;
    let before = format!("{:?}", (the_box.store.core.grants(), the_box.store.core.members()));
    for (own, other) in [(0, 1), (1, 0)] {
        let other_ward = ["east", "west"][other];
        let mut nurse = staff[own].clone();
        assert_eq!(nurse.get(&format!("/c/{}", conversations[own])).await.status, StatusCode::OK);
        let mut manager = managers[own].clone();
        assert_eq!(manager.get(&format!("/people/{}", staff_ids[own])).await.status, StatusCode::OK);
        assert_eq!(manager.get(&format!("/departments/{}", departments[own])).await.status, StatusCode::OK);
        let token = manager.get("/people").await.attribute("input[name=csrf]", "value");
        let (person, department, grant) = (staff_ids[other], departments[other], grants[other]);
        let swapped = [
            (None, format!("/c/{}", conversations[other])),
            (None, format!("/people/{person}")),
            (None, format!("/departments/{department}")),
            (None, format!("/rights?who=nurse-{other_ward}")),
            (Some("role=staff".to_owned()), format!("/people/{person}/role")),
            (Some(String::new()), format!("/people/{person}/code")),
            (Some(String::new()), format!("/people/{person}/remove")),
            (Some(format!("kind=person&name=nurse-{other_ward}")), format!("/departments/{department}/join")),
            (Some(format!("member=person+{person}")), format!("/departments/{department}/leave")),
            (Some("days=1".to_owned()), format!("/departments/{department}/keep")),
            (Some(String::new()), format!("/departments/{department}/remove")),
            (Some(String::new()), format!("/rights/{grant}/end")),
            (Some(format!("name=x&role=staff&department={department}")), "/people/add".to_owned()),
        ];
        for (form, path) in swapped {
            let page = match &form {
                None => manager.get(&path).await,
                Some(form) => manager.post(&path, &format!("csrf={token}&{form}")).await,
            };
            let refused = [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&page.status);
            assert!(refused || path.starts_with("/rights?"), "{path}: {}", page.status);
            assert!(!page.body.contains("secret-"), "{path}");
            let shown = page.body.matches(&format!("nurse-{other_ward}")).count();
            let echoed = usize::from(path.starts_with("/rights?"));
            assert_eq!(shown, echoed, "{path}: only what the reader typed");
        }
        let list = manager.get("/people").await.body;
        assert!(list.contains(&format!("nurse-{}", ["east", "west"][own])));
        assert!(
            !list.contains(&format!("nurse-{other_ward}")) && !list.contains(&format!("ward-{other_ward}"))
        );
    }
    let after = format!("{:?}", (the_box.store.core.grants(), the_box.store.core.members()));
    assert_eq!(before, after);
}

#[tokio::test]
async fn no_role_reads_the_conversations_of_others() {
    let Wards { the_box, conversations, .. } = Wards::open().await;
    for role in Role::OF_PEOPLE {
        let mut browser = the_box.person(&format!("curious-{role}"), role).await;
        for conversation in &conversations {
            let page = browser.get(&format!("/c/{conversation}")).await;
            assert!(matches!(page.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN), "{role}");
            let form = format!("conversation={conversation}&alias=assistant&question=x");
            let asked = browser.submit("/ask", &form).await;
            assert!(matches!(asked.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN), "{role}");
        }
        for Entry { path, .. } in ROUTES {
            assert!(!browser.get(&concrete(path)).await.body.contains("secret-"), "{role} {path}");
        }
    }
}

#[tokio::test]
async fn rights_that_are_taken_away_are_gone_with_the_next_request() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let mut admin = the_box.person("lee", Role::Admin).await;
    assert_eq!(admin.get("/people").await.status, StatusCode::OK);
    the_box.store.change_role(&ROOT, id_of(&the_box, "lee"), Role::Staff).await.unwrap();
    assert_eq!(admin.get("/people").await.status, StatusCode::FORBIDDEN);
    the_box.store.remove_person(&ROOT, id_of(&the_box, "lee")).await.unwrap();
    assert!(admin.get("/").await.header("location").starts_with("/sign-in"));
}

#[tokio::test]
async fn a_person_is_added_chooses_a_password_and_is_in() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let page = owner.submit("/people/add", "name=lee&role=operator&department=").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let code = page.text("#fresh-code .code");
    let mut lee = the_box.browser();
    assert_eq!(lee.get("/sign-in").await.attribute("a[href='/welcome']", "href"), "/welcome");
    let wrong =
        lee.post("/welcome", &format!("name=lee&code=AAAA&password={PASSWORD}&again={PASSWORD}")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text(".notice--bad").starts_with("The name or the code is not right"));
    let form = format!("name=lee&code={code}&password={PASSWORD}&again={PASSWORD}");
    assert_eq!(lee.post("/welcome", &form).await.header("location"), "/");
    assert_eq!(lee.get("/orders").await.status, StatusCode::OK);
    assert_eq!(lee.get("/people").await.status, StatusCode::FORBIDDEN);
    let again = the_box.browser().post("/welcome", &form).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "the code works once");
    let taken = owner.submit("/people/add", "name=LEE&role=staff&department=").await;
    assert_eq!(taken.text(".notice--bad"), "There is an account with this name already.");
}

#[tokio::test]
async fn the_page_says_why_somebody_may_or_may_not_use_an_alias() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    the_box.staff("lee").await;
    let page = owner.get("/rights?who=lee&alias=oncology").await;
    assert_eq!(page.attribute(".whys tbody tr", "data-may"), "false");
    assert_eq!(page.text(".whys td.finding"), "This assistant is restricted, and no grant opens it.");
    let form = "to_kind=person&to=lee&verb=use&object_kind=alias&object=oncology&lasts=4";
    assert_eq!(owner.submit("/rights/give", form).await.header("location"), "/rights");
    let page = owner.get("/rights?who=lee&alias=oncology").await;
    assert_eq!(page.attribute(".whys tbody tr", "data-may"), "true");
    assert!(page.text(".whys td.finding").contains("given by kim"), "{}", page.text(".whys td.finding"));
    let slip = owner.submit("/rights/give", &form.replace("oncology", "oncolgy")).await;
    assert_eq!(slip.text(".notice--bad"), "There is no such thing to grant.");
    assert!(owner.get("/rights?who=nobody").await.has(".notice--bad"));
}

#[tokio::test]
async fn the_chat_offers_what_a_person_may_use_and_refuses_the_rest_in_words() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let mut lee = the_box.staff("lee").await;
    assert_eq!(lee.get("/").await.text("select[name=alias]").trim(), "assistant");
    let asked = lee.submit("/ask", "alias=oncology&question=hello").await;
    let page = lee.get(asked.header("location").split('#').next().unwrap()).await;
    assert!(page.body.contains("You may not use this assistant."), "{}", page.body);
    grant(&the_box, id_of(&the_box, "lee"), Verb::Use, ObjectKind::Alias, "oncology").await;
    assert!(lee.get("/").await.text("select[name=alias]").contains("oncology"));
}

#[tokio::test]
async fn broken_glass_is_told_to_everybody_and_leaves_the_queue_when_another_has_looked() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let mut lee = the_box.staff("lee").await;
    let hasty = lee.submit("/break-glass", "what=alias+oncology&reason=").await;
    assert_eq!(hasty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let unknown = lee.submit("/break-glass", "what=alias+assistant&reason=just+so").await;
    assert_eq!(unknown.status, StatusCode::FORBIDDEN, "what is open needs no broken glass");
    assert_eq!(lee.get("/orders").await.status, StatusCode::FORBIDDEN);
    assert_eq!(lee.submit("/break-glass", "what=&reason=just+so").await.status, StatusCode::BAD_REQUEST);
    let done = lee.submit("/break-glass", "what=alias+oncology&reason=child,+dose,+nobody+on+call").await;
    assert_eq!(done.header("location"), "/break-glass", "{}", done.body);
    assert!(lee.get("/break-glass").await.text("#open").contains("oncology"));
    assert!(lee.get("/").await.text("select[name=alias]").contains("oncology"));
    assert_eq!(lee.get("/break-glass/review").await.status, StatusCode::FORBIDDEN);

    let queue = owner.get("/break-glass/review").await;
    assert!(queue.text("#waiting td.finding").contains("nobody on call"));
    assert!(owner.get("/").await.text("#to-review").contains("(1)"));
    let grant = queue.attribute("#waiting tbody tr", "data-grant");
    let reviewed = owner.submit("/break-glass/review", &format!("grant={grant}&finding=it+was+right")).await;
    assert_eq!(reviewed.header("location"), "/break-glass/review");
    let queue = owner.get("/break-glass/review").await;
    assert!(!queue.has("#waiting") && queue.text("#reviewed").contains("it was right"));
    assert!(!owner.get("/").await.has("#to-review"));
}

#[tokio::test]
async fn orders_are_for_those_who_manage_the_route_and_in_an_emergency_for_others() {
    let the_box = Box::with_a_refusing_cloud();
    the_box.owner().await;
    let mut lee = the_box.staff("lee").await;
    grant(&the_box, id_of(&the_box, "lee"), Verb::Manage, ObjectKind::Route, "demo").await;
    assert_eq!(lee.get("/drills").await.status, StatusCode::FORBIDDEN);
    let all = lee.submit("/orders", "kind=force-local&reason=cable+works&minutes=30").await;
    assert_eq!(all.status, StatusCode::FORBIDDEN, "one route is not all of them");
    let one = lee.submit("/orders", "kind=isolate+demo&reason=cable+works&minutes=30").await;
    assert_eq!(one.header("location"), "/orders", "{}", one.body);

    let mut park = the_box.staff("park").await;
    let done = park.submit("/break-glass", "what=orders&reason=no+operator+can+be+reached").await;
    assert_eq!(done.header("location"), "/break-glass", "{}", done.body);
    let given = park.submit("/orders", "kind=force-local&reason=the+line+is+cut&minutes=30").await;
    assert_eq!(given.header("location"), "/orders", "{}", given.body);
    let passed_on = "to_kind=person&to=lee&verb=manage&object_kind=route&object=*&lasts=0";
    assert_eq!(park.submit("/rights/give", passed_on).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_pages_of_rights_speak_korean_too() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    the_box.staff("lee").await;
    owner.headers = vec![("accept-language", "ko")];
    for (path, title) in [
        ("/people", "사용자"),
        ("/rights?who=lee", "권한"),
        ("/break-glass", "비상 권한"),
        ("/break-glass/review", "검토할 비상 권한"),
    ] {
        assert_eq!(owner.get(path).await.text("h1"), title);
    }
    assert!(owner.get("/rights?who=lee").await.body.contains("제한된 도우미이며"));
}

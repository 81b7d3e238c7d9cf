//! How long conversations are kept: who sets it, and what people read about it.

use http::StatusCode;
use store::{Member, Record, Role, Subject};

use super::harness::{Box, Browser};

const ROOT: Subject<'_> = Subject::Console("root");

async fn kept(browser: &mut Browser, path: &str) -> String {
    browser.get(path).await.text("#kept")
}

#[tokio::test]
async fn an_owner_sets_a_departments_time_and_its_people_read_it() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let mut lee = the_box.staff("lee").await;
    let id = the_box.store.core.account_named("lee").unwrap().unwrap().id;
    let oncology = the_box.store.add_department(&ROOT, "oncology").await.unwrap().id;
    the_box.store.join(&ROOT, oncology, Member::Person(id)).await.unwrap();
    assert!(kept(&mut lee, "/account").await.contains("as long as the account is there"));

    let page = format!("/departments/{oncology}");
    let set = owner.submit(&format!("{page}/keep"), "days=30").await;
    assert_eq!(set.header("location"), page, "{}", set.body);
    assert_eq!(owner.get(&page).await.attribute("#days", "value"), "30");
    let told = "A conversation is deleted 30 days after its last message, as the department oncology says.";
    assert_eq!(kept(&mut lee, "/account").await, told);
    assert_eq!(kept(&mut owner, &format!("/people/{id}")).await, told);
    lee.headers = vec![("accept-language", "ko")];
    assert!(kept(&mut lee, "/account").await.starts_with("oncology 부서의 설정에 따라"));

    for days in ["0", "3651", "-1", "thirty", "1.5"] {
        let slip = owner.submit(&format!("{page}/keep"), &format!("days={days}")).await;
        assert_eq!(slip.status, StatusCode::UNPROCESSABLE_ENTITY, "{days}");
        assert!(slip.text(".notice--bad").contains("from 1 to 3650"), "{days}");
    }
    owner.submit(&format!("{page}/keep"), "days=").await;
    assert_eq!(owner.get(&page).await.attribute("#days", "value"), "");
    let rows = the_box.store.audit.recent(9).unwrap().into_iter();
    let changes = rows.filter(
        |entry| matches!(&entry.record, Record::Event(event) if event.what == "retention-changed" && event.who == "kim"),
    );
    assert_eq!(changes.count(), 2);
}

#[tokio::test]
async fn a_departments_manager_reads_its_time_and_does_not_set_it() {
    let the_box = Box::fresh();
    the_box.owner().await;
    let mut manager = the_box.person("manager", Role::DepartmentManager).await;
    let id = the_box.store.core.account_named("manager").unwrap().unwrap().id;
    let ward = the_box.store.add_department(&ROOT, "ward").await.unwrap().id;
    the_box.store.join(&ROOT, ward, Member::Person(id)).await.unwrap();
    let page = format!("/departments/{ward}");
    assert!(kept(&mut manager, &page).await.contains("sets no limit"));
    assert!(!manager.get(&page).await.has("#keep"));
    assert_eq!(manager.submit(&format!("{page}/keep"), "days=1").await.status, StatusCode::FORBIDDEN);
    assert_eq!(the_box.store.core.department(ward).unwrap().unwrap().keep_days, None);
}

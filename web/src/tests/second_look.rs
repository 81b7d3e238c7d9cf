//! The page of second looks: what waits, marking one, and who may not see it.

use http::StatusCode;
use store::SecondLook;

use super::harness::{Box, Browser};
use crate::moment::Clock;

async fn noted(the_box: &Box) {
    let look = SecondLook {
        request_id: "r-1".into(),
        at_ms: Clock::now_ms(),
        who: "key:<i>ward</i>".into(),
        alias: "assistant".into(),
        model: "local/large".into(),
        reason: "recovering".into(),
        lane: "clinical".into(),
        chars: 321,
        ..SecondLook::default()
    };
    let work = &the_box.store.work;
    work.note_second_look(look.clone());
    work.note_second_look(SecondLook { request_id: "r-2".into(), reason: "slow".into(), ..look });
    // Writes are done in order.
    work.mark_looked(Some("nobody"), "kim").await.unwrap();
}

async fn in_korean(browser: &mut Browser) {
    browser.post("/language", "language=ko&back=/").await;
}

#[tokio::test]
async fn an_owner_sees_what_waits_and_marks_one() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    assert!(owner.get("/second-look").await.text("main").contains("Nothing is waiting"));
    noted(&the_box).await;
    let page = owner.get("/second-look").await;
    assert_eq!(page.text("#counts"), "2 of 2 have not been looked at.");
    let row = page.text("#looks [data-request=r-1]");
    for words in ["key <i>ward</i>", "assistant", "local/large", "still coming back", "clinical", "321"] {
        assert!(row.contains(words), "{words} in {row}");
    }
    assert!(!page.body.contains("<i>ward"), "the name of a key is escaped");

    assert_eq!(owner.submit("/second-look", "request=r-1").await.header("location"), "/second-look");
    let page = owner.get("/second-look").await;
    assert_eq!(page.text("#counts"), "1 of 2 have not been looked at.");
    assert!(!page.has("[data-request=r-1]") && page.has("[data-request=r-2] button"));
    assert!(owner.get("/status").await.text("#events").contains("kim marked an answer as looked at."));
    let all = owner.get("/second-look?all=yes").await;
    assert!(all.text("[data-request=r-1]").contains("kim"));
    assert!(!all.has("[data-request=r-1] button"));
    let back = owner.submit("/second-look", "request=r-1&all=yes").await;
    assert_eq!(back.header("location"), "/second-look?all=yes");
}

#[tokio::test]
async fn the_same_is_read_in_korean() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    in_korean(&mut owner).await;
    assert!(owner.get("/second-look").await.text("main").contains("재확인을 기다리는 답변이 없습니다."));
    noted(&the_box).await;
    let page = owner.get("/second-look").await;
    assert_eq!(page.text("#counts"), "전체 2건 가운데 2건을 아직 확인하지 않았습니다.");
    let row = page.text("#looks [data-request=r-1]");
    for words in ["API 키", "복구되는 중", "진료", "321자", "확인함"] {
        assert!(row.contains(words), "{words} in {row}");
    }
}

#[tokio::test]
async fn nobody_but_an_owner_sees_it_and_a_form_without_the_token_marks_nothing() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    noted(&the_box).await;
    let mut staff = the_box.staff("lee").await;
    assert_eq!(staff.get("/second-look").await.status, StatusCode::FORBIDDEN);
    assert_eq!(staff.submit("/second-look", "request=r-1").await.status, StatusCode::FORBIDDEN);
    assert!(!staff.get("/status").await.has(".masthead-nav a[href='/second-look']"));
    assert_eq!(owner.post("/second-look", "request=r-1").await.status, StatusCode::FORBIDDEN);
    assert_eq!(the_box.store.work.second_look_counts().unwrap().open, 2);
}

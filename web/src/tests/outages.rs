//! The pages of outages: the list, and the report on the screen and on paper, for owners and for staff.

use http::StatusCode;
use store::{Outage, OutageCounts, OutageScope};

use super::harness::Box;

const START_MS: i64 = 1_700_000_000_000;

fn counts() -> OutageCounts {
    let mut counts = OutageCounts { failovers: 3, seams: 1, hedges: 2, ..OutageCounts::default() };
    let lane = counts.served.entry("clinical".into()).or_default();
    lane.insert("local/large".into(), 7);
    lane.insert("spare/demo-cloud-large".into(), 2);
    counts.refused.insert("batch".into(), 4);
    counts
}

async fn recorded(the_box: &Box, outage: Outage) -> i64 {
    the_box.store.work.begin_outage(outage).await.unwrap().id
}

fn ended() -> Outage {
    Outage {
        start_ms: START_MS,
        end_ms: Some(START_MS + 4_325_000),
        verdict: Some("internet-down".into()),
        served_local: 7,
        upstreams: "demo, spare".into(),
        evidence: "demo: <b>no answer</b> within 2000 ms".into(),
        evidence_ko: "demo: 2000 ms 안에 <b>응답 없음</b>".into(),
        first_evidence_ms: Some(START_MS),
        tripped_ms: Some(START_MS + 900),
        first_local_ms: Some(START_MS + 1_400),
        failback_ms: Some(START_MS + 4_400_000),
        restarts: 1,
        counts: counts(),
        ..Outage::default()
    }
}

#[tokio::test]
async fn the_list_names_every_outage_in_the_readers_words() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    assert!(owner.get("/outages").await.text("main").contains("No outage has been recorded."));
    let first = recorded(&the_box, ended()).await;
    let partial = Outage {
        start_ms: START_MS,
        scope: OutageScope::Upstream,
        upstreams: "spare".into(),
        ..Outage::default()
    };
    recorded(&the_box, partial).await;

    let page = owner.get("/outages").await;
    assert_eq!(page.count("#outages tbody tr"), 2);
    assert!(page.text("#outages tbody tr:first-child").contains("still running"));
    assert!(page.text("#outages tbody tr:first-child").contains("only spare"));
    let row = page.text("#outages tbody tr:last-child");
    for words in
        ["1 h 12 min", "the whole site", "The internet could not be reached from this building.", "7 4"]
    {
        assert!(row.contains(words), "{words} in {row}");
    }
    assert_eq!(page.attribute("#outages tr:last-child a", "href"), format!("/outages/{first}"));
    assert_eq!(page.attribute(".masthead-nav a[aria-current]", "href"), "/outages");

    owner.post("/language", "language=ko&back=/").await;
    let row = owner.get("/outages").await.text("#outages tbody tr:last-child");
    for words in ["1시간 12분", "전체", "이 건물에서 인터넷에 접속할 수 없었습니다.", "7 4"]
    {
        assert!(row.contains(words), "{words} in {row}");
    }
}

#[tokio::test]
async fn the_report_holds_what_happened_and_who_printed_it_in_both_languages() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let path = format!("/outages/{}", recorded(&the_box, ended()).await);
    let english = [
        ("#cause", "The internet could not be reached from this building."),
        ("#facts", "within 2000 ms"),
        ("#facts", "900 ms after the first failure"),
        ("#facts", "1400 ms after the first failure"),
        ("#facts", "Answers taken over in the middle 1"),
        ("#facts", "Answers begun beside a late cloud 2"),
        ("#facts", "Attempts at a cloud that failed 3"),
        ("#facts", "What to check Check the router"),
        ("#sum", "7 answered inside the building, 2 by a cloud, 4 refused or failed."),
        ("#requests", "clinical local/large 7"),
        ("#requests .refusal", "batch nobody: refused or failed 4"),
        (".print-head", "Harbor Hospital · Printed by kim, 20"),
    ];
    let korean = [
        ("#cause", "이 건물에서 인터넷에 접속할 수 없었습니다."),
        ("#facts", "demo: 2000 ms 안에 <b>응답 없음</b>"),
        ("#facts", "첫 실패 후 900 ms"),
        ("#facts", "첫 실패 후 1400 ms"),
        ("#facts", "도중에 인계된 답변 1"),
        ("#facts", "늦은 클라우드와 함께 시작한 답변 2"),
        ("#facts", "실패한 클라우드 시도 3"),
        ("#facts", "점검할 사항"),
        ("#sum", "건물 내부 답변 7건, 클라우드 답변 2건, 거부 또는 실패 4건입니다."),
        ("#requests", "진료 local/large 7"),
        ("#requests .refusal", "일괄 처리 없음: 거부 또는 실패 4"),
        (".print-head", "Harbor Hospital · 출력: kim, 20"),
    ];
    for (language, expected) in [("en", english), ("ko", korean)] {
        owner.post("/language", &format!("language={language}&back=/")).await;
        let page = owner.get(&path).await;
        for (place, words) in expected {
            assert!(page.text(place).contains(words), "{words} in {}", page.text(place));
        }
        assert!(!page.body.contains("<b>no"), "what an upstream said is escaped");
    }
    for nowhere in ["/outages/7", "/outages/-1"] {
        assert_eq!(owner.get(nowhere).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn staff_read_a_report_without_what_the_upstream_said() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let path = format!("/outages/{}", recorded(&the_box, ended()).await);
    assert!(owner.get(&path).await.body.contains("within 2000 ms"));
    let page = the_box.staff("lee").await.get(&path).await;
    assert!(page.text("#cause").starts_with("Cause: The internet could not be reached"));
    assert!(!page.body.contains("within 2000 ms") && !page.body.contains("Check the router"));
    let status = owner.get("/status").await;
    assert_eq!(status.attribute("#outages td a", "href"), path);
}

#[tokio::test]
async fn an_end_that_the_box_did_not_see_is_told_as_the_time_between_which_it_lies() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let unseen = Outage { end_after_ms: Some(START_MS + 65_000), ..ended() };
    let path = format!("/outages/{}", recorded(&the_box, unseen).await);
    let english = [
        "not known: between 2023-11-14 22:14",
        "and 2023-11-14 23:25",
        "at least 1 min 5 s, at most 1 h 12 min",
    ];
    let korean = ["알 수 없음: 2023-11-14 22:14", "부터 2023-11-14 23:25", "최소 1분 5초, 최대 1시간 12분"];
    for (language, words) in [("en", english), ("ko", korean)] {
        owner.post("/language", &format!("language={language}&back=/")).await;
        let report = owner.get(&path).await.text("#facts");
        let listed = owner.get("/outages").await.text("#outages");
        for words in words {
            assert!(report.contains(words) && listed.contains(words), "{words} in {report} and {listed}");
        }
        assert!(owner.get("/status").await.text("#outages").contains(words[0]));
    }
}

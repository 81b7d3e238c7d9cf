//! The pages of drills: what is due, what does not begin, and a report.

use continuity::drill::{DrillResult, Finding, Judgement};
use gateway::DrillReport;
use gateway::drill::{Cut, Means};
use http::StatusCode;

use super::harness::Box;

#[tokio::test]
async fn a_site_without_a_drill_is_told_so_and_a_bad_wish_in_words() {
    let the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let page = owner.get("/drills").await;
    assert_eq!(page.attribute("#due", "data-urgency"), "red");
    assert!(page.text("#due").contains("No valid drill yet."));
    let refused = owner.submit("/drills", "scope=house&long=").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text("[role=alert]").contains("no such scope"));
    assert_eq!(owner.get("/drills/7").await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.submit("/drills/abort", "").await.header("location"), "/drills");
}

#[tokio::test]
async fn a_drill_of_a_box_without_a_standby_does_not_begin_and_the_page_says_why() {
    let mut the_box = Box::with_a_refusing_cloud();
    let mut owner = the_box.owner().await;
    let cancel = tokio_util::sync::CancellationToken::new();
    let monitor = the_box.monitor.take().expect("the monitor runs once").run(cancel.clone());
    let visit = async {
        let table = [
            ("site", "there is nothing to rehearse", "연습할 것이 없습니다"),
            ("alias nobody", "There is no assistant of that name", "그런 이름의 도우미가 없습니다"),
            ("key nobody", "There is no API key of that name", "그런 이름의 API 키가 없거나"),
        ];
        for (scope, english, korean) in table {
            for (language, words, result) in
                [("en", english, "did not begin"), ("ko", korean, "시작되지 않음")]
            {
                owner.post("/language", &format!("language={language}&back=/")).await;
                let refused = owner.submit("/drills", &format!("scope={scope}&long=")).await;
                assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
                let told = refused.text("[role=alert]");
                assert!(told.contains(words), "{scope}: {told}");
                let row = refused.text("#drills tbody tr:first-child");
                assert!(row.contains(result) && row.contains(words), "{row}");
            }
        }
        cancel.cancel();
    };
    futures_util::future::join(monitor, visit).await;
}

#[tokio::test]
async fn the_report_names_every_finding_in_both_languages() {
    let the_box = Box::fresh();
    let mut owner = the_box.owner().await;
    let work = &the_box.store.work;
    let id = work.ask_drill("kim", "site", false).await.unwrap();
    work.begin_drill(id).await.unwrap();
    let findings = vec![
        Finding::SlowTransfer { ms: 11_000, promise_ms: 10_000 },
        Finding::TooLittleLoad { percent: 12, wanted: 30 },
        Finding::AbortedBy { who: "<b>lee</b>".into() },
    ];
    let report = DrillReport {
        judgement: Some(Judgement { result: DrillResult::Failed, findings }),
        scope: "site".into(),
        cuts: vec![Cut { upstream: "openai".into(), means: Means::Nftables }],
        transfer_ms: Some(11_000),
        promise_ms: 10_000,
        ..DrillReport::default()
    };
    let text = serde_json::to_string(&report).unwrap();
    work.end_drill(id, "failed", &text).await.unwrap();
    let page = owner.get(&format!("/drills/{id}")).await;
    assert_eq!(page.attribute("#result", "data-result"), "failed");
    assert_eq!(page.count("#findings li"), 3);
    assert!(!page.body.contains("<b>lee"), "what a person wrote is escaped");
    assert!(page.text("#facts").contains("openai: cut for real"));
    owner.post("/language", "language=ko&back=/").await;
    let page = owner.get(&format!("/drills/{id}")).await;
    assert!(page.text("#findings").contains("전환에 11000 ms가 걸렸습니다"), "{}", page.text("#findings"));
    assert!(owner.get("/drills").await.text("#drills").contains("불합격"));
}

//! The record of an outage outlives the box.

use std::time::{Duration, Instant};

use continuity::{Language, Verdict};
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;
use tests::test_appliance::known_answer;
use tests::{Chat, FakeCloud, TestAppliance};

const PATIENCE: Duration = Duration::from_secs(30);

/// An outage as it stands on disk.
#[derive(Debug)]
struct Record {
    start_ms: i64,
    end_ms: Option<i64>,
    end_after_ms: Option<i64>,
    seen_ms: Option<i64>,
    verdict: Option<String>,
    failback_ms: Option<i64>,
    first_evidence_ms: Option<i64>,
    first_local_ms: Option<i64>,
    restarts: u32,
    served_local: u64,
    counts: Value,
}

impl Record {
    fn read(row: &Row<'_>) -> rusqlite::Result<Record> {
        Ok(Record {
            start_ms: row.get(0)?,
            end_ms: row.get(1)?,
            failback_ms: row.get(2)?,
            first_evidence_ms: row.get(3)?,
            first_local_ms: row.get(4)?,
            restarts: row.get(5)?,
            served_local: row.get(6)?,
            counts: serde_json::from_str(&row.get::<_, String>(7)?).unwrap(),
            end_after_ms: row.get(8)?,
            seen_ms: row.get(9)?,
            verdict: row.get(10)?,
        })
    }

    /// From the first failure to the first local answer.
    fn transfer_ms(&self) -> Option<i64> {
        Some(self.first_local_ms? - self.first_evidence_ms?)
    }
}

fn records(appliance: &TestAppliance) -> Vec<Record> {
    let file = appliance.data_dir().join("work.db");
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let columns =
        "start_ms, end_ms, failback_ms, first_evidence_ms, first_local_ms, restarts, served_local, counts,
        end_after_ms, seen_ms, verdict";
    let mut query = database.prepare(&format!("SELECT {columns} FROM outages ORDER BY id")).unwrap();
    query.query_map([], Record::read).unwrap().map(Result::unwrap).collect()
}

/// Waits until the newest record is as it is wanted; there may be no other one.
async fn until_record(appliance: &TestAppliance, wanted: impl Fn(&Record) -> bool) -> Record {
    let started = Instant::now();
    loop {
        let mut records = records(appliance);
        assert!(records.len() <= 1, "one outage has one record: {records:?}");
        match records.pop() {
            Some(record) if wanted(&record) => return record,
            record => assert!(started.elapsed() < PATIENCE, "the record stays {record:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ask_inside(appliance: &TestAppliance) {
    let known = known_answer(false);
    let reply = appliance.client().ask(&Chat::new("assistant", &known.question)).await;
    assert_eq!((reply.route().as_str(), reply.said()), ("local", known.answer), "{}", reply.text());
}

/// A box whose cloud is out, with the record of it on disk and one local answer in it.
async fn a_box_in_an_outage(cloud: &FakeCloud) -> (TestAppliance, Record) {
    let appliance = TestAppliance::with_cloud(cloud).await;
    cloud.refuse();
    ask_inside(&appliance).await;
    appliance.until_state("offline").await;
    let record = until_record(&appliance, |record| record.served_local == 1).await;
    assert!(record.end_ms.is_none() && record.transfer_ms().is_some_and(|ms| ms >= 0), "{record:?}");
    (appliance, record)
}

#[tokio::test]
async fn an_outage_that_outlasts_the_death_of_the_box_stays_one_record_to_its_end() {
    let cloud = FakeCloud::start();
    let (mut appliance, before) = a_box_in_an_outage(&cloud).await;
    appliance.kill().await;
    appliance.start_again().await;
    appliance.until_state("offline").await;
    ask_inside(&appliance).await;
    let during = until_record(&appliance, |record| record.served_local == 2).await;
    assert_eq!((during.restarts, during.end_ms, during.start_ms), (1, None, before.start_ms));

    cloud.restore();
    let ended = until_record(&appliance, |record| record.failback_ms.is_some()).await;
    assert_eq!(ended.start_ms, before.start_ms);
    assert_eq!(
        (ended.restarts, ended.served_local),
        (1, 2),
        "what the first life counted is kept: {ended:?}"
    );
    assert_eq!(ended.counts["served"]["interactive"]["local/pilot-light"], 2, "{ended:?}");
    assert_eq!(ended.transfer_ms(), before.transfer_ms(), "the transfer is that of the first life");
    assert!(ended.end_ms > Some(before.start_ms) && ended.failback_ms >= ended.end_ms, "{ended:?}");
    assert_eq!(ended.end_after_ms, None, "the box saw its end");
    assert!(appliance.status().await["outage"].is_null());
}

#[tokio::test]
async fn the_report_of_an_outage_has_its_cause_and_its_evidence_in_the_readers_language() {
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::builder().cloud(&cloud).https().start().await;
    cloud.refuse();
    ask_inside(&appliance).await;
    appliance.until_state("offline").await;
    let record = until_record(&appliance, |record| record.verdict.is_some()).await;
    let verdict =
        Verdict::ALL.into_iter().find(|verdict| Some(verdict.as_str()) == record.verdict.as_deref());
    let verdict = verdict.expect("a record keeps the word of a verdict");
    let portal = appliance.portal().await;
    let read = async |language| portal.page_in("/outages/1", language).await.text();
    for language in [Language::English, Language::Korean] {
        assert!(read(code(language)).await.contains(verdict.sentence_for_staff(language)), "it goes on");
    }

    cloud.restore();
    until_record(&appliance, |record| record.end_ms.is_some()).await;
    let refused = ["refused the connection.", "연결을 거부했습니다."];
    for (language, evidence) in [Language::English, Language::Korean].into_iter().zip(refused) {
        let report = read(code(language)).await;
        assert!(report.contains(verdict.sentence_in_the_past(language)), "it is over: {report}");
        assert!(report.contains(evidence), "{report}");
    }
}

fn code(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::Korean => "ko",
    }
}

#[tokio::test]
async fn an_outage_that_ended_while_the_box_was_dead_is_closed_by_its_first_probe() {
    let cloud = FakeCloud::start();
    let (mut appliance, before) = a_box_in_an_outage(&cloud).await;
    appliance.kill().await;
    let last_seen_ms = records(&appliance)[0].seen_ms;
    cloud.restore();
    appliance.start_again().await;
    let ended = until_record(&appliance, |record| record.failback_ms.is_some()).await;
    assert_eq!((ended.start_ms, ended.restarts, ended.served_local), (before.start_ms, 1, 1), "{ended:?}");
    assert_eq!(ended.transfer_ms(), before.transfer_ms());
    assert!(last_seen_ms.is_some() && ended.end_after_ms == last_seen_ms, "nobody saw its end: {ended:?}");
    assert!(ended.end_ms > ended.end_after_ms, "{ended:?}");
    let reply = appliance.client().ask(&Chat::new("assistant", "Is the cloud back?")).await;
    assert_eq!(reply.route(), "cloud", "{}", reply.text());

    cloud.refuse();
    ask_inside(&appliance).await;
    appliance.until_state("offline").await;
    let started = Instant::now();
    while records(&appliance).len() < 2 {
        assert!(started.elapsed() < PATIENCE, "the next outage gets a record of its own");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(records(&appliance)[0].end_ms, ended.end_ms, "and the old one stays as it ended");
}

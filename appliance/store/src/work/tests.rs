//! Conversations and outages, on real files.

use tempfile::TempDir;

use super::*;
use crate::{Store, now_ms};

fn open() -> (TempDir, Work) {
    let dir = TempDir::new().unwrap();
    let work = Store::open(dir.path()).unwrap().work;
    (dir, work)
}

fn said(role: &str, text: &str) -> NewMessage {
    NewMessage { role: role.to_owned(), text: text.to_owned(), complete: true, ..Default::default() }
}

#[tokio::test]
async fn a_conversation_keeps_its_messages_in_order_with_what_served_them() {
    let (_dir, work) = open();
    let conversation = work.create_conversation(1, "Triage").await.unwrap();
    work.add_message(1, &conversation.id, said("user", "안녕하세요")).await.unwrap().unwrap();
    let answer = NewMessage {
        complete: false,
        served_by: Some("local/pilot-light".to_owned()),
        route: Some("local".to_owned()),
        reason: Some("upstream-down".to_owned()),
        seam: Some(12),
        ..said("assistant", "half an ans")
    };
    work.add_message(1, &conversation.id, answer).await.unwrap().unwrap();
    let messages = work.messages(1, &conversation.id).unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].content.text, "안녕하세요");
    assert!(messages[0].content.complete && !messages[1].content.complete);
    assert_eq!(messages[1].content.served_by.as_deref(), Some("local/pilot-light"));
    assert_eq!(messages[1].content.seam, Some(12));
}

#[tokio::test]
async fn nobody_finds_the_conversation_of_another() {
    let (_dir, work) = open();
    let conversation = work.create_conversation(1, "Private").await.unwrap();
    work.add_message(1, &conversation.id, said("user", "secret")).await.unwrap().unwrap();
    assert!(work.conversation(2, &conversation.id).unwrap().is_none());
    assert!(work.messages(2, &conversation.id).unwrap().is_empty());
    assert!(work.conversations(2, 10).unwrap().is_empty());
    assert!(work.add_message(2, &conversation.id, said("user", "x")).await.unwrap().is_none());
    assert!(!work.delete_conversation(2, &conversation.id).await.unwrap());
    assert!(work.conversation(1, &conversation.id).unwrap().is_some());
    assert_eq!(work.messages(1, &conversation.id).unwrap().len(), 1);
}

#[tokio::test]
async fn a_deleted_conversation_takes_its_messages_with_it() {
    let (_dir, work) = open();
    let conversation = work.create_conversation(1, "Old").await.unwrap();
    work.add_message(1, &conversation.id, said("user", "x")).await.unwrap().unwrap();
    assert!(work.delete_conversation(1, &conversation.id).await.unwrap());
    let left: i64 =
        work.read(|work| work.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn removing_an_accounts_conversations_leaves_those_of_others() {
    let (_dir, work) = open();
    for account in [1, 2].into_iter().chain([1; 250]) {
        let conversation = work.create_conversation(account, "Shift").await.unwrap();
        work.add_message(account, &conversation.id, said("user", "x")).await.unwrap().unwrap();
    }
    assert_eq!(work.delete_conversations(1).await.unwrap(), 251, "in more than one step");
    assert!(work.conversations(1, 10).unwrap().is_empty());
    let others = work.conversations(2, 10).unwrap();
    assert_eq!((others.len(), work.messages(2, &others[0].id).unwrap().len()), (1, 1));
    let left: i64 =
        work.read(|work| work.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))).unwrap();
    assert_eq!(left, 1);
}

fn begun(start_ms: i64) -> Outage {
    Outage { start_ms, ..Outage::default() }
}

fn counts(lane: &str, by: &str, count: u64) -> OutageCounts {
    let served = [(lane.to_owned(), [(by.to_owned(), count)].into())].into();
    OutageCounts { served, refused: [(lane.to_owned(), 2)].into(), seams: 1, ..OutageCounts::default() }
}

#[tokio::test]
async fn an_outage_is_open_until_it_ends_and_keeps_all_that_a_report_says() {
    let (_dir, work) = open();
    let mut outage = work.begin_outage(begun(100)).await.unwrap();
    assert_eq!(work.outages(5).unwrap(), [outage.clone()]);
    assert_eq!(work.open_outages().unwrap(), [outage.clone()]);
    outage = Outage {
        end_ms: Some(200),
        end_after_ms: Some(190),
        verdict: Some("internet-down".to_owned()),
        served_local: 7,
        scope: OutageScope::Upstream,
        upstreams: "openai".to_owned(),
        evidence: "the connection was refused".to_owned(),
        evidence_ko: "연결이 거부되었습니다.".to_owned(),
        is_drill: true,
        first_evidence_ms: Some(90),
        tripped_ms: Some(99),
        first_local_ms: Some(95),
        failback_ms: Some(250),
        seen_ms: Some(260),
        restarts: 1,
        counts: counts("clinical", "local/large", 7),
        ..outage
    };
    work.update_outage(&outage).await.unwrap();
    let second = work.begin_outage(begun(300)).await.unwrap();
    assert_eq!(work.outages(5).unwrap(), [second.clone(), outage.clone()]);
    assert_eq!(work.outage(outage.id).unwrap(), Some(outage));
    assert_eq!(work.open_outages().unwrap(), [second]);
    assert_eq!(work.outage(99).unwrap(), None);
}

#[test]
fn counts_are_added_and_taken_apart() {
    let (one, two) = (counts("batch", "local/small", 3), counts("batch", "local/large", 4));
    let both = one.clone().plus(&two);
    assert_eq!(both.served_local(), 7);
    assert_eq!((both.refused["batch"], both.seams), (4, 2));
    assert_eq!(both.since(&one), two);
    assert_eq!(both.since(&both), OutageCounts::default());
}

#[tokio::test]
async fn records_of_the_earlier_version_are_kept_and_complete_themselves() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("work.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../schema/work.1.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO outages (start_ms, end_ms, verdict, served_local) VALUES (1, 2, 'dns-down', 3);
         INSERT INTO outages (start_ms) VALUES (4); PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let work = Store::open(dir.path()).unwrap().work;
    let outages = work.outages(5).unwrap();
    assert_eq!((outages[1].verdict.as_deref(), outages[1].served_local), (Some("dns-down"), 3));
    assert_eq!(outages[1].scope, OutageScope::Site);
    assert_eq!(work.open_outages().unwrap(), outages[..1]);
    assert!(dir.path().join("work.v1.db").exists(), "the file as it was is kept");
}

fn look(number: u64, at_ms: i64) -> SecondLook {
    let request_id = format!("req-{number}");
    SecondLook { request_id, at_ms, who: "lee".into(), model: "local/large".into(), ..SecondLook::default() }
}

#[tokio::test]
async fn an_answer_waits_for_its_second_look_until_somebody_marks_it() {
    let (_dir, work) = open();
    for number in 0..3 {
        work.note_second_look(look(number, now_ms()));
    }
    work.note_second_look(look(0, now_ms()));
    assert_eq!(work.mark_looked(Some("req-1"), "kim").await.unwrap(), 1);
    assert_eq!(work.second_look_counts().unwrap(), SecondLookCounts { all: 3, open: 2 });
    let open: Vec<_> = work.second_looks(true, 9).unwrap().into_iter().map(|look| look.request_id).collect();
    assert_eq!(open, ["req-2", "req-0"]);
    assert_eq!(work.second_looks(false, 9).unwrap()[1].looked.as_ref().unwrap().1, "kim");
    assert_eq!(work.mark_looked(None, "kim").await.unwrap(), 2);
    assert_eq!(work.second_look_counts().unwrap().open, 0);
}

#[tokio::test]
async fn second_looks_older_than_ninety_days_are_dropped() {
    let (_dir, work) = open();
    for number in 0..300 {
        work.note_second_look(look(number, if number < 200 { 1 } else { now_ms() }));
    }
    work.mark_looked(Some("nobody"), "kim").await.unwrap();
    assert_eq!(work.second_look_counts().unwrap().all, 100);
}

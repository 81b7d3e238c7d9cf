//! A log that cannot be written for a while, a box that dies meanwhile, and a spool that is full.

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::audit::{Entry, OutcomeRow, Record, RequestRow};
use crate::{Store, StoreError, verify_file};

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.audit.keep_spool(dir.path()).unwrap();
    (dir, store)
}

/// Lets the log refuse every row, until [`mend`].
fn break_log(dir: &TempDir) {
    let sql = "CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT raise(ABORT, 'broken'); END";
    Connection::open(dir.path().join("audit.db")).unwrap().execute_batch(sql).unwrap();
}

fn mend(dir: &TempDir) {
    Connection::open(dir.path().join("audit.db")).unwrap().execute_batch("DROP TRIGGER broken").unwrap();
}

fn request(id: &str, lane: &str) -> RequestRow {
    RequestRow { request_id: id.into(), at_ms: 1, lane: lane.into(), ..Default::default() }
}

fn outcome(id: &str) -> OutcomeRow {
    OutcomeRow { request_id: id.into(), at_ms: 2, ..Default::default() }
}

fn event(what: &str) -> EventRow {
    EventRow { at_ms: 3, who: "box".into(), what: what.into(), ..Default::default() }
}

/// The rows, the oldest first, by a word for each.
fn words(store: &Store) -> Vec<String> {
    let word = |entry: Entry| match entry.record {
        Record::Request(row) => format!("asked {}", row.request_id),
        Record::Outcome(row) => format!("ended {}", row.request_id),
        Record::Event(row) => row.what,
    };
    store.audit.recent(100).unwrap().into_iter().rev().map(word).collect()
}

#[tokio::test]
async fn what_the_clinical_lane_did_without_a_log_is_chained_in_before_the_next_row() {
    let (dir, store) = open();
    store.audit.event(event("outage-began")).await.unwrap();
    break_log(&dir);
    assert_eq!(store.audit.request(request("a", "clinical")).await.unwrap(), 0);
    let refused = store.audit.request(request("b", "interactive")).await;
    assert!(matches!(refused, Err(StoreError::Write { .. })), "only the clinical lane goes on");
    assert!(!store.audit.is_well());
    assert!(store.audit.outcome(outcome("b")).await.is_err(), "nor does its outcome stand alone in the log");
    assert_eq!(store.audit.outcome(outcome("a")).await.unwrap(), 0);
    assert_eq!(store.audit.event(event("breaker")).await.unwrap(), 0);
    let change = EventRow { who: "kim".into(), ..event("grant-given") };
    assert!(store.audit.event(change.clone()).await.is_err(), "what a person changes waits for no log");
    let coming = EventRow { what: "sign-in".into(), ..change };
    assert_eq!(store.audit.event(coming).await.unwrap(), 0, "who treats a patient may still come in");
    assert_eq!(words(&store), ["outage-began"]);
    assert_eq!((store.audit.spool().rows, store.audit.spool().lost), (4, 0));
    mend(&dir);
    let receipts = [store.audit.event(event("outage-ended")), store.audit.event(event("site-state"))];
    for (receipt, seq) in receipts.into_iter().zip([7, 8]) {
        assert_eq!(receipt.await.unwrap(), seq);
    }
    let expected = [
        "outage-began",
        "asked a",
        "ended a",
        "breaker",
        "sign-in",
        "audit-spool-chained",
        "outage-ended",
        "site-state",
    ];
    assert_eq!(words(&store), expected);
    assert!(store.audit.is_well() && store.audit.spool() == empty());
    assert_eq!(store.audit.verify().await.unwrap().rows, 8);
}

/// A spool that waits for nothing has its header alone, which is no percent of its room.
fn empty() -> SpoolState {
    SpoolState { has_room: true, ..SpoolState::default() }
}

#[tokio::test]
async fn what_waited_when_the_box_died_is_chained_in_once_by_its_next_life() {
    let (dir, store) = open();
    break_log(&dir);
    for id in ["a", "b", "c"] {
        assert_eq!(store.audit.request(request(id, "clinical")).await.unwrap(), 0);
    }
    drop(store);
    mend(&dir);
    let left = std::fs::read(dir.path().join("audit.spool")).unwrap();
    for life in 0..3 {
        // The crash comes after the log's commit and before the spool is emptied: what it held is still there.
        std::fs::write(dir.path().join("audit.spool"), &left).unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.audit.keep_spool(dir.path()).unwrap();
        assert_eq!(store.audit.spool().rows, 3, "life {life}");
        store.audit.prove_writable().await.unwrap();
        assert_eq!(words(&store), ["asked a", "asked b", "asked c", "audit-spool-chained"], "life {life}");
        store.close().await;
    }
    assert_eq!(verify_file(&dir.path().join("audit.db")).unwrap().rows, 4);
}

#[tokio::test]
async fn a_line_that_a_crash_cut_off_was_never_acknowledged_and_is_passed_over() {
    let (dir, store) = open();
    break_log(&dir);
    for id in ["a", "b"] {
        store.audit.request(request(id, "clinical")).await.unwrap();
    }
    drop(store);
    mend(&dir);
    let path = dir.path().join("audit.spool");
    let mut content = std::fs::read(&path).unwrap();
    let end = content.iter().rposition(|byte| *byte == b'\n').unwrap();
    content[end - 5..=end].fill(0);
    std::fs::write(&path, content).unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.audit.keep_spool(dir.path()).unwrap();
    store.audit.event(event("brown-out")).await.unwrap();
    assert_eq!(words(&store), ["asked a", "audit-spool-chained", "brown-out"]);
}

#[tokio::test]
async fn what_an_earlier_filling_left_in_the_file_is_never_taken_for_rows_that_wait() {
    let (dir, store) = open();
    for filling in 0..3 {
        break_log(&dir);
        for _ in 0..3 - filling {
            store.audit.request(request("same-length", "clinical")).await.unwrap();
        }
        mend(&dir);
        store.audit.prove_writable().await.unwrap();
    }
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    store.audit.keep_spool(dir.path()).unwrap();
    assert_eq!(store.audit.spool().rows, 0);
    assert_eq!(words(&store).iter().filter(|word| *word == "asked same-length").count(), 6);
}

#[tokio::test]
async fn a_full_spool_refuses_events_first_and_says_in_the_log_what_was_lost() {
    let (dir, store) = open();
    break_log(&dir);
    let big = |kind: &str| format!("{kind}{}", "x".repeat(200_000));
    let mut kept = 0;
    let big_event = || EventRow { detail: big("event").into(), ..event("breaker") };
    while store.audit.event(big_event()).await.is_ok() {
        kept += 1;
    }
    assert!((10..21).contains(&kept), "{kept} events");
    assert_eq!(store.audit.request(request("patient", "clinical")).await.unwrap(), 0, "room was left for it");
    while store.audit.request(request(&big("patient"), "clinical")).await.is_ok() {
        kept += 1;
    }
    let state = store.audit.spool();
    assert!(state.percent >= 90 && state.rows == kept + 1 && state.lost == 2, "{state:?}");
    mend(&dir);
    store.audit.prove_writable().await.unwrap();
    let Record::Event(told) = store.audit.recent(1).unwrap().remove(0).record else { panic!("no event") };
    assert_eq!(told.detail["lost"], 2);
    assert_eq!(told.detail["rows"], kept + 1);
}

#[tokio::test]
async fn a_store_that_keeps_no_spool_loses_the_row_and_says_so() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    break_log(&dir);
    let lost = store.audit.request(request("a", "clinical")).await;
    assert!(matches!(lost, Err(StoreError::Write { file: "audit.db", .. })));
}

#[tokio::test]
async fn what_waits_can_be_taken_along_and_counts_once_wherever_it_is_chained_in() {
    let (dir, store) = open();
    assert_eq!(waiting_in(dir.path()).unwrap(), "", "an empty spool holds nothing to take along");
    break_log(&dir);
    store.audit.request(request("a", "clinical")).await.unwrap();
    let taken = waiting_in(dir.path()).unwrap();
    for log_has_it in [false, true] {
        if log_has_it {
            mend(&dir);
            store.audit.prove_writable().await.unwrap();
            assert_eq!(waiting_in(dir.path()).unwrap(), "");
        }
        let copy = TempDir::new().unwrap();
        store.copy_to(copy.path()).await.unwrap();
        std::fs::write(copy.path().join(FILE), &taken).unwrap();
        let restored = Store::open(copy.path()).unwrap();
        if !log_has_it {
            mend(&copy);
        }
        restored.audit.keep_spool(copy.path()).unwrap();
        restored.audit.prove_writable().await.unwrap();
        assert_eq!(words(&restored), ["asked a", "audit-spool-chained"], "{log_has_it}");
        verify_file(&copy.path().join("audit.db")).unwrap();
    }
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_says_so_before_a_row_needs_it() {
    let (dir, store) = open();
    assert!(store.audit.spool().has_room);
    // A file that is open for reading alone stands for a disk that has become read-only.
    let file = File::open(dir.path().join(FILE)).unwrap();
    store.audit.0.spool.kept().as_mut().unwrap().file = file;
    store.audit.prove_spool();
    assert!(!store.audit.spool().has_room);
}

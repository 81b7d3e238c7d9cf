//! The chain: written, read back, tampered with, and shared by two stores.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;
use verifier::{CheckError, Hex, Trust, check_export};

use super::*;
use crate::Store;

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn event(number: usize) -> EventRow {
    let detail = serde_json::json!({ "number": number });
    EventRow { at_ms: 1_700_000_000_000, who: "test".to_owned(), what: "sign-in".to_owned(), detail }
}

async fn append(store: &Store, rows: usize) {
    let receipts: Vec<_> = (0..rows).map(|number| store.audit.event(event(number))).collect();
    for receipt in receipts {
        receipt.await.unwrap();
    }
}

/// A closed log of 100 rows, with the triggers taken off as somebody who wants to cheat would.
async fn unguarded_log() -> (TempDir, PathBuf) {
    let (dir, store) = open();
    append(&store, 100).await;
    store.close().await;
    let path = dir.path().join("audit.db");
    for trigger in ["entries_are_added_at_the_end", "entries_are_not_changed", "entries_are_not_deleted"] {
        execute(&path, &format!("DROP TRIGGER {trigger}")).unwrap();
    }
    (dir, path)
}

fn execute(path: &PathBuf, sql: &str) -> rusqlite::Result<()> {
    Connection::open(path)?.execute_batch(sql)
}

#[tokio::test]
async fn a_receipt_means_that_a_fresh_connection_sees_the_row() {
    let (dir, store) = open();
    for expected in 1..=20 {
        let seq = store.audit.event(event(0)).await.unwrap();
        assert_eq!(seq, expected);
        let fresh = Connection::open(dir.path().join("audit.db")).unwrap();
        let found: u64 = fresh.query_row("SELECT max(seq) FROM entries", [], |row| row.get(0)).unwrap();
        assert_eq!(found, seq);
    }
}

#[tokio::test]
async fn rows_come_back_as_they_were_written_the_newest_first() {
    let (_dir, store) = open();
    let request =
        RequestRow { request_id: "r1".into(), at_ms: 5, alias: "assistant".into(), ..Default::default() };
    let outcome =
        OutcomeRow { request_id: "r1".into(), at_ms: 6, status: 200, seam: Some(40), ..Default::default() };
    let receipts = [
        store.audit.request(request.clone()),
        store.audit.outcome(outcome.clone()),
        store.audit.event(event(7)),
    ];
    for receipt in receipts {
        receipt.await.unwrap();
    }
    let expected = [Record::Event(event(7)), Record::Outcome(outcome), Record::Request(request)];
    let found = store.audit.recent(10).unwrap();
    assert_eq!(found.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(found.into_iter().map(|entry| entry.record).collect::<Vec<_>>(), expected);
    assert_eq!(store.audit.recent(1).unwrap().len(), 1);
}

#[tokio::test]
async fn a_clean_log_verifies_and_an_empty_one_too() {
    let (dir, store) = open();
    let empty = store.audit.verify().await.unwrap();
    assert_eq!((empty.rows, empty.head, empty.checkpoints), (0, Hex([0; 32]), 0));
    append(&store, 12_500).await;
    let running = store.audit.verify().await.unwrap();
    assert_eq!((running.rows, running.checkpoints, running.signed_rows), (12_500, 12, 12_000));
    store.close().await;
    assert_eq!(verify_file(&dir.path().join("audit.db")).unwrap(), running);
}

#[tokio::test]
async fn any_change_inside_the_log_is_found_at_its_row() {
    let changes = [
        ("UPDATE entries SET body = replace(body, '49', '94') WHERE seq = 50", 50),
        ("UPDATE entries SET at_ms = at_ms + 1 WHERE seq = 50", 50),
        ("UPDATE entries SET kind = 'request' WHERE seq = 50", 50),
        ("UPDATE entries SET hash = zeroblob(32) WHERE seq = 50", 50),
        ("DELETE FROM entries WHERE seq = 50", 51),
        ("DELETE FROM entries WHERE seq <= 10", 11),
        ("DELETE FROM entries WHERE seq BETWEEN 40 AND 60", 61),
        ("DELETE FROM entries WHERE seq = 50; UPDATE entries SET seq = seq - 1 WHERE seq > 50", 50),
        ("INSERT INTO entries SELECT 101, at_ms, kind, body, hash FROM entries WHERE seq = 100", 101),
        ("INSERT INTO entries SELECT -5, at_ms, kind, body, hash FROM entries WHERE seq = 1", -5),
        ("UPDATE entries SET seq = seq + 1000 WHERE seq >= 50; UPDATE entries SET seq = seq - 999 WHERE seq > 1000;
          INSERT INTO entries SELECT 50, at_ms, kind, body, hash FROM entries WHERE seq = 49", 50),
        ("UPDATE entries SET seq = -1 WHERE seq = 20; UPDATE entries SET seq = 20 WHERE seq = 30;
          UPDATE entries SET seq = 30 WHERE seq = -1", 20),
    ];
    for (change, row) in changes {
        let (_dir, path) = unguarded_log().await;
        assert_eq!(verify_file(&path).unwrap().rows, 100);
        execute(&path, change).unwrap();
        let Err(VerifyError::Broken(broken)) = verify_file(&path) else { panic!("not found: {change}") };
        assert_eq!(broken.seq, row, "{change}");
    }
}

#[tokio::test]
async fn rows_cut_off_the_end_show_against_a_head_written_down_before() {
    let (_dir, path) = unguarded_log().await;
    let before = verify_file(&path).unwrap();
    execute(&path, "DELETE FROM entries WHERE seq > 90").unwrap();
    let after = verify_file(&path).unwrap();
    assert_eq!((before.rows, after.rows), (100, 90));
    assert_ne!(before.head, after.head);
}

#[tokio::test]
async fn the_file_itself_refuses_to_change_what_it_holds() {
    let (dir, store) = open();
    append(&store, 3).await;
    let path = dir.path().join("audit.db");
    for change in [
        "UPDATE entries SET body = '{}' WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 3",
        "DELETE FROM entries",
        "INSERT INTO entries VALUES (9, 0, 'event', '{}', zeroblob(32))",
        "INSERT OR REPLACE INTO entries VALUES (2, 0, 'event', '{}', zeroblob(32))",
    ] {
        let refusal = execute(&path, change).unwrap_err().to_string();
        assert!(refusal.contains("audit log"), "{change}: {refusal}");
    }
    assert_eq!(store.audit.verify().await.unwrap().rows, 3);
}

#[test]
fn a_file_that_is_no_audit_log_is_unreadable_and_not_broken() {
    let dir = TempDir::new().unwrap();
    let missing = verify_file(&dir.path().join("audit.db"));
    assert!(matches!(missing, Err(VerifyError::Unreadable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_folder_keep_one_chain() {
    let (dir, first) = open();
    let second = Store::open(dir.path()).unwrap();
    let append = |store: Store| async move {
        for _ in 0..20 {
            append(&store, 25).await;
        }
    };
    tokio::join!(append(first.clone()), append(second.clone()));
    assert_eq!(second.audit.verify().await.unwrap().rows, 1000);
    first.close().await;
    append_after_the_other_closed(&second).await;
}

/// The first to leave must not take the WAL of the other with it.
async fn append_after_the_other_closed(store: &Store) {
    append(store, 10).await;
    assert_eq!(store.audit.verify().await.unwrap().rows, 1010);
}

#[tokio::test]
async fn every_thousandth_row_is_signed_and_the_rest_when_it_is_asked_for() {
    let (_dir, store) = open();
    assert_eq!(store.audit.checkpoint().await.unwrap(), None, "an empty log has nothing to sign");
    append(&store, 2300).await;
    let signed = store.audit.checkpoints(0, 10).unwrap();
    assert_eq!(signed.iter().map(|one| (one.number, one.rows)).collect::<Vec<_>>(), [(1, 1000), (2, 2000)]);
    let newest = store.audit.checkpoint().await.unwrap().unwrap();
    assert_eq!((newest.number, newest.rows), (3, 2300));
    assert!(newest.is_signed() && newest.key == store.audit.public_key());
    assert_eq!(store.audit.checkpoint().await.unwrap(), Some(newest), "nothing new is not signed again");
    assert_eq!(store.audit.checkpoints(1, 1).unwrap(), [signed[1]]);
    append(&store, 1000).await;
    assert_eq!(store.audit.checkpoints(3, 10).unwrap()[0].rows, 3300);
    assert_eq!(store.audit.verify().await.unwrap().signed_rows, 3300);
}

#[tokio::test]
async fn the_key_is_made_once_and_kept() {
    let (dir, store) = open();
    let key = store.audit.public_key();
    drop(store);
    assert_eq!(Store::open(dir.path()).unwrap().audit.public_key(), key);
    std::fs::write(dir.path().join("audit.key"), "x").unwrap();
    let refusal = Store::open(dir.path()).err().unwrap().to_string();
    assert!(refusal.contains("audit.key: is damaged"), "{refusal}");
}

#[tokio::test]
async fn a_lost_key_is_replaced_and_the_log_says_so() {
    let (dir, store) = open();
    append(&store, 5).await;
    store.audit.checkpoint().await.unwrap();
    let before = store.audit.public_key();
    store.close().await;
    std::fs::remove_file(dir.path().join("audit.key")).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let after = store.audit.public_key();
    assert_ne!(after, before);
    let Record::Event(told) = store.audit.recent(1).unwrap().remove(0).record else { panic!("no event") };
    assert_eq!((told.what.as_str(), &told.detail["from"]), ("audit-key-changed", &serde_json::json!(before)));
    let path = dir.path().join("audit.db");
    let both = Trust { keys: vec![before, after], ..Trust::default() };
    assert_eq!(verify_file_against(&path, both).unwrap().rows, 6);
    assert!(
        matches!(verify_file(&path), Err(VerifyError::Broken(_))),
        "it is for a person to vouch for both"
    );
}

#[tokio::test]
async fn an_export_is_whole_and_tells_what_was_changed_in_the_file() {
    let (dir, store) = open();
    append(&store, 1200).await;
    store.audit.checkpoint().await.unwrap();
    let export = |store: &Store| {
        let mut text = Vec::new();
        store.audit.export("Harbor Hospital", 5, &mut text).unwrap();
        check_export(text.as_slice(), Trust { keys: vec![store.audit.public_key()], ..Trust::default() })
    };
    let checked = export(&store).unwrap();
    assert_eq!((checked.log.rows, checked.log.signed_rows, checked.header.made_ms), (1200, 1200, 5));
    store.close().await;
    let path = dir.path().join("audit.db");
    for trigger in ["entries_are_not_changed", "entries_are_not_deleted", "checkpoints_are_not_deleted"] {
        execute(&path, &format!("DROP TRIGGER {trigger}")).unwrap();
    }
    for (change, row) in [
        ("DELETE FROM checkpoints WHERE number = 1", 1200),
        ("DELETE FROM entries WHERE seq > 1100", 1101),
        ("UPDATE entries SET body = 'no JSON' || char(10) WHERE seq = 70", 70),
        ("UPDATE entries SET seq = -7 WHERE seq = 69", -7),
    ] {
        execute(&path, change).unwrap();
        let found = export(&Store::open(dir.path()).unwrap());
        let Err(CheckError::Broken(broken)) = found else { panic!("not found: {change}") };
        assert_eq!(broken.seq, row, "{change}: {broken}");
    }
}

#[test]
fn a_log_of_an_earlier_genset_goes_on_and_is_signed_from_then_on() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("audit.db");
    execute(&path, include_str!("../schema/audit.1.sql")).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch("PRAGMA user_version = 1; BEGIN").unwrap();
    let mut head = verifier::GENESIS;
    for seq in 1..=2500 {
        head = verifier::Link { seq, at_ms: 1, kind: "event", body: "{}" }.hash(&head);
        let sql = "INSERT INTO entries VALUES (?1, 1, 'event', '{}', ?2)";
        old.execute(sql, (seq, head)).unwrap();
    }
    old.execute_batch("COMMIT").unwrap();
    drop(old);
    assert_eq!(verify_file(&path).unwrap().rows, 2500, "it can be checked before it is brought up to date");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(dir.path()).unwrap();
        append(&store, 1).await;
        let found = store.audit.verify().await.unwrap();
        assert_eq!((found.rows, found.checkpoints, found.signed_rows), (2501, 1, 2501));
    });
}

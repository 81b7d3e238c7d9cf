//! The chain: written, read back, tampered with, and shared by two stores.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::Store;

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn event(number: usize) -> EventRow {
    let detail = serde_json::json!({ "number": number });
    EventRow { at_ms: 1_700_000_000_000, who: "test".to_owned(), what: "counted".to_owned(), detail }
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

#[test]
fn the_bytes_that_are_hashed_never_change() {
    let hash = chain::link(&chain::GENESIS, 1, 1_700_000_000_000, "event", r#"{"who":"a"}"#);
    let expected = "64b45a7a4a4cc07e2e79d44ab2313ab4cc70f3950c586ed7dae02e6b4c25f6b9";
    assert_eq!(crate::secret::hex(&hash), expected);
}

#[tokio::test]
async fn a_clean_log_verifies_and_an_empty_one_too() {
    let (dir, store) = open();
    assert_eq!(store.audit.verify().await.unwrap(), Verified { rows: 0, head: [0; 32] });
    append(&store, 12_500).await;
    let running = store.audit.verify().await.unwrap();
    assert_eq!(running.rows, 12_500);
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
        let Err(VerifyError::Broken { seq, .. }) = verify_file(&path) else { panic!("not found: {change}") };
        assert_eq!(seq, row, "{change}");
    }
}

#[tokio::test]
async fn rows_cut_off_the_end_show_against_a_head_written_down_before() {
    let (_dir, path) = unguarded_log().await;
    let before = verify_file(&path).unwrap();
    execute(&path, "DELETE FROM entries WHERE seq > 90").unwrap();
    let after = verify_file(&path).unwrap();
    assert_eq!((before.rows, after.rows), (100, 90));
    assert_ne!(before.head_hex(), after.head_hex());
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

//! What is told of a disk that fails, fills up or is slow.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::{KeyLane, Store, StoreError};

fn of(store: &Store, file: &str) -> FileCondition {
    store.condition().files.into_iter().find(|condition| condition.file == file).unwrap()
}

#[tokio::test]
async fn a_healthy_store_has_nothing_to_tell() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(!store.begin_life().unwrap());
    store.look_after_itself().await;
    let condition = store.condition();
    assert!(condition.is_writable() && condition.is_whole() && !condition.unclean_stop, "{condition:?}");
    assert!(condition.free_bytes.unwrap() > 0);
}

#[tokio::test]
async fn a_box_that_was_not_stopped_in_order_is_told_of_at_its_next_start_and_no_later() {
    let dir = TempDir::new().unwrap();
    let killed = Store::open(dir.path()).unwrap();
    assert!(!killed.begin_life().unwrap());
    drop(killed);
    let next = Store::open(dir.path()).unwrap();
    assert!(next.begin_life().unwrap() && next.condition().unclean_stop);
    assert!(next.is_check_due());
    next.close().await;
    let after = Store::open(dir.path()).unwrap();
    assert!(!after.begin_life().unwrap() && !after.condition().unclean_stop);
}

#[tokio::test]
async fn a_full_check_is_due_once_a_week() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.is_check_due(), "a file that was never checked");
    store.check_all().await;
    assert!(!store.is_check_due() && store.condition().checked_ms.is_some());
    store
        .core
        .set_setting(crate::integrity::CHECKED, &(now_ms() - 8 * 86_400_000).to_string())
        .await
        .unwrap();
    store.close().await;
    let store = Store::open(dir.path()).unwrap();
    assert!(store.is_check_due());
}

#[tokio::test]
async fn a_page_that_is_damaged_while_the_box_runs_is_found_by_the_full_check() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for number in 0..40 {
        store.core.create_key(&format!("ward-{number:02}"), KeyLane::default()).await.unwrap();
    }
    store.close().await;
    let path = dir.path().join("core.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // A row and its index that no longer agree pass the quick check.
    let found = bytes.windows(7).position(|window| window == b"ward-25").unwrap();
    bytes[found] = b'y';
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.check_all().await;
    assert!(!store.condition().is_whole(), "{:?}", store.condition());
    assert!(store.condition().checked_ms.is_none());
}

/// Lets `core.db` grow by so many pages at most, as a disk does that has no more room.
async fn leave_room(store: &Store, pages: i64) {
    let limited = store.writer.write(StoreFile::Core, move |core| {
        let now: i64 = core.pragma_query_value(None, "page_count", |row| row.get(0))?;
        core.pragma_update(None, "max_page_count", now + pages)
    });
    limited.await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_named_and_so_is_its_return() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let long = "x".repeat(20_000);
    leave_room(&store, 0).await;
    let refused = store.core.set_setting("a", &long).await.unwrap_err();
    assert!(matches!(refused, StoreError::Write { file: "core.db", .. }));
    assert_eq!(refused.to_string(), "core.db could not be written: the disk is full; make room on it");
    assert_eq!(of(&store, "core.db").trouble, Some(Trouble::DiskFull));
    assert_eq!(of(&store, "audit.db").trouble, None);
    assert!(!store.condition().is_writable());
    leave_room(&store, 100).await;
    store.core.set_setting("a", &long).await.unwrap();
    assert!(store.condition().is_writable(), "{:?}", store.condition());
}

#[test]
fn a_slow_commit_is_told_with_its_length() {
    let findings = Findings::default();
    findings.written(StoreFile::Core, Duration::from_millis(900));
    assert_eq!(findings.condition().files[StoreFile::Core as usize].slow_commit_ms, None);
    findings.written(StoreFile::Core, Duration::from_millis(2500));
    findings.written(StoreFile::Core, Duration::from_millis(1500));
    assert_eq!(findings.condition().files[StoreFile::Core as usize].slow_commit_ms, Some(2500));
}

#[test]
fn a_change_that_breaks_a_rule_of_the_schema_says_nothing_of_the_disk() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let error =
        connection.execute_batch("CREATE TABLE a (x NOT NULL); INSERT INTO a VALUES (NULL)").unwrap_err();
    assert_eq!(Trouble::of(&error), None);
}

#[tokio::test]
async fn a_probe_write_changes_nothing_that_anybody_reads() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let row = crate::EventRow { what: "sign-in".to_owned(), ..Default::default() };
    assert_eq!(store.audit.event(row).await.unwrap(), 1);
    store.look_after_itself().await;
    assert_eq!(store.audit.verify().await.unwrap().rows, 1);
    assert_eq!(std::fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
}

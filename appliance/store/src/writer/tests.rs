//! Batches, the full queue, and the end.

use std::sync::mpsc as std_mpsc;

use tempfile::TempDir;

use super::*;
use crate::file::Folder;

/// The largest that a file may grow, in pages, when it stands for a disk that is full.
const FULL_DISK: u32 = 20;

fn writer(dir: &TempDir) -> Writer {
    let folder = Folder::claim(dir.path()).unwrap();
    let open = |file| folder.open(file).unwrap();
    let connections = Connections {
        audit: open(StoreFile::Audit),
        core: open(StoreFile::Core),
        work: open(StoreFile::Work),
        findings: Findings::default(),
    };
    connections.work.pragma_update(None, "max_page_count", FULL_DISK).unwrap();
    Writer::start(connections).unwrap()
}

fn set(writer: &Writer, name: &'static str, value: Option<&'static str>) -> Receipt<usize> {
    writer.write(StoreFile::Core, move |core| {
        core.execute("INSERT INTO settings (name, value) VALUES (?1, ?2)", (name, value))
    })
}

fn settings(dir: &TempDir) -> Vec<String> {
    let fresh = Connection::open(dir.path().join("core.db")).unwrap();
    let mut query = fresh.prepare("SELECT name FROM settings ORDER BY name").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Keeps a file's writer busy until the sender is dropped, so that what is queued meanwhile becomes one batch.
async fn hold(writer: &Writer, file: StoreFile) -> std_mpsc::Sender<()> {
    let (release, held) = std_mpsc::channel::<()>();
    let (begun, beginning) = oneshot::channel();
    let mut begun = Some(begun);
    drop(writer.write(file, move |_| {
        begun.take().map(|begun| begun.send(()));
        let _ = held.recv();
        Ok(())
    }));
    beginning.await.unwrap();
    release
}

#[tokio::test]
async fn only_the_bad_write_of_a_batch_fails() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    let release = hold(&writer, StoreFile::Core).await;
    let receipts = [set(&writer, "a", Some("1")), set(&writer, "b", None), set(&writer, "c", Some("3"))];
    drop(release);
    let [first, bad, last] = receipts;
    assert_eq!(first.await.unwrap(), 1);
    assert!(matches!(bad.await, Err(StoreError::Write { file: "core.db", .. })));
    assert_eq!(last.await.unwrap(), 1);
    assert_eq!(settings(&dir), ["a", "c"]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_loses_nothing_that_it_took() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    let release = hold(&writer, StoreFile::Core).await;
    let note = |_: &Transaction<'_>| Ok(());
    let taken: Vec<_> = (0..QUEUE_LIMIT).map(|_| writer.write(StoreFile::Core, note)).collect();
    assert!(matches!(writer.write(StoreFile::Core, note).await, Err(StoreError::QueueFull)));
    drop(release);
    for receipt in taken {
        receipt.await.unwrap();
    }
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_what_comes_later() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    let queued = set(&writer, "a", Some("1"));
    writer.close().await;
    assert_eq!(queued.await.unwrap(), 1);
    assert!(matches!(set(&writer, "b", Some("2")).await, Err(StoreError::Closed)));
    writer.close().await;
    assert_eq!(settings(&dir), ["a"]);
    assert!(!dir.path().join("core.db-wal").exists());
}

#[tokio::test]
async fn a_write_is_carried_out_even_if_nobody_waits_for_it() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    drop(set(&writer, "a", Some("1")));
    writer.close().await;
    assert_eq!(settings(&dir), ["a"]);
}

#[tokio::test]
async fn a_full_disk_fails_the_writes_that_it_has_no_room_for_and_no_others() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    let fill = || {
        writer.write(StoreFile::Work, |work| {
            work.execute("INSERT INTO outages (start_ms, verdict) VALUES (1, hex(zeroblob(15000)))", [])
        })
    };
    let release = hold(&writer, StoreFile::Work).await;
    let receipts = [fill(), fill(), fill()];
    drop(release);
    let mut written = 0;
    for receipt in receipts {
        match receipt.await {
            Ok(rows) => written += rows,
            Err(error) => assert!(matches!(error, StoreError::Write { file: "work.db", .. })),
        }
    }
    assert_eq!(written, 1);
    assert_eq!(set(&writer, "a", Some("1")).await.unwrap(), 1);
}

#[tokio::test]
async fn no_file_waits_for_another() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    let release = hold(&writer, StoreFile::Work).await;
    assert_eq!(set(&writer, "a", Some("1")).await.unwrap(), 1);
    drop(release);
}

/// It takes the 5 s that a disk is given.
#[tokio::test]
async fn a_commit_that_hangs_is_told_to_all_who_wait_and_is_carried_out_all_the_same() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    let release = hold(&writer, StoreFile::Core).await;
    let (early, late) = (set(&writer, "a", Some("1")), set(&writer, "b", Some("2")));
    assert!(matches!(early.await, Err(StoreError::Hangs { file: "core.db" })));
    assert!(writer.hangs(StoreFile::Core) && !writer.hangs(StoreFile::Audit));
    assert!(matches!(late.await, Err(StoreError::Hangs { .. })));
    let begun = Instant::now();
    assert!(matches!(set(&writer, "c", Some("3")).await, Err(StoreError::Hangs { .. })));
    assert!(begun.elapsed() < pulse::COMMIT_PATIENCE, "a hang that is known is not waited out again");
    let closing = writer.clone();
    closing.close().await;
    drop(release);
    while !writer.lanes[StoreFile::Core as usize].orders.is_closed() {
        tokio::task::yield_now().await;
    }
    assert_eq!(settings(&dir), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_log_is_folded_back_by_order_and_to_its_end() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    set(&writer, "a", Some("1")).await.unwrap();
    let log = || {
        let fresh = Connection::open(dir.path().join("core.db")).unwrap();
        fresh.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| Ok((row.get(1)?, row.get(2)?))).unwrap()
    };
    let (pages, folded): (i64, i64) = log();
    assert!(pages > 0 && folded < pages, "{folded} of {pages}");
    writer.fold(StoreFile::Core).await;
    assert_eq!(log(), (pages, pages));
    set(&writer, "b", Some("2")).await.unwrap();
    assert!(log().0 < pages, "the log begins anew");
    writer.fold(StoreFile::Core).await;
    assert!(log().1 < log().0, "once a minute is enough");
    writer.close().await;
    assert!(!dir.path().join("core.db-wal").exists(), "nobody else has the file open");
}

#[tokio::test]
async fn the_log_of_a_file_that_is_written_without_a_pause_stays_short() {
    let dir = TempDir::new().unwrap();
    let writer = writer(&dir);
    for _ in 0..40 {
        let written = writer.write(StoreFile::Core, |core| {
            let text = "INSERT OR REPLACE INTO settings (name, value) VALUES ('a', hex(zeroblob(1 << 20)))";
            core.execute(text, [])
        });
        written.await.unwrap();
    }
    let wal = std::fs::metadata(dir.path().join("core.db-wal")).unwrap().len();
    assert!(wal < crate::WAL_ALARM_BYTES / 2, "{wal} bytes of 80 MiB");
}

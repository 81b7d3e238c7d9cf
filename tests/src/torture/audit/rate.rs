//! How many rows a second the log acknowledges on this disk, and how many go into one commit.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rusqlite::{Connection, OpenFlags};
use store::{RequestRow, Store};
use tempfile::TempDir;

use crate::{Chat, FakeCloud, TestAppliance};

const LASTS: Duration = Duration::from_secs(5);

/// Prints a line for each number of writers that wait at once.
pub(super) async fn measure() {
    // In the folder of the build, because a temporary folder may lie in memory.
    let folder = TempDir::new_in(crate::repository().join("target")).expect("a folder");
    println!("writers at once     rows/s  rows a commit    p50 ms    p99 ms    max ms");
    for writers in [1, 8, 64, 512, 4096] {
        let store = Store::open(folder.path()).expect("the store opens");
        let (rows, commits) = store.audit.written();
        let started = Instant::now();
        let mut waits: Vec<Duration> = stream::iter(0..)
            .take_while(|_| async { started.elapsed() < LASTS })
            .map(|number| append(&store, number))
            .buffer_unordered(writers)
            .collect()
            .await;
        let lasted = started.elapsed().as_secs_f64();
        waits.sort();
        let (rows, commits) = (store.audit.written().0 - rows, store.audit.written().1 - commits);
        let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
        println!(
            "{writers:15} {:10.0} {:14.1} {:9.2} {:9.2} {:9.2}",
            rows as f64 / lasted,
            rows as f64 / commits.max(1) as f64,
            at(0.5),
            at(0.99),
            at(1.0)
        );
        store.close().await;
    }
}

/// Prints how long after the last byte of an answer its outcome stands in the log of a real box, beside what a sync of
/// the same disk takes at the same time.
pub(super) async fn measure_outcomes() {
    const ANSWERS: usize = 300;
    let cloud = FakeCloud::start();
    let appliance = TestAppliance::with_cloud(&cloud).await;
    let probe = appliance.data_dir().with_file_name("probe");
    let mut syncs = Vec::new();
    let file = appliance.data_dir().join("audit.db");
    let log = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens");
    let count = |kind: &str| -> usize {
        let sql = "SELECT count(*) FROM entries WHERE kind = ?1";
        log.prepare_cached(sql).unwrap().query_row([kind], |row| row.get(0)).expect("it is read")
    };
    let (mut waits, mut early) = (Vec::new(), 0);
    for number in 1..=ANSWERS {
        let answer = appliance.client().stream_whole(&Chat::new("assistant", "Please be written down")).await;
        let ended = Instant::now();
        assert!(answer.is_whole());
        early += usize::from(count("request") < number);
        while count("outcome") < number {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        waits.push(ended.elapsed());
        syncs.push(sync(&probe));
    }
    println!("answers that ended before their row was on disk: {early} of {ANSWERS}");
    tell("outcome after the last byte", waits);
    tell("a write of 4 KiB and its sync, by another program at the same time", syncs);
}

/// How long the disk takes for 4 KiB more.
fn sync(probe: &Path) -> Duration {
    let begun = Instant::now();
    let file = File::options().append(true).create(true).open(probe);
    file.and_then(|mut file| file.write_all(&[7; 4096]).and_then(|()| file.sync_data()))
        .expect("the disk is well");
    begun.elapsed()
}

fn tell(what: &str, mut waits: Vec<Duration>) {
    waits.sort();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0));
}

async fn append(store: &Store, number: u64) -> Duration {
    let begun = Instant::now();
    let row = RequestRow {
        request_id: format!("req-{number:024x}"),
        at_ms: 1_700_000_000_000,
        who: "key ward-3".into(),
        alias: "assistant".into(),
        route: "openai/gpt-4o".into(),
        lane: "interactive".into(),
        policy: "any".into(),
        bytes_in: 900,
    };
    store.audit.request(row).await.expect("it is on disk");
    begun.elapsed()
}

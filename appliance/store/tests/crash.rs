//! A process that is killed while it writes loses no row that it was told is on disk.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use store::{EventRow, Store, StoreError, verify_file};

/// Set for the child only: the folder that it writes to until it is killed.
const FOLDER: &str = "GENSET_CRASH_TEST_FOLDER";
const TEST: &str = "no_acknowledged_row_is_lost_when_the_process_is_killed";
const KILLS: usize = 20;
const WAITING: usize = 8;

#[test]
fn no_acknowledged_row_is_lost_when_the_process_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        append_until_killed(&PathBuf::from(folder));
    }
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut acknowledged = 0;
    for round in 0..KILLS {
        // A different number of rows each time moves the kill over the phases of a commit and a checkpoint.
        let last = kill_after(spawn(dir.path()), 50 + 37 * round);
        assert!(last > acknowledged, "the child went on after row {acknowledged}");
        acknowledged = last;
        let verified = verify_file(&dir.path().join("audit.db")).expect("the chain is whole");
        assert!(
            verified.rows >= acknowledged,
            "{} rows, but row {acknowledged} was acknowledged",
            verified.rows
        );
        Store::open(dir.path()).expect("the store opens without repair");
    }
}

#[test]
fn a_store_opens_again_when_its_first_opening_was_killed() {
    for _ in 0..KILLS {
        let dir = tempfile::TempDir::new().expect("a folder");
        let acknowledged = kill_after(spawn(dir.path()), 0);
        drop(Store::open(dir.path()).expect("the store opens without repair"));
        let verified = verify_file(&dir.path().join("audit.db")).expect("the chain is whole");
        assert!(verified.rows >= acknowledged);
    }
}

fn spawn(folder: &Path) -> Child {
    let program = std::env::current_exe().expect("this test's own path");
    let mut child = Command::new(program);
    child.args([TEST, "--exact", "--nocapture"]).env(FOLDER, folder);
    child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the child starts")
}

/// Kills the child once it has acknowledged `rows` rows, or for 0 when it begins to open the store. Gives the
/// highest row acknowledged before it died.
fn kill_after(mut child: Child, rows: usize) -> u64 {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut highest = 0;
    let mut seen = 0;
    for line in output.lines() {
        let line = line.expect("text");
        // The end of the output may be cut in the middle of a number, so a whole line ends in a full stop.
        let number = line.strip_prefix("acknowledged ").and_then(|rest| rest.strip_suffix('.'));
        match number.and_then(|number| number.parse().ok()) {
            Some(seq) => (highest, seen) = (highest.max(seq), seen + 1),
            None if line == "opening" => {}
            None => continue,
        }
        if seen == rows {
            child.kill().expect("the child still runs");
        }
    }
    child.wait().expect("the child ends");
    highest
}

fn append_until_killed(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    writeln!(stdout(), "\nopening").expect("the parent listens");
    let store = Store::open(folder).expect("the store opens");
    runtime.block_on(append_forever(&store)).expect("every row is written");
}

/// Keeps a few rows on their way, so that most commits have company.
async fn append_forever(store: &Store) -> Result<(), StoreError> {
    let mut waiting = VecDeque::new();
    loop {
        waiting.push_back(store.audit.event(EventRow { what: "sign-in".to_owned(), ..Default::default() }));
        if waiting.len() > WAITING {
            let seq = waiting.pop_front().expect("it holds some").await?;
            writeln!(stdout(), "acknowledged {seq}.").expect("the parent listens");
        }
    }
}

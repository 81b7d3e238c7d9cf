//! Logs as a box leaves them, made by the real store: rows of every kind, checkpoints, stops and starts.

use rusqlite::Connection;
use serde_json::json;
use std::path::PathBuf;
use store::{EventRow, OutcomeRow, RequestRow, Store};
use tempfile::TempDir;
use verifier::Code;

use crate::Dice;

/// A closed log in a folder of its own, with what its owner knows of it.
pub(super) struct Log {
    pub(super) folder: TempDir,
    pub(super) rows: usize,
    pub(super) key: String,
    /// Each checkpoint, as it was written down elsewhere.
    pub(super) anchors: Vec<String>,
    pub(super) code: Option<String>,
}

const WORDS: [&str; 6] = ["assistant", "병동 3", "emoji 🩺", "tab\tand\\slash", "\"quoted\"", ""];

impl Log {
    pub(super) async fn make(rows: usize, dice: &mut Dice) -> Log {
        let folder = TempDir::new().expect("a folder");
        let mut store = Store::open(folder.path()).expect("the store opens");
        let mut written = 0;
        while written < rows {
            let together = dice.between(1, 700).min(rows - written);
            let receipts: Vec<_> =
                (written..written + together).map(|row| append(&store, row, dice)).collect();
            for receipt in receipts {
                receipt.await.expect("it is on disk");
            }
            written += together;
            if dice.one_in(4) {
                store.audit.checkpoint().await.expect("it is signed");
            }
            if dice.one_in(6) {
                store.close().await;
                store = Store::open(folder.path()).expect("the store opens again");
            }
        }
        let newest = store.audit.checkpoint().await.expect("it is signed");
        let anchors = store.audit.checkpoints(0, u32::MAX).expect("they are read");
        let key = store.audit.public_key().to_string();
        store.close().await;
        Log {
            folder,
            rows,
            key,
            anchors: anchors.iter().map(verifier::Checkpoint::to_line).collect(),
            code: newest.map(|newest| Code::of(newest.rows, &newest.head.0).to_string()),
        }
    }

    /// A copy of its files in another folder, without the triggers that stop mistakes.
    pub(super) fn copy(&self) -> (TempDir, Connection) {
        let copy = TempDir::new().expect("a folder");
        for file in std::fs::read_dir(self.folder.path()).expect("it is listed") {
            let file = file.expect("it is listed");
            std::fs::copy(file.path(), copy.path().join(file.file_name())).expect("it is copied");
        }
        let database = Connection::open(path(&copy)).expect("it opens");
        let triggers: Vec<String> = {
            let mut query =
                database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").unwrap();
            query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        triggers.iter().for_each(|name| database.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
        database.execute_batch("PRAGMA synchronous = OFF").unwrap();
        (copy, database)
    }

    /// What is said of it although nobody has touched it; none is right.
    pub(super) async fn alarm(&self) -> Option<String> {
        let export = super::export(self.folder.path()).await;
        let (code, words) = super::verify(&export, &self.key, &self.anchors);
        if code != 0 {
            return Some(format!("{} rows, export: {words}", self.rows));
        }
        let typed = self.code.iter().map(|code| verifier::Anchor::Code(code.parse().unwrap()));
        let trust = verifier::Trust { keys: vec![self.key.parse().unwrap()], anchors: typed.collect() };
        let checked = store::verify_file_against(&path(&self.folder), trust);
        checked.err().map(|error| format!("{} rows, file: {error}", self.rows))
    }
}

pub(super) fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("audit.db")
}

fn append(store: &Store, row: usize, dice: &mut Dice) -> store::Receipt {
    let at_ms = 1_700_000_000_000 + 40 * row as i64 - dice.between(0, 90) as i64;
    let request_id = format!("req-{row:08x}");
    let word = (*dice.pick(&WORDS)).to_owned();
    match dice.between(1, 10) {
        1 => {
            let detail = json!({"from": word, "number": row});
            store.audit.event(EventRow { at_ms, who: "box".into(), what: "sign-in".into(), detail })
        }
        2..=5 => {
            let bytes_in = dice.between(1, 9000) as u64;
            store.audit.request(RequestRow { request_id, at_ms, alias: word, bytes_in, ..Default::default() })
        }
        _ => {
            let (seam, status) = (dice.one_in(5).then_some(7), 200);
            let served_by = word;
            store.audit.outcome(OutcomeRow {
                request_id,
                at_ms,
                served_by,
                seam,
                status,
                ..Default::default()
            })
        }
    }
}

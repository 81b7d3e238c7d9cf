//! The audit log is changed in every way that somebody may think of, and left alone; and it is written in a hurry.

#![allow(clippy::print_stdout, reason = "its product is a table")]

mod changes;
mod logs;
mod rate;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use store::Store;
use tempfile::TempDir;

use crate::{Dice, genset_binary};
use changes::{Change, Changed};
use logs::Log;

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub changes: usize,
    pub clean_logs: usize,
    /// The most rows that a log has.
    pub rows: usize,
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    /// By kind of change: how many were made, and how many were found.
    pub changes: BTreeMap<&'static str, (usize, usize)>,
    /// The changes that nobody noticed, in words.
    pub missed: Vec<String>,
    pub clean_logs: usize,
    /// What was said of a log that nobody had touched.
    pub alarms: Vec<String>,
}

impl Found {
    /// Whether all is as promised.
    pub fn is_fine(&self) -> bool {
        self.missed.is_empty() && self.alarms.is_empty()
    }
}

/// The long form.
pub async fn run(count: usize) -> bool {
    let found = try_all(&Plan { changes: count, clean_logs: count, rows: 3000, seed: 5 }).await;
    for (kind, (made, noticed)) in &found.changes {
        println!("{kind:32} {made:5} made  {noticed:5} found");
    }
    let (made, noticed) =
        found.changes.values().fold((0, 0), |sum, (made, noticed)| (sum.0 + made, sum.1 + noticed));
    println!("{:32} {made:5} made  {noticed:5} found", "all changes");
    println!(
        "{:32} {:5} clean {:5} alarms",
        "logs that nobody touched",
        found.clean_logs,
        found.alarms.len()
    );
    found.missed.iter().chain(&found.alarms).for_each(|line| println!("  {line}"));
    rate::measure().await;
    rate::measure_outcomes().await;
    found.is_fine()
}

/// Makes the changes and the clean logs, and has each checked by `genset-verify`.
pub async fn try_all(plan: &Plan) -> Found {
    let mut found = Found::default();
    let mut dice = Dice::new(plan.seed);
    let log = Log::make(plan.rows, &mut dice).await;
    let other = Log::make(plan.rows, &mut dice).await;
    for number in 0..plan.changes {
        let change = Change::ALL[number % Change::ALL.len()];
        let (count, noticed) = found.changes.entry(change.word()).or_default();
        *count += 1;
        match change.make(&log, &other, &mut dice).await {
            Changed::Noticed => *noticed += 1,
            Changed::Missed(what) => found.missed.push(format!("{}: {what}", change.word())),
        }
    }
    for _ in 0..plan.clean_logs {
        found.clean_logs += 1;
        let rows = dice.between(0, plan.rows);
        let log = Log::make(rows, &mut dice).await;
        if let Some(alarm) = log.alarm().await {
            found.alarms.push(alarm);
        }
    }
    found
}

/// What `genset-verify` says of an export: its exit code and its words. `anchors` is what was written down elsewhere.
fn verify(export: &str, key: &str, anchors: &[String]) -> (i32, String) {
    let folder = TempDir::new().expect("a folder");
    let (file, elsewhere) = (folder.path().join("export"), folder.path().join("anchors"));
    std::fs::write(&file, export).expect("it is written");
    std::fs::write(&elsewhere, anchors.join("\n")).expect("it is written");
    let mut command = Command::new(genset_binary().with_file_name("genset-verify"));
    command.arg(&file).args(["--key", key]);
    if !anchors.is_empty() {
        command.arg("--anchor").arg(&elsewhere);
    }
    let output = command.output().expect("genset-verify stands beside genset");
    let words = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&words).into_owned())
}

/// The log in a folder as the box writes it out.
async fn export(folder: &Path) -> String {
    let store = Store::open(folder).expect("the store opens");
    let mut text = Vec::new();
    store.audit.export("Harbor Hospital", 1, &mut text).expect("it is written out");
    store.close().await;
    String::from_utf8(text).expect("it is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_kind_of_change_to_the_log_is_found_and_clean_logs_raise_no_alarm() {
        let found =
            try_all(&Plan { changes: 2 * Change::ALL.len(), clean_logs: 5, rows: 1500, seed: 9 }).await;
        assert!(found.is_fine(), "{:?} {:?}", found.missed, found.alarms);
        assert!(found.changes.values().all(|(made, noticed)| *made == 2 && noticed == made));
    }
}

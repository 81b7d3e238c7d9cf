//! Prints what was measured.
#![allow(clippy::print_stdout, reason = "the scoreboard is what its caller reads")]

use std::time::Duration;

use super::Options;
use super::faults::FAULTS;
use super::judge::Grade;
use super::offline::{Outcome, Tried};
use super::rows::Row;
use super::verdicts::Verdicts;

const LINE: usize = 118;

pub(super) fn faults(rows: &mut [Row], options: &Options) {
    rows.sort_by_key(|row| (row.fault, row.mode, row.seed));
    println!(
        "\nPublic faults, {} seeds (first {}), real boxes as shipped",
        options.seeds.len(),
        options.seeds[0]
    );
    println!(
        "{:34} {:9} {:>4} {:>7} {:>4} {:>4} | {:>8} | {:>13} | {:>13} | {:>4} {:>7}",
        "fault",
        "mode",
        "pass",
        "partial",
        "safe",
        "fail",
        "attempts",
        "transfer s",
        "failback s",
        "lost",
        "doubled"
    );
    for (fault, name) in FAULTS {
        for mode in &options.modes {
            let some: Vec<_> = rows.iter().filter(|row| row.fault == fault && row.mode == *mode).collect();
            if !some.is_empty() {
                println!("{:34} {:9} {}", format!("{fault} {name}"), mode.name(), figures(&some));
            }
        }
    }
    println!("{}", "-".repeat(LINE));
    for mode in &options.modes {
        let some: Vec<_> = rows.iter().filter(|row| row.mode == *mode).collect();
        println!("{:34} {:9} {}", "all", mode.name(), figures(&some));
    }
    println!("attempts: most on the primary in trouble in one performance; times: median / longest");
    for row in rows.iter().filter(|row| row.judgement.grade != Grade::Pass) {
        let Row { fault, mode, seed, judgement, .. } = row;
        println!("  {fault} {} seed {seed}: {:?}: {}", mode.name(), judgement.grade, judgement.why);
    }
}

/// The losses that nobody publishes.
pub(super) fn losses(tried: &mut [Tried]) {
    tried.sort_by_key(|tried| tried.number);
    println!("\nLosses of the cloud and of the building, in network namespaces, real boxes as shipped");
    println!(
        "{:28} {:5} {:>8} {:>6} {:>8} | {:>10} {:>13} | {:>10} {:>10} | {:>4} {:>7}",
        "loss",
        "",
        "requests",
        "failed",
        "attempts",
        "transfer s",
        "longest wait",
        "failback s",
        "returned %",
        "lost",
        "doubled"
    );
    let seconds =
        |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{:.2}", time.as_secs_f64()));
    for Tried { name, outcome, .. } in &*tried {
        match outcome {
            Outcome::NotRun(why) => println!("{name:28} not run: {why}"),
            Outcome::Done(loss) => println!(
                "{name:28} {:5} {:>8} {:>6} {:>8} | {:>10} {:>13} | {:>10} {:>10} | {:>4} {:>7}  {}",
                if loss.missed.is_empty() { "pass" } else { "FAIL" },
                loss.requests,
                loss.failed,
                loss.attempts.map_or("-".to_owned(), |attempts| attempts.to_string()),
                seconds(loss.transfer),
                seconds(Some(loss.longest_wait)),
                seconds(loss.failback),
                loss.returned_percent.map_or("-".to_owned(), |percent| percent.to_string()),
                loss.lost,
                loss.doubled,
                loss.note,
            ),
        }
    }
    for Tried { name, outcome, .. } in &*tried {
        if let Outcome::Done(loss) = outcome {
            loss.missed.iter().for_each(|why| println!("  {name}: {why}"));
        }
    }
}

/// Injected against named.
pub(super) fn verdicts(verdicts: &Verdicts) {
    let rows = match verdicts {
        Verdicts::NotRun(why) => return println!("\nVerdicts: not run: {why}"),
        Verdicts::Named(rows) => rows,
    };
    println!("\nVerdicts, each fault injected for real in network namespaces");
    println!(
        "{:17} {:26} {:>4}  {:17} {:>7}  {:9} named before",
        "injected", "how", "seed", "named", "after s", "on pages"
    );
    for row in rows {
        let after = row.after.map_or("-".to_owned(), |after| format!("{:.1}", after.as_secs_f64()));
        let told = if row.told { "said" } else { "NOT SAID" };
        let named = row.named.as_deref().unwrap_or("nothing");
        let mark = if row.is_right() { "" } else { "WRONG " };
        println!(
            "{:17} {:26} {:>4}  {:17} {after:>7}  {told:9} {mark}{}",
            row.injected.as_str(),
            row.way,
            row.seed,
            named,
            row.before.join(", ")
        );
    }
    let right = rows.iter().filter(|row| row.is_right()).count();
    println!("{right} of {} named right, {} %", rows.len(), right * 100 / rows.len().max(1));
}

fn figures(rows: &[&Row]) -> String {
    let count = |grade| rows.iter().filter(|row| row.judgement.grade == grade).count();
    let lost: usize = rows.iter().map(|row| row.judgement.lost).sum();
    let doubled: usize = rows.iter().map(|row| row.judgement.doubled).sum();
    format!(
        "{:>4} {:>7} {:>4} {:>4} | {:>8} | {:>13} | {:>13} | {lost:>4} {doubled:>7}",
        count(Grade::Pass),
        count(Grade::Partial),
        count(Grade::Safe),
        count(Grade::Fail),
        rows.iter().map(|row| row.attempts).max().unwrap_or_default(),
        spread(rows.iter().map(|row| row.transfer).collect()),
        spread(rows.iter().filter_map(|row| row.failback).collect()),
    )
}

/// The median and the longest, in seconds.
pub(super) fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    match (times.get(times.len().saturating_sub(1) / 2), times.last()) {
        (Some(median), Some(longest)) => {
            format!("{:.2} / {:.2}", median.as_secs_f64(), longest.as_secs_f64())
        }
        _ => "-".to_owned(),
    }
}

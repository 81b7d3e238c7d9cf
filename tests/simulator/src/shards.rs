//! Many seeds side by side, each in a process of its own, and what they found together.

use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::check::{Findings, Tally};
use crate::sabotage::Sabotage;

/// One line for whoever started the process, and one for each violation.
pub(crate) fn report(seed: u64, findings: &Findings) -> String {
    let numbers: Vec<String> = findings.tally.numbers().iter().map(u64::to_string).collect();
    let mut report = format!("seed {seed} tally {}", numbers.join(" "));
    for violation in &findings.violations {
        report.push_str(&format!("\nseed {seed} VIOLATION {}: {}", violation.invariant, violation.what));
    }
    report
}

#[derive(Default)]
struct Total {
    tally: Tally,
    lived: u64,
    failed: Vec<u64>,
}

/// Lives the seeds on all cores; true when none of them broke an invariant.
#[expect(clippy::print_stdout, reason = "a command that prints what it found")]
pub(crate) fn run(from: u64, count: u64) -> bool {
    let started = monotonic();
    let (next, total) = (AtomicU64::new(0), Mutex::new(Total::default()));
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        // A life waits for its store's writer for nearly half of its time.
        for _ in 0..2 * cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= count {
                        return;
                    }
                    let output = live_apart(from + number, &[]);
                    if let Ok(mut total) = total.lock() {
                        total.take(from + number, &output);
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_default();
    let took = (monotonic() - started).as_secs_f64();
    let [requests, whole, by_cloud, seams, refused, broken, left, attempts] = total.tally.numbers();
    println!(
        "{} seeds in {took:.1} s ({:.1} a second): {requests} requests, {whole} whole ({by_cloud} by the cloud, \
         {seams} seams), {refused} refused, {broken} broken off and told, {left} left by their clients; {attempts} \
         attempts at upstreams",
        total.lived,
        total.lived as f64 / took
    );
    println!("{} seeds with violations", total.failed.len());
    total.failed.is_empty() && total.lived == count
}

impl Total {
    #[expect(clippy::print_stdout, reason = "a command that prints what it found")]
    fn take(&mut self, seed: u64, output: &Output) {
        let text = String::from_utf8_lossy(&output.stdout);
        self.lived += 1;
        let tally = text.lines().find_map(|line| line.split_once(" tally "));
        let numbers: Vec<u64> = tally
            .map_or(Vec::new(), |(_, numbers)| numbers.split(' ').filter_map(|n| n.parse().ok()).collect());
        self.tally.add(&numbers);
        if output.status.success() {
            return;
        }
        self.failed.push(seed);
        text.lines().filter(|line| line.contains("VIOLATION")).take(6).for_each(|line| println!("{line}"));
        if numbers.is_empty() {
            let error = String::from_utf8_lossy(&output.stderr);
            println!(
                "seed {seed} VIOLATION the process ended by itself: {}",
                error.lines().next().unwrap_or("?")
            );
        }
        println!("  tests/simulation --seed {seed} --trace");
    }
}

/// Shows that each lie is noticed by the check that is there for it, and that a seed gives the same trace twice.
#[expect(clippy::print_stdout, reason = "a command that prints what it found")]
pub(crate) fn prove() -> bool {
    let mut is_well = true;
    for (sabotage, invariant) in Sabotage::ALL {
        let name = format!("{sabotage:?}");
        let mark = format!("VIOLATION {invariant}:");
        let seed = (1..=40).find(|seed| {
            let output = live_apart(*seed, &["--sabotage", &name]);
            String::from_utf8_lossy(&output.stdout).contains(&mark)
        });
        match seed {
            Some(seed) => println!("{name}: noticed as «{invariant}», first in seed {seed}"),
            None => println!("{name}: NOT NOTICED in 40 seeds"),
        }
        is_well &= seed.is_some();
    }
    let differs = (1..=20).find(|seed| {
        let [one, two] = [(); 2].map(|()| live_apart(*seed, &["--trace"]).stdout);
        one != two || one.is_empty()
    });
    match differs {
        Some(seed) => println!("seed {seed} gives two different traces"),
        None => println!("20 seeds give the same trace twice, byte for byte"),
    }
    is_well && differs.is_none()
}

/// Lives one seed in a process of its own.
fn live_apart(seed: u64, more: &[&str]) -> Output {
    let program = std::env::current_exe().expect("a running program has a path");
    let mut command = Command::new(program);
    command.arg("--seed").arg(seed.to_string()).args(more).stdin(Stdio::null());
    command.output().expect("a program that runs can be started again")
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

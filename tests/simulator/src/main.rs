//! Deterministic simulation of the gateway: whole outages in milliseconds, each of them from a seed, and checked.
//!
//! One process lives one seed. It runs the product's own door, course, relay, breakers, monitor, ledger, keeper and
//! store in one thread, in paused time; the network, the upstreams, the workers, the clients and the persons around
//! them follow a plan that is drawn from the seed. Random bytes and the wall clock come from the seed too, so that a
//! seed always gives the same trace, byte for byte.

mod book;
mod check;
mod client;
mod cloud;
mod dice;
mod kernel;
mod network;
mod options;
mod persons;
mod plan;
mod sabotage;
mod shards;
mod standby;
mod status;
mod trace;
mod weather;
mod words;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use check::Findings;
use options::{Command, Options};
use tokio::task::JoinHandle;
use world::World;

/// In simulated time; a world that is not over then never ends.
const LONGEST: Duration = Duration::from_secs(3 * 3600);

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints what it found")]
fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let is_well = match options.command {
        Command::One { seed, trace } => {
            let (findings, lines) = live(seed, &options);
            if trace {
                lines.iter().for_each(|line| println!("{line}"));
            }
            println!("{}", shards::report(seed, &findings));
            findings.violations.is_empty()
        }
        Command::Many { from, count } => shards::run(from, count),
        Command::Prove => shards::prove(),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lives one seed in this process, which must be its first.
fn live(seed: u64, options: &Options) -> (Findings, Vec<String>) {
    kernel::begin(seed);
    end_with_any_panic();
    let name = format!("genset-simulation-{}-", std::process::id());
    let dir =
        tempfile::Builder::new().prefix(&name).tempdir().expect("the folder for temporary files takes one");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("one thread and a clock are always to be had");
    runtime.block_on(async {
        let _clock = kernel::simulate_clock();
        let world = World::build(seed, dir.path(), options.sabotage).await;
        let book = world.book.clone();
        trace::listen(&book);
        let life = tokio::time::timeout(LONGEST, world.live()).await;
        let findings = match life {
            Ok(remains) => {
                check::repeat(&remains, options.sabotage);
                check::check(&remains)
            }
            Err(_) => {
                book.wrong("1 ends-once", "the world did not end within three hours of its time".into());
                Findings { violations: book.pages().seen_wrong.clone(), ..Findings::default() }
            }
        };
        let lines = book.pages().trace.clone();
        (findings, lines)
    })
}

/// A part of the box that panics has broken the box, whoever waits for it.
fn end_with_any_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        std::process::exit(101);
    }));
}

/// Runs a part of the world beside the others, in the same thread.
#[expect(
    clippy::disallowed_methods,
    reason = "a simulated world has no supervisor: it ends with its process"
)]
fn spawn<F>(part: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    tokio::spawn(part)
}

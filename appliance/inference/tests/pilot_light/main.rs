//! The engine with the real pilot light, in real worker processes.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests show what they measure, and fail by panicking"
)]

mod answers;
mod confinement;
mod continuation;
mod copy;
mod deaths;
mod formats;
mod growth;
mod harness;
mod placement;
mod refusals;
mod replicas;
mod sharing;
mod tokens;
mod tools;

use inference::worker::{self, WorkerOptions};

/// The other tests start this program again as their worker, with the worker's arguments after `--`.
#[test]
#[ignore = "becomes a worker process for the other tests"]
fn becomes_a_worker() {
    let args: Vec<_> = std::env::args_os().skip_while(|arg| arg != "--").skip(1).collect();
    if !args.is_empty() {
        let options = WorkerOptions::from_args(args).expect("the keeper writes what a worker reads");
        if let Err(error) = worker::run(&options) {
            panic!("{error}");
        }
    }
}

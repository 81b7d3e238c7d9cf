//! The long forms of the tests that hurt, as a program: `tests/torture` builds it and the box, and calls it.

#![allow(clippy::print_stderr, reason = "what is wrong with the command line is said on standard error")]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match tests::torture::run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(usage) => {
            eprintln!("{usage}");
            ExitCode::from(2)
        }
    }
}

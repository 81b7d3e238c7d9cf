//! The scoreboard as a program: `tests/scoreboard` builds it and the box, and calls it.

#![allow(clippy::print_stderr, reason = "what is wrong with the command line is said on standard error")]

use std::process::ExitCode;

use tests::scoreboard::{self, Options, USAGE};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if scoreboard::run(&options).await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! `genset`, the one program of the box.

use std::process::ExitCode;

fn main() -> ExitCode {
    appliance::cli::main()
}

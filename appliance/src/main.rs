//! `genset`, the one program of the box.

#[cfg(any(own_kernels = "linked", own_kernels = "loaded"))]
mod own_kernels;

use std::process::ExitCode;

fn main() -> ExitCode {
    appliance::cli::main()
}

//! `genset`, the one program of the box.

#[cfg(own_kernels)]
mod own_kernels;

use std::process::ExitCode;

fn main() -> ExitCode {
    appliance::cli::main()
}

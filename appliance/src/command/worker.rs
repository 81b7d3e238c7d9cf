//! `genset worker`: the process that owns one model.

use std::ffi::OsString;
use std::process::ExitCode;

use inference::worker::{self, WorkerOptions};

use crate::cli::Failure;

pub(crate) fn run(args: Vec<OsString>) -> Result<ExitCode, Failure> {
    let options =
        WorkerOptions::from_args(args).map_err(|error| Failure::Unusable(format!("worker: {error}")))?;
    worker::run(&options).map(|()| ExitCode::SUCCESS).map_err(|error| Failure::Failed(error.to_string()))
}

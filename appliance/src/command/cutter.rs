//! `genset cutter`: the helper that cuts the way out for a drill.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::Failure;
use crate::cutter::{self, CutterError, Filter};

pub(crate) async fn run(socket: &Path, user: &str) -> Result<ExitCode, Failure> {
    let uid = uid_of(user)?;
    let filter = Filter::new(uid).map_err(|why| Failure::Unusable(format!("--user {user}: {why}")))?;
    let stop = super::serve::stop_signal()?;
    cutter::serve(socket, &filter, stop).await.map_err(|error| match error {
        error @ CutterError::Socket { .. } => Failure::Unusable(error.to_string()),
        error @ CutterError::Filter(_) => Failure::Failed(error.to_string()),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A number, or a name of the machine's own users.
fn uid_of(user: &str) -> Result<u32, Failure> {
    if let Ok(uid) = user.parse() {
        return Ok(uid);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == user).then(|| fields.nth(1)?.parse().ok())?
    });
    found.ok_or_else(|| {
        Failure::Unusable(format!("--user {user}: this machine has no such user; give the box's own"))
    })
}

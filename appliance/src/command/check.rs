//! `genset check`: says everything that is wrong with a configuration, before a box has to run with it.

use std::path::Path;
use std::process::ExitCode;

use inference::ModelSpec;

use crate::cli::{Failure, say, tell};

pub(crate) fn run(file: &Path) -> Result<ExitCode, Failure> {
    let mut config = super::load(file)?;
    for local in &config.locals {
        let built_in = local.file.ends_with(crate::pilot_light::FILE_NAME) && !local.file.exists();
        if let Some(problem) = (!built_in && local.file.exists()).then(|| unusable(local)).flatten() {
            config.problems.push(crate::config::Problem(format!(
                "{}: [[local]] \"{}\": {problem}",
                config.file.display(),
                local.name
            )));
        }
    }
    for path in &config.plain_keys {
        let (path, file) = (path.display(), config.file.display());
        tell(&format!("genset: {path}: works, and is not sealed; `genset seal --config {file}` seals it"));
    }
    if config.problems.is_empty() {
        say(&format!("{}: fine", config.file.display()));
        return Ok(ExitCode::SUCCESS);
    }
    for problem in &config.problems {
        tell(&format!("genset: {problem}"));
    }
    Ok(ExitCode::from(2))
}

/// Why a local model can't do what it is for, by its file.
fn unusable(local: &ModelSpec) -> Option<String> {
    match inference::gguf::inspect(&local.file) {
        Err(error) => Some(error.to_string()),
        Ok(gguf) => {
            let why = inference::kind::fitting(&gguf, local.kind, local.pooling).err()?;
            Some(format!("{}: {why}", local.file.display()))
        }
    }
}

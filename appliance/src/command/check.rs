//! `genset check`: says everything that is wrong with a configuration, before a box has to run with it.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Failure, say, tell};

pub(crate) fn run(file: &Path) -> Result<ExitCode, Failure> {
    let mut config = super::load(file)?;
    for local in &config.locals {
        let built_in = local.file.ends_with(crate::pilot_light::FILE_NAME) && !local.file.exists();
        if let Some(problem) = (!built_in && local.file.exists()).then(|| unusable(&local.file)).flatten() {
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

fn unusable(model: &Path) -> Option<String> {
    inference::gguf::inspect(model).err().map(|error| error.to_string())
}

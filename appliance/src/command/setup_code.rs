//! `genset setup-code`: the code with which the first visitor makes the owner's account.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Failure, say, tell};

pub(crate) async fn run(file: &Path) -> Result<ExitCode, Failure> {
    let store = super::open_to_change(&super::load(file)?).await?;
    if !store.core.needs_setup()? {
        tell("This box has its owner already; sign in instead.");
        return Ok(ExitCode::SUCCESS);
    }
    let begun = async { Ok(store.core.begin_setup().await?) };
    let code = super::recorded(&store, "setup-code-made", json!(null), begun).await?;
    store.close().await;
    match code {
        Some(code) => say(code.expose()),
        None => tell("This box has got its owner in this moment; sign in instead."),
    }
    Ok(ExitCode::SUCCESS)
}

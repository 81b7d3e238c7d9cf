//! `genset setup-code`: the code with which the first visitor makes the owner's account.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Failure, say, tell};

pub(crate) async fn run(file: &Path) -> Result<ExitCode, Failure> {
    let store = super::open_to_change(&super::load(file)?).await?;
    let code = store.core.begin_setup().await.map_err(|error| Failure::Failed(error.to_string()))?;
    match code {
        Some(code) => {
            super::note(&store, "setup-code-made", json!(null)).await?;
            say(code.expose());
        }
        None => tell("This box has its owner already; sign in instead."),
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

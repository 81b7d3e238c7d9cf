//! `genset user reset-second-factor`: for somebody who has lost the authenticator and the recovery codes.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use store::AccountError;

use crate::cli::{Failure, tell};

pub(crate) async fn reset(name: &str, config: &Path) -> Result<ExitCode, Failure> {
    let store = super::open_to_change(&super::load(config)?).await?;
    let refused = |error| match error {
        AccountError::Store(error) => Failure::Failed(error.to_string()),
        error => Failure::Unusable(format!("account \"{name}\": {error}")),
    };
    if store.core.account_named(name)?.is_none() {
        return Err(refused(AccountError::Unknown));
    }
    let reset = async { store.core.reset_second_factor(name).await.map_err(refused) };
    let detail = json!({"name": name.trim(), "by": super::who()});
    let was_there = super::recorded(&store, "second-factor-reset", detail, reset).await?;
    store.close().await;
    tell(&if was_there {
        format!(
            "\"{name}\" signs in with the password alone now, and sets up a second factor at /account again."
        )
    } else {
        format!("\"{name}\" has no second factor. The sessions of the account are ended all the same.")
    });
    Ok(ExitCode::SUCCESS)
}

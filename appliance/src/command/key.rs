//! `genset key`: keys of the API, made and revoked in the store, which a running box sees at once.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Failure, KeyCommand, say, tell};

pub(crate) async fn run(command: KeyCommand) -> Result<ExitCode, Failure> {
    match command {
        KeyCommand::Create { name, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let secret = store.core.create_key(&name).await.map_err(|error| refused(&name, &error))?;
            super::note(&store, "key-created", json!({"name": name})).await?;
            store.close().await;
            say(secret.expose());
        }
        KeyCommand::Revoke { name, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            store.core.revoke_key(&name).await.map_err(|error| refused(&name, &error))?;
            super::note(&store, "key-revoked", json!({"name": name})).await?;
            store.close().await;
            tell(&format!("The key \"{name}\" is revoked."));
        }
        KeyCommand::List(config) => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let keys = store.core.keys().map_err(|error| Failure::Failed(error.to_string()))?;
            for key in keys {
                let state = if key.revoked_ms.is_some() { "revoked" } else { "valid" };
                say(&format!("{}\t{}\t{state}", key.name, super::moment(key.created_ms)));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn refused(name: &str, error: &store::KeyError) -> Failure {
    match error {
        store::KeyError::Store(error) => Failure::Failed(error.to_string()),
        error => Failure::Unusable(format!("key \"{name}\": {error}")),
    }
}

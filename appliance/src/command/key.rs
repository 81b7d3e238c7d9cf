//! `genset key`: keys of the API, made and revoked in the store, which a running box sees at once.

use std::process::ExitCode;

use serde_json::json;

use store::KeyLane;

use crate::cli::{Failure, KeyCommand, LaneArg, say, tell};

pub(crate) async fn run(command: KeyCommand) -> Result<ExitCode, Failure> {
    match command {
        KeyCommand::Create { name, lane, config } => {
            let lane = KeyLane::from(lane);
            let store = super::open_to_change(&super::load(&config.file)?).await?;
            store.core.check_new_key(&name).map_err(|error| refused(&name, &error))?;
            let created =
                async { store.core.create_key(&name, lane).await.map_err(|error| refused(&name, &error)) };
            let detail = json!({"name": name, "lane": lane});
            let secret = super::recorded(&store, "key-created", detail, created).await?;
            store.close().await;
            say(secret.expose());
        }
        KeyCommand::Revoke { name, config } => {
            let store = super::open_to_change(&super::load(&config.file)?).await?;
            if store.core.key_named(&name)?.is_none() {
                return Err(refused(&name, &store::KeyError::Unknown));
            }
            let revoked =
                async { store.core.revoke_key(&name).await.map_err(|error| refused(&name, &error)) };
            super::recorded(&store, "key-revoked", json!({"name": name}), revoked).await?;
            store.close().await;
            tell(&format!("The key \"{name}\" is revoked."));
        }
        KeyCommand::List(config) => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let keys = store.core.keys().map_err(|error| Failure::Failed(error.to_string()))?;
            for key in keys {
                let state = if key.revoked_ms.is_some() { "revoked" } else { "valid" };
                say(&format!(
                    "{}\t{}\t{state}\t{}",
                    key.name,
                    super::moment(key.created_ms),
                    key.lane.as_str()
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl From<LaneArg> for KeyLane {
    fn from(lane: LaneArg) -> KeyLane {
        match lane {
            LaneArg::Clinical => KeyLane::Clinical,
            LaneArg::Interactive => KeyLane::Interactive,
            LaneArg::Batch => KeyLane::Batch,
        }
    }
}

fn refused(name: &str, error: &store::KeyError) -> Failure {
    match error {
        store::KeyError::Store(error) => Failure::Failed(error.to_string()),
        error => Failure::Unusable(format!("key \"{name}\": {error}")),
    }
}

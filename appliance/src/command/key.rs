//! `genset key`: keys of the API, made and revoked in the store, which a running box sees at once.

use std::process::ExitCode;

use serde_json::json;

use store::{KeyLane, KeyShare};

use crate::cli::{Failure, KeyCommand, LaneArg, say, tell};

/// As in the configuration.
const MOST_PER_MINUTE: usize = 1_000_000;

pub(crate) async fn run(command: KeyCommand) -> Result<ExitCode, Failure> {
    match command {
        KeyCommand::Create { name, lane, max_requests, max_per_minute, config } => {
            let (lane, share) = (KeyLane::from(lane), KeyShare { max_requests, max_per_minute });
            let config = super::load(&config.file)?;
            check(&name, share, config.gateway.limits.max_requests)?;
            let store = super::open_to_change(&config).await?;
            store.core.check_new_key(&name).map_err(|error| refused(&name, &error))?;
            let created = async {
                let made = store.core.create_key_with(&name, lane, share).await;
                made.map_err(|error| refused(&name, &error))
            };
            let detail = json!({"name": name, "lane": lane, "max_requests": max_requests,
                "max_per_minute": max_per_minute});
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
                let own =
                    |limit: Option<u32>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
                say(&format!(
                    "{}\t{}\t{state}\t{}\t{}\t{}",
                    key.name,
                    super::moment(key.created_ms),
                    key.lane.as_str(),
                    own(key.share.max_requests),
                    own(key.share.max_per_minute)
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

/// Whether the key's own share makes sense on this box.
fn check(name: &str, share: KeyShare, room: usize) -> Result<(), Failure> {
    let wrong = |option: &str, given: u32, most: usize| {
        Failure::Unusable(format!("key \"{name}\": --{option} {given} must be 1 to {most}"))
    };
    let is_within = |limit: u32, most: usize| limit > 0 && limit as usize <= most;
    match share {
        KeyShare { max_requests: Some(limit), .. } if !is_within(limit, room) => {
            Err(wrong("max-requests", limit, room))
        }
        KeyShare { max_per_minute: Some(limit), .. } if !is_within(limit, MOST_PER_MINUTE) => {
            Err(wrong("max-per-minute", limit, MOST_PER_MINUTE))
        }
        _ => Ok(()),
    }
}

fn refused(name: &str, error: &store::KeyError) -> Failure {
    match error {
        store::KeyError::Store(error) => Failure::Failed(error.to_string()),
        error => Failure::Unusable(format!("key \"{name}\": {error}")),
    }
}

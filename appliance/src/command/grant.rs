//! `genset grant` and `genset why`: who may do what beside their roles, and why.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::{
    ApiKey, EVERY, Grant, Grantee, Member, Need, NewGrant, Object, ObjectKind, Store, Subject, Verb,
    authorize,
};

use super::unchanged;
use crate::cli::{Failure, GrantCommand, say, tell};
use crate::config::Config;

pub(crate) async fn run(command: GrantCommand) -> Result<ExitCode, Failure> {
    let who = super::who();
    let by = Subject::Console(&who);
    match command {
        GrantCommand::Give { to, verb, object, lasts, config } => {
            let config = super::load(&config.file)?;
            let verb = Verb::of_word(&verb).ok_or_else(|| {
                Failure::Unusable(format!("\"{verb}\": a grant is to view, to use or to manage something"))
            })?;
            let expires_ms = lasts.map(|text| end(&text)).transpose()?;
            let store = super::open_store(&config)?;
            let new = NewGrant {
                grantee: grantee(&store, &to)?,
                verb,
                object: object_of(&config, &store, &object)?,
                expires_ms,
            };
            let given = store.give_grant(&by, new).await;
            let grant = given.map_err(|error| unchanged(&format!("grant to {to}"), &error))?;
            store.close().await;
            say(&grant.id.to_string());
        }
        GrantCommand::List(config) => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let grants = store.core.grants().map_err(|error| Failure::Failed(error.to_string()))?;
            grants.iter().for_each(|grant| say(&line(grant)));
        }
        GrantCommand::End { id, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            store.end_grant(&by, id).await.map_err(|error| unchanged(&format!("grant {id}"), &error))?;
            store.close().await;
            tell(&format!("Grant {id} has ended."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `genset why WHO ALIAS`: the decision that the box itself would make now.
pub(crate) fn why(who: &str, alias: &str, file: &Path) -> Result<ExitCode, Failure> {
    let config = super::load(file)?;
    let restricted = restricted(&config, alias)?;
    let store = super::open_store(&config)?;
    let failed = |error: store::StoreError| Failure::Failed(error.to_string());
    let need = Need::Alias { name: alias, restricted };
    let decided = match who.split_once(' ') {
        Some(("person", name)) => {
            let account = super::user::named(&store, name)?;
            let holdings = store.core.holdings_of_person(&account).map_err(failed)?;
            authorize(&Subject::Person(&account, &holdings), need)
        }
        Some(("key", name)) => {
            let key = key(&store, name)?;
            let holdings = store.core.holdings_of_key(&key).map_err(failed)?;
            authorize(&Subject::Key(&key, &holdings), need)
        }
        _ => return Err(Failure::Unusable(format!("\"{who}\": write \"person NAME\" or \"key NAME\""))),
    };
    match decided {
        Ok(allowed) => say(&format!("yes: {allowed}")),
        Err(denied) => say(&format!("no: {denied}")),
    }
    Ok(ExitCode::SUCCESS)
}

fn restricted(config: &Config, alias: &str) -> Result<bool, Failure> {
    let aliases = &config.gateway.aliases;
    match aliases.iter().find(|known| known.name == alias) {
        Some(known) => Ok(known.restricted),
        None => {
            let names: Vec<&str> = aliases.iter().map(|known| known.name.as_str()).collect();
            let known = names.join(", ");
            Err(Failure::Unusable(format!(
                "alias \"{alias}\": the configuration has none of this name, but {known}"
            )))
        }
    }
}

fn line(grant: &Grant) -> String {
    let Grant { id, grantee, grantee_name, verb, object, object_name, given_by, given_ms, .. } = grant;
    let end = grant
        .expires_ms
        .map_or_else(|| "until ended".to_owned(), |end| format!("until {}", super::moment(end)));
    let glass = if grant.is_broken_glass { "\tbroken glass" } else { "" };
    format!(
        "{id}\t{} {grantee_name}\t{}\t{} {object_name}\t{end}\tby {given_by} {}{glass}",
        grantee.kind(),
        verb.as_str(),
        object.kind.as_str(),
        super::moment(*given_ms)
    )
}

fn grantee(store: &Store, text: &str) -> Result<Grantee, Failure> {
    match text.split_once(' ') {
        Some(("person" | "key", _)) => Ok(match super::department::member(store, text)? {
            Member::Person(id) => Grantee::Person(id),
            Member::Key(id) => Grantee::Key(id),
        }),
        Some(("department", name)) => Ok(Grantee::Department(super::department::named(store, name)?.id)),
        Some(("role", word)) => Ok(Grantee::Role(super::user::role_of(word)?)),
        _ => Err(Failure::Unusable(format!(
            "\"{text}\": write \"person NAME\", \"key NAME\", \"department NAME\" or \"role ROLE\""
        ))),
    }
}

/// What is named must be there, so that a slip of the pen grants nothing that appears later.
fn object_of(config: &Config, store: &Store, text: &str) -> Result<Object, Failure> {
    let parts = text.split_once(' ').and_then(|(kind, name)| Some((ObjectKind::of_word(kind)?, name.trim())));
    let Some((kind, name)) = parts.filter(|(_, name)| (1..=64).contains(&name.chars().count())) else {
        return Err(Failure::Unusable(format!(
            "\"{text}\": write \"alias NAME\", \"route UPSTREAM\", \"department NAME\" or \"document-set NAME\""
        )));
    };
    if name == EVERY {
        return Ok(Object::every(kind));
    }
    match kind {
        ObjectKind::Alias => restricted(config, name).map(drop)?,
        ObjectKind::Route if config.gateway.upstreams.iter().all(|upstream| upstream.name != name) => {
            return Err(Failure::Unusable(format!(
                "route \"{name}\": the configuration has no such upstream"
            )));
        }
        ObjectKind::Department => return Ok(Object::department(super::department::named(store, name)?.id)),
        ObjectKind::Route | ObjectKind::DocumentSet => {}
    }
    Ok(Object::new(kind, name))
}

/// The valid key of this name.
pub(super) fn key(store: &Store, name: &str) -> Result<ApiKey, Failure> {
    let found = store.core.key_named(name).map_err(|error| Failure::Failed(error.to_string()))?;
    found.ok_or_else(|| {
        Failure::Unusable(format!(
            "key \"{name}\": there is no such valid key; \"genset key list\" lists them"
        ))
    })
}

fn end(text: &str) -> Result<i64, Failure> {
    let length = text.parse::<SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    let end = length.and_then(|length| Timestamp::now().checked_add(length).ok());
    end.map(Timestamp::as_millisecond).ok_or_else(|| {
        Failure::Unusable(format!("--for \"{text}\" is no length of time; write 30m, 8h or \"1d 12h\""))
    })
}

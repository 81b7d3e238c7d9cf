//! `genset user`: the people who may sign in, written into the store, which a running box sees at once.

use std::process::ExitCode;

use store::{Account, Member, Role, Store, Subject};

use super::unchanged;
use crate::cli::{Failure, UserCommand, say, tell};

pub(crate) async fn run(command: UserCommand) -> Result<ExitCode, Failure> {
    let who = super::who();
    let by = Subject::Console(&who);
    match command {
        UserCommand::Add { name, role, department, config } => {
            let role = role_of(&role)?;
            let store = super::open_store(&super::load(&config.file)?)?;
            let department = department.map(|name| super::department::named(&store, &name)).transpose()?;
            let added = store.add_person(&by, &name, role, department.as_ref()).await;
            let (account, code) = added.map_err(|error| unchanged(&format!("person \"{name}\""), &error))?;
            store.close().await;
            tell(&format!(
                "{} ({role}) chooses a password at the portal's page /welcome with this code, within a week:",
                account.name
            ));
            say(code.expose());
        }
        UserCommand::List(config) => list(&super::open_store(&super::load(&config.file)?)?)?,
        UserCommand::Role { name, role, config } => {
            let role = role_of(&role)?;
            let store = super::open_store(&super::load(&config.file)?)?;
            let account = named(&store, &name)?;
            let is_of_directory = is_of_directory(&store, &account)?;
            let changed = store.change_role(&by, account.id, role).await;
            changed.map_err(|error| unchanged(&format!("person \"{name}\""), &error))?;
            store.close().await;
            tell(&format!("{} was {} and is {role} from the next click on.", account.name, account.role));
            if is_of_directory {
                tell(
                    "The directory vouches for this person: the next sign-in brings back the role that it gives.",
                );
            }
        }
        UserCommand::Code { name, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let account = named(&store, &name)?;
            let renewed = store.renew_first_code(&by, account.id).await;
            let code = renewed.map_err(|error| unchanged(&format!("person \"{name}\""), &error))?;
            store.close().await;
            say(code.expose());
        }
        UserCommand::ResetSecondFactor { name, config } => {
            return super::second_factor::reset(&name, &config.file).await;
        }
        UserCommand::EndSessions { name, everybody: _, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let accounts = match &name {
                Some(name) => vec![named(&store, name)?],
                None => store.core.accounts().map_err(|error| Failure::Failed(error.to_string()))?,
            };
            let mut sessions = 0;
            for account in accounts {
                let ended = store.end_sessions_of(&by, account.id).await;
                sessions +=
                    ended.map_err(|error| unchanged(&format!("person \"{}\"", account.name), &error))?;
            }
            store.close().await;
            tell(&format!("Sessions that are over: {sessions}. The passwords are as they were."));
        }
        UserCommand::Remove { name, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let account = named(&store, &name)?;
            let is_of_directory = is_of_directory(&store, &account)?;
            let removed = store.remove_person(&by, account.id).await;
            removed.map_err(|error| unchanged(&format!("person \"{name}\""), &error))?;
            store.close().await;
            tell(&format!("{} is removed; their sessions are over.", account.name));
            if is_of_directory {
                tell("The directory vouches for this person, who can come back until it does so no more.");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(store: &Store) -> Result<(), Failure> {
    let failed = |error: store::StoreError| Failure::Failed(error.to_string());
    let waiting = store.core.waiting_accounts().map_err(failed)?;
    let of_directory = store.core.people_of_directory().map_err(failed)?;
    for Account { id, name, role, created_ms, .. } in store.core.accounts().map_err(failed)? {
        let departments = store.core.departments_of(Member::Person(id)).map_err(failed)?;
        let departments: Vec<String> = departments.into_iter().map(|department| department.name).collect();
        let state = if waiting.contains(&id) { "waits for the first password" } else { "active" };
        let created = super::moment(created_ms);
        let source = if of_directory.contains(&id) { "directory" } else { "local" };
        say(&format!("{name}\t{role}\t{state}\t{created}\t{}\t{source}", departments.join(", ")));
    }
    Ok(())
}

fn is_of_directory(store: &Store, account: &Account) -> Result<bool, Failure> {
    store.core.is_of_directory(account.id).map_err(|error| Failure::Failed(error.to_string()))
}

/// The account of this name.
pub(super) fn named(store: &Store, name: &str) -> Result<Account, Failure> {
    let found = store.core.account_named(name).map_err(|error| Failure::Failed(error.to_string()))?;
    found.ok_or_else(|| {
        Failure::Unusable(format!(
            "person \"{name}\": there is no such person; \"genset user list\" lists them"
        ))
    })
}

/// The role that this word means.
pub(super) fn role_of(word: &str) -> Result<Role, Failure> {
    Role::of_word(word).ok_or_else(|| {
        let known = Role::ALL.map(Role::as_str).join(", ");
        Failure::Unusable(format!("role \"{word}\": there is no such role; the roles are {known}"))
    })
}

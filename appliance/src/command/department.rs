//! `genset department`: departments, and who belongs to them.

use std::process::ExitCode;

use store::{Department, Member, Store, Subject};

use super::unchanged;
use crate::cli::{DepartmentCommand, Failure, say, tell};

pub(crate) async fn run(command: DepartmentCommand) -> Result<ExitCode, Failure> {
    let who = super::who();
    let by = Subject::Console(&who);
    let wrong = |name: &str, error: &store::ChangeError| unchanged(&format!("department \"{name}\""), error);
    match command {
        DepartmentCommand::Add { name, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            store.add_department(&by, &name).await.map_err(|error| wrong(&name, &error))?;
            store.close().await;
            tell(&format!("The department \"{}\" is there.", name.trim()));
        }
        DepartmentCommand::List(config) => list(&super::open_store(&super::load(&config.file)?)?)?,
        DepartmentCommand::Remove { name, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let department = named(&store, &name)?;
            store.remove_department(&by, department.id).await.map_err(|error| wrong(&name, &error))?;
            store.close().await;
            tell(&format!("The department \"{}\" is removed; its people stay.", department.name));
        }
        DepartmentCommand::Keep { name, days, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let (department, days) = (named(&store, &name)?, keep_days(&days)?);
            store.set_keep_days(&by, department.id, days).await.map_err(|error| wrong(&name, &error))?;
            store.close().await;
            let name = department.name;
            tell(&match days {
                Some(days) => {
                    format!("\"{name}\" keeps conversations for {days} days after the last message.")
                }
                None => format!("\"{name}\" keeps conversations for as long as [retention] says."),
            });
        }
        DepartmentCommand::Join { name, who, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let (department, member) = (named(&store, &name)?, member(&store, &who)?);
            store.join(&by, department.id, member).await.map_err(|error| wrong(&name, &error))?;
            store.close().await;
            tell(&format!("{who} belongs to \"{}\".", department.name));
        }
        DepartmentCommand::Leave { name, who, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let (department, member) = (named(&store, &name)?, member(&store, &who)?);
            store.leave(&by, department.id, member).await.map_err(|error| wrong(&name, &error))?;
            store.close().await;
            tell(&format!("{who} belongs to \"{}\" no longer.", department.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(store: &Store) -> Result<(), Failure> {
    let failed = |error: store::StoreError| Failure::Failed(error.to_string());
    let members = store.core.members().map_err(failed)?;
    for Department { id, name, keep_days } in store.core.departments().map_err(failed)? {
        let own = members.iter().filter(|record| record.department == id);
        let names: Vec<String> = own
            .map(|record| match record.member {
                Member::Person(_) => format!("person {}", record.name),
                Member::Key(_) => format!("key {}", record.name),
            })
            .collect();
        let days = keep_days.map_or_else(|| "-".to_owned(), |days| format!("{days} days"));
        say(&format!("{name}\t{}\t{days}", names.join(", ")));
    }
    Ok(())
}

/// A number of days, or none for `default`; the store says which numbers may be.
fn keep_days(text: &str) -> Result<Option<u32>, Failure> {
    if text == "default" {
        return Ok(None);
    }
    let wrong = || Failure::Unusable(format!("days \"{text}\": write a number of days, or \"default\""));
    text.parse().map(Some).map_err(|_| wrong())
}

/// The department of this name.
pub(super) fn named(store: &Store, name: &str) -> Result<Department, Failure> {
    let found = store.core.department_named(name).map_err(|error| Failure::Failed(error.to_string()))?;
    found.ok_or_else(|| {
        let mend = "\"genset department list\" lists them";
        Failure::Unusable(format!("department \"{name}\": there is no such department; {mend}"))
    })
}

/// `person NAME` or `key NAME`.
pub(super) fn member(store: &Store, text: &str) -> Result<Member, Failure> {
    match text.split_once(' ') {
        Some(("person", name)) => Ok(Member::Person(super::user::named(store, name)?.id)),
        Some(("key", name)) => Ok(Member::Key(super::grant::key(store, name)?.id)),
        _ => Err(Failure::Unusable(format!("\"{text}\": write \"person NAME\" or \"key NAME\""))),
    }
}

//! The ways in which the store is written to: what each does, and how its whole effect looks in the files.

mod accounts;
#[cfg(test)]
mod coverage;
mod records;
mod rights;

use std::fmt::Display;
use std::pin::Pin;

use store::{Account, Entered, KeyLane, Role, Secret, Session, Store, Subject};

pub(super) type Work<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T, String>> + 'a>>;

/// One way to write.
pub(super) struct WritePath {
    pub(super) name: &'static str,
    /// The functions of the store that it takes, by file and name; `coverage.rs` misses those that no path takes.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test asks what is missing"))]
    covers: &'static [&'static str],
    /// What must be there first; its answer is handed to the run.
    pub(super) before: for<'a> fn(&'a Store) -> Work<'a, String>,
    pub(super) run: for<'a> fn(&'a Store, &'a str) -> Work<'a>,
    /// The file and the question whose answer tells the change whole from the change undone.
    pub(super) state: (&'static str, &'static str),
    /// The answer is another one after each run.
    pub(super) varies: bool,
    /// The audit event without which the change may not stand.
    pub(super) event: Option<&'static str>,
}

/// What most paths have in common.
const PLAIN: WritePath = WritePath {
    name: "",
    covers: &[],
    before: |_| Box::pin(async { Ok(String::new()) }),
    run: |_, _| Box::pin(async { Ok(()) }),
    state: ("", ""),
    varies: false,
    event: None,
};

/// All paths.
pub(super) fn all() -> impl Iterator<Item = &'static WritePath> {
    [records::PATHS, accounts::PATHS, rights::PATHS].into_iter().flatten()
}

fn said<T, E: Display>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

fn text<T, E: Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

const NAME: &str = "kim";
const PASSWORD: &str = "four plain words here";
const CONSOLE: Subject<'static> = Subject::Console("root (command line)");

async fn account(store: &Store) -> Result<Account, String> {
    text(store.core.create_account(NAME, PASSWORD.into(), Role::Owner).await)
}

fn kim(store: &Store) -> Result<Account, String> {
    text(store.core.account_named(NAME))?.ok_or("kim is not seen".to_owned())
}

async fn session(store: &Store) -> Result<Session, String> {
    match text(store.core.sign_in(NAME, Secret::from(PASSWORD), &store::Caller::default()).await)? {
        Entered::Session(session) => Ok(session),
        Entered::SecondStep(_) => Err("it asks for a second step".to_owned()),
    }
}

async fn key(store: &Store) -> Result<String, String> {
    text(store.core.create_key("ward", KeyLane::default()).await).map(|secret| secret.expose().to_owned())
}

//! The page of one person: what they may use and why, their role, and what others may change of it.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::{Account, ChangeError, Grantee, Need, Role, Subject, Verb, authorize};

use super::{Choice, Directory, FreshCode, PersonRow, status_of};
use crate::error_page::{Failed, Fault};
use crate::frame::{Frame, Place};
use crate::pages::rights::{GrantRow, grant_rows};
use crate::posted::{Path, Posted};
use crate::visit::{Signed, Visit};
use crate::why::{Teller, WhyView};

#[derive(Template)]
#[template(path = "pages/person.html")]
pub(crate) struct PersonPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    pub(crate) fresh: Option<FreshCode>,
    pub(crate) person: PersonRow,
    pub(crate) aliases: Vec<AliasWhy>,
    pub(crate) grants: Vec<GrantRow>,
    pub(crate) kept: String,
    /// The roles that the reader may give; empty where nothing may be changed.
    pub(crate) roles: Vec<Choice>,
    pub(crate) role: &'static str,
    pub(crate) may_change: bool,
    /// Who vouches for the person, and what that means.
    pub(crate) vouched_by: Option<String>,
}

/// An alias, and why somebody may (not) use it.
pub(crate) struct AliasWhy {
    pub(crate) alias: String,
    pub(crate) why: WhyView,
}

#[derive(Deserialize)]
pub(crate) struct NewRole {
    role: String,
}

/// `GET /people/{person}`.
pub(crate) async fn show(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let account = seen(&signed, id)?;
    page(&signed, &account, None, None)
}

/// `POST /people/{person}/role`.
pub(crate) async fn change_role(
    signed: Signed,
    Path(id): Path<i64>,
    Posted(new): Posted<NewRole>,
) -> Result<Response, Failed> {
    let account = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    let role = Role::of_word(&new.role).ok_or_else(|| visit.fail(Fault::BadRequest))?;
    let changed = visit.portal.store().change_role(&person.subject(), id, role).await;
    settled(&signed, &account, changed, &format!("/people/{id}"))
}

/// `POST /people/{person}/code`: another one-time code, shown this once.
pub(crate) async fn renew_code(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let account = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    match visit.portal.store().renew_first_code(&person.subject(), id).await {
        Ok(code) => {
            let words = (visit.text().rights.people.code_for)(&account.name);
            let code = code.expose().to_owned();
            page(&signed, &account, None, Some(FreshCode { words, code }))
        }
        Err(error) => settled(&signed, &account, Err(error), ""),
    }
}

/// `POST /people/{person}/sessions/end`: wherever the person is signed in.
pub(crate) async fn end_sessions(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let account = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    let ended = visit.portal.store().end_sessions_of(&person.subject(), id).await;
    settled(&signed, &account, ended.map(drop), &format!("/people/{id}"))
}

/// `POST /people/{person}/remove`.
pub(crate) async fn remove(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let account = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    let removed = visit.portal.store().remove_person(&person.subject(), id).await;
    settled(&signed, &account, removed, "/people")
}

/// The account of this number, where the reader may know of it: to everybody else it is not there.
fn seen(Signed(visit, person): &Signed, id: i64) -> Result<Account, Failed> {
    let found = visit.portal.store().core.account(id).map_err(|error| visit.internal(&error))?;
    let directory = Directory::read(visit).map_err(|error| visit.internal(&error))?;
    found.filter(|account| directory.sees(person, account)).ok_or_else(|| visit.fail(Fault::NotFound))
}

fn settled(
    signed: &Signed,
    account: &Account,
    changed: Result<(), ChangeError>,
    then: &str,
) -> Result<Response, Failed> {
    match changed {
        Ok(()) => Ok(Redirect::to(then).into_response()),
        Err(error) => {
            let problem = Teller::of(&signed.0).problem(&error);
            Ok((status_of(&error), page(signed, account, Some(problem), None)?).into_response())
        }
    }
}

fn page(
    signed: &Signed,
    account: &Account,
    problem: Option<String>,
    fresh: Option<FreshCode>,
) -> Result<Response, Failed> {
    let Signed(visit, person) = signed;
    let failed = |error: store::StoreError| visit.internal(&error);
    let directory = Directory::read(visit).map_err(failed)?;
    let core = &visit.portal.store().core;
    let holdings = core.holdings_of_person(account).map_err(failed)?;
    let teller = Teller::of(visit);
    let may_change = account.id != person.account.id && directory.may_act(person, Verb::Manage, account);
    let roles = Role::OF_PEOPLE.into_iter().filter(|role| may_change && directory.may_make(person, *role));
    let grants = core.grants().map_err(failed)?;
    let own = grants.into_iter().filter(|grant| grant.grantee == Grantee::Person(account.id));
    visit.show(&PersonPage {
        frame: Frame::of(visit, Place::People),
        csrf: person.csrf.clone(),
        problem,
        fresh,
        person: directory.row(account, teller),
        aliases: aliases(visit, &Subject::Person(account, &holdings)),
        grants: grant_rows(visit, person, own),
        kept: super::kept(visit, account.id)?,
        roles: roles
            .map(|role| Choice { value: role.as_str().to_owned(), words: teller.role(role).to_owned() })
            .collect(),
        role: account.role.as_str(),
        may_change,
        vouched_by: core
            .issuer_of(account.id)
            .map_err(failed)?
            .map(|by| (visit.text().provider.vouched_by)(&by)),
    })
}

/// Every alias, and why somebody may (not) use it.
pub(crate) fn aliases(visit: &Visit, subject: &Subject<'_>) -> Vec<AliasWhy> {
    let teller = Teller::of(visit);
    let aliases = visit.portal.gateway().settings().aliases.iter();
    let why = |name, restricted| teller.decision(&authorize(subject, Need::Alias { name, restricted }));
    aliases
        .map(|alias| AliasWhy { alias: alias.name.clone(), why: why(&alias.name, alias.restricted) })
        .collect()
}

//! The page of one department: who belongs to it, what is granted to it, and changing both.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::{ChangeError, Department, Grantee, Member, Object, ObjectKind, Verb};

use super::{Directory, holds, status_of};
use crate::error_page::{Failed, Fault};
use crate::frame::{Frame, Place};
use crate::pages::rights::{GrantRow, grant_rows};
use crate::posted::{Path, Posted};
use crate::visit::{Signed, Visit};
use crate::why::Teller;

#[derive(Template)]
#[template(path = "pages/department.html")]
pub(crate) struct DepartmentPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) members: Vec<MemberRow>,
    pub(crate) grants: Vec<GrantRow>,
    pub(crate) kept: String,
    /// What stands in the form: a number of days, or nothing.
    pub(crate) days: String,
    pub(crate) may_change: bool,
    pub(crate) may_remove: bool,
}

pub(crate) struct MemberRow {
    /// `person 12` or `key 3`, as the forms send it.
    pub(crate) value: String,
    pub(crate) words: String,
    /// The person's page, where it is a person.
    pub(crate) person: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct NewDepartment {
    name: String,
}

#[derive(Deserialize)]
pub(crate) struct NewDays {
    #[serde(default)]
    days: String,
}

#[derive(Deserialize)]
pub(crate) struct NewMember {
    /// `person` or `key`.
    kind: String,
    name: String,
}

#[derive(Deserialize)]
pub(crate) struct OldMember {
    /// `person 12` or `key 3`.
    member: String,
}

/// `POST /departments`.
pub(crate) async fn add(
    Signed(visit, person): Signed,
    Posted(new): Posted<NewDepartment>,
) -> Result<Response, Failed> {
    match visit.portal.store().add_department(&person.subject(), &new.name).await {
        Ok(department) => Ok(Redirect::to(&format!("/departments/{}", department.id)).into_response()),
        Err(error) => {
            let problem = Teller::of(&visit).problem(&error);
            let signed = Signed(visit, person);
            Ok((status_of(&error), super::page(&signed, Some(problem), None)?).into_response())
        }
    }
}

/// `GET /departments/{department}`.
pub(crate) async fn show(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let department = seen(&signed, id)?;
    page(&signed, department, None)
}

/// `POST /departments/{department}/join`.
pub(crate) async fn join(
    signed: Signed,
    Path(id): Path<i64>,
    Posted(new): Posted<NewMember>,
) -> Result<Response, Failed> {
    let department = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    let joined = match named(visit, &new)? {
        Some(member) => visit.portal.store().join(&person.subject(), id, member).await,
        None => Err(ChangeError::NobodyThere),
    };
    settled(&signed, department, joined, &format!("/departments/{id}"))
}

/// `POST /departments/{department}/leave`.
pub(crate) async fn leave(
    signed: Signed,
    Path(id): Path<i64>,
    Posted(old): Posted<OldMember>,
) -> Result<Response, Failed> {
    let department = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    let number = |text: &str| text.parse::<i64>().ok();
    let member = match old.member.split_once(' ') {
        Some(("person", id)) => number(id).map(Member::Person),
        Some(("key", id)) => number(id).map(Member::Key),
        _ => None,
    };
    let member = member.ok_or_else(|| visit.fail(Fault::BadRequest))?;
    let left = visit.portal.store().leave(&person.subject(), id, member).await;
    settled(&signed, department, left, &format!("/departments/{id}"))
}

/// `POST /departments/{department}/keep`: for how long conversations are kept.
pub(crate) async fn keep(
    signed: Signed,
    Path(id): Path<i64>,
    Posted(new): Posted<NewDays>,
) -> Result<Response, Failed> {
    let department = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    let days = match new.days.trim() {
        "" => Ok(None),
        days => days.parse().map(Some).map_err(|_| ChangeError::BadDays),
    };
    let set = match days {
        Ok(days) => visit.portal.store().set_keep_days(&person.subject(), id, days).await,
        Err(error) => Err(error),
    };
    settled(&signed, department, set, &format!("/departments/{id}"))
}

/// `POST /departments/{department}/remove`.
pub(crate) async fn remove(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let department = seen(&signed, id)?;
    let Signed(visit, person) = &signed;
    let removed = visit.portal.store().remove_department(&person.subject(), id).await;
    settled(&signed, department, removed, "/people")
}

/// The department of this number, where the reader may know of it: to everybody else it is not there.
fn seen(Signed(visit, person): &Signed, id: i64) -> Result<Department, Failed> {
    let found = visit.portal.store().core.department(id).map_err(|error| visit.internal(&error))?;
    found
        .filter(|department| holds(person, Verb::View, &Object::department(department.id)))
        .ok_or_else(|| visit.fail(Fault::NotFound))
}

fn named(visit: &Visit, new: &NewMember) -> Result<Option<Member>, Failed> {
    let core = &visit.portal.store().core;
    let found = if new.kind == "key" {
        core.key_named(&new.name).map(|key| key.map(|key| Member::Key(key.id)))
    } else {
        core.account_named(&new.name).map(|account| account.map(|account| Member::Person(account.id)))
    };
    found.map_err(|error| visit.internal(&error))
}

fn settled(
    signed: &Signed,
    department: Department,
    changed: Result<(), ChangeError>,
    then: &str,
) -> Result<Response, Failed> {
    match changed {
        Ok(()) => Ok(Redirect::to(then).into_response()),
        Err(error) => {
            let problem = Teller::of(&signed.0).problem(&error);
            Ok((status_of(&error), page(signed, department, Some(problem))?).into_response())
        }
    }
}

fn page(signed: &Signed, department: Department, problem: Option<String>) -> Result<Response, Failed> {
    let Signed(visit, person) = signed;
    let failed = |error: store::StoreError| visit.internal(&error);
    let Department { id, name, keep_days } = department;
    let retention = &visit.text().retention;
    let kept = keep_days.map_or_else(
        || (retention.of_site)(visit.portal.store().keep_days()),
        |days| (retention.of_department)(days),
    );
    let directory = Directory::read(visit).map_err(failed)?;
    let [person_word, key_word, ..] = visit.text().rights.grantees;
    let members = directory.members.iter().filter(|record| record.department == id);
    let row = |record: &store::MemberRecord| match record.member {
        Member::Person(id) => MemberRow {
            value: format!("person {id}"),
            words: format!("{person_word} {}", record.name),
            person: Some(id),
        },
        Member::Key(id) => MemberRow {
            value: format!("key {id}"),
            words: format!("{key_word} {}", record.name),
            person: None,
        },
    };
    let grants = visit.portal.store().core.grants().map_err(failed)?;
    let own = grants.into_iter().filter(|grant| grant.grantee == Grantee::Department(id));
    visit.show(&DepartmentPage {
        frame: Frame::of(visit, Place::People),
        csrf: person.csrf.clone(),
        problem,
        id,
        name,
        members: members.map(row).collect(),
        grants: grant_rows(visit, person, own),
        kept,
        days: keep_days.map(|days| days.to_string()).unwrap_or_default(),
        may_change: holds(person, Verb::Manage, &Object::department(id)),
        may_remove: holds(person, Verb::Manage, &Object::every(ObjectKind::Department)),
    })
}

//! The page of people and departments: who may sign in, with which role, and adding both.

pub(crate) mod department;
pub(crate) mod person;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use store::{
    Account, ChangeError, Department, Member, MemberRecord, Need, Object, ObjectKind, Role, StoreError, Verb,
    authorize,
};

use crate::error_page::{Failed, Fault};
use crate::frame::{Frame, Place};
use crate::posted::Posted;
use crate::visit::{Person, Signed, Visit};
use crate::why::Teller;

#[derive(Template)]
#[template(path = "pages/people.html")]
pub(crate) struct PeoplePage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    /// For whom, and the code.
    pub(crate) fresh: Option<FreshCode>,
    pub(crate) people: Vec<PersonRow>,
    pub(crate) departments: Vec<DepartmentRow>,
    pub(crate) roles: Vec<Choice>,
    /// Departments that the reader may add people to.
    pub(crate) own: Vec<Choice>,
    pub(crate) manages_every: bool,
    /// Where accounts come from; left out where they all are the box's own.
    pub(crate) shows_source: bool,
}

/// A one-time code, shown this once.
pub(crate) struct FreshCode {
    pub(crate) words: String,
    pub(crate) code: String,
}

pub(crate) struct PersonRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) role: &'static str,
    pub(crate) departments: String,
    pub(crate) waiting: bool,
    pub(crate) is_of_directory: bool,
}

pub(crate) struct DepartmentRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) members: usize,
}

/// An entry of a list to choose from.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) words: String,
}

#[derive(Deserialize)]
pub(crate) struct NewPerson {
    name: String,
    role: String,
    /// The number of a department, or nothing.
    #[serde(default)]
    department: String,
}

/// `GET /people`.
pub(crate) async fn show(signed: Signed) -> Result<Response, Failed> {
    page(&signed, None, None)
}

/// `POST /people/add`. The page that follows shows the code, this once.
pub(crate) async fn add(signed: Signed, Posted(new): Posted<NewPerson>) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let core = &visit.portal.store().core;
    let role = Role::of_word(&new.role).ok_or_else(|| visit.fail(Fault::BadRequest))?;
    let department = match new.department.parse() {
        Ok(id) => core.department(id).map_err(|error| visit.internal(&error))?,
        Err(_) => None,
    };
    let added =
        visit.portal.store().add_person(&person.subject(), &new.name, role, department.as_ref()).await;
    match added {
        Ok((account, code)) => {
            let words = (visit.text().rights.people.code_for)(&account.name);
            page(&signed, None, Some(FreshCode { words, code: code.expose().to_owned() }))
        }
        Err(error) => {
            let problem = Teller::of(visit).problem(&error);
            Ok((status_of(&error), page(&signed, Some(problem), None)?).into_response())
        }
    }
}

/// The status of a page that says why a change was not made.
pub(crate) fn status_of(error: &ChangeError) -> StatusCode {
    match error {
        ChangeError::Denied(_) => StatusCode::FORBIDDEN,
        ChangeError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn page(signed: &Signed, problem: Option<String>, fresh: Option<FreshCode>) -> Result<Response, Failed> {
    let Signed(visit, person) = signed;
    let directory = Directory::read(visit).map_err(|error| visit.internal(&error))?;
    let teller = Teller::of(visit);
    let roles = Role::OF_PEOPLE.into_iter().filter(|role| directory.may_make(person, *role));
    let people = directory.people.iter().filter(|account| directory.sees(person, account));
    let departments = directory.departments.iter();
    visit.show(&PeoplePage {
        frame: Frame::of(visit, Place::People),
        csrf: person.csrf.clone(),
        problem,
        fresh,
        people: people.map(|account| directory.row(account, teller)).collect(),
        departments: departments
            .clone()
            .filter(|department| holds(person, Verb::View, &Object::department(department.id)))
            .map(|Department { id, name, .. }| DepartmentRow {
                id: *id,
                name: name.clone(),
                members: directory.members.iter().filter(|record| record.department == *id).count(),
            })
            .collect(),
        roles: roles
            .map(|role| Choice { value: role.as_str().to_owned(), words: teller.role(role).to_owned() })
            .collect(),
        own: departments
            .filter(|department| holds(person, Verb::Manage, &Object::department(department.id)))
            .map(|Department { id, name, .. }| Choice { value: id.to_string(), words: name.clone() })
            .collect(),
        manages_every: holds(person, Verb::Manage, &Object::every(ObjectKind::Department)),
        shows_source: visit.portal.store().core.has_directory() || !directory.of_directory.is_empty(),
    })
}

pub(crate) fn holds(person: &Person, verb: Verb, object: &Object) -> bool {
    authorize(&person.subject(), Need::Object(verb, object)).is_ok()
}

/// For how long a person's conversations are kept, in the reader's words.
pub(crate) fn kept(visit: &Visit, account: i64) -> Result<String, Failed> {
    let kept = visit.portal.store().kept(account).map_err(|error| visit.internal(&error))?;
    Ok(kept.map(|kept| (visit.text().retention.kept)(&kept)).unwrap_or_default())
}

/// Everybody and every department, read once for a page.
pub(crate) struct Directory {
    pub(crate) people: Vec<Account>,
    pub(crate) departments: Vec<Department>,
    pub(crate) members: Vec<MemberRecord>,
    waiting: std::collections::HashSet<i64>,
    of_directory: std::collections::HashSet<i64>,
}

impl Directory {
    pub(crate) fn read(visit: &Visit) -> Result<Directory, StoreError> {
        let core = &visit.portal.store().core;
        Ok(Directory {
            people: core.accounts()?,
            departments: core.departments()?,
            members: core.members()?,
            waiting: core.waiting_accounts()?,
            of_directory: core.people_of_directory()?,
        })
    }

    pub(crate) fn departments_of(&self, member: Member) -> Vec<i64> {
        self.members.iter().filter(|record| record.member == member).map(|record| record.department).collect()
    }

    /// Whether the reader may know of this person.
    pub(crate) fn sees(&self, person: &Person, account: &Account) -> bool {
        self.may_act(person, Verb::View, account)
    }

    pub(crate) fn may_act(&self, person: &Person, verb: Verb, account: &Account) -> bool {
        let departments = self.departments_of(Member::Person(account.id));
        let need = Need::Person { verb, role: account.role, departments: &departments };
        authorize(&person.subject(), need).is_ok()
    }

    /// Whether the reader may make somebody of this role, somewhere.
    pub(crate) fn may_make(&self, person: &Person, role: Role) -> bool {
        let make = |departments: &[i64]| {
            authorize(&person.subject(), Need::Person { verb: Verb::Manage, role, departments }).is_ok()
        };
        make(&[]) || self.departments.iter().any(|department| make(&[department.id]))
    }

    pub(crate) fn row(&self, account: &Account, teller: Teller<'_>) -> PersonRow {
        let ids = self.departments_of(Member::Person(account.id));
        let own = self.departments.iter().filter(|department| ids.contains(&department.id));
        let names: Vec<&str> = own.map(|department| department.name.as_str()).collect();
        PersonRow {
            id: account.id,
            name: account.name.clone(),
            role: teller.role(account.role),
            departments: names.join(", "),
            waiting: self.waiting.contains(&account.id),
            is_of_directory: self.of_directory.contains(&account.id),
        }
    }
}

//! The page of rights: why somebody may (not) use an alias, what is granted, granting and ending it.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::{
    ChangeError, Grant, Grantee, Member, NewGrant, Object, ObjectKind, Role, StoreError, Subject, Verb,
    authorize,
};

use crate::error_page::{Failed, Fault};
use crate::frame::{Frame, Place};
use crate::moment::Clock;
use crate::pages::people::person::{AliasWhy, aliases};
use crate::pages::people::{Choice, Directory, holds, status_of};
use crate::posted::{Path, Posted, Query};
use crate::visit::{Person, Signed, Visit};
use crate::why::Teller;

/// The lengths that the form offers, in hours; the last one has no end.
const LENGTHS_H: [Option<i64>; 5] = [Some(1), Some(8), Some(24), Some(720), None];

#[derive(Template)]
#[template(path = "pages/rights.html")]
pub(crate) struct RightsPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) problem: Option<String>,
    pub(crate) asked: Question,
    /// Who was asked about is there.
    pub(crate) answer: Option<Vec<AliasWhy>>,
    pub(crate) nobody: bool,
    pub(crate) grants: Vec<GrantRow>,
    pub(crate) may_give: bool,
    pub(crate) given: GrantForm,
    pub(crate) verbs: Vec<Choice>,
    pub(crate) kinds: Vec<Choice>,
    pub(crate) aliases: Vec<String>,
}

pub(crate) struct GrantRow {
    pub(crate) id: i64,
    pub(crate) to: String,
    pub(crate) what: String,
    pub(crate) given: String,
    pub(crate) end: String,
    pub(crate) is_over: bool,
    pub(crate) is_broken_glass: bool,
    pub(crate) may_end: bool,
}

#[derive(Default, Deserialize)]
pub(crate) struct Question {
    /// `person` or `key`.
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) who: String,
    #[serde(default)]
    pub(crate) alias: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct GrantForm {
    pub(crate) to_kind: String,
    pub(crate) to: String,
    pub(crate) verb: String,
    pub(crate) object_kind: String,
    pub(crate) object: String,
    /// Which of the lengths.
    pub(crate) lasts: usize,
}

/// `GET /rights`.
pub(crate) async fn show(signed: Signed, Query(asked): Query<Question>) -> Result<Response, Failed> {
    page(&signed, None, asked, GrantForm::default())
}

/// `POST /rights/give`.
pub(crate) async fn give(signed: Signed, Posted(form): Posted<GrantForm>) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let text = &visit.text().rights.grants;
    let failed = |error: StoreError| visit.internal(&error);
    let grantee = grantee(visit, &form).map_err(failed)?;
    let object = object(visit, &form).map_err(failed)?;
    let (grantee, verb, object) = match (grantee, Verb::of_word(&form.verb), object) {
        (None, ..) => return again(&signed, text.no_such_grantee.to_owned(), form, None),
        (_, _, None) | (_, None, _) => return again(&signed, text.no_such_object.to_owned(), form, None),
        (Some(grantee), Some(verb), Some(object)) => (grantee, verb, object),
    };
    let hours = LENGTHS_H.get(form.lasts).copied().flatten();
    let expires_ms = hours.map(|hours| Clock::now_ms() + hours * 3_600_000);
    let new = NewGrant { grantee, verb, object, expires_ms };
    match visit.portal.store().give_grant(&person.subject(), new).await {
        Ok(_) => Ok(Redirect::to("/rights").into_response()),
        Err(error) => again(&signed, Teller::of(visit).problem(&error), form, Some(&error)),
    }
}

/// `POST /rights/{grant}/end`.
pub(crate) async fn end(signed: Signed, Path(id): Path<i64>) -> Result<Response, Failed> {
    let Signed(visit, person) = &signed;
    let found = visit.portal.store().core.grant(id).map_err(|error| visit.internal(&error))?;
    let directory = Directory::read(visit).map_err(|error| visit.internal(&error))?;
    found.filter(|grant| concerns(&directory, person, grant)).ok_or_else(|| visit.fail(Fault::NotFound))?;
    match visit.portal.store().end_grant(&person.subject(), id).await {
        Ok(()) => Ok(Redirect::to("/rights").into_response()),
        Err(error) => again(&signed, Teller::of(visit).problem(&error), GrantForm::default(), Some(&error)),
    }
}

fn again(
    signed: &Signed,
    problem: String,
    form: GrantForm,
    error: Option<&ChangeError>,
) -> Result<Response, Failed> {
    let status = error.map_or(http::StatusCode::UNPROCESSABLE_ENTITY, status_of);
    Ok((status, page(signed, Some(problem), Question::default(), form)?).into_response())
}

fn page(
    signed: &Signed,
    problem: Option<String>,
    asked: Question,
    given: GrantForm,
) -> Result<Response, Failed> {
    let Signed(visit, person) = signed;
    let failed = |error: StoreError| visit.internal(&error);
    let directory = Directory::read(visit).map_err(failed)?;
    let grants = visit.portal.store().core.grants().map_err(failed)?;
    let seen = grants.into_iter().filter(|grant| concerns(&directory, person, grant));
    let answer = answer(signed, &directory, &asked).map_err(failed)?;
    let teller = Teller::of(visit);
    let verb = |verb: Verb| Choice { value: verb.as_str().to_owned(), words: teller.verb(verb).to_owned() };
    let kind =
        |kind: ObjectKind| Choice { value: kind.as_str().to_owned(), words: teller.kind(kind).to_owned() };
    visit.show(&RightsPage {
        frame: Frame::of(visit, Place::Rights),
        csrf: person.csrf.clone(),
        problem,
        nobody: answer.is_none() && !asked.who.is_empty(),
        asked,
        answer,
        grants: grant_rows(visit, person, seen),
        may_give: authorize(&person.subject(), store::Right::ManageGrants).is_ok(),
        given,
        verbs: Verb::ALL.map(verb).into(),
        kinds: ObjectKind::ALL.map(kind).into(),
        aliases: visit.portal.gateway().alias_names().map(str::to_owned).collect(),
    })
}

/// Why the one who was asked about may (not) use the alias, or every alias. Nothing where the reader may not know of
/// them, or they are not there.
fn answer(
    Signed(visit, person): &Signed,
    directory: &Directory,
    asked: &Question,
) -> Result<Option<Vec<AliasWhy>>, StoreError> {
    let core = &visit.portal.store().core;
    let all = if asked.kind == "key" {
        let Some(key) = core.key_named(&asked.who)? else { return Ok(None) };
        if !sees_key(directory, person, key.id) {
            return Ok(None);
        }
        aliases(visit, &Subject::Key(&key, &core.holdings_of_key(&key)?))
    } else {
        let Some(account) = core.account_named(&asked.who)? else { return Ok(None) };
        if !directory.sees(person, &account) {
            return Ok(None);
        }
        aliases(visit, &Subject::Person(&account, &core.holdings_of_person(&account)?))
    };
    let meant = |why: &AliasWhy| asked.alias.is_empty() || why.alias == asked.alias;
    Ok(Some(all.into_iter().filter(meant).collect()))
}

fn sees_key(directory: &Directory, person: &Person, id: i64) -> bool {
    let departments = directory.departments_of(Member::Key(id));
    let mut objects = departments.into_iter().map(Object::department);
    holds(person, Verb::View, &Object::every(ObjectKind::Department))
        || objects.any(|department| holds(person, Verb::View, &department))
}

/// Whether the reader may know of a grant: because of whom it was given to, or of what they manage themselves.
fn concerns(directory: &Directory, person: &Person, grant: &Grant) -> bool {
    let of_grantee = match grant.grantee {
        Grantee::Person(id) => {
            directory.people.iter().any(|account| account.id == id && directory.sees(person, account))
        }
        Grantee::Key(id) => sees_key(directory, person, id),
        Grantee::Department(id) => holds(person, Verb::View, &Object::department(id)),
        Grantee::Role(_) => holds(person, Verb::View, &Object::every(ObjectKind::Department)),
    };
    of_grantee || holds(person, Verb::Manage, &grant.object)
}

/// Grants as tables show them.
pub(crate) fn grant_rows(
    visit: &Visit,
    person: &Person,
    grants: impl Iterator<Item = Grant>,
) -> Vec<GrantRow> {
    let (teller, clock) = (Teller::of(visit), visit.portal.clock());
    let may_end = authorize(&person.subject(), store::Right::ManageGrants).is_ok();
    let row = |grant: Grant| {
        let is_over = !grant.stands(Clock::now_ms());
        GrantRow {
            id: grant.id,
            to: teller.grantee(&grant),
            what: format!(
                "{}: {}",
                teller.verb(grant.verb),
                teller.object(&grant.object, &grant.object_name)
            ),
            given: format!("{}, {}", grant.given_by, clock.full(grant.given_ms)),
            end: teller.end(&grant),
            is_over,
            is_broken_glass: grant.is_broken_glass,
            may_end: may_end && !is_over,
        }
    };
    grants.map(row).collect()
}

/// Whom the form means.
fn grantee(visit: &Visit, form: &GrantForm) -> Result<Option<Grantee>, StoreError> {
    let core = &visit.portal.store().core;
    Ok(match form.to_kind.as_str() {
        "person" => core.account_named(&form.to)?.map(|account| Grantee::Person(account.id)),
        "key" => core.key_named(&form.to)?.map(|key| Grantee::Key(key.id)),
        "department" => core.department_named(&form.to)?.map(|department| Grantee::Department(department.id)),
        "role" => Role::of_word(form.to.trim()).map(Grantee::Role),
        _ => None,
    })
}

/// What the form means; it must be there, so that a slip of the pen grants nothing that appears later.
fn object(visit: &Visit, form: &GrantForm) -> Result<Option<Object>, StoreError> {
    let (portal, name) = (&visit.portal, form.object.trim());
    let Some(kind) = ObjectKind::of_word(&form.object_kind) else { return Ok(None) };
    if name == store::EVERY {
        return Ok(Some(Object::every(kind)));
    }
    let is_there = match kind {
        ObjectKind::Department => {
            let found = portal.store().core.department_named(name)?;
            return Ok(found.map(|department| Object::department(department.id)));
        }
        ObjectKind::Alias => portal.gateway().alias_names().any(|alias| alias == name),
        ObjectKind::Route => portal.gateway().settings().upstreams.iter().any(|known| known.name == name),
        ObjectKind::DocumentSet => (1..=64).contains(&name.chars().count()),
    };
    Ok(is_there.then(|| Object::new(kind, name)))
}

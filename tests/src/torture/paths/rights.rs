//! People, departments, grants and the broken glass: changes that the log knows before they are made.

use store::{Department, Grantee, Member, NewGrant, Object, ObjectKind, Role, Store, Subject, Verb};

use super::{CONSOLE, NAME, PASSWORD, PLAIN, WritePath, account, kim, said, session, text};

const MEMBERS: (&str, &str) =
    ("core.db", "SELECT (SELECT count(*) FROM departments) || ' ' || (SELECT count(*) FROM members)");
const GRANTS: (&str, &str) = (
    "core.db",
    "SELECT count(*) || ' ' || count(ended_ms) || ' ' || (SELECT count(*) FROM broken_glass) FROM grants",
);

async fn department(store: &Store) -> Result<Department, String> {
    text(store.add_department(&CONSOLE, "surgery").await)
}

/// A department with a person in it.
async fn members(store: &Store) -> Result<String, String> {
    let (kim, surgery) = (account(store).await?, department(store).await?);
    text(store.join(&CONSOLE, surgery.id, Member::Person(kim.id)).await)?;
    Ok(surgery.id.to_string())
}

async fn grant(store: &Store) -> Result<String, String> {
    let object = Object::new(ObjectKind::Alias, "assistant");
    let grantee = Grantee::Person(kim(store)?.id);
    let new = NewGrant { grantee, verb: Verb::Use, object, expires_ms: None };
    text(store.give_grant(&CONSOLE, new).await).map(|grant| grant.id.to_string())
}

async fn broken_glass(store: &Store) -> Result<String, String> {
    let kim = kim(store)?;
    let holdings = text(store.core.holdings_of_person(&kim))?;
    let object = Object::new(ObjectKind::Alias, "assistant");
    let broken = store.break_glass(&Subject::Person(&kim, &holdings), object, "a patient waits").await;
    text(broken).map(|grant| grant.id.to_string())
}

/// An owner and one of staff, whose number is given.
async fn staff(store: &Store) -> Result<String, String> {
    let person = text(store.core.create_account("lee", PASSWORD.into(), Role::Staff).await)?;
    account(store).await?;
    Ok(person.id.to_string())
}

async fn invited(store: &Store) -> Result<String, String> {
    text(store.add_person(&CONSOLE, NAME, Role::Owner, None).await).map(|(account, _)| account.id.to_string())
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

pub(super) const PATHS: &[WritePath] = &[
    WritePath {
        name: "a person who is added",
        covers: &["rights::add_person"],
        run: |store, _| Box::pin(async { invited(store).await.map(drop) }),
        state: (
            "core.db",
            "SELECT (SELECT count(*) FROM accounts) || ' ' || (SELECT count(*) FROM first_codes)",
        ),
        event: Some("person-added"),
        ..PLAIN
    },
    WritePath {
        name: "another first code",
        covers: &["rights::renew_first_code"],
        before: |store| Box::pin(invited(store)),
        run: |store, id| Box::pin(async { said(store.renew_first_code(&CONSOLE, number(id)).await) }),
        state: ("core.db", "SELECT hex(code_hash) FROM first_codes"),
        varies: true,
        event: Some("first-code-made"),
    },
    WritePath {
        name: "another role",
        covers: &["rights::change_role"],
        before: |store| Box::pin(staff(store)),
        run: |store, id| {
            Box::pin(async { said(store.change_role(&CONSOLE, number(id), Role::Auditor).await) })
        },
        state: ("core.db", "SELECT group_concat(role) FROM accounts"),
        event: Some("role-changed"),
        ..PLAIN
    },
    WritePath {
        name: "the end of somebody's sessions",
        covers: &["rights::end_sessions_of"],
        before: |store| {
            Box::pin(async {
                account(store).await?;
                session(store).await.map(|session| session.account.id.to_string())
            })
        },
        run: |store, id| Box::pin(async { said(store.end_sessions_of(&CONSOLE, number(id)).await) }),
        state: ("core.db", "SELECT count(*) FROM sessions"),
        event: Some("sessions-ended"),
        ..PLAIN
    },
    WritePath {
        name: "for how long a department keeps conversations",
        covers: &["retention::set_keep_days"],
        before: |store| Box::pin(async { department(store).await.map(|made| made.id.to_string()) }),
        run: |store, id| Box::pin(async { said(store.set_keep_days(&CONSOLE, number(id), Some(30)).await) }),
        state: ("core.db", "SELECT coalesce(sum(keep_days), 0) FROM departments"),
        event: Some("retention-changed"),
        ..PLAIN
    },
    WritePath {
        name: "a person who is removed",
        covers: &["rights::remove_person"],
        before: |store| Box::pin(staff(store)),
        run: |store, id| Box::pin(async { said(store.remove_person(&CONSOLE, number(id)).await) }),
        state: ("core.db", "SELECT count(*) FROM accounts"),
        event: Some("person-removed"),
        ..PLAIN
    },
    WritePath {
        name: "a department",
        covers: &["rights::add_department"],
        run: |store, _| Box::pin(async { department(store).await.map(drop) }),
        state: MEMBERS,
        event: Some("department-added"),
        ..PLAIN
    },
    WritePath {
        name: "a department's end",
        covers: &["rights::remove_department"],
        before: |store| Box::pin(members(store)),
        run: |store, id| Box::pin(async { said(store.remove_department(&CONSOLE, number(id)).await) }),
        state: MEMBERS,
        event: Some("department-removed"),
        ..PLAIN
    },
    WritePath {
        name: "a member",
        covers: &["rights::join"],
        before: |store| {
            Box::pin(async {
                account(store).await?;
                Ok(department(store).await?.id.to_string())
            })
        },
        run: |store, id| {
            Box::pin(async { said(store.join(&CONSOLE, number(id), Member::Person(kim(store)?.id)).await) })
        },
        state: MEMBERS,
        event: Some("department-joined"),
        ..PLAIN
    },
    WritePath {
        name: "a member who leaves",
        covers: &["rights::leave"],
        before: |store| Box::pin(members(store)),
        run: |store, id| {
            Box::pin(async { said(store.leave(&CONSOLE, number(id), Member::Person(kim(store)?.id)).await) })
        },
        state: MEMBERS,
        event: Some("department-left"),
        ..PLAIN
    },
    WritePath {
        name: "a grant",
        covers: &["rights::give_grant"],
        before: |store| Box::pin(staff(store)),
        run: |store, _| Box::pin(async { grant(store).await.map(drop) }),
        state: GRANTS,
        event: Some("grant-given"),
        ..PLAIN
    },
    WritePath {
        name: "a grant's end",
        covers: &["rights::end_grant"],
        before: |store| {
            Box::pin(async {
                staff(store).await?;
                grant(store).await
            })
        },
        run: |store, id| Box::pin(async { said(store.end_grant(&CONSOLE, number(id)).await) }),
        state: GRANTS,
        event: Some("grant-ended"),
        ..PLAIN
    },
    WritePath {
        name: "a broken glass",
        covers: &["rights::break_glass"],
        before: |store| Box::pin(staff(store)),
        run: |store, _| Box::pin(async { broken_glass(store).await.map(drop) }),
        state: GRANTS,
        event: Some("glass-broken"),
        ..PLAIN
    },
    WritePath {
        name: "the review of a broken glass",
        covers: &["rights::review_broken_glass"],
        before: |store| {
            Box::pin(async {
                staff(store).await?;
                broken_glass(store).await
            })
        },
        run: |store, id| {
            Box::pin(async { said(store.review_broken_glass(&CONSOLE, number(id), "it was right").await) })
        },
        state: ("core.db", "SELECT count(reviewed_ms) FROM broken_glass"),
        event: Some("glass-reviewed"),
        ..PLAIN
    },
];

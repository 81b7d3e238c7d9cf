//! Accounts, keys, sessions, passwords and second factors.

use store::{Caller, Entered, Role, Secret, Store};

use super::{CONSOLE, NAME, PASSWORD, PLAIN, WritePath, account, key, kim, said, session, text};

const ACCOUNTS: (&str, &str) = ("core.db", "SELECT count(*) FROM accounts");
const SESSIONS: (&str, &str) = ("core.db", "SELECT count(*) FROM sessions");
const KEYS: (&str, &str) = ("core.db", "SELECT count(*) FROM api_keys WHERE revoked_ms IS NULL");
const FACTORS: (&str, &str) = (
    "core.db",
    "SELECT (SELECT count(confirmed_ms) || ' ' || count(*) FROM second_factors) || ' '
     || (SELECT count(*) || ' ' || count(used_ms) FROM recovery_codes)",
);

async fn signed_in(store: &Store) -> Result<String, String> {
    account(store).await?;
    Ok(session(store).await?.token.expose().to_owned())
}

/// Two sessions; the token of the newer one.
async fn signed_in_twice(store: &Store) -> Result<String, String> {
    signed_in(store).await?;
    Ok(session(store).await?.token.expose().to_owned())
}

/// A code of the authenticator that has this secret.
fn code_of(secret: &str) -> Result<String, String> {
    let secret =
        totp_rs::Secret::try_from_base32(secret.replace(' ', "")).map_err(|error| error.to_string())?;
    let app = totp_rs::Builder::new().with_secret(secret).build().map_err(|error| error.to_string())?;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_err(|error| error.to_string())?;
    Ok(app.generate(now.as_secs()).to_string())
}

/// A second factor that counts; one of its recovery codes.
async fn second_factor(store: &Store) -> Result<String, String> {
    Ok(recovery_codes(store).await?.swap_remove(0))
}

async fn recovery_codes(store: &Store) -> Result<Vec<String>, String> {
    account(store).await?;
    let (kim, token) = (kim(store)?, session(store).await?.token);
    let secret = text(store.core.begin_second_factor(kim.id).await)?;
    let code = code_of(secret.expose())?;
    let codes = text(store.core.confirm_second_factor(kim.id, &code, token.expose()).await)?;
    Ok(codes.iter().map(|code| code.expose().to_owned()).collect())
}

async fn second_step(store: &Store, code: &str) -> Result<(), String> {
    let caller = Caller::default();
    let entered = store.core.sign_in(NAME, PASSWORD.into(), &caller).await;
    let Entered::SecondStep(ticket) = text(entered)? else { return Err("no step".to_owned()) };
    said(store.core.second_step(ticket.expose(), code, &caller).await)
}

async fn invited(store: &Store) -> Result<String, String> {
    let invited = store.add_person(&CONSOLE, NAME, Role::Owner, None).await;
    text(invited).map(|(_, code)| code.expose().to_owned())
}

pub(super) const PATHS: &[WritePath] = &[
    WritePath {
        name: "a setup code",
        covers: &["setup::begin_setup"],
        run: |store, _| Box::pin(async { said(store.core.begin_setup().await) }),
        state: ("core.db", "SELECT count(*) FROM setup_code"),
        ..PLAIN
    },
    WritePath {
        name: "the owner's account, for the setup code",
        covers: &["setup::finish_setup"],
        before: |store| {
            Box::pin(async {
                let code = text(store.core.begin_setup().await)?.ok_or("there is an owner")?;
                Ok(code.expose().to_owned())
            })
        },
        run: |store, code| {
            Box::pin(async {
                let password = Secret::from(PASSWORD);
                said(store.core.finish_setup(code, NAME, password, &Caller::default()).await)
            })
        },
        state: (
            "core.db",
            "SELECT (SELECT count(*) FROM setup_code) || ' ' || (SELECT count(*) FROM accounts)",
        ),
        ..PLAIN
    },
    WritePath {
        name: "an account",
        covers: &["accounts::create_account"],
        run: |store, _| Box::pin(async { account(store).await.map(drop) }),
        state: ACCOUNTS,
        ..PLAIN
    },
    WritePath {
        name: "another password",
        covers: &["accounts::set_password"],
        before: |store| Box::pin(async { signed_in(store).await }),
        run: |store, _| {
            Box::pin(async { said(store.core.set_password(NAME, "four other words here".into()).await) })
        },
        state: SESSIONS,
        ..PLAIN
    },
    WritePath {
        name: "an account's end",
        covers: &["accounts::remove_account"],
        before: |store| {
            Box::pin(async {
                let role = Role::Owner;
                for name in ["lee", "park"] {
                    text(store.core.create_account(name, PASSWORD.into(), role).await)?;
                }
                signed_in(store).await
            })
        },
        run: |store, _| Box::pin(async { said(store.core.remove_account(NAME).await) }),
        state: (
            "core.db",
            "SELECT (SELECT count(*) FROM sessions) || ' ' || (SELECT count(*) FROM accounts)",
        ),
        ..PLAIN
    },
    WritePath {
        name: "the first password of somebody who was added",
        covers: &["people::choose_first_password"],
        before: |store| Box::pin(invited(store)),
        run: |store, code| {
            Box::pin(async { said(store.core.choose_first_password(NAME, code, PASSWORD.into()).await) })
        },
        state: ("core.db", "SELECT count(*) FROM first_codes"),
        ..PLAIN
    },
    WritePath {
        name: "one's own other password",
        covers: &["own_password::change_own_password", "own_password::confirm_password"],
        before: |store| Box::pin(signed_in_twice(store)),
        run: |store, token| {
            Box::pin(async {
                let (kim, new) = (kim(store)?, Secret::from("four other words here"));
                let (old, caller) = (Secret::from(PASSWORD), Caller::default());
                said(store.core.change_own_password(&kim, old, new, token, &caller).await)
            })
        },
        state: SESSIONS,
        ..PLAIN
    },
    WritePath {
        name: "a session",
        covers: &["sign_in::sign_in"],
        before: |store| Box::pin(async { account(store).await.map(|account| account.name) }),
        run: |store, _| Box::pin(async { session(store).await.map(drop) }),
        state: SESSIONS,
        ..PLAIN
    },
    WritePath {
        name: "a session after the second step",
        covers: &["sign_in::second_step"],
        before: |store| Box::pin(second_factor(store)),
        run: |store, code| Box::pin(second_step(store, code)),
        state: SESSIONS,
        ..PLAIN
    },
    WritePath {
        name: "a session's end",
        covers: &["sessions::sign_out"],
        before: |store| Box::pin(signed_in(store)),
        run: |store, token| Box::pin(async { said(store.core.sign_out(token).await) }),
        state: SESSIONS,
        ..PLAIN
    },
    WritePath {
        name: "another token for a session",
        covers: &["sessions::renew_token"],
        before: |store| Box::pin(signed_in(store)),
        run: |store, token| Box::pin(async { said(store.core.renew_token(token).await) }),
        state: ("core.db", "SELECT count(*) || ' ' || group_concat(hex(token_hash)) FROM sessions"),
        varies: true,
        ..PLAIN
    },
    WritePath {
        name: "the end of one session of several",
        covers: &["sessions::end_session"],
        before: |store| Box::pin(signed_in_twice(store)),
        run: |store, token| {
            Box::pin(async {
                said(store.core.end_session(kim(store)?.id, &store::Core::session_id(token)).await)
            })
        },
        state: SESSIONS,
        ..PLAIN
    },
    WritePath {
        name: "the end of all other sessions",
        covers: &["sessions::end_other_sessions"],
        before: |store| Box::pin(signed_in_twice(store)),
        run: |store, token| {
            Box::pin(async { said(store.core.end_other_sessions(kim(store)?.id, token).await) })
        },
        state: SESSIONS,
        ..PLAIN
    },
    WritePath {
        name: "the beginning of a second factor",
        covers: &["second_factor::begin_second_factor"],
        before: |store| Box::pin(signed_in(store)),
        run: |store, _| Box::pin(async { said(store.core.begin_second_factor(kim(store)?.id).await) }),
        state: FACTORS,
        ..PLAIN
    },
    WritePath {
        name: "a second factor that counts",
        covers: &["second_factor::confirm_second_factor"],
        before: |store| {
            Box::pin(async {
                signed_in_twice(store).await?;
                text(store.core.begin_second_factor(kim(store)?.id).await).map(|s| s.expose().to_owned())
            })
        },
        run: |store, secret| {
            Box::pin(async {
                let code = code_of(secret)?;
                said(store.core.confirm_second_factor(kim(store)?.id, &code, "").await)
            })
        },
        state: FACTORS,
        ..PLAIN
    },
    WritePath {
        name: "other recovery codes",
        covers: &["second_factor::renew_recovery_codes"],
        before: |store| {
            Box::pin(async {
                let mut codes = recovery_codes(store).await?;
                second_step(store, &codes[0]).await?;
                Ok(codes.swap_remove(1))
            })
        },
        run: |store, code| {
            Box::pin(async { said(store.core.renew_recovery_codes(kim(store)?.id, code).await) })
        },
        state: FACTORS,
        ..PLAIN
    },
    WritePath {
        name: "the end of one's own second factor",
        covers: &["second_factor::remove_second_factor"],
        before: |store| Box::pin(second_factor(store)),
        run: |store, code| {
            Box::pin(async { said(store.core.remove_second_factor(&kim(store)?, code).await) })
        },
        state: FACTORS,
        ..PLAIN
    },
    WritePath {
        name: "the reset of a second factor",
        covers: &["second_factor::reset_second_factor"],
        before: |store| Box::pin(second_factor(store)),
        run: |store, _| Box::pin(async { said(store.core.reset_second_factor(NAME).await) }),
        state: FACTORS,
        ..PLAIN
    },
    WritePath {
        name: "a key",
        covers: &["keys::create_key", "keys::create_key_with"],
        run: |store, _| Box::pin(async { key(store).await.map(drop) }),
        state: KEYS,
        ..PLAIN
    },
    WritePath {
        name: "a key's end",
        covers: &["keys::revoke_key"],
        before: |store| Box::pin(key(store)),
        run: |store, _| Box::pin(async { said(store.core.revoke_key("ward").await) }),
        state: KEYS,
        ..PLAIN
    },
];

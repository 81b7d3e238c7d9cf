//! The ways in which the store is written to: what each does, and how its whole effect looks in the files.

use std::pin::Pin;
use std::time::Duration;

use store::{
    EventRow, KeyLane, NewMessage, NewOrder, OrderKind, Outage, OutcomeRow, RequestRow, Role, Store,
};

pub(super) type Work<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// One way to write.
pub(super) struct WritePath {
    pub(super) name: &'static str,
    /// What must be there first.
    pub(super) before: for<'a> fn(&'a Store) -> Work<'a>,
    pub(super) run: for<'a> fn(&'a Store) -> Work<'a>,
    /// The file and the question whose answer tells the change whole from the change undone.
    pub(super) state: (&'static str, &'static str),
}

fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

fn nothing(_: &Store) -> Work<'_> {
    Box::pin(async { Ok(()) })
}

fn account(store: &Store) -> Work<'_> {
    Box::pin(async {
        said(store.core.create_account("kim", "four plain words here".into(), Role::Owner).await)
    })
}

fn key(store: &Store) -> Work<'_> {
    Box::pin(async { said(store.core.create_key("ward", KeyLane::default()).await) })
}

fn setting(store: &Store) -> Work<'_> {
    Box::pin(async { said(store.core.set_setting("kept", "yes").await) })
}

fn conversation(store: &Store) -> Work<'_> {
    Box::pin(async { said(store.work.create_conversation(7, "a title").await) })
}

fn message(store: &Store) -> Work<'_> {
    Box::pin(async {
        let conversations = store.work.conversations(7, 1).map_err(|error| error.to_string())?;
        let conversation = conversations.first().ok_or("the conversation is not seen")?;
        let content =
            NewMessage { role: "user".into(), text: "a text ".repeat(900), ..NewMessage::default() };
        said(store.work.add_message(7, &conversation.id, content).await)
    })
}

fn two_messages(store: &Store) -> Work<'_> {
    Box::pin(async {
        conversation(store).await?;
        message(store).await?;
        message(store).await
    })
}

/// All paths.
pub(super) const PATHS: [WritePath; 14] = [
    WritePath {
        name: "a request's audit row",
        before: nothing,
        run: |store| Box::pin(async { said(store.audit.request(RequestRow::default()).await) }),
        state: ("audit.db", "SELECT count(*) FROM entries"),
    },
    WritePath {
        name: "an outcome's audit row after others",
        before: |store| Box::pin(async { said(store.audit.request(RequestRow::default()).await) }),
        run: |store| Box::pin(async { said(store.audit.outcome(OutcomeRow::default()).await) }),
        state: ("audit.db", "SELECT count(*) FROM entries"),
    },
    WritePath {
        name: "a setup code",
        before: nothing,
        run: |store| Box::pin(async { said(store.core.begin_setup().await) }),
        state: ("core.db", "SELECT count(*) FROM setup_code"),
    },
    WritePath {
        name: "an account",
        before: nothing,
        run: account,
        state: ("core.db", "SELECT count(*) FROM accounts"),
    },
    WritePath {
        name: "a key",
        before: nothing,
        run: key,
        state: ("core.db", "SELECT count(*) FROM api_keys"),
    },
    WritePath {
        name: "a key's end",
        before: key,
        run: |store| Box::pin(async { said(store.core.revoke_key("ward").await) }),
        state: ("core.db", "SELECT count(*) FROM api_keys WHERE revoked_ms IS NULL"),
    },
    WritePath {
        name: "a setting",
        before: nothing,
        run: setting,
        state: ("core.db", "SELECT count(*) FROM settings WHERE name = 'kept'"),
    },
    WritePath {
        name: "a setting and the stop, which folds the log back",
        before: nothing,
        run: |store| {
            Box::pin(async {
                setting(store).await?;
                store.close().await;
                Ok(())
            })
        },
        state: ("core.db", "SELECT count(*) FROM settings WHERE name = 'kept'"),
    },
    WritePath {
        name: "an order",
        before: nothing,
        run: |store| {
            Box::pin(async {
                let minute = Duration::from_secs(60);
                let order = NewOrder::checked(OrderKind::ForceLocal, "kim", "a reason", minute);
                said(store.give_order(order.map_err(|error| error.to_string())?).await)
            })
        },
        state: ("core.db", "SELECT count(*) FROM orders WHERE ended_ms IS NULL"),
    },
    WritePath {
        name: "a conversation",
        before: nothing,
        run: conversation,
        state: ("work.db", "SELECT count(*) FROM conversations"),
    },
    WritePath {
        name: "a long message",
        before: conversation,
        run: message,
        state: ("work.db", "SELECT count(*) || ' ' || coalesce(sum(length(text)), 0) FROM messages"),
    },
    WritePath {
        name: "a conversation's end",
        before: two_messages,
        run: |store| {
            Box::pin(async {
                let conversations = store.work.conversations(7, 1).map_err(|error| error.to_string())?;
                let conversation = conversations.first().ok_or("the conversation is not seen")?;
                said(store.work.delete_conversation(7, &conversation.id).await)
            })
        },
        state: (
            "work.db",
            "SELECT (SELECT count(*) FROM conversations) || ' ' || (SELECT count(*) FROM messages)",
        ),
    },
    WritePath {
        name: "an outage",
        before: nothing,
        run: |store| Box::pin(async { said(store.work.begin_outage(Outage::default()).await) }),
        state: ("work.db", "SELECT count(*) FROM outages"),
    },
    WritePath {
        name: "a drill that is asked for",
        before: |store| Box::pin(async { said(store.audit.event(EventRow::default()).await) }),
        run: |store| Box::pin(async { said(store.work.ask_drill("kim", "site", false).await) }),
        state: ("work.db", "SELECT count(*) FROM drills"),
    },
];

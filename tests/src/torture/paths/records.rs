//! The audit log, conversations, outages, drills, second looks, settings and orders.

use std::time::Duration;

use store::{EventRow, NewMessage, NewOrder, OrderKind, Outage, OutcomeRow, RequestRow, SecondLook, Store};

use super::{PLAIN, WritePath, said, text};

const ROWS: (&str, &str) = ("audit.db", "SELECT count(*) FROM entries");
const DRILLS: (&str, &str) = ("work.db", "SELECT group_concat(state || coalesce(abort_by, '')) FROM drills");
const ORDERS: (&str, &str) =
    ("core.db", "SELECT count(*) || ' ' || count(ended_ms) || ' ' || coalesce(min(left_ms), 0) FROM orders");

async fn conversation(store: &Store) -> Result<String, String> {
    text(store.work.create_conversation(7, "a title").await).map(|conversation| conversation.id)
}

async fn message(store: &Store, conversation: &str) -> Result<(), String> {
    let content = NewMessage { role: "user".into(), text: "a text ".repeat(900), ..NewMessage::default() };
    said(store.work.add_message(7, conversation, content).await)
}

async fn order(store: &Store) -> Result<String, String> {
    let minute = Duration::from_secs(60);
    let order = text(NewOrder::checked(OrderKind::ForceLocal, "kim", "a reason", minute))?;
    text(store.give_order(order).await).map(|order| order.id.to_string())
}

async fn drill(store: &Store) -> Result<String, String> {
    text(store.work.ask_drill("kim", "site", false).await).map(|id| id.to_string())
}

async fn running_drill(store: &Store) -> Result<String, String> {
    let id = drill(store).await?;
    text(store.work.begin_drill(number(&id)).await)?;
    Ok(id)
}

/// Nobody waits for a look to be noted; what is written behind it is waited for.
async fn look(store: &Store, request: &str) -> Result<(), String> {
    store.work.note_second_look(SecondLook { request_id: request.to_owned(), ..SecondLook::default() });
    said(store.work.begin_outage(Outage::default()).await)
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

pub(super) const PATHS: &[WritePath] = &[
    WritePath {
        name: "a request's audit row",
        covers: &["audit::request"],
        run: |store, _| Box::pin(async { said(store.audit.request(RequestRow::default()).await) }),
        state: ROWS,
        ..PLAIN
    },
    WritePath {
        name: "an outcome's audit row after others",
        covers: &["audit::outcome"],
        before: |store| {
            Box::pin(async { said(store.audit.request(RequestRow::default()).await).map(|()| String::new()) })
        },
        run: |store, _| Box::pin(async { said(store.audit.outcome(OutcomeRow::default()).await) }),
        state: ROWS,
        ..PLAIN
    },
    WritePath {
        name: "a checkpoint of the log",
        covers: &["audit::event", "audit::checkpoint"],
        before: |store| {
            Box::pin(async { said(store.audit.event(EventRow::default()).await).map(|()| String::new()) })
        },
        run: |store, _| Box::pin(async { said(store.audit.checkpoint().await) }),
        state: ("audit.db", "SELECT count(*) FROM checkpoints"),
        ..PLAIN
    },
    WritePath {
        name: "a proof that the log can be written, and a row",
        covers: &["audit::prove_writable"],
        run: |store, _| {
            Box::pin(async {
                text(store.audit.prove_writable().await)?;
                said(store.audit.event(EventRow::default()).await)
            })
        },
        state: ROWS,
        ..PLAIN
    },
    WritePath {
        name: "a setting",
        covers: &["settings::set_setting"],
        run: |store, _| Box::pin(async { said(store.core.set_setting("kept", "yes").await) }),
        state: ("core.db", "SELECT count(*) FROM settings WHERE name = 'kept'"),
        ..PLAIN
    },
    WritePath {
        name: "a setting and the stop, which folds the log back",
        covers: &["lib::close"],
        run: |store, _| {
            Box::pin(async {
                said(store.core.set_setting("kept", "yes").await)?;
                store.close().await;
                Ok(())
            })
        },
        state: ("core.db", "SELECT count(*) FROM settings WHERE name = 'kept'"),
        ..PLAIN
    },
    WritePath {
        name: "a setting, and the logs folded back beside the work",
        covers: &["integrity::look_after_itself"],
        run: |store, _| {
            Box::pin(async {
                said(store.core.set_setting("kept", "yes").await)?;
                store.look_after_itself().await;
                Ok(())
            })
        },
        state: ("core.db", "SELECT count(*) FROM settings WHERE name = 'kept'"),
        ..PLAIN
    },
    WritePath {
        name: "an order",
        covers: &["orders::give_order", "recorded::recorded"],
        run: |store, _| Box::pin(async { order(store).await.map(drop) }),
        state: ("core.db", "SELECT count(*) FROM orders"),
        event: Some("order-given"),
        ..PLAIN
    },
    WritePath {
        name: "an order that is lifted",
        covers: &["orders::lift_order"],
        before: |store| Box::pin(order(store)),
        run: |store, id| Box::pin(async { said(store.lift_order(number(id), "kim").await) }),
        state: ORDERS,
        event: Some("order-lifted"),
        ..PLAIN
    },
    WritePath {
        // It has run out whether the log can be written or not.
        name: "an order that has run out",
        covers: &["orders::expire_order"],
        before: |store| Box::pin(order(store)),
        run: |store, id| Box::pin(async { said(store.expire_order(number(id)).await) }),
        state: ORDERS,
        ..PLAIN
    },
    WritePath {
        name: "what is left of an order",
        covers: &["orders::note_order"],
        before: |store| Box::pin(order(store)),
        run: |store, id| {
            Box::pin(async { said(store.core.note_order(number(id), Duration::from_secs(1)).await) })
        },
        state: ORDERS,
        ..PLAIN
    },
    WritePath {
        name: "a conversation",
        covers: &["conversations::create_conversation"],
        run: |store, _| Box::pin(async { conversation(store).await.map(drop) }),
        state: ("work.db", "SELECT count(*) FROM conversations"),
        ..PLAIN
    },
    WritePath {
        name: "a long message",
        covers: &["conversations::add_message"],
        before: |store| Box::pin(conversation(store)),
        run: |store, id| Box::pin(message(store, id)),
        state: ("work.db", "SELECT count(*) || ' ' || coalesce(sum(length(text)), 0) FROM messages"),
        ..PLAIN
    },
    WritePath {
        name: "a conversation's end",
        covers: &["conversations::delete_conversation"],
        before: |store| {
            Box::pin(async {
                let id = conversation(store).await?;
                message(store, &id).await?;
                message(store, &id).await?;
                Ok(id)
            })
        },
        run: |store, id| Box::pin(async { said(store.work.delete_conversation(7, id).await) }),
        state: (
            "work.db",
            "SELECT (SELECT count(*) FROM conversations) || ' ' || (SELECT count(*) FROM messages)",
        ),
        ..PLAIN
    },
    WritePath {
        name: "an outage",
        covers: &["outages::begin_outage"],
        run: |store, _| Box::pin(async { said(store.work.begin_outage(Outage::default()).await) }),
        state: ("work.db", "SELECT count(*) FROM outages"),
        ..PLAIN
    },
    WritePath {
        name: "an outage that goes on",
        covers: &["outages::update_outage"],
        before: |store| {
            Box::pin(async {
                text(store.work.begin_outage(Outage::default()).await).map(|outage| outage.id.to_string())
            })
        },
        run: |store, id| {
            Box::pin(async {
                let outage = Outage { id: number(id), start_ms: 5, ..Outage::default() };
                said(store.work.update_outage(&outage).await)
            })
        },
        state: ("work.db", "SELECT sum(start_ms) FROM outages"),
        ..PLAIN
    },
    WritePath {
        name: "a drill that is asked for",
        covers: &["drills::ask_drill"],
        run: |store, _| Box::pin(async { drill(store).await.map(drop) }),
        state: ("work.db", "SELECT count(*) FROM drills"),
        ..PLAIN
    },
    WritePath {
        name: "a drill that is withdrawn",
        covers: &["drills::withdraw_drill"],
        before: |store| Box::pin(drill(store)),
        run: |store, id| Box::pin(async { said(store.work.withdraw_drill(number(id)).await) }),
        state: ("work.db", "SELECT count(*) FROM drills"),
        ..PLAIN
    },
    WritePath {
        name: "a drill that is refused",
        covers: &["drills::refuse_drill"],
        before: |store| Box::pin(drill(store)),
        run: |store, id| Box::pin(async { said(store.work.refuse_drill(number(id), "outage").await) }),
        state: DRILLS,
        ..PLAIN
    },
    WritePath {
        name: "a drill that begins",
        covers: &["drills::begin_drill"],
        before: |store| Box::pin(drill(store)),
        run: |store, id| Box::pin(async { said(store.work.begin_drill(number(id)).await) }),
        state: DRILLS,
        ..PLAIN
    },
    WritePath {
        name: "a drill that is to end",
        covers: &["drills::abort_drill"],
        before: |store| Box::pin(running_drill(store)),
        run: |store, _| Box::pin(async { said(store.work.abort_drill("kim").await) }),
        state: DRILLS,
        ..PLAIN
    },
    WritePath {
        name: "a drill that ends",
        covers: &["drills::end_drill"],
        before: |store| Box::pin(running_drill(store)),
        run: |store, id| Box::pin(async { said(store.work.end_drill(number(id), "passed", "{}").await) }),
        state: DRILLS,
        ..PLAIN
    },
    WritePath {
        name: "all second looks",
        covers: &["second_looks::note_second_look", "second_looks::mark_looked"],
        before: |store| Box::pin(async { look(store, "r").await.map(|()| String::new()) }),
        run: |store, _| Box::pin(async { said(store.work.mark_looked(None, "kim").await) }),
        state: ("work.db", "SELECT count(*) FROM second_looks WHERE looked_ms IS NULL"),
        ..PLAIN
    },
    WritePath {
        name: "a second look",
        covers: &["marks::mark_looked"],
        before: |store| Box::pin(async { look(store, "r").await.map(|()| String::new()) }),
        run: |store, _| Box::pin(async { said(store.mark_looked("r", "kim").await) }),
        state: ("work.db", "SELECT count(*) FROM second_looks WHERE looked_ms IS NULL"),
        event: Some("second-look-marked"),
        ..PLAIN
    },
];

//! The latest events of the audit log in plain words. Requests and their outcomes are left out.

use gateway::drill::SCHEDULE;
use serde_json::Value;
use store::{EventRow, OrderKind, Record, Store, StoreError};

use crate::moment::Clock;
use crate::pages::orders;
use crate::text::{OrderText, StatusText, Text};

const EVENTS_SHOWN: usize = 20;
/// Rows that are looked through for events, newest first; most rows are requests.
const ROWS_READ: u32 = 400;

pub(crate) struct EventView {
    pub(crate) when: String,
    pub(crate) what: String,
}

/// `sees_all` shows what persons did, too.
pub(crate) fn newest(
    store: &Store,
    text: &Text,
    clock: &Clock,
    sees_all: bool,
) -> Result<Vec<EventView>, StoreError> {
    let entries = store.audit.recent(ROWS_READ)?;
    let events = entries.into_iter().filter_map(|entry| match entry.record {
        Record::Event(event) => Some(event),
        Record::Request(_) | Record::Outcome(_) => None,
    });
    let told = events.filter_map(|event| {
        let by_person = || of_a_person(&event, text).filter(|_| sees_all);
        let what = of_the_site(&event, text).or_else(by_person)?;
        Some(EventView { when: clock.full(event.at_ms), what })
    });
    Ok(told.take(EVENTS_SHOWN).collect())
}

fn of_the_site(event: &EventRow, text: &Text) -> Option<String> {
    let (directory, text) = (&text.directory, &text.status);
    let field = |name: &str| event.detail.get(name).and_then(Value::as_str).unwrap_or_default();
    match event.what.as_str() {
        "site-state" => Some((text.event_site_state)(state(field("from"), text), state(field("to"), text))),
        // While an upstream stays out it is tried again and again; only the loss and the return are news.
        "breaker" if field("from") != "closed" && field("to") != "closed" => None,
        "breaker" => {
            let sentence = match field("to") {
                "closed" => text.event_breaker_closed,
                _ => text.event_breaker_open,
            };
            Some(sentence(field("upstream")))
        }
        "directory-lost" => Some(directory.event_lost.to_owned()),
        "directory-back" => Some(directory.event_back.to_owned()),
        "outage-began" => Some(text.event_outage_began.to_owned()),
        "drill-ended" if field("result") == "passed" => Some(text.event_drill_passed.to_owned()),
        "drill-ended" => Some(text.event_drill_not_passed.to_owned()),
        "outage-ended" => Some(text.event_outage_ended.to_owned()),
        "brown-out" => match event.detail["to"].as_u64() {
            None | Some(0) => Some(text.event_brown_out_over.to_owned()),
            Some(step) => Some((text.event_brown_out)(step)),
        },
        _ => None,
    }
}

fn state<'a>(word: &'a str, text: &StatusText) -> &'a str {
    match word {
        "connected" => text.state_connected,
        "degraded" => text.state_degraded,
        "offline" => text.state_offline,
        "recovering" => text.state_recovering,
        "forced-local" => text.state_forced_local,
        "forced-cloud" => text.state_forced_cloud,
        "drill" => text.state_drill,
        other => other,
    }
}

/// What a person did, and what the box did for the people in charge; in the log's own words where another version of
/// the box has written them.
fn of_a_person(event: &EventRow, texts: &Text) -> Option<String> {
    let order = || order(event, &texts.order);
    let who = texts.actor.acting(&event.who);
    let directory = &texts.directory;
    if event.what == "sign-in-refused"
        && let Some(reason) = event.detail["reason"].as_str()
    {
        return Some((texts.provider.event_refused)((texts.provider.reason)(reason)));
    }
    let text = &texts.status;
    let sentence = match event.what.as_str() {
        "breaker" => return None,
        "drill-began" if event.who == SCHEDULE => return Some(text.event_drill_of_the_schedule.to_owned()),
        "drill-began" => return Some((text.event_drill_began)(&who)),
        "order-given" => return Some((text.event_order_given)(&who, &order())),
        "order-lifted" => return Some((text.event_order_lifted)(&who, &order())),
        "order-expired" => return Some((text.event_order_expired)(&order())),
        "setup-code-made" => return Some(text.event_setup_code_made.to_owned()),
        "key-created" => return Some((text.event_key_created)(key_name(event))),
        "key-revoked" => return Some((text.event_key_revoked)(key_name(event))),
        "key-refused" => return Some(text.event_key_refused.to_owned()),
        "sessions-ended" => return Some((text.event_sessions_ended)(&who, key_name(event))),
        "access-refused" => text.event_access_refused,
        "sign-in-refused" => return Some(text.event_sign_in_refused.to_owned()),
        "sign-in-guessing" => return Some((text.event_guessing)(event.detail["account"].as_str())),
        "second-step-refused" | "second-step-guessing" => {
            return Some(text.event_second_step_refused.to_owned());
        }
        "second-factor-reset" => return Some((text.event_second_factor_reset)(key_name(event))),
        "directory-access-ended" => return Some((directory.event_access_ended)(key_name(event))),
        "directory-verifier-dropped" => return Some((directory.event_verifier_dropped)(key_name(event))),
        "person-renamed" => {
            let was = event.detail["was"].as_str().unwrap_or_default();
            return Some((directory.event_renamed)(was, key_name(event)));
        }
        "second-factor-set-up" => text.event_second_factor_set_up,
        "second-factor-removed" => text.event_second_factor_removed,
        "recovery-codes-renewed" => text.event_recovery_codes_renewed,
        "password-changed" => text.event_password_changed,
        "session-ended" => text.event_session_ended,
        "setup-finished" => text.event_setup_finished,
        "sign-in" => text.event_sign_in,
        "sign-out" => text.event_sign_out,
        "model-imported" => return Some((text.event_model_imported)(&who, key_name(event))),
        "model-removed" => return Some((text.event_model_removed)(&who, key_name(event))),
        "model-accepted" => return Some((text.event_model_accepted)(&who, key_name(event))),
        "model-first-seen" => return Some((text.event_model_first_seen)(key_name(event))),
        "demo-cut" => text.event_demo_cut,
        "demo-restored" => text.event_demo_restored,
        "second-look-marked" => text.event_second_look_marked,
        other => {
            let unknown = || format!("{}: {other}", texts.actor.name(&event.who));
            return Some((texts.event.told)(event, &who).unwrap_or_else(unknown));
        }
    };
    Some(sentence(&who))
}

/// The name that a person gave to a key; the key itself is nowhere in the log.
fn key_name(event: &EventRow) -> &str {
    event.detail["name"].as_str().unwrap_or_default()
}

/// What an order orders, in the words of the page of orders.
fn order(event: &EventRow, text: &OrderText) -> String {
    let word = event.detail["kind"].as_str().unwrap_or_default();
    let target = event.detail["upstream"].as_str().or(event.detail["model"].as_str());
    match OrderKind::of_record(word, target) {
        Some(kind) => orders::what(&kind, text),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use store::EVENT_WORDS;

    use super::*;
    use crate::language::Language;

    #[test]
    fn every_event_that_the_box_writes_has_a_sentence_in_both_languages() {
        for word in EVENT_WORDS {
            let detail = serde_json::json!({"from": "closed", "to": "open"});
            let event = EventRow { at_ms: 1, who: "kim".into(), what: (*word).into(), detail };
            for language in Language::ALL {
                let text = Text::of(language);
                let told = of_the_site(&event, text).or_else(|| of_a_person(&event, text));
                let told = told.unwrap_or_else(|| panic!("{word}: nothing is told"));
                assert_ne!(told, format!("kim: {word}"), "{language:?}: {word} has no sentence");
                let is_korean = told.chars().any(|letter| ('가'..='힣').contains(&letter));
                assert_eq!(is_korean, language == Language::Korean, "{word}: {told}");
            }
        }
    }
}

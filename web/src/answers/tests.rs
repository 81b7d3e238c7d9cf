use super::*;
use crate::language::Language;

const HOUR_MS: i64 = 3_600_000;

fn narrator(clock: &Clock) -> Narrator<'_> {
    let outages = vec![
        Out { start_ms: 10 * HOUR_MS, end_ms: Some(11 * HOUR_MS) },
        Out { start_ms: 20 * HOUR_MS, end_ms: None },
    ];
    Narrator { text: Text::of(Language::English), clock, outages }
}

#[test]
fn the_note_names_the_model_and_says_why_it_was_not_the_cloud() {
    let clock = Clock::utc();
    let narrator = narrator(&clock);
    let table: [(&[&str], &str, &str, i64, &str); 10] = [
        (&["openai/gpt-4o"], "cloud", "first-route", 0, "Answered by the cloud model gpt-4o (openai)."),
        (
            &["local/pilot-light"],
            "local",
            "circuit-open",
            21,
            "Answered inside the building by pilot-light, a small emergency model. \
             The cloud has been out of reach since 1970-01-01 20:00.",
        ),
        (
            &["local/large"],
            "local",
            "refused",
            10,
            "Answered inside the building by large. The cloud was out of reach from 1970-01-01 10:00.",
        ),
        (
            &["local/large"],
            "local",
            "silent",
            12,
            "Answered inside the building by large. The cloud was out of reach.",
        ),
        (
            &["local/large"],
            "local",
            "local-only",
            21,
            "Answered inside the building by large. It was asked to stay inside the building.",
        ),
        (
            &["local/large"],
            "local",
            "first-route",
            0,
            "Answered inside the building by large. No cloud is set up for this assistant.",
        ),
        (
            &["local/small"],
            "local",
            "brown-out",
            21,
            "Answered inside the building by small. So much was asked at once that a smaller model answered.",
        ),
        (
            &["local/small"],
            "local",
            "standby-unproven",
            21,
            "Answered inside the building by small. Another model inside the building could not take it.",
        ),
        (
            &["demo/big", "local/pilot-light"],
            "local",
            "cut",
            21,
            "Begun by big. Finished inside the building by pilot-light, a small emergency model.",
        ),
        (&[], "none", "unavailable", 0, "No model answered."),
    ];
    for (models, route, reason, hour, expected) in table {
        assert_eq!(narrator.note(models, route, reason, hour * HOUR_MS), expected);
    }
}

fn stored(role: &str, text: &str, complete: bool) -> Message {
    let content =
        NewMessage { role: role.to_owned(), text: text.to_owned(), complete, ..NewMessage::default() };
    Message { id: 1, at_ms: 0, content }
}

#[test]
fn only_a_complete_answer_is_shown_as_finished() {
    let clock = Clock::utc();
    let messages = [
        stored("user", "q", true),
        stored("assistant", "", false),
        stored("assistant", "ha", false),
        stored("assistant", "whole", true),
    ];
    let turns = narrator(&clock).turns(&messages, 0);
    let ends: Vec<End> = turns[0].answers.iter().map(|answer| answer.end).collect();
    assert_eq!(ends, [End::Failed, End::Cut, End::Finished]);
    assert!(turns[0].answers[0].problem.is_some() && turns[0].answers[1].problem.is_some());
    assert!(turns[0].answers[2].problem.is_none());
}

#[test]
fn a_question_without_an_answer_is_pending_at_first_and_failed_after_the_longest_answer() {
    let clock = Clock::utc();
    let messages = [stored("user", "q", true)];
    let text = &narrator(&clock).text.answer;
    let waiting = |now_ms| narrator(&clock).turns(&messages, now_ms)[0].waiting;
    assert_eq!(waiting(LONGEST_ANSWER_MS - 1), Some(text.pending));
    assert_eq!(waiting(LONGEST_ANSWER_MS), Some(text.failed));
}

#[test]
fn the_seam_is_counted_in_characters_and_never_splits_one() {
    assert_eq!(split_at_char("가나다라", Some(2)), ("가나", "다라"));
    assert_eq!(split_at_char("가나", Some(9)), ("가나", ""));
    assert_eq!(split_at_char("가나", None), ("가나", ""));
}

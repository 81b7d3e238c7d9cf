//! Answers that must have a form: they have it, or they end in an error.

use futures_util::StreamExt;
use inference::{Event, FinishReason, Format, Job, JobError, Sampling};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::*;

/// Every answer of this form ends, whatever a model that knows nothing of it would like to say.
fn order() -> Value {
    json!({
        "type": "object",
        "properties": {
            "drug": {"type": "string", "maxLength": 12},
            "dose_mg": {"type": "integer", "minimum": 1, "maximum": 500},
            "route": {"enum": ["oral", "iv", "경구"]},
            "repeat": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}
        },
        "required": ["drug", "dose_mg", "route", "repeat"],
        "additionalProperties": false
    })
}

fn formatted(question: &str, format: Format) -> Job {
    Job { format: Some(format), ..job(question) }
}

fn is_order(text: &str) -> bool {
    let answer: Value = serde_json::from_str(text).unwrap();
    answer["drug"].as_str().is_some_and(|drug| drug.chars().count() <= 12)
        && answer["dose_mg"].as_u64().is_some_and(|dose| (1..=500).contains(&dose))
        && answer.as_object().unwrap().len() == 4
}

#[test]
fn answers_have_the_form_of_their_schema_whatever_is_drawn() {
    with_model(spec(), async |model| {
        let format = Format::JsonSchema(order().to_string());
        let running = (0..12).map(|seed| {
            let mut wild = formatted("Who helps the patient?", format.clone());
            let temperature = if seed == 0 { 0.0 } else { 1.5 };
            wild.sampling = Sampling { temperature, seed: Some(seed), ..Sampling::default() };
            ask(model, wild)
        });
        for answer in futures_util::future::join_all(running).await {
            let answer = answer.unwrap();
            assert_eq!(answer.end.as_ref().unwrap().0, FinishReason::Stop);
            assert!(is_order(&answer.text()), "{}", answer.text());
        }
    });
}

#[test]
fn a_form_that_the_answer_has_anyway_changes_nothing_of_it() {
    with_model(spec(), async |model| {
        for known in middling(false, 4).into_iter().chain(middling(true, 4)) {
            let any = Format::Regex("(.|\\n)*".into());
            let answer = ask(model, formatted(&known.question, any)).await.unwrap();
            assert_eq!(answer.text(), known.answer);
        }
    });
}

#[test]
fn an_answer_with_a_form_outlives_its_worker() {
    with_model(spec(), async |model| {
        let drawn = || {
            let mut drawn = formatted("Who helps the patient?", Format::JsonSchema(order().to_string()));
            drawn.sampling.seed = Some(7);
            drawn
        };
        let whole = ask(model, drawn()).await.unwrap().text();
        let mut generation = model.generate(drawn());
        let mut text = String::new();
        while let Some(event) = generation.next().await {
            if let Event::Text(more) = event.unwrap() {
                if text.is_empty() {
                    let pid = Pid::from_raw(model.worker_pid().unwrap() as i32).unwrap();
                    kill_process(pid, Signal::KILL).unwrap();
                }
                text.push_str(&more);
            }
        }
        assert_eq!(text, whole);
        assert!(is_order(&text), "{text}");
    });
}

#[test]
fn an_answer_that_is_too_short_for_its_form_says_so() {
    with_model(spec(), async |model| {
        let mut short = formatted("Who helps the patient?", Format::JsonSchema(order().to_string()));
        short.max_tokens = 3;
        let answer = ask(model, short).await.unwrap();
        assert_eq!(answer.end.unwrap().0, FinishReason::Length);
    });
}

#[test]
fn a_form_that_cannot_be_held_is_refused_at_once_and_the_next_answer_comes() {
    with_model(spec(), async |model| {
        let known = &longest(false, 1)[0];
        for wrong in [
            Format::JsonSchema("{".into()),
            Format::JsonSchema(json!({"type": "objekt"}).to_string()),
            Format::Regex("(".into()),
        ] {
            let refused = ask(model, formatted(&known.question, wrong)).await.unwrap_err();
            assert!(matches!(refused, JobError::BadFormat(_)), "{refused}");
        }
        assert_eq!(ask(model, job(&known.question)).await.unwrap().text(), known.answer);
        assert_eq!(model.restarts(), 0);
    });
}

#[test]
fn a_prefix_is_part_of_the_form() {
    with_model(spec(), async |model| {
        let mut begun = formatted("Who helps the patient?", Format::JsonSchema(order().to_string()));
        let whole = ask(model, begun.clone()).await.unwrap().text();
        for cut in (1..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
            begun.answer_prefix = whole[..cut].to_owned();
            let joined = format!("{}{}", &whole[..cut], ask(model, begun.clone()).await.unwrap().text());
            assert!(is_order(&joined), "cut at {cut}: {joined}");
        }
        begun.answer_prefix = "Sure! Here is".to_owned();
        assert_eq!(ask(model, begun).await.unwrap_err(), JobError::FormatMissed);
    });
}

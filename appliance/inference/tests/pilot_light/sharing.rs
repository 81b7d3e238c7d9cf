//! What one answer takes over from others, and who pauses for whom.

use std::cell::Cell;

use futures_util::StreamExt;
use futures_util::future::join_all;
use inference::{Event, Job, KnownAnswer, Lane, LocalModel, Sampling, Scope, Status};
use tokio::sync::watch;

use crate::copy::Copy;
use crate::harness::*;

/// A template with much to say before anybody else does.
const WORDY: &str = "{{ '<|system|>\nWhat the building answers by itself, it answers from here, by day and by night, \
                     whatever there is outside of its walls.<|end|>\n' }}{% for message in messages %}\
                     {{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}{% endfor %}\
                     {{ '<|assistant|>\n' }}";

/// A question behind a text that is the same for all. The pilot light looks at one message alone, so it stands there.
fn after(text: &[&KnownAnswer], question: &str, scope: Option<Scope>) -> Job {
    let text: Vec<&str> = text.iter().map(|known| known.answer.as_str()).collect();
    Job { scope, max_tokens: 24, ..job(&format!("{}\n{question}", text.join("\n"))) }
}

/// The text, and how many tokens of the prompt had been read before.
async fn reused(model: &LocalModel, job: Job) -> (String, u32) {
    let answer = ask(model, job).await.unwrap();
    let usage = answer.end.unwrap().1;
    assert!(usage.reused_tokens < usage.prompt_tokens, "the last token is always read");
    (answer.text(), usage.reused_tokens)
}

#[test]
fn a_conversation_goes_on_from_what_was_read_of_it_for_the_same_caller_alone() {
    with_model(spec(), async |model| {
        let known = middling(false, 3);
        let text: Vec<&KnownAnswer> = known[..2].iter().collect();
        let next = |scope| after(&text, &known[2].question, scope);
        let (ward, other) = (Scope::of("ward"), Scope::of("other"));
        let (alone, nothing) = reused(model, next(None)).await;
        assert_eq!(nothing, 0, "nothing is kept of a job without a scope");
        assert_eq!(reused(model, next(Some(ward))).await, (alone.clone(), 0), "the first of its scope");
        let (again, much) = reused(model, next(Some(ward))).await;
        assert_eq!(again, alone);
        assert!(much > 30, "{much} tokens");
        assert_eq!(reused(model, next(Some(other))).await, (alone.clone(), 0), "another scope");
        assert_eq!(reused(model, next(None)).await, (alone, 0));
    });
}

#[test]
fn what_the_template_begins_every_prompt_with_is_read_once_for_all_and_nothing_behind_it() {
    let copy = Copy::make(WORDY);
    with_model(copy.spec, async |model| {
        let known = middling(false, 2);
        let ask_as = |scope: Option<&str>| Job { scope: scope.map(Scope::of), ..job(&known[0].question) };
        let (first, pinned) = reused(model, ask_as(Some("ward"))).await;
        assert!(pinned > 16, "{pinned} tokens: the proof that the model works has read them");
        assert_eq!(reused(model, ask_as(Some("other"))).await, (first.clone(), pinned));
        assert_eq!(reused(model, ask_as(None)).await, (first, pinned), "also without a scope");
        let long = || after(&[&known[0]], &known[1].question, Some(Scope::of("ward")));
        assert_eq!(reused(model, long()).await.1, pinned);
        let (_, own) = reused(model, long()).await;
        assert!(own > pinned + 16, "{own} tokens");
    });
}

#[test]
fn sixteen_that_begin_alike_and_come_at_once_read_their_beginning_once() {
    with_model(spec(), async |model| {
        let known = known_answers().into_iter().max_by_key(|known| known.question.len()).unwrap();
        let ward = Some(Scope::of("ward"));
        let asked = (0..16).map(|_| reused(model, Job { scope: ward, ..job(&known.question) }));
        let answers = join_all(asked).await;
        assert!(answers.iter().all(|(text, _)| *text == known.answer), "{answers:?}");
        let read_anew = answers.iter().filter(|(_, reused)| *reused == 0).count();
        assert_eq!(read_anew, 1, "{answers:?}");
    });
}

#[test]
fn answers_stay_right_when_what_is_kept_must_be_given_up_again_and_again() {
    let mut spec = spec();
    (spec.sequences, spec.context_cells) = (4, 1024);
    with_model(spec, async |model| {
        let known = middling(false, 12);
        let scopes = ["a", "b", "c"].map(|name| Some(Scope::of(name)));
        for round in 0..3 {
            let asked = known.iter().enumerate().map(async |(index, known)| {
                let scope = scopes[(index + round) % scopes.len()];
                let job = Job { scope, ..job(&known.question) };
                assert_eq!(ask(model, job).await.unwrap().text(), known.answer);
            });
            join_all(asked).await;
        }
    });
}

#[test]
fn a_conversation_is_found_again_after_another_has_had_the_whole_context() {
    let mut spec = spec();
    (spec.sequences, spec.context_cells, spec.clinical_reserve) = (4, 1024, Some(0));
    with_model(spec, async |model| {
        let Status::Ready { facts, .. } = model.status().borrow().clone() else { panic!("ready") };
        assert_eq!(facts.swap_bytes, 1024 * facts.kv_bytes_per_token / 4);
        let known = known_answers().into_iter().max_by_key(|known| known.question.len()).unwrap();
        let ask_as = |scope: &str| Job { scope: Some(Scope::of(scope)), ..job(&known.question) };
        assert_eq!(reused(model, ask_as("ward")).await, (known.answer.clone(), 0));
        // It may need all cells, so none is left to what is kept.
        let other = middling(true, 1).remove(0);
        let whole = Job { max_tokens: 1024, ..job(&other.question) };
        assert_eq!(ask(model, whole).await.unwrap().text(), other.answer);
        let (again, much) = reused(model, ask_as("ward")).await;
        assert_eq!(again, known.answer);
        assert!(much > 16, "{much} tokens");
        assert_eq!(reused(model, ask_as("other")).await, (known.answer.clone(), 0), "another scope");
    });
}

#[test]
fn batch_work_pauses_for_a_clinical_question_and_goes_on_without_a_word_lost() {
    let mut spec = spec();
    (spec.sequences, spec.clinical_reserve) = (2, Some(0));
    with_model(spec, async |model| {
        let known = longest(false, 4);
        let batch = |known: &KnownAnswer| Job {
            lane: Lane::Batch,
            scope: Some(Scope::of("night")),
            ..job(&known.question)
        };
        let ended = Cell::new(0);
        let (begun, mut all_begun) = watch::channel(0);
        let running = known[..2].iter().map(async |known| {
            let mut generation = model.generate(batch(known));
            let mut text = String::new();
            while let Some(event) = generation.next().await {
                if let Event::Text(more) = event.unwrap() {
                    begun.send_modify(|begun| *begun += u32::from(text.is_empty()));
                    text.push_str(&more);
                }
            }
            ended.set(ended.get() + 1);
            text
        });
        let clinical = async {
            all_begun.wait_for(|begun| *begun == 2).await.unwrap();
            let mut job = Job { lane: Lane::Clinical, ..job(&known[2].question) };
            job.max_tokens = 8;
            let answer = ask(model, job).await.unwrap();
            (answer.text(), ended.get())
        };
        let (batch, (text, ended)) = tokio::join!(join_all(running), clinical);
        assert!(!text.is_empty() && known[2].answer.starts_with(&text));
        assert_eq!(ended, 0, "it did not wait for one of the two sequences");
        assert_eq!(batch, known[..2].iter().map(|known| known.answer.clone()).collect::<Vec<_>>());
    });
}

#[test]
fn answers_that_may_be_long_run_together_and_none_is_cut_where_they_outgrow_the_context() {
    let mut spec = spec();
    (spec.context_cells, spec.sequences, spec.clinical_reserve) = (1024, 4, Some(0));
    with_model(spec, async |model| {
        const LONG: u32 = 800;
        let known = longest(false, 4);
        // The marks that could end it are never said: it goes on to its most tokens.
        let sampling =
            Sampling { logit_bias: (0..5).map(|mark| (mark, -1000.0)).collect(), ..Sampling::default() };
        let (begun, begun_before_an_end) = (Cell::new(0), Cell::new(None));
        let lanes = [Lane::Clinical, Lane::Interactive, Lane::Interactive, Lane::Batch];
        let answers = known.iter().zip(lanes).map(async |(known, lane)| {
            let (scope, sampling) = (Some(Scope::of("ward")), sampling.clone());
            let job = Job { lane, scope, sampling, max_tokens: LONG, ..job(&known.question) };
            let mut generation = model.generate(job);
            let mut text = String::new();
            while let Some(event) = generation.next().await {
                match event.unwrap() {
                    Event::Text(more) => {
                        begun.set(begun.get() + u32::from(text.is_empty()));
                        text.push_str(&more);
                    }
                    Event::Finished { usage, .. } => {
                        begun_before_an_end.set(begun_before_an_end.get().or(Some(begun.get())));
                        return (text, usage.completion_tokens);
                    }
                    _ => {}
                }
            }
            unreachable!("each answer has an end")
        });
        for (known, (text, tokens)) in known.iter().zip(join_all(answers).await) {
            assert_eq!(tokens, LONG, "{}", known.question);
            assert!(text.starts_with(&known.answer), "{text}");
        }
        assert!(begun_before_an_end.get() >= Some(3), "{begun_before_an_end:?} ran together");
        assert_eq!(model.restarts(), 0);
    });
}

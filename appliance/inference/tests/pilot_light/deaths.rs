//! Workers that die, and answers that do not.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use inference::{Event, Generation, JobError, KnownAnswer, LocalModel, Sampling};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, timeout};

use crate::harness::*;

fn kill_worker(model: &LocalModel) {
    let pid = model.worker_pid().expect("a worker runs");
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

/// Reads until the answer's first text.
async fn first_text(generation: &mut Generation) -> String {
    loop {
        if let Event::Text(text) = generation.next().await.expect("more comes").unwrap() {
            return text;
        }
    }
}

/// Reads the rest of an answer that has begun.
async fn rest(mut generation: Generation) -> String {
    let mut text = String::new();
    while let Some(event) = generation.next().await {
        if let Event::Text(more) = event.unwrap() {
            text.push_str(&more);
        }
    }
    text
}

#[test]
fn eight_answers_outlive_their_worker_word_for_word() {
    with_model(spec(), async |model| {
        let known: Vec<KnownAnswer> = longest(false, 4).into_iter().chain(longest(true, 4)).collect();
        let mut running: Vec<Generation> =
            known.iter().map(|known| model.generate(job(&known.question))).collect();
        let begun: Vec<String> = join_all(running.iter_mut().map(first_text)).await;
        assert_eq!(model.in_flight(), 8, "all are still running");
        let said = model.tokens_generated();
        kill_worker(model);
        let killed = Instant::now();
        let texts = join_all(running.into_iter().map(rest));
        let next_token = async {
            while model.tokens_generated() <= said + 8 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            killed.elapsed()
        };
        let (texts, next_token) = tokio::join!(texts, next_token);
        println!("from the kill to the next token: {next_token:?}");
        for ((known, begun), text) in known.iter().zip(begun).zip(texts) {
            assert_eq!(begun + &text, known.answer);
        }
        assert_eq!(model.restarts(), 1);
    });
}

#[test]
fn a_drawn_answer_goes_on_with_the_same_draws() {
    with_model(spec(), async |model| {
        let question = &longest(false, 1)[0].question;
        let mut same = 0;
        for seed in 0..8 {
            let mut warm = job(question);
            warm.sampling = Sampling { temperature: 1.1, seed: Some(seed), ..Sampling::default() };
            warm.max_tokens = 60;
            let whole = ask(model, warm.clone()).await.unwrap().text();
            let mut generation = model.generate(warm);
            let begun = first_text(&mut generation).await;
            kill_worker(model);
            same += u32::from(begun + &rest(generation).await == whole);
            wait_until_ready(model).await;
        }
        println!("{same} of 8 drawn answers went on as they would have");
        // A prompt that is read at once and one that was written token by token differ in their last digits, so a
        // draw that falls on a border may go the other way.
        assert!(same >= 6);
    });
}

#[test]
fn an_answer_that_sees_three_workers_die_is_given_up_and_the_next_one_works() {
    with_model(spec(), async |model| {
        let known = &longest(false, 1)[0];
        let mut generation = model.generate(job(&known.question));
        for _ in 0..3 {
            let pid = worker(model).await;
            wait_until_ready(model).await;
            // The keeper, which shares this task, has given it the answer when this is over, and the answer is longer.
            tokio::time::sleep(Duration::from_millis(10)).await;
            kill_process(pid, Signal::KILL).unwrap();
            gone(model, pid).await;
        }
        let last = loop {
            match generation.next().await.expect("an end") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(last, JobError::WorkerLost);
        wait_until_ready(model).await;
        assert_eq!(ask(model, job(&known.question)).await.unwrap().text(), known.answer);
    });
}

async fn worker(model: &LocalModel) -> Pid {
    loop {
        match model.worker_pid() {
            Some(pid) => return Pid::from_raw(pid as i32).unwrap(),
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn gone(model: &LocalModel, pid: Pid) {
    while model.worker_pid() == Some(pid.as_raw_nonzero().get() as u32) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_worker_that_is_stopped_in_mid_answer_is_replaced_within_seconds_and_no_word_is_lost() {
    with_model(spec(), async |model| {
        let known = &longest(false, 1)[0];
        let mut generation = model.generate(job(&known.question));
        let begun = first_text(&mut generation).await;
        let frozen = worker(model).await;
        kill_process(frozen, Signal::STOP).unwrap();
        let stopped = Instant::now();
        let replaced = async {
            gone(model, frozen).await;
            stopped.elapsed()
        };
        let (text, replaced) = tokio::join!(rest(generation), replaced);
        println!("from the stop to the end of the frozen worker: {replaced:?}");
        assert_eq!(begun + &text, known.answer);
        assert!(replaced < Duration::from_secs(20), "{replaced:?}");
        assert_eq!(model.restarts(), 1);
    });
}

#[test]
fn a_dropped_answer_frees_its_sequence() {
    let mut spec = spec();
    spec.sequences = 1;
    with_model(spec, async |model| {
        let known = &longest(false, 1)[0];
        for _ in 0..10 {
            let mut generation = model.generate(job(&known.question));
            first_text(&mut generation).await;
            drop(generation);
        }
        let answer = timeout(Duration::from_secs(30), ask(model, job(&known.question))).await;
        assert_eq!(answer.expect("the sequence is free").unwrap().text(), known.answer);
    });
}

#[test]
fn a_waiting_answer_that_is_dropped_never_runs() {
    let mut spec = spec();
    spec.sequences = 1;
    with_model(spec, async |model| {
        let question = &longest(false, 1)[0].question;
        let (_, alone) = ask(model, job(question)).await.unwrap().end.unwrap();
        let before = model.tokens_generated();
        let mut running = model.generate(job(question));
        first_text(&mut running).await;
        drop(model.generate(job(question)));
        rest(running).await;
        let (_, after) = ask(model, job(question)).await.unwrap().end.unwrap();
        let tokens = model.tokens_generated() - before;
        assert_eq!(tokens, u64::from(alone.completion_tokens + after.completion_tokens));
    });
}

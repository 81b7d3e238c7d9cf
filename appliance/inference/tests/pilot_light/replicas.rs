//! Several workers of one model: who asks is spread over them, and one that dies takes nobody else along.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use inference::{Event, Generation, LoadLine, LocalModel, ModelSpec, Status};
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use crate::copy::Copy;
use crate::harness::*;

/// Two workers with two sequences each.
fn two() -> ModelSpec {
    ModelSpec { replicas: Some(2), sequences: 2, clinical_reserve: Some(0), ..spec() }
}

async fn until(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.expect("it comes");
}

async fn until_both_are_ready(model: &LocalModel) {
    until(|| model.devices().len() == 2).await;
    assert_eq!(model.worker_pids().len(), 2);
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// Whether an answer has begun within so long.
async fn begins(mut generation: Generation, within: Duration) -> bool {
    let first = async {
        while let Some(event) = generation.next().await {
            if matches!(event, Ok(Event::Text(_))) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(within, first).await.unwrap_or(false)
}

#[test]
fn a_crowd_is_spread_over_both_and_all_answers_are_right() {
    with_model(two(), async |model| {
        until_both_are_ready(model).await;
        assert_eq!((model.occupancy().sequences, model.occupancy().queue_limit), (4, 512));
        let known = longest(false, 4);
        let ask = |n: usize| model.generate_for(&format!("caller {n}"), job(&known[n % 4].question));
        let crowd: Vec<Generation> = (0..4).map(ask).collect();
        // Nobody was taken up yet.
        assert!(crowd.iter().all(|answer| answer.waiting().is_some_and(|place| place.expected.is_zero())));
        assert!(!model.occupancy().next[1].expected.is_zero(), "four fit");
        let answers = join_all(crowd.into_iter().map(collect)).await;
        for (answer, known) in answers.into_iter().zip(&known) {
            assert_eq!(answer.unwrap().text(), known.answer);
        }
    });
}

#[test]
fn while_one_is_frozen_or_dead_the_other_serves_and_no_answer_is_lost() {
    with_model(two(), async |model| {
        until_both_are_ready(model).await;
        let known = &longest(true, 1)[0];
        let pids = model.worker_pids();
        signal(pids[0], Signal::STOP);
        // Each caller is at home at one of the two; as many as fit come to each.
        let callers = ["a", "b", "c", "d"].map(|caller| model.generate_for(caller, job(&known.question)));
        let begun = join_all(callers.map(|answer| begins(answer, Duration::from_secs(2)))).await;
        assert_eq!(begun.iter().filter(|begun| **begun).count(), 2, "{begun:?}");

        let held: Vec<Generation> =
            (0..4).map(|n| model.generate_for(&format!("caller {n}"), job(&known.question))).collect();
        signal(pids[0], Signal::KILL);
        for answer in join_all(held.into_iter().map(collect)).await {
            assert_eq!(answer.unwrap().text(), known.answer);
        }
        assert_eq!(model.restarts(), 1);
        assert!(model.worker_pids().contains(&pids[1]), "the other one has not died");
        assert!(matches!(*model.status().borrow(), Status::Ready { .. }));
    });
}

#[test]
fn a_caller_comes_back_to_what_was_read_for_them() {
    with_model(two(), async |model| {
        until_both_are_ready(model).await;
        let mut asked = job("Which of the two has read this before?");
        asked.scope = Some(inference::Scope::of("kim"));
        for _ in 0..2 {
            ask_for(model, "kim", asked.clone()).await;
        }
        for _ in 0..8 {
            let reused = ask_for(model, "kim", asked.clone()).await;
            assert!(reused > 0, "every question after the first finds it");
        }
    });
}

async fn ask_for(model: &LocalModel, caller: &str, job: inference::Job) -> u32 {
    let (_, usage) = collect(model.generate_for(caller, job)).await.unwrap().end.unwrap();
    usage.reused_tokens
}

#[test]
fn both_are_unloaded_together_and_loaded_again() {
    with_model(two(), async |model| {
        until_both_are_ready(model).await;
        model.want(false);
        until(|| model.worker_pids().is_empty()).await;
        assert!(matches!(*model.status().borrow(), Status::Unloaded));
        let refused = ask(model, job("Are you there?")).await;
        assert!(refused.is_err(), "{refused:?}");
        model.want(true);
        until_both_are_ready(model).await;
        let known = &longest(false, 1)[0];
        assert_eq!(ask(model, job(&known.question)).await.unwrap().text(), known.answer);
    });
}

#[test]
fn models_of_one_box_are_loaded_one_after_another_the_smallest_first_and_a_death_waits_for_nobody() {
    let with_longer_template = Copy::make(&"{# more #}".repeat(100));
    run(async || {
        let line = LoadLine::default();
        let (large, large_keeper) = LocalModel::new(with_longer_template.spec.clone());
        let (small, small_keeper) = LocalModel::new(spec());
        let [large_keeper, small_keeper] = [large_keeper, small_keeper].map(|keeper| keeper.in_line(&line));
        let stop = CancellationToken::new();
        let watched = async {
            until(|| large.worker_pid().is_some()).await;
            let is_loaded =
                |status: &Status| matches!(status, Status::Loading { percent: 100 } | Status::Ready { .. });
            let status = small.status().borrow().clone();
            assert!(is_loaded(&status), "{status:?}");

            let pid = large.worker_pid().unwrap();
            signal(pid, Signal::STOP);
            signal(small.worker_pid().unwrap(), Signal::KILL);
            until(|| small.restarts() == 1 && small.devices().len() == 1).await;
            assert_eq!(large.worker_pid(), Some(pid), "it is still loading");
            assert!(large.devices().is_empty());
            signal(pid, Signal::CONT);
            until(|| large.devices().len() == 1).await;
            stop.cancel();
        };
        tokio::join!(large_keeper.run(stop.clone()), small_keeper.run(stop.clone()), watched);
    });
}

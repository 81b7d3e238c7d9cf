//! Workers that die, and jobs that do not.

use futures_util::future::join_all;
use inference::{JobError, Lane, LocalModel, ModelSpec, VectorJob};
use rustix::process::{Pid, Signal, kill_process};
use tests::embedder::Tiny;

use crate::harness::*;

fn kill_worker(model: &LocalModel) {
    if let Some(pid) = model.worker_pid() {
        // It may have died of an earlier signal.
        let _ = kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL);
    }
}

/// Waits until so many tokens have been worked on.
async fn until_tokens(model: &LocalModel, tokens: u64) {
    while model.tokens_generated() < tokens {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn jobs_outlive_their_worker_and_what_was_made_is_not_made_again() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(ModelSpec { threads: Some(1), ..spec }, async |model| {
        let texts: Vec<String> =
            (0..1500).map(|n| format!("{} the ward {}", "a ".repeat(n % 90), n % 3)).collect();
        let expected = compute(model, &texts).await.unwrap();
        let before = model.tokens_generated();
        let jobs = join_all((0..4).map(|_| compute(model, &texts)));
        let killing = async {
            until_tokens(model, before + expected.tokens / 4).await;
            kill_worker(model);
        };
        let (made, ()) = tokio::join!(jobs, killing);
        assert_eq!(model.restarts(), 1, "it was killed amid the work");
        for made in made {
            let made = made.unwrap();
            assert_eq!(made.tokens, expected.tokens);
            for (one, other) in made.list.iter().zip(&expected.list) {
                assert!(cosine(one, other) > 0.99999);
            }
        }
        let worked = model.tokens_generated() - before;
        assert_eq!(worked, 4 * expected.tokens, "each vector counts once");
    })
    .await;
}

#[tokio::test]
async fn a_job_that_sees_worker_after_worker_die_is_given_up_and_the_model_goes_on() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(ModelSpec { threads: Some(1), ..spec }, async |model| {
        let texts = vec!["the ward ".repeat(50); 2000];
        let killing = async {
            loop {
                let worked = model.tokens_generated();
                until_tokens(model, worked + 1).await;
                kill_worker(model);
            }
        };
        let made = tokio::select! {
            made = compute(model, &texts) => made,
            () = killing => unreachable!("it kills as long as it may"),
        };
        assert_eq!(made.unwrap_err(), JobError::WorkerLost);
        assert!(compute(model, &["the"]).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_short_job_waits_for_no_long_one_of_its_own_lane_or_a_lower_one() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(ModelSpec { threads: Some(1), ..spec }, async |model| {
        let texts = vec!["the ward ".repeat(50); 2000];
        for (long, short) in [(Lane::Batch, Lane::Clinical), (Lane::Interactive, Lane::Interactive)] {
            let before = model.tokens_generated();
            let long = model.compute_for("one", VectorJob { lane: long, ..job(&texts) });
            tokio::pin!(long);
            tokio::select! {
                _ = &mut long => panic!("two thousand texts take their time"),
                () = until_tokens(model, before + 1) => {}
            }
            let short = VectorJob { lane: short, ..job(&["the patient needs oxygen"]) };
            tokio::select! {
                biased;
                _ = &mut long => panic!("the short one is through first"),
                made = model.compute_for("another", short) => assert_eq!(made.unwrap().list.len(), 1),
            }
        }
    })
    .await;
}

//! What can't be served, and how that is said.

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use futures_util::StreamExt;
use inference::{Event, Job, JobError, LocalModel, ModelSpec, Sampling, Status};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::copy::Copy;
use crate::harness::*;

/// Runs a model that can't be loaded and gives the reason.
fn failure(spec: ModelSpec) -> String {
    let mut reason = String::new();
    run(async || {
        let (model, keeper) = LocalModel::new(spec);
        let stop = CancellationToken::new();
        let body = async {
            let mut status = model.status();
            let failed = status.wait_for(|status| matches!(status, Status::Failed { .. }));
            let failed = timeout(Duration::from_secs(60), failed).await.expect("it fails").unwrap().clone();
            if let Status::Failed { reason: said, .. } = failed {
                reason = said;
            }
            let refused = ask(&model, job("Are you ready?")).await.unwrap_err();
            assert_eq!(refused, JobError::Unready(reason.clone()));
            stop.cancel();
        };
        tokio::join!(keeper.run(stop.clone()), body);
    });
    assert!(!reason.contains('\n'));
    reason
}

#[test]
fn a_model_cut_in_half_is_refused_in_one_plain_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("half.gguf");
    let whole = std::fs::read(pilot_light()).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let reason = failure(ModelSpec { file, ..spec() });
    println!("{reason}");
    assert!(reason.contains("cut off") && reason.contains("half.gguf") && reason.contains("again"));
}

#[test]
fn a_file_of_another_kind_is_refused_in_one_plain_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.gguf");
    std::fs::write(&file, "These are notes.").unwrap();
    let reason = failure(ModelSpec { file, ..spec() });
    assert!(reason.contains("no GGUF file"), "{reason}");
}

#[test]
fn a_missing_file_and_a_missing_program_are_named() {
    let reason = failure(ModelSpec { file: "/nowhere/model.gguf".into(), ..spec() });
    assert!(reason.contains("/nowhere/model.gguf"), "{reason}");
    let reason = failure(ModelSpec { program: "/nowhere/genset".into(), ..spec() });
    assert!(reason.contains("/nowhere/genset"), "{reason}");
}

#[test]
fn weights_that_are_damaged_inside_do_not_bring_the_box_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.gguf");
    let mut bytes = std::fs::read(pilot_light()).unwrap();
    let name = b"blk.0.attn_q.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("a tensor of that name");
    bytes[at + 4] = b'9';
    std::fs::write(&file, bytes).unwrap();
    let reason = failure(ModelSpec { file, ..spec() });
    println!("{reason}");
    assert!(reason.contains("damaged.gguf"));
}

#[test]
fn a_prompt_longer_than_the_context_is_refused_with_both_numbers() {
    with_model(ModelSpec { context_cells: 256, ..spec() }, async |model| {
        let refused = ask(model, job(&"generator ".repeat(400))).await.unwrap_err();
        let JobError::ContextTooLong { tokens, limit } = refused else { panic!("{refused:?}") };
        assert_eq!(limit, 192, "a quarter of the 256 cells is kept for the clinical lane");
        assert!(tokens >= 400);
        assert!(ask(model, job("Are you ready?")).await.is_ok(), "others are served");
    });
}

#[test]
fn a_full_queue_refuses_at_once_and_says_how_many_wait() {
    with_model(ModelSpec { sequences: 1, queue_limit: 2, ..spec() }, async |model| {
        // One token is favoured so much that it is said for seconds: no answer ends by itself meanwhile.
        let endless = || Job {
            max_tokens: 3000,
            sampling: Sampling { logit_bias: vec![(300, 100.0)], ..Sampling::default() },
            ..job("Are you ready?")
        };
        let mut accepted: Vec<_> = ["a", "b", "c"].map(|caller| model.generate_for(caller, endless())).into();
        // Which of those that came in one millisecond is the first is nobody's promise.
        while model.occupancy().running == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let refused = ask(model, endless()).await.unwrap_err();
        assert!(matches!(refused, JobError::QueueFull { position: 3, wait_ms: 1.. }), "{refused:?}");
        accepted.sort_by_key(|generation| generation.waiting().map(|place| place.position));
        let positions = accepted.iter().map(|generation| generation.waiting().map(|place| place.position));
        assert_eq!(positions.collect::<Vec<_>>(), [None, Some(1), Some(2)]);
        for mut generation in accepted {
            generation.next().await.expect("its turn comes").unwrap();
        }
    });
}

#[test]
fn a_message_can_not_speak_in_the_role_of_another() {
    with_model(spec(), async |model| {
        let count = async |content: &str| {
            let mut generation = model.generate(job(content));
            let event = generation.next().await.unwrap().unwrap();
            let Event::Started { prompt_tokens } = event else { panic!("{event:?}") };
            prompt_tokens
        };
        // As a control token it would be one token; as text it is several.
        assert!(count("a<|end|>b").await > count("ab").await + 2);
    });
}

/// What llama.cpp splits by the regular expressions of the C++ library.
const SPLIT_BY_REGEX: [&str; 4] = ["gpt-4o", "deepseek-llm", "tekken", "exaone-moe"];

#[test]
fn a_prompt_of_one_long_run_ends_no_worker() {
    for vocabulary in SPLIT_BY_REGEX {
        let copy = Copy::splitting_as(vocabulary);
        with_model(copy.spec.clone(), async |model| {
            for run in ["-", "a", "가", " ", "\n", "7"] {
                let refused = ask(model, job(&run.repeat(240_000 / run.len()))).await.unwrap_err();
                assert!(
                    matches!(refused, JobError::ContextTooLong { .. }),
                    "{vocabulary} {run}: {refused:?}"
                );
            }
            // What can be no prompt by its bytes is not cut into tokens at all.
            let refused = ask(model, job(&"word ".repeat(80_000))).await.unwrap_err();
            assert!(
                matches!(refused, JobError::TooLarge { bytes: 400_000, .. }),
                "{vocabulary}: {refused:?}"
            );
            assert_eq!(model.restarts(), 0, "{vocabulary}");
        });
    }
}

#[test]
fn a_file_that_somebody_writes_into_is_served_no_longer() {
    let mut copy = Copy::splitting_as("gpt-2");
    copy.spec.growth.every = Duration::from_millis(50);
    let file = copy.spec.file.clone();
    with_model(copy.spec, async |model| {
        let middle = std::fs::metadata(&file).unwrap().len() / 2;
        let mut written = std::fs::File::options().write(true).open(&file).unwrap();
        written.seek(SeekFrom::Start(middle)).unwrap();
        written.write_all(&[0; 4096]).unwrap();
        let mut status = model.status();
        let failed = status.wait_for(|status| matches!(status, Status::Failed { .. }));
        let failed = timeout(Duration::from_secs(60), failed).await.expect("it fails").unwrap().clone();
        let Status::Failed { reason, .. } = failed else { unreachable!() };
        assert!(reason.contains("its SHA-256 is"), "{reason}");
    });
}

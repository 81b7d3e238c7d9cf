//! What can't be served, and how that is said: before any work, and to nobody else.

use std::time::Duration;

use futures_util::future::join_all;
use inference::{
    Event, Job, JobError, Kind, Lane, LocalModel, Message, ModelSpec, Pooling, Status, VectorJob,
};
use tests::embedder::Tiny;
use tests::repository;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::harness::*;

/// Runs a model that can't be used and gives the reason.
async fn failure(spec: ModelSpec) -> String {
    let (model, keeper) = LocalModel::new(spec);
    let stop = CancellationToken::new();
    let body = async {
        let settled = timeout(Duration::from_secs(60), settled(&model)).await.expect("it fails");
        stop.cancel();
        settled
    };
    let ((), settled) = tokio::join!(keeper.run(stop.clone()), body);
    let Status::Failed { reason, .. } = settled else { panic!("{settled:?}") };
    assert!(!reason.contains('\n'), "{reason}");
    println!("{reason}");
    reason
}

fn pilot_light() -> std::path::PathBuf {
    repository().join("provisioning/pilot-light/pilot-light.gguf")
}

#[tokio::test]
async fn a_text_that_is_too_long_is_named_before_any_work_and_the_others_are_served() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(spec, async |model| {
        let long = "the ".repeat(127);
        let refused = compute(model, &["the", &long, &long]).await.unwrap_err();
        assert_eq!(refused, JobError::TextTooLong { index: 1, tokens: 129, limit: 128 });
        assert_eq!(model.tokens_generated(), 0, "nothing was worked on");
        let word = "a".repeat(200_000);
        let refused = compute(model, &["the", &word]).await.unwrap_err();
        assert_eq!(refused, JobError::TextTooLong { index: 1, tokens: 1563, limit: 128 }, "by its bytes");
        let just = "the ".repeat(126);
        assert_eq!(compute(model, &[just]).await.unwrap().tokens, 128);
    })
    .await;
}

#[tokio::test]
async fn the_configuration_may_allow_shorter_texts_alone() {
    let (_folder, mut spec) = spec_of(Tiny::Mean);
    spec.context_cells = 16;
    with_model(spec, async |model| {
        let refused = compute(model, &["the ".repeat(15)]).await.unwrap_err();
        assert_eq!(refused, JobError::TextTooLong { index: 0, tokens: 17, limit: 16 });
    })
    .await;
}

#[tokio::test]
async fn marks_that_people_write_are_words() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(spec, async |model| {
        // As a mark it would be one token beside the two that the model adds.
        assert!(compute(model, &["[SEP]"]).await.unwrap().tokens > 3);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_number_is_never_given_out_and_touches_nobody_else() {
    let (_folder, spec) = spec_of(Tiny::Poisoned);
    with_model(spec, async |model| {
        let (bad, good) =
            tokio::join!(compute(model, &["the", "nan", "the"]), compute(model, &["the ward", "noon"]));
        assert_eq!(bad.unwrap_err(), JobError::Internal);
        assert_eq!(good.unwrap().list.len(), 2);
        assert!(compute(model, &["the"]).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_model_without_a_single_vector_never_gets_ready() {
    let (_folder, spec) = spec_of(Tiny::Poison);
    let reason = failure(spec).await;
    assert!(reason.contains("gives no vectors") && reason.contains("tiny.gguf"), "{reason}");
}

#[tokio::test]
async fn a_model_is_asked_only_for_what_it_is_for() {
    let talk = Job::plain(vec![Message::new("user", "the")], 1, Lane::Batch);
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(spec, async |model| {
        let first: Result<Event, JobError> =
            futures_util::StreamExt::next(&mut model.generate(talk)).await.unwrap();
        assert_eq!(first.unwrap_err(), JobError::WrongKind);
        let ranked = VectorJob { query: Some("the".into()), ..job(&["the"]) };
        assert_eq!(model.compute(ranked).await.unwrap_err(), JobError::WrongKind);
    })
    .await;
    let mut spec = ModelSpec::new("pilot-light", pilot_light(), tests::genset_binary());
    spec.threads = Some(1);
    with_model(spec, async |model| {
        assert_eq!(compute(model, &["the"]).await.unwrap_err(), JobError::WrongKind);
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_made_for_something_else_is_refused_in_one_plain_line() {
    let reason = failure(spec(&pilot_light(), Kind::Embedding)).await;
    assert!(reason.contains("pooling = \"mean\""), "{reason}");
    let reason = failure(spec(&pilot_light(), Kind::Rerank)).await;
    assert!(reason.contains("made for reranking"), "{reason}");
    let (_folder, headless) = spec_of(Tiny::Headless);
    assert!(failure(headless).await.contains("no layer that makes a score"));
    let (_folder, mean) = spec_of(Tiny::Mean);
    assert!(failure(ModelSpec { kind: Kind::Chat, ..mean }).await.contains("kind = \"embedding\""));
    let (_folder, rank) = spec_of(Tiny::Rank);
    assert!(failure(ModelSpec { kind: Kind::Embedding, ..rank }).await.contains("kind = \"rerank\""));
}

#[tokio::test]
async fn a_model_that_answers_in_words_makes_vectors_where_it_is_told_how() {
    let mut spec = spec(&pilot_light(), Kind::Embedding);
    spec.pooling = Some(Pooling::Mean);
    with_model(spec, async |model| {
        let texts = ["Are you ready?", "비상 발전기", "Are you ready?"];
        let made = compute(model, &texts).await.unwrap();
        assert!(cosine(&made.list[0], &made.list[2]) > 0.9999, "nothing is left of the texts before");
        assert!(cosine(&made.list[0], &made.list[1]) < 0.999);
        let again = compute(model, &texts[..1]).await.unwrap();
        assert!(cosine(&again.list[0], &made.list[0]) > 0.9999);
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_the_place() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    let spec = ModelSpec { sequences: 1, queue_limit: 2, ..spec };
    with_model(spec, async |model| {
        let many = vec!["the ".repeat(120); 2000];
        let accepted: Vec<_> = (0..3).map(|_| model.compute(job(&many))).collect();
        let refused = compute(model, &["the"]).await.unwrap_err();
        assert!(matches!(refused, JobError::QueueFull { position: 1.., wait_ms: 1.. }), "{refused:?}");
        drop(accepted);
        // Whoever has gone is out of the way: this one does not wait for six thousand texts.
        while compute(model, &["the"]).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(model.tokens_generated() < 6000 * 122, "what nobody waits for is not made");
    })
    .await;
}

#[tokio::test]
async fn many_jobs_at_once_each_get_their_own() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(spec, async |model| {
        let letters = ["a", "b", "c", "the ward", "lunch at noon", "1 2 3"];
        let texts: Vec<String> = (0..48).map(|n| format!("{} {}", letters[n % 6], letters[n / 8])).collect();
        let alone: Vec<_> = compute(model, &texts).await.unwrap().list;
        let jobs = join_all(texts.chunks(5).map(|texts| compute(model, texts))).await;
        let together: Vec<Vec<f32>> = jobs.into_iter().flat_map(|made| made.unwrap().list).collect();
        for (one, other) in alone.iter().zip(&together) {
            assert!(cosine(one, other) > 0.99999);
        }
    })
    .await;
}

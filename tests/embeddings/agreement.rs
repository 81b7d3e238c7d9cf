//! The vectors are those that other code makes of the same texts.

use inference::{Kind, Lane, Pooling, Status, VectorJob};
use tests::embedder::{Tiny, minilm};

use crate::harness::*;

/// Asks for all texts at once and for each alone, and gives the least likeness to what is expected.
async fn least_likeness(
    spec: inference::ModelSpec,
    texts: &[String],
    expected: &[Vec<f32>],
    tokens: &[u64],
) -> f64 {
    let mut least = 1.0f64;
    with_model(spec, async |model| {
        let together = compute(model, texts).await.unwrap();
        assert_eq!(together.tokens, tokens.iter().sum::<u64>(), "they are cut into the same tokens");
        for (index, text) in texts.iter().enumerate() {
            let alone = compute(model, &[text]).await.unwrap();
            assert_eq!(alone.tokens, tokens[index], "{text}");
            for vector in [&alone.list[0], &together.list[index]] {
                let likeness = cosine(vector, &expected[index]);
                assert!(likeness >= 0.999, "{likeness} of {text}");
                least = least.min(likeness);
            }
            let likeness = cosine(&alone.list[0], &together.list[index]);
            assert!(likeness > 0.99999, "{likeness}: what stands beside a text changes nothing");
        }
    })
    .await;
    least
}

#[tokio::test]
async fn the_real_model_agrees_with_sentence_transformers_in_english_and_korean_alone_and_together() {
    let golden = &golden()["minilm"];
    let (texts, expected) = (texts(&golden["texts"]), vectors(&golden["vectors"]));
    let tokens = list(&golden["tokens"], |tokens| tokens.as_u64().unwrap());
    assert!(texts.len() >= 16 && texts.iter().filter(|text| text.contains('가')).count() > 0);
    // Several threads spin for each other, which on a machine full of other tests takes a hundred times as long.
    let spec = inference::ModelSpec { threads: Some(1), ..spec(&minilm(), Kind::Embedding) };
    let least = least_likeness(spec, &texts, &expected, &tokens).await;
    println!("{} texts; the least cosine is {least:.6}", texts.len());
    let mut apart = 1.0f64;
    for (index, one) in expected.iter().enumerate() {
        apart = expected[..index].iter().fold(apart, |apart, other| apart.min(cosine(one, other)));
    }
    assert!(apart < 0.3, "texts of different things are far apart, so that likeness says something: {apart}");
}

#[tokio::test]
async fn each_pooling_gives_what_its_definition_gives() {
    let golden = &golden()["tiny"];
    let texts = texts(&golden["texts"]);
    for (kind, name, pooling) in [
        (Tiny::Mean, "mean", Pooling::Mean),
        (Tiny::Cls, "cls", Pooling::Cls),
        (Tiny::Last, "last", Pooling::Last),
    ] {
        let (_folder, spec) = spec_of(kind);
        let expected = vectors(&golden[name]["vectors"]);
        let tokens = list(&golden[name]["tokens"], |tokens| tokens.as_u64().unwrap());
        let least = least_likeness(spec.clone(), &texts, &expected, &tokens).await;
        println!("{name}: the least cosine is {least:.6}");
        with_model(spec, async |model| {
            let Status::Ready { facts, .. } = model.status().borrow().clone() else { panic!("it is ready") };
            let vectors = facts.vectors.unwrap();
            assert_eq!((vectors.pooling, vectors.dimensions), (pooling, 32));
            assert_eq!((facts.context_limit, facts.kv_bytes_per_token), (128, 0));
            assert!(
                facts.confinement.is_whole() || cfg!(not(target_os = "linux")),
                "{:?}",
                facts.confinement
            );
        })
        .await;
    }
}

#[tokio::test]
async fn the_configuration_stands_above_what_the_file_says_of_the_pooling() {
    let golden = &golden()["tiny"];
    let texts = texts(&golden["texts"]);
    let (_folder, mut spec) = spec_of(Tiny::Unsaid);
    spec.pooling = Some(Pooling::Last);
    let expected = vectors(&golden["last"]["vectors"]);
    with_model(spec, async |model| {
        let made = compute(model, &texts).await.unwrap();
        for (vector, expected) in made.list.iter().zip(&expected) {
            assert!(cosine(vector, expected) >= 0.999);
        }
    })
    .await;
}

#[tokio::test]
async fn a_reranker_gives_the_scores_of_its_classification_head() {
    let golden = &golden()["tiny"];
    let texts = texts(&golden["texts"]);
    let expected = list(&golden["rank"]["scores"], |score| score.as_f64().unwrap());
    let tokens = list(&golden["rank"]["tokens"], |tokens| tokens.as_u64().unwrap());
    let query = golden["rank"]["query"].as_str().unwrap();
    let (_folder, spec) = spec_of(Tiny::Rank);
    with_model(spec, async |model| {
        let ask = |texts: &[String]| {
            let job =
                VectorJob { texts: texts.to_vec(), query: Some(query.to_owned()), lane: Lane::Interactive };
            model.compute(job)
        };
        let together = ask(&texts).await.unwrap();
        assert_eq!(together.tokens, tokens.iter().sum::<u64>(), "query, document and marks count");
        let mut most = 0.0f64;
        for (index, expected) in expected.iter().enumerate() {
            let alone = ask(&texts[index..=index]).await.unwrap();
            for score in [&alone.list[0], &together.list[index]] {
                assert_eq!(score.len(), 1);
                most = most.max((f64::from(score[0]) - expected).abs());
            }
        }
        let spread = expected.iter().fold(0.0f64, |spread, score| spread.max((score - expected[0]).abs()));
        println!("the scores differ by {most:.5} at most, and are {spread:.3} apart");
        assert!(most < 0.01 && spread > 0.1);
    })
    .await;
}

/// llama.cpp alone would take them all for one word.
#[tokio::test]
async fn korean_syllables_that_begin_alike_are_different_words() {
    let (_folder, spec) = spec_of(Tiny::Mean);
    with_model(spec, async |model| {
        let made = compute(model, &["각", "가", "고", "값"]).await.unwrap();
        for (index, one) in made.list.iter().enumerate() {
            for other in &made.list[..index] {
                assert!(cosine(one, other) < 0.999);
            }
        }
    })
    .await;
}

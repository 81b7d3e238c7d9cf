//! Starts a model with its keeper, and asks for vectors.

use std::path::Path;

use data_encoding::BASE64;
use inference::{JobError, Kind, Lane, LocalModel, ModelSpec, Status, VectorJob, Vectors};
use serde_json::Value;
use tempfile::TempDir;
use tests::embedder::{Tiny, tiny};
use tests::{genset_binary, repository};
use tokio_util::sync::CancellationToken;

/// A tiny model's file in a folder of its own, and how it is started.
pub(crate) fn spec_of(kind: Tiny) -> (TempDir, ModelSpec) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.gguf");
    std::fs::write(&file, tiny(kind)).unwrap();
    let purpose = if matches!(kind, Tiny::Rank | Tiny::Headless) { Kind::Rerank } else { Kind::Embedding };
    let spec = spec(&file, purpose);
    (folder, spec)
}

pub(crate) fn spec(file: &Path, kind: Kind) -> ModelSpec {
    ModelSpec::new("vectors", file, genset_binary()).of_kind(kind)
}

pub(crate) fn job(texts: &[impl AsRef<str>]) -> VectorJob {
    let texts = texts.iter().map(|text| text.as_ref().to_owned()).collect();
    VectorJob { texts, query: None, lane: Lane::Interactive }
}

/// Runs `body` with a model that is ready; ends when it does.
pub(crate) async fn with_model(spec: ModelSpec, body: impl AsyncFnOnce(&LocalModel)) {
    let (model, keeper) = LocalModel::new(spec);
    let stop = CancellationToken::new();
    let body = async {
        let settled = settled(&model).await;
        assert!(matches!(settled, Status::Ready { .. }), "{settled:?}");
        body(&model).await;
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), body);
    assert_eq!(model.in_flight(), 0, "every request has ended");
    assert_eq!(model.worker_pid(), None, "no worker is left");
}

/// How the model is once it is ready or has failed.
pub(crate) async fn settled(model: &LocalModel) -> Status {
    let mut status = model.status();
    let settled = status.wait_for(|status| matches!(status, Status::Ready { .. } | Status::Failed { .. }));
    settled.await.unwrap().clone()
}

pub(crate) async fn compute(model: &LocalModel, texts: &[impl AsRef<str>]) -> Result<Vectors, JobError> {
    model.compute(job(texts)).await
}

/// What other code has made of the texts: `tests/embeddings/golden.py`.
pub(crate) fn golden() -> Value {
    let text = std::fs::read(repository().join("tests/embeddings/golden.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

pub(crate) fn texts(golden: &Value) -> Vec<String> {
    list(golden, |text| text.as_str().unwrap().to_owned())
}

pub(crate) fn list<T>(golden: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    golden.as_array().unwrap().iter().map(read).collect()
}

pub(crate) fn vectors(golden: &Value) -> Vec<Vec<f32>> {
    list(golden, |text| {
        let bytes = BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap();
        bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    })
}

/// How much two vectors point the same way; the first one has length 1.
pub(crate) fn cosine(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    let product =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    assert!((product(one, one) - 1.0).abs() < 1e-5, "a vector has length 1: {}", product(one, one));
    product(one, other) / product(other, other).sqrt()
}

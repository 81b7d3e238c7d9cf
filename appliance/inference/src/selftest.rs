//! The box's self-test: known answers, generated on one device and compared word for word.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::job::{Event, Job, Lane, Message};
use crate::model::{Facts, LocalModel, Status};
use crate::spec::ModelSpec;
use crate::worker::{Confinement, Placement};

/// A question with the answer that the model knows by heart.
#[derive(Debug, Clone, Deserialize)]
pub struct KnownAnswer {
    pub question: String,
    pub answer: String,
}

/// What the self-test of one device found.
#[derive(Debug)]
pub struct SelfTest {
    /// The device as the engine names it.
    pub device: String,
    pub confinement: Confinement,
    pub placement: Placement,
    pub right: usize,
    pub wrong: Vec<Wrong>,
    pub tokens: u64,
    /// From the first question to the last answer, loading not included.
    pub took: Duration,
}

/// A known answer that came out otherwise. These texts are shipped with the box, so they may be shown.
#[derive(Debug)]
pub struct Wrong {
    pub question: String,
    pub expected: String,
    pub got: Result<String, String>,
}

/// Loads the model of `spec` in a worker on `spec.device` and asks all known questions, many at a time.
///
/// # Errors
/// One plain line when the model can't be loaded there.
pub async fn selftest(spec: ModelSpec, known: &[KnownAnswer]) -> Result<SelfTest, String> {
    let stop = CancellationToken::new();
    let sequences = spec.sequences.max(1) as usize;
    let (model, keeper) = LocalModel::new(spec);
    let test = async {
        let result = examine(&model, known, sequences).await;
        stop.cancel();
        result
    };
    let ((), result) = tokio::join!(keeper.run(stop.clone()), test);
    result
}

async fn examine(model: &LocalModel, known: &[KnownAnswer], at_once: usize) -> Result<SelfTest, String> {
    let Facts { device, confinement, placement, .. } = Arc::unwrap_or_clone(ready(model).await?);
    let begun = Instant::now();
    let before = model.tokens_generated();
    let answers: Vec<Option<Wrong>> =
        futures_util::stream::iter(known).map(|known| check(model, known)).buffered(at_once).collect().await;
    let wrong: Vec<Wrong> = answers.into_iter().flatten().collect();
    Ok(SelfTest {
        device,
        confinement,
        placement,
        right: known.len() - wrong.len(),
        wrong,
        tokens: model.tokens_generated() - before,
        took: begun.elapsed(),
    })
}

/// Waits until the model is ready and gives what is known of it.
async fn ready(model: &LocalModel) -> Result<Arc<Facts>, String> {
    let mut status = model.status();
    let settled = status
        .wait_for(|status| !status.is_coming())
        .await
        .map_err(|_| "the keeper stopped before the model was ready".to_owned())?;
    match &*settled {
        Status::Ready { facts, .. } => Ok(facts.clone()),
        Status::Failed { reason, .. } => Err(reason.clone()),
        Status::Unloading | Status::Unloaded => Err("the model was unloaded".to_owned()),
        Status::Starting | Status::Loading { .. } => Err("the model is still loading".to_owned()),
    }
}

async fn check(model: &LocalModel, known: &KnownAnswer) -> Option<Wrong> {
    let got = answer(model, &known.question).await;
    if got.as_ref() == Ok(&known.answer) {
        return None;
    }
    Some(Wrong { question: known.question.clone(), expected: known.answer.clone(), got })
}

async fn answer(model: &LocalModel, question: &str) -> Result<String, String> {
    let mut events = model.generate(Job::plain(vec![Message::new("user", question)], 400, Lane::Batch));
    let mut text = String::new();
    while let Some(event) = events.next().await {
        if let Event::Text(more) = event.map_err(|error| error.to_string())? {
            text.push_str(&more);
        }
    }
    Ok(text)
}

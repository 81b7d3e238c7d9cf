//! Starts a model with its keeper, asks, and collects answers.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use inference::{
    Event, FinishReason, Generation, Job, JobError, KnownAnswer, Lane, LocalModel, Message, ModelSpec,
    Status, TokenOdds, Usage,
};
use tokio_util::sync::CancellationToken;

/// An answer as it came.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answer {
    pub(crate) odds: Vec<TokenOdds>,
    pub(crate) pieces: Vec<String>,
    pub(crate) reasoning: String,
    /// Each call's name and arguments.
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) whole_calls: usize,
    pub(crate) end: Option<(FinishReason, Usage)>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }
}

pub(crate) fn pilot_light() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../provisioning/pilot-light/pilot-light.gguf")
}

pub(crate) fn known_answers() -> Vec<KnownAnswer> {
    let text = std::fs::read(pilot_light().with_file_name("known-answers.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Known answers of each language, the longest first.
pub(crate) fn longest(korean: bool, count: usize) -> Vec<KnownAnswer> {
    let mut known = known_answers();
    known.retain(|known| is_korean(&known.answer) == korean);
    known.sort_by_key(|known| std::cmp::Reverse(known.answer.chars().count()));
    known.truncate(count);
    known
}

/// Known answers of each language, of a length that leaves many places to cut and does not take long.
pub(crate) fn middling(korean: bool, count: usize) -> Vec<KnownAnswer> {
    let mut known = longest(korean, usize::MAX);
    known.retain(|known| (40..160).contains(&known.answer.chars().count()));
    known.truncate(count);
    known
}

pub(crate) fn is_korean(text: &str) -> bool {
    text.chars().any(|char| ('가'..='힣').contains(&char))
}

pub(crate) fn spec() -> ModelSpec {
    let mut spec = ModelSpec::new("pilot-light", pilot_light(), std::env::current_exe().unwrap());
    spec.program_args = ["--ignored", "--exact", "becomes_a_worker", "--"].map(Into::into).into();
    spec.threads = Some(1);
    spec
}

pub(crate) fn job(question: &str) -> Job {
    Job::plain(vec![Message::new("user", question)], 300, Lane::Interactive)
}

/// Runs `body` with a model that is ready; ends when it does.
pub(crate) fn with_model(spec: ModelSpec, body: impl AsyncFnOnce(&LocalModel)) {
    run(async || {
        let (model, keeper) = LocalModel::new(spec);
        let stop = CancellationToken::new();
        let body = async {
            wait_until_ready(&model).await;
            body(&model).await;
            stop.cancel();
        };
        tokio::join!(keeper.run(stop.clone()), body);
        assert_eq!(model.in_flight(), 0, "every request has ended");
        assert_eq!(model.worker_pid(), None, "no worker is left");
    });
}

pub(crate) fn run(body: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(body());
}

pub(crate) async fn wait_until_ready(model: &LocalModel) {
    let mut status = model.status();
    let settled = status.wait_for(|status| matches!(status, Status::Ready { .. } | Status::Failed { .. }));
    let settled = settled.await.unwrap().clone();
    assert!(matches!(settled, Status::Ready { .. }), "{settled:?}");
}

pub(crate) async fn ask(model: &LocalModel, job: Job) -> Result<Answer, JobError> {
    collect(model.generate(job)).await
}

pub(crate) async fn collect(mut generation: Generation) -> Result<Answer, JobError> {
    let mut answer = Answer::default();
    let mut started = 0;
    while let Some(event) = generation.next().await {
        match event? {
            Event::Started { .. } => started += 1,
            Event::Odds(odds) => answer.odds.extend(odds),
            Event::Text(text) => answer.pieces.push(text),
            Event::Reasoning(text) => answer.reasoning.push_str(&text),
            Event::Call(name) => answer.calls.push((name, String::new())),
            Event::Arguments(text) => answer.calls.last_mut().unwrap().1.push_str(&text),
            Event::CallEnded => answer.whole_calls += 1,
            Event::Finished { reason, usage } => answer.end = Some((reason, usage)),
        }
    }
    assert_eq!(started, 1, "an answer starts once");
    assert!(answer.end.is_some(), "an answer ends");
    Ok(answer)
}

//! Every answer that the pilot light knows, cut at every character and handed back to be continued: the whole must come out
//! again.

use std::fmt::Write;
use std::num::NonZeroUsize;

use futures_util::{StreamExt, stream};
use inference::{Event, Job, KnownAnswer, Lane, LocalModel, Message, ModelSpec, Sampling, Scope, Status};
use tokio_util::sync::CancellationToken;

use crate::{genset_binary, repository};

/// Lines of what went otherwise.
const TOLD: usize = 20;

/// What came of the cuts.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    answers: usize,
    korean: usize,
    cuts: usize,
    unequal: Vec<Unequal>,
}

/// A cut after which the model went on otherwise.
#[derive(Debug)]
struct Unequal {
    answer: usize,
    begun: String,
    expected: String,
    said: Result<String, String>,
}

impl Cuts {
    pub(super) fn told(&self) -> (String, bool) {
        let answers: std::collections::BTreeSet<usize> = self.unequal.iter().map(|cut| cut.answer).collect();
        let mut line = format!(
            "continuation: {} answers ({} of them Korean), {} cut points, {} equal, {} unequal in {} answers",
            self.answers,
            self.korean,
            self.cuts,
            self.cuts - self.unequal.len(),
            self.unequal.len(),
            answers.len(),
        );
        for cut in self.unequal.iter().take(TOLD) {
            let Unequal { answer, begun, expected, said } = cut;
            let (before, after) = (end_of(begun), beginning_of(expected));
            let said = said.as_ref().map(|said| beginning_of(said));
            let at = begun.chars().count();
            write!(line, "\n  answer {answer} after {at}: {before:?} | {after:?}, but {said:?}").unwrap();
        }
        if self.unequal.len() > TOLD {
            write!(line, "\n  and {} more", self.unequal.len() - TOLD).unwrap();
        }
        (line, self.unequal.is_empty() && self.cuts > 0)
    }
}

fn beginning_of(text: &str) -> String {
    text.chars().take(30).collect()
}

fn end_of(text: &str) -> String {
    let from = text.char_indices().rev().nth(24).map_or(0, |(at, _)| at);
    text[from..].to_owned()
}

/// Cuts so many of the answers, or all of them, evenly drawn from the whole list.
pub(super) fn cuts(most: Option<NonZeroUsize>) -> Cuts {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(most))
}

async fn run(most: Option<NonZeroUsize>) -> Cuts {
    let folder = repository().join("provisioning/pilot-light");
    let text = std::fs::read(folder.join("known-answers.json")).unwrap();
    let all: Vec<KnownAnswer> = serde_json::from_slice(&text).unwrap();
    let every = most.map_or(1, |most| all.len().div_ceil(most.get()));
    let known: Vec<(usize, &KnownAnswer)> = all.iter().enumerate().step_by(every).collect();
    let spec = ModelSpec::new("pilot-light", folder.join("pilot-light.gguf"), genset_binary());
    let at_once = spec.sequences as usize;
    let (model, keeper) = LocalModel::new(spec);
    let stop = CancellationToken::new();
    let work = async {
        ready(&model).await;
        let jobs = known.iter().flat_map(|(number, known)| places(known).map(|at| (*number, *known, at)));
        let judged = stream::iter(jobs).map(|(number, known, at)| judge(&model, number, known, at));
        let judged: Vec<Option<Unequal>> = judged.buffered(at_once).collect().await;
        stop.cancel();
        judged
    };
    let ((), judged) = tokio::join!(keeper.run(stop.clone()), work);
    Cuts {
        answers: known.len(),
        korean: known.iter().filter(|(_, known)| is_korean(&known.answer)).count(),
        cuts: judged.len(),
        unequal: judged.into_iter().flatten().collect(),
    }
}

fn is_korean(text: &str) -> bool {
    text.chars().any(|char| ('가'..='힣').contains(&char))
}

/// Before each character, and behind the last one.
fn places(known: &KnownAnswer) -> impl Iterator<Item = usize> {
    let starts = known.answer.char_indices().map(|(at, _)| at);
    starts.chain([known.answer.len()])
}

async fn ready(model: &LocalModel) {
    let mut status = model.status();
    let settled = status.wait_for(|status| matches!(status, Status::Ready { .. } | Status::Failed { .. }));
    let settled = settled.await.expect("its keeper runs").clone();
    assert!(matches!(settled, Status::Ready { .. }), "{settled:?}");
}

async fn judge(model: &LocalModel, answer: usize, known: &KnownAnswer, at: usize) -> Option<Unequal> {
    let (begun, expected) = known.answer.split_at(at);
    let said = go_on(model, &known.question, begun).await;
    if said.as_deref() == Ok(expected) {
        return None;
    }
    Some(Unequal { answer, begun: begun.to_owned(), expected: expected.to_owned(), said })
}

async fn go_on(model: &LocalModel, question: &str, begun: &str) -> Result<String, String> {
    let mut events = model.generate(Job {
        messages: vec![Message::new("user", question)],
        answer_prefix: begun.to_owned(),
        max_tokens: 400,
        sampling: Sampling::default(),
        stop: Vec::new(),
        format: None,
        tools: None,
        template_arguments: None,
        lane: Lane::Interactive,
        scope: Some(Scope::of("continuation")),
    });
    let mut text = String::new();
    while let Some(event) = events.next().await {
        if let Event::Text(more) = event.map_err(|error| error.to_string())? {
            text.push_str(&more);
        }
    }
    Ok(text)
}

//! Model files that are damaged on purpose, through the real keeper and real workers, beside a model that goes on.

mod spoiler;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use inference::{Event, Job, KnownAnswer, Lane, LocalModel, Message, ModelSpec, Status, gguf};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Dice, genset_binary, repository};
use spoiler::Spoiler;

/// Files that are tried at the same time.
const AT_ONCE: usize = 4;

/// A file that is neither loaded nor refused by now is taken away.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the good model is asked: after each so many files.
const ASKED_EVERY: usize = 20;

/// What came of the files.
#[derive(Debug, Default)]
pub(super) struct Files {
    count: usize,
    ends: BTreeMap<String, usize>,
    /// Questions to the good model beside them, and answers that were right.
    asked: usize,
    right: usize,
    /// What must not be.
    wrong: Vec<String>,
}

impl Files {
    pub(super) fn told(&self) -> (String, bool) {
        let ended: usize = self.ends.values().sum();
        let ends: Vec<String> =
            self.ends.iter().map(|(end, count)| format!("\n  {count:>5} {end}")).collect();
        let line = format!(
            "hostile: {} damaged model files, control alive after {ended}, the good model answered {} of {} word for \
             word{}",
            self.count,
            self.right,
            self.asked,
            ends.concat(),
        );
        let first = self.wrong.first().map(|wrong| format!("\n  WRONG: {wrong}")).unwrap_or_default();
        let good = self.wrong.is_empty() && ended == self.count && self.asked > 0 && self.right == self.asked;
        (line + &first, good)
    }
}

/// So many files by a seed.
pub(super) fn files(count: usize, seed: u64) -> Files {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(count, seed))
}

async fn run(count: usize, seed: u64) -> Files {
    let folder = TempDir::new().expect("a folder");
    let pilot_light = repository().join("provisioning/pilot-light/pilot-light.gguf");
    let spoiler = Spoiler::new(std::fs::read(&pilot_light).unwrap());
    let found = Mutex::new(Files { count, ..Files::default() });
    let (good, keeper) = LocalModel::new(spec("good", pilot_light));
    let stop = CancellationToken::new();
    let next = AtomicUsize::new(0);
    let lane = async |lane: usize| {
        let file = folder.path().join(format!("{lane}.gguf"));
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let mut dice = Dice::new(seed << 32 | number as u64);
            std::fs::write(&file, spoiler.file(&mut dice)).unwrap();
            let end = try_file(&file).await;
            let answer = match number % ASKED_EVERY {
                0 => Some(ask_known(&good).await),
                _ => None,
            };
            let mut found = found.lock().unwrap();
            if let Err(wrong) = &end {
                found.wrong.push(format!("file {number} of seed {seed}: {wrong}"));
            }
            *found.ends.entry(end.unwrap_or_else(|_| "ended wrongly".to_owned())).or_default() += 1;
            if let Some(answer) = answer {
                found.asked += 1;
                found.right += usize::from(answer);
            }
        }
    };
    let lanes = async {
        ready(&good).await;
        futures_util::future::join_all((0..AT_ONCE).map(lane)).await;
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), lanes);
    found.into_inner().unwrap()
}

fn spec(name: &str, file: PathBuf) -> ModelSpec {
    let mut spec = ModelSpec::new(name, file, genset_binary());
    (spec.context_cells, spec.sequences, spec.threads) = (512, 2, Some(1));
    spec
}

/// How one file ended, or what went wrong with control.
async fn try_file(file: &Path) -> Result<String, String> {
    if let Err(refusal) = gguf::inspect(file) {
        // The worker asks the same code, and must come to the same end.
        let said = end_of(file).await?;
        return match said.starts_with("loaded") || said.starts_with("ended") {
            false => Ok(format!("refused by inspection: {}", kind_of(&refusal))),
            true => Err(format!("{refusal}, and then it {said}")),
        };
    }
    end_of(file).await
}

fn kind_of(refusal: &gguf::GgufError) -> &'static str {
    match refusal {
        gguf::GgufError::Truncated { .. } => "cut off",
        gguf::GgufError::Damaged { .. } => "damaged",
        _ => "another kind of file",
    }
}

async fn end_of(file: &Path) -> Result<String, String> {
    let (model, keeper) = LocalModel::new(spec("hostile", file.to_owned()));
    let stop = CancellationToken::new();
    let judge = async {
        let end = timeout(PATIENCE, judge(&model)).await;
        stop.cancel();
        end.unwrap_or_else(|_| "was still at it when control ended it".to_owned())
    };
    let ((), end) = tokio::join!(keeper.run(stop.clone()), judge);
    match model.worker_pid() {
        None => Ok(end),
        Some(pid) => Err(format!("worker {pid} is left")),
    }
}

async fn judge(model: &LocalModel) -> String {
    let mut status = model.status();
    let settled = status.wait_for(|status| matches!(status, Status::Ready { .. } | Status::Failed { .. }));
    // A copy: what is borrowed of a watch would keep the keeper from writing to it.
    let settled = settled.await.expect("its keeper runs").clone();
    match settled {
        Status::Failed { reason, .. } => end_by(&reason).to_owned(),
        _ => match ask(model, "Are you ready?").await {
            Ok(_) => "loaded and answered".to_owned(),
            Err(error) => format!("loaded, and the answer was refused: {}", without_details(&error)),
        },
    }
}

/// The keeper's sentence, down to its kind.
fn end_by(reason: &str) -> &'static str {
    let by_signal = [
        ("signal 6", "ended by signal 6 (an assertion or an exception of llama.cpp)"),
        ("signal 7", "ended by signal 7 (read past the file)"),
        ("signal 8", "ended by signal 8 (division by zero)"),
        ("signal 9", "ended by signal 9 (out of memory)"),
        ("signal 11", "ended by signal 11 (a wrong address)"),
        ("signal 31", "ended by signal 31 (a forbidden call)"),
        ("ended", "ended otherwise"),
    ];
    if let Some((_, end)) =
        by_signal.iter().find(|(signal, _)| reason.contains(&format!("it ended by {signal}")))
    {
        return end;
    }
    match reason {
        reason if reason.contains("llama.cpp can't load") => "refused by llama.cpp",
        reason if reason.contains("does not fit") => "refused by the plan: more memory than there is",
        reason if reason.contains("no room for a context") => "refused by llama.cpp: no context",
        reason if reason.contains("chat template") => "refused for its chat template",
        reason if reason.contains("it ended") => "ended otherwise",
        _ => "refused before llama.cpp",
    }
}

fn without_details(error: &str) -> &str {
    error.split([':', ';', '(']).next().unwrap_or(error)
}

async fn ready(model: &LocalModel) {
    let mut status = model.status();
    let settled = status.wait_for(|status| matches!(status, Status::Ready { .. } | Status::Failed { .. }));
    let settled = settled.await.expect("its keeper runs").clone();
    assert!(matches!(settled, Status::Ready { .. }), "the good model: {settled:?}");
}

async fn ask_known(model: &LocalModel) -> bool {
    let text = std::fs::read(repository().join("provisioning/pilot-light/known-answers.json")).unwrap();
    let known: Vec<KnownAnswer> = serde_json::from_slice(&text).unwrap();
    let shortest = known.iter().min_by_key(|known| known.answer.len()).expect("there are some");
    ask(model, &shortest.question).await.is_ok_and(|answer| answer == shortest.answer)
}

async fn ask(model: &LocalModel, question: &str) -> Result<String, String> {
    let asked = Job::plain(vec![Message::new("user", question)], 64, Lane::Interactive);
    let mut events = model.generate(asked);
    let mut text = String::new();
    while let Some(event) = events.next().await {
        if let Event::Text(more) = event.map_err(|error| error.to_string())? {
            text.push_str(&more);
        }
    }
    Ok(text)
}

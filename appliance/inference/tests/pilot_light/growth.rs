//! Workers that grow, and answers that do not notice.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use inference::worker::{self, WorkerOptions};
use inference::{Growth, KnownAnswer, LocalModel, ModelSpec, Replacement};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::harness::*;

/// What a worker takes when it is told to, and what is too much.
const TAKEN_BYTES: usize = 96 << 20;
const TOO_MUCH_BYTES: u64 = 48 << 20;

/// The tests below start this program again as their worker, with the place of a pipe before the worker's own arguments:
/// for a byte that comes through it the worker takes memory and keeps it.
#[test]
#[ignore = "becomes a worker process for other tests"]
fn becomes_a_growing_worker() {
    let mut args = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
    let Some(pipe) = args.next() else { return };
    let mut pipe = File::open(PathBuf::from(pipe)).unwrap();
    std::thread::spawn(move || {
        pipe.read_exact(&mut [0]).unwrap();
        let taken = vec![1_u8; TAKEN_BYTES];
        // Kept until the process ends: nothing more ever comes.
        let _ = pipe.read_exact(&mut [0]);
        drop(taken);
    });
    let options = WorkerOptions::from_args(args).expect("the keeper writes what a worker reads");
    if let Err(error) = worker::run(&options) {
        panic!("{error}");
    }
}

/// One byte through this makes one worker grow.
struct Trigger {
    pipe: File,
    path: PathBuf,
    _folder: TempDir,
}

impl Trigger {
    fn new() -> Trigger {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        // Both ends at once, so that nobody who opens the other one has to wait.
        let pipe = File::options().read(true).write(true).open(&path).unwrap();
        Trigger { pipe, path, _folder: folder }
    }

    fn pull(&mut self) {
        self.pipe.write_all(&[1]).unwrap();
    }
}

fn growing(pipe: &Path, patience: Duration) -> ModelSpec {
    let mut spec = spec();
    let args = ["--ignored", "--exact", "growth::becomes_a_growing_worker", "--"];
    spec.program_args = args.into_iter().map(Into::into).chain([pipe.into()]).collect();
    spec.growth = Growth {
        percent: 10,
        least_bytes: TOO_MUCH_BYTES,
        every: Duration::from_millis(10),
        warm_up: Duration::ZERO,
        patience,
    };
    spec
}

async fn replaced(model: &LocalModel) -> Replacement {
    model.replaced().wait_for(Option::is_some).await.unwrap().unwrap()
}

/// Waits until it is known what it has when it is warm, so that there is something to compare with.
async fn weighed(model: &LocalModel) {
    while model.memory().and_then(|memory| memory.warm_bytes).is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_worker_that_grows_is_replaced_in_the_middle_of_its_answers_and_each_of_them_is_whole() {
    let mut trigger = Trigger::new();
    with_model(growing(&trigger.path, Duration::ZERO), async |model| {
        weighed(model).await;
        let known: Vec<KnownAnswer> = longest(false, 4).into_iter().chain(longest(true, 4)).collect();
        // Each asks again and again until the worker is another one, and once more.
        let asking = known.iter().map(async |known| {
            let mut answers = 0;
            while model.replaced().borrow().is_none() {
                assert_eq!(ask(model, job(&known.question)).await.unwrap().text(), known.answer);
                answers += 1;
            }
            assert_eq!(ask(model, job(&known.question)).await.unwrap().text(), known.answer);
            answers
        });
        let first = worker_of(model);
        trigger.pull();
        let (answers, replaced) = tokio::join!(join_all(asking), replaced(model));
        println!("{replaced:?}, {} answers until then", answers.iter().sum::<u32>());
        assert!(
            replaced.to_bytes >= replaced.from_bytes + TOO_MUCH_BYTES && !replaced.on_gpu,
            "{replaced:?}"
        );
        assert!(replaced.answers > 0, "some were running");
        assert_eq!((replaced.count, model.restarts()), (1, 1));
        assert_ne!(worker_of(model), first);
        weighed(model).await;
        let memory = model.memory().unwrap();
        println!("{memory:?}");
        assert!(
            memory.own_bytes < replaced.to_bytes && memory.own_bytes <= memory.resident_bytes,
            "{memory:?}"
        );
    });
}

#[test]
fn a_worker_that_has_grown_while_nobody_asks_is_replaced_without_waiting() {
    let mut trigger = Trigger::new();
    with_model(growing(&trigger.path, Duration::from_secs(3600)), async |model| {
        weighed(model).await;
        trigger.pull();
        let replaced = replaced(model).await;
        assert_eq!((replaced.count, replaced.answers), (1, 0));
        wait_until_ready(model).await;
        let known = &longest(false, 1)[0];
        assert_eq!(ask(model, job(&known.question)).await.unwrap().text(), known.answer);
    });
}

fn worker_of(model: &LocalModel) -> u32 {
    model.worker_pid().expect("a worker runs")
}

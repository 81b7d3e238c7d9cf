//! A worker whose engine stands still while its process lives.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;

use super::*;
use crate::frames;
use crate::job::Event;
use crate::model::LocalModel;
use crate::selftest::KnownAnswer;
use crate::worker::{self, Confinement, Placement, WorkerOptions};

const PILOT_LIGHT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../provisioning/pilot-light/pilot-light.gguf");

/// The worker of the test below: the first one gives one token, takes a job, and then only says that it lives. The file
/// that it leaves makes the next one a real worker.
#[test]
#[ignore = "becomes a worker process for the other test"]
fn becomes_a_worker_that_stands_still_once() {
    let mut args = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
    let Some(mark) = args.next().map(PathBuf::from) else { return };
    if mark.exists() {
        let options = WorkerOptions::from_args(args).expect("the keeper writes what a worker reads");
        worker::run(&options).expect("it serves");
    } else {
        fs::write(mark, "").expect("a file");
        stand_still();
    }
}

fn stand_still() {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    let mut socket = UnixStream::from(stdin);
    let mut say = |frame: FromWorker| {
        let bytes = frames::encode(&frame).expect("a frame");
        socket.write_all(&bytes).is_ok()
    };
    say(FromWorker::Ready { facts: Box::new(facts()), measured: None });
    let mut orders = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().expect("a socket"));
    let mut jobs = 0;
    while jobs < 2 {
        let Ok(Some(ToWorker::Submit(job))) = frames::read(&mut orders) else { return };
        say(FromWorker::Started { id: job.id, prompt_tokens: 1 });
        if jobs == 0 {
            let usage = crate::job::Usage::default();
            let finish = Some(frames::Finish { reason: crate::job::FinishReason::Length, usage });
            say(FromWorker::Step(vec![Progress {
                id: job.id,
                token: Some(1),
                odds: None,
                said: Vec::new(),
                finish,
            }]));
        }
        jobs += 1;
    }
    while say(FromWorker::Alive { only_prepares: false }) {
        std::thread::park_timeout(frames::ALIVE_EVERY);
    }
}

fn facts() -> Facts {
    Facts {
        architecture: "llama".into(),
        quantisation: "F16".into(),
        parameters: 1,
        size_bytes: 1,
        layers: 1,
        kv_bytes_per_token: 1,
        context_train: 1024,
        context_limit: 1024,
        device: "CPU".into(),
        tools: false,
        vectors: None,
        sha256: crate::digest::sha256(&fs::File::open(PILOT_LIGHT).expect("the model"), |_| true)
            .expect("a digest"),
        swap_bytes: 0,
        later_bytes: 0,
        confinement: Confinement::WHOLE,
        placement: Placement::default(),
    }
}

#[tokio::test]
async fn an_engine_that_stands_still_is_replaced_and_its_answer_comes_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spec = ModelSpec::new("model", PILOT_LIGHT, std::env::current_exe().expect("this program"));
    let name = "keeper::tests::becomes_a_worker_that_stands_still_once";
    spec.program_args = ["--ignored", "--exact", name, "--"].map(Into::into).into();
    spec.program_args.push(folder.path().join("mark").into());
    let (model, keeper) = LocalModel::new(spec);
    let stop = CancellationToken::new();
    let asked = async {
        model.status().wait_for(|status| matches!(status, Status::Ready { .. })).await.expect("a keeper");
        let known = known();
        let mut text = String::new();
        let mut generation = model.generate(Job {
            messages: vec![Message::new("user", &known.question)],
            max_tokens: 200,
            ..proof()
        });
        while let Some(event) = generation.next().await {
            if let Event::Text(more) = event.expect("an answer") {
                text.push_str(&more);
            }
        }
        assert_eq!(text, known.answer);
        assert_eq!(model.restarts(), 1, "the first worker was killed");
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), asked);
}

fn known() -> KnownAnswer {
    let file = Path::new(PILOT_LIGHT).with_file_name("known-answers.json");
    let known: Vec<KnownAnswer> = serde_json::from_slice(&fs::read(file).expect("a file")).expect("answers");
    known.into_iter().min_by_key(|known| known.answer.len()).expect("some")
}

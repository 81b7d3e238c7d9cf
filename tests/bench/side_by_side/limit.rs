//! llama-batched-bench: what the engine itself can do, without a server.

use std::process::{Command, Stdio};

use crate::options::Options;
use crate::server::{CELLS, STEP};
use crate::table::median;

/// How the cells of the context are shared out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cells {
    /// Each sequence has its part, and no answer can be longer than that.
    Apart,
    /// Any sequence may take any cell, as in the box and as llama-server is started here; each row passes over all of them.
    Unified,
}

/// Generated tokens a second over a whole run, prompts included: `streams` prompts that share nothing, then as many
/// answers side by side. The median of the rounds.
pub(crate) fn tokens_per_second(
    options: &Options,
    cells: Cells,
    streams: usize,
    prompt: u32,
    answer: u32,
) -> f64 {
    median((0..options.rounds).map(|_| one_run(options, cells, streams, prompt, answer)))
}

fn one_run(options: &Options, cells: Cells, streams: usize, prompt: u32, answer: u32) -> f64 {
    let output = Command::new(options.peers.join("llama-batched-bench"))
        .args((cells == Cells::Unified).then_some("--kv-unified"))
        .arg("--model")
        .arg(&options.model)
        .args(["--ctx-size", &CELLS.to_string(), "--batch-size", "2048", "--ubatch-size", &STEP.to_string()])
        .args(["--threads", &options.threads.to_string()])
        .args(["-npp", &prompt.to_string(), "-ntg", &answer.to_string(), "-npl", &streams.to_string()])
        .args(["--output-format", "jsonl"])
        .stdin(Stdio::null())
        .output()
        .expect("llama-batched-bench runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let run: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let seconds = run["t"].as_f64().expect("the time of the whole run");
    f64::from(answer) * streams as f64 / seconds
}

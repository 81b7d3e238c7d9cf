//! What the benchmark is told.

use std::path::PathBuf;

/// The programs, the model, and how much of the table to make.
pub(crate) struct Options {
    pub(crate) genset: PathBuf,
    /// The folder with `llama-server` and `llama-batched-bench`.
    pub(crate) peers: PathBuf,
    pub(crate) model: PathBuf,
    pub(crate) streams: Vec<usize>,
    pub(crate) rounds: u64,
    pub(crate) threads: usize,
    pub(crate) long_prompt: u32,
    parts: Vec<String>,
}

const USAGE: &str = "side-by-side GENSET PEERS MODEL [--streams 1,4,8,16] [--rounds N] [--only streams,pause,prefix,kill] \
                     [--long-prompt TOKENS]";

impl Options {
    /// What is wrong ends the program with what would be right.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Options {
        let mut paths = Vec::new();
        let mut options = Options {
            genset: PathBuf::new(),
            peers: PathBuf::new(),
            model: PathBuf::new(),
            streams: vec![1, 4, 8, 16],
            rounds: 3,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            long_prompt: 4000,
            parts: Vec::new(),
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().unwrap_or_else(|| give_up(&format!("{argument} wants a value")));
            match argument.as_str() {
                "--streams" => options.streams = list(&value()),
                "--rounds" => options.rounds = number(&value()),
                "--long-prompt" => options.long_prompt = number(&value()),
                "--only" => options.parts = value().split(',').map(part).collect(),
                "--help" => give_up("the benchmark of the engine"),
                other if other.starts_with("--") => {
                    give_up(&format!("{other} is no option of this benchmark"))
                }
                path => paths.push(PathBuf::from(path)),
            }
        }
        let Ok([genset, peers, model]) = <[PathBuf; 3]>::try_from(paths) else {
            give_up("three paths are wanted");
        };
        Options { genset, peers, model, ..options }
    }

    /// Whether this part of the table is asked for: all are, where none is named.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

fn part(name: &str) -> String {
    match name {
        "streams" | "pause" | "prefix" | "kill" => name.to_owned(),
        other => give_up(&format!("`{other}` is no part of this benchmark")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| give_up(&format!("{text} is no number")))
}

#[expect(clippy::print_stderr, reason = "it is said to whoever typed it")]
fn give_up(why: &str) -> ! {
    eprintln!("{why}; usage: {USAGE}");
    std::process::exit(2)
}

fn list(text: &str) -> Vec<usize> {
    text.split(',').map(number).collect()
}

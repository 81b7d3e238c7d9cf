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

impl Options {
    /// `GENSET PEERS MODEL [--streams 1,4] [--rounds N] [--only streams,pause,prefix,kill]`
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
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
            match argument.as_str() {
                "--streams" => options.streams = list(&value()),
                "--rounds" => options.rounds = number(&value()),
                "--long-prompt" => options.long_prompt = number(&value()),
                "--only" => options.parts = value().split(',').map(str::to_owned).collect(),
                other if other.starts_with("--") => panic!("{other} is no option of this benchmark"),
                path => paths.push(PathBuf::from(path)),
            }
        }
        let [genset, peers, model] = paths.try_into().expect("GENSET PEERS MODEL");
        Options { genset, peers, model, ..options }
    }

    /// Whether this part of the table is asked for: all are, where none is named.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn list(text: &str) -> Vec<usize> {
    text.split(',').map(number).collect()
}

//! Which model to keep, with what room, and the program that runs it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::keeper::Growth;
use crate::kind::{Kind, Pooling};
use crate::plan::{CacheKind, Wish};

/// All that the keeper needs to know of one local model.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    pub name: String,
    pub file: PathBuf,
    pub kind: Kind,
    /// How a model that makes vectors makes them; `None` is as its file says.
    pub pooling: Option<Pooling>,
    /// The SHA-256 that the file must have, in 64 hexadecimal digits; `None` takes the one of its first load, and keeps
    /// to it.
    pub sha256: Option<String>,
    /// Tokens that all running answers hold together, prompts included; of a model that makes vectors, the longest text.
    pub context_cells: u32,
    pub cache: CacheKind,
    /// Answers that run at the same time, or texts that are read in one step, 256 at most.
    pub sequences: u32,
    /// Sequences, with their part of the cells, that only the clinical lane may have; `None` takes a quarter.
    pub clinical_reserve: Option<u32>,
    /// CPU threads of the engine; `None` takes one per core, and one alone for a very small model.
    pub threads: Option<u32>,
    /// Requests that may wait for a sequence.
    pub queue_limit: u32,
    /// The index of the device in [`worker::devices`](crate::worker::devices); `None` takes every GPU, else the CPU.
    pub device: Option<u32>,
    /// The model stays off all GPUs; `device` is not looked at then.
    pub on_cpu: bool,
    /// Layers that go to the GPU, the output counted as one; `None` wants all there.
    pub gpu_layers: Option<u32>,
    /// When a worker has grown by too much.
    pub growth: Growth,
    /// How old the last real token may grow before the keeper asks for another.
    pub proof_interval: Duration,
    /// Workers of this model, each on a GPU of its own that holds all of it; `None` takes one for each such GPU. On the CPU
    /// they share it.
    pub replicas: Option<u32>,
    /// It is loaded unless somebody orders otherwise; else not before somebody orders it.
    pub resident: bool,
    /// The program that becomes the worker process.
    pub program: PathBuf,
    /// What stands before the worker's own arguments on its command line.
    pub program_args: Vec<OsString>,
}

impl ModelSpec {
    /// The defaults, with `program worker …` as the worker's command line.
    pub fn new(name: impl Into<String>, file: impl Into<PathBuf>, program: impl Into<PathBuf>) -> ModelSpec {
        ModelSpec {
            name: name.into(),
            file: file.into(),
            kind: Kind::Chat,
            pooling: None,
            sha256: None,
            context_cells: 8192,
            sequences: 16,
            cache: CacheKind::F16,
            clinical_reserve: None,
            threads: None,
            queue_limit: 256,
            device: None,
            on_cpu: false,
            gpu_layers: None,
            growth: Growth::default(),
            resident: true,
            replicas: None,
            proof_interval: Duration::from_secs(30),
            program: program.into(),
            program_args: vec!["worker".into()],
        }
    }

    /// The same with the defaults of this kind: a step of a model that makes vectors has room for its longest text, and
    /// the square of that is memory.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> ModelSpec {
        self.kind = kind;
        if kind != Kind::Chat {
            (self.context_cells, self.sequences) = (2048, 64);
        }
        self
    }

    /// What is asked of the model, for a [`plan`](crate::plan).
    pub fn wish(&self) -> Wish {
        Wish {
            context_cells: self.context_cells,
            sequences: self.sequences,
            cache: self.cache,
            kind: self.kind,
            gpu_layers: self.gpu_layers,
        }
    }

    /// Sequences that are kept for the clinical lane: one at least is left to the others.
    pub fn reserve(&self) -> u32 {
        self.clinical_reserve.unwrap_or(self.sequences / 4).min(self.sequences.saturating_sub(1))
    }
}

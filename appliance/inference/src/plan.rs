//! What a model takes of a device's memory, and what to give up where there is not enough. Pure arithmetic.
//!
//! The order of giving up is that of what people miss least: long conversations, then many at a time, then the last
//! digits of what the cache remembers, then speed, by layers that stay on the CPU.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::gguf::Gguf;
use crate::kind::Kind;

/// Tokens that are computed at once, at most.
pub(crate) const STEP_TOKENS: u32 = 512;

/// The shortest context that is still of use, for all conversations together.
const MIN_CELLS: u32 = 2048;
/// The shortest for a conversation, where there are many.
const MIN_CELLS_EACH: u32 = 512;

/// What the process takes besides, and what is left to others on the same device.
const BESIDES_BYTES: u64 = 128 << 20;
const LEFT_ON_GPU_BYTES: u64 = 512 << 20;
const LEFT_ON_CPU_BYTES: u64 = 256 << 20;

/// So little is always tried on the CPU: the last model of a box is never refused by arithmetic.
const ALWAYS_TRIED_BYTES: u64 = 256 << 20;

/// How the cache keeps the keys and values of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheKind {
    #[default]
    F16,
    /// Half the room, for answers that differ now and then in a word.
    Q8_0,
}

impl CacheKind {
    /// As in the configuration.
    pub fn named(name: &str) -> Option<CacheKind> {
        [CacheKind::F16, CacheKind::Q8_0].into_iter().find(|kind| kind.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            CacheKind::F16 => "f16",
            CacheKind::Q8_0 => "q8_0",
        }
    }
}

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    pub context_cells: u32,
    pub sequences: u32,
    pub cache: CacheKind,
    pub kind: Kind,
    /// Layers on the GPU, the output counted as one; `None` wants all there.
    pub gpu_layers: Option<u32>,
}

/// The memory that is free where the model is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Free {
    pub device: String,
    pub bytes: u64,
    /// The GPUs whose memory this is, all together; 0 of the CPU.
    pub gpus: u32,
}

/// What a model takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub weights: u64,
    pub context: u64,
    pub compute: u64,
}

/// Whether a model fits, and if not, what would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    Fits { need: Need, free: Free },
    TooLarge { need: Need, free: Free, remedy: Remedy },
}

/// The least that must be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    Wish(Wish),
    /// A model of so many bytes at most.
    SmallerModel(u64),
}

/// Nobody has a smaller model that is of use.
const SMALLEST_MODEL_BYTES: u64 = 20_000_000;

/// Compares what `gguf` takes with what is free.
pub fn plan(gguf: &Gguf, wish: Wish, free: Free) -> Plan {
    let need = Need::on(&free, gguf, wish);
    if need.fits(&free) {
        return Plan::Fits { need, free };
    }
    let remedy = remedy(gguf, wish, &free);
    Plan::TooLarge { need, free, remedy }
}

fn remedy(gguf: &Gguf, wish: Wish, free: &Free) -> Remedy {
    let mut least = wish;
    for given_up in concessions(wish) {
        if Need::on(free, gguf, given_up).fits(free) {
            return Remedy::Wish(given_up);
        }
        least = given_up;
    }
    let need = Need { compute: Need::on(free, gguf, least).compute, ..Need::of(gguf, least) };
    let room = free.usable().saturating_sub(need.compute);
    let of_a_layer = (need.weights.saturating_add(need.context) / layers(gguf)).max(1);
    match room / of_a_layer {
        fitting @ 1.. if free.is_gpu() => {
            Remedy::Wish(Wish { gpu_layers: Some(fitting.min(gguf.shape.layers.into()) as u32), ..least })
        }
        _ => Remedy::SmallerModel(room.saturating_sub(need.context)),
    }
}

/// The layers of a model, its output counted as one.
fn layers(gguf: &Gguf) -> u64 {
    u64::from(gguf.shape.layers) + 1
}

/// Ever less, one thing after the other.
fn concessions(wish: Wish) -> std::vec::IntoIter<Wish> {
    let halved = |from: u32, least: u32| {
        std::iter::successors(Some(from), move |number| Some(number / 2).filter(|half| *half >= least))
            .skip(1)
    };
    if wish.kind != Kind::Chat {
        // A step has room for the longest text; how many texts share it takes nothing more.
        let shorter = halved(wish.context_cells, MIN_CELLS_EACH);
        return shorter.map(|context_cells| Wish { context_cells, ..wish }).collect::<Vec<_>>().into_iter();
    }
    let shorter = halved(wish.context_cells, MIN_CELLS.max(wish.sequences.saturating_mul(MIN_CELLS_EACH)));
    let shorter: Vec<Wish> = shorter.map(|context_cells| Wish { context_cells, ..wish }).collect();
    let shortest = shorter.last().copied().unwrap_or(wish);
    let fewer: Vec<Wish> = halved(shortest.sequences, 1)
        .map(|sequences| {
            let context_cells =
                shortest.context_cells.min(sequences.saturating_mul(MIN_CELLS_EACH).max(MIN_CELLS));
            Wish { sequences, context_cells, ..shortest }
        })
        .collect();
    let fewest = fewer.last().copied().unwrap_or(shortest);
    let coarser = (wish.cache == CacheKind::F16).then_some(Wish { cache: CacheKind::Q8_0, ..fewest });
    shorter.into_iter().chain(fewer).chain(coarser).collect::<Vec<_>>().into_iter()
}

impl Need {
    /// What it takes of this device: on GPUs only the layers that are to be there, and each of them works for itself.
    pub fn on(free: &Free, gguf: &Gguf, wish: Wish) -> Need {
        let Need { weights, context, compute } = Need::of(gguf, wish);
        let compute = compute.saturating_mul(free.gpus.max(1).into());
        let (all, wanted) = (layers(gguf), wish.gpu_layers.map(u64::from));
        match wanted.filter(|wanted| free.is_gpu() && *wanted < all) {
            None => Need { weights, context, compute },
            Some(wanted) => {
                Need { weights: weights / all * wanted, context: context / all * wanted, compute }
            }
        }
    }

    /// What it takes of this machine's own memory where this much of it is on a GPU.
    pub(crate) fn beside(self, on_gpu: Need) -> Need {
        Need { weights: self.weights - on_gpu.weights, context: self.context - on_gpu.context, ..self }
    }

    pub fn of(gguf: &Gguf, wish: Wish) -> Need {
        if wish.kind != Kind::Chat {
            return Need::of_vectors(gguf, wish);
        }
        let shape = &gguf.shape;
        let numbers = shape.kv_keys.saturating_add(shape.kv_values);
        let each = match wish.cache {
            CacheKind::F16 => numbers.saturating_mul(2),
            // Blocks of 32 numbers in 34 bytes.
            CacheKind::Q8_0 => numbers.div_ceil(32).saturating_mul(34),
        };
        // The widest row of a step: logits, or the numbers between two layers; and which token may look at which.
        let width = u64::from(shape.vocabulary)
            + 8 * u64::from(shape.embedding)
            + 2 * u64::from(shape.feed_forward)
            + u64::from(wish.context_cells);
        Need {
            weights: gguf.size_bytes,
            context: each.saturating_mul(wish.context_cells.into()),
            compute: u64::from(STEP_TOKENS) * width * 4 + BESIDES_BYTES,
        }
    }

    /// A step reads a whole text at once, and which token may look at which is a square of it, twice: as it is made,
    /// and as it is used.
    fn of_vectors(gguf: &Gguf, wish: Wish) -> Need {
        let (shape, step) = (&gguf.shape, u64::from(step_of_vectors(gguf, wish.context_cells)));
        let width = 8 * u64::from(shape.embedding) + 2 * u64::from(shape.feed_forward) + 2 * step;
        // llama.cpp sets a row of logits aside for each token, and clears it, though none is ever made.
        let width = width.saturating_add(shape.vocabulary.into());
        Need {
            weights: gguf.size_bytes,
            context: shape.kv_bytes_per_token().saturating_mul(step),
            compute: step.saturating_mul(width).saturating_mul(4).saturating_add(BESIDES_BYTES),
        }
    }

    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.context).saturating_add(self.compute)
    }

    pub(crate) fn fits(&self, free: &Free) -> bool {
        self.total() <= free.usable() || (!free.is_gpu() && self.total() <= ALWAYS_TRIED_BYTES)
    }
}

/// What a model may keep of ended answers beside what it needs: a quarter of what its context holds, but no more than an
/// eighth of what is left.
pub fn swap_bytes(need: &Need, free: &Free) -> u64 {
    (need.context / 4).min(free.bytes.saturating_sub(need.total()) / 8)
}

/// Tokens that a model that makes vectors computes at once: short texts together, a long one alone.
pub(crate) fn step_of_vectors(gguf: &Gguf, context_cells: u32) -> u32 {
    longest_text(gguf, context_cells).max(STEP_TOKENS)
}

/// The longest text of which a model makes a vector: what is asked for, but no more than it was trained on.
pub(crate) fn longest_text(gguf: &Gguf, context_cells: u32) -> u32 {
    match gguf.shape.context {
        0 => context_cells,
        trained => context_cells.min(trained),
    }
}

impl Free {
    pub fn is_gpu(&self) -> bool {
        self.gpus > 0
    }

    fn usable(&self) -> u64 {
        let left = if self.is_gpu() { LEFT_ON_GPU_BYTES * u64::from(self.gpus) } else { LEFT_ON_CPU_BYTES };
        self.bytes.saturating_sub(left)
    }
}

/// A part of a sentence.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [total, weights, context, compute] =
            [self.total(), self.weights, self.context, self.compute].map(Size);
        write!(f, "needs {total} (weights {weights}, context {context}, work {compute})")
    }
}

/// One line, for people.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Plan::Fits { need, free } | Plan::TooLarge { need, free, .. }) = self;
        write!(f, "{need}; {} has {} free", free.device, Size(free.bytes))?;
        match self {
            Plan::Fits { .. } => write!(f, ": it fits"),
            Plan::TooLarge { remedy, .. } => write!(f, ": it does not fit; {remedy}"),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Wish(wish) => {
                write!(f, "{wish} would fit")?;
                match wish.gpu_layers {
                    Some(_) => write!(f, ", with the other layers slowly on the CPU"),
                    None => Ok(()),
                }
            }
            Remedy::SmallerModel(bytes) if *bytes < SMALLEST_MODEL_BYTES => {
                write!(f, "make room: no model is so small that it would")
            }
            Remedy::SmallerModel(bytes) => {
                write!(f, "choose a model of {} or less, or make room", Size(*bytes))
            }
        }
    }
}

/// As in the configuration.
impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layers) = self.gpu_layers {
            write!(f, "gpu_layers = {layers}, ")?;
        }
        if self.kind != Kind::Chat {
            return write!(f, "context_cells = {}", self.context_cells);
        }
        write!(f, "context_cells = {}, sequences = {}", self.context_cells, self.sequences)?;
        match self.cache {
            CacheKind::F16 => Ok(()),
            CacheKind::Q8_0 => write!(f, ", cache = \"q8_0\""),
        }
    }
}

/// Bytes as people read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ ..1_000_000 => write!(f, "{:.1} kB", bytes as f64 / 1e3),
            bytes @ ..1_000_000_000 => write!(f, "{:.0} MB", bytes as f64 / 1e6),
            bytes => write!(f, "{:.1} GB", bytes as f64 / 1e9),
        }
    }
}

#[cfg(test)]
mod tests;

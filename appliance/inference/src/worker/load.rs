//! Loads a model, and says plainly why one can't be loaded.

use std::fs::File;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

use super::confinement::{Confinement, limit_memory};
use super::format::Formats;
use super::ground::Ground;
use super::guard::Guard;
use super::manner::Manner;
use super::memory::available_bytes;
use super::options::WorkerOptions;
use super::placement::{Listening, Placement, Told};
use super::prompt::Prompter;
use super::template::Template;
use super::tokenizer::Tokenizer;
use super::vocabulary::Vocabulary;
use crate::digest;
use crate::frames::FromWorker;
use crate::gguf::{self, Gguf, GgufError};
use crate::kind;
use crate::model::Facts;
use crate::plan::{CacheKind, Free, Need, Plan, Size, Wish, plan, swap_bytes};

/// Tokens of one step. Longer steps read prompts faster and keep every running answer waiting for longer.
pub(super) use crate::plan::STEP_TOKENS;

/// The work on a model smaller than this is done sooner by one thread than shared out among several.
const SMALL_MODEL_BYTES: u64 = 32 << 20;

/// llama.cpp's own number for it.
const NO_FLASH_ATTENTION: i32 = 0;

/// llama.cpp makes a context of whole blocks of so many cells, but cuts its steps to what was asked for.
const CELLS_TOGETHER: u32 = 256;

/// Sequences of a context: llama.cpp's own limit.
const MOST_SEQUENCES: u32 = 256;

/// A model in memory, with what the file says of it.
pub(super) struct Loaded {
    pub(super) model: Arc<LlamaModel>,
    pub(super) file: Gguf,
    /// What the engine said of it.
    pub(super) told: Told,
    sha256: String,
}

/// Why a model can't be loaded: one plain line that says what, where and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{0}")]
    Unusable(String),
    /// Only because of what is free at the moment.
    #[error("{0}")]
    NoRoom(String),
}

/// Checks the file, then loads it, telling control how far it is.
///
/// # Errors
/// One plain line that says what, where and how to mend it.
pub(super) fn load(
    ground: &mut Ground,
    options: &WorkerOptions,
    listening: &Listening,
    out: &Sender<FromWorker>,
) -> Result<Loaded, LoadError> {
    let path = options.model.display();
    let unusable = |why: String| LoadError::Unusable(why);
    let file =
        gguf::inspect_file(&ground.file, &options.model).map_err(|error| unusable(error.to_string()))?;
    let fitting = kind::fitting(&file, options.kind, options.pooling);
    fitting.map_err(|why| unusable(format!("{path}: {why}")))?;
    ground.settle(&file, wish(options));
    fits(&file, ground, options).map_err(LoadError::NoRoom)?;
    let sha256 = expected(&ground.file, options, |share| tell(out, share * 0.5)).map_err(unusable)?;
    let progress = out.clone();
    let params = ground.placement(options.gpu_layers).map_err(unusable)?;
    let params = params.with_progress_callback(move |share| tell(&progress, 0.5 + share * 0.5));
    listening.begin();
    let model = LlamaModel::load_from_file(&ground.backend, ground.open_path(), &params).map_err(|_| {
        let (kind, device, why) = (&file.architecture, &ground.device, listening.why());
        let lacks_room = why.as_deref().is_none_or(|why| why.contains("alloc") || why.contains("memory"));
        let mend = if lacks_room { format!(", or make room on {device}") } else { String::new() };
        let why = why.map(|why| format!(", \"{why}\"")).unwrap_or_default();
        // Its file is the right one by now, so one that was loaded before lacks nothing but room.
        LoadError::NoRoom(format!("llama.cpp can't load {path} ({kind}{why}): choose another model{mend}"))
    })?;
    let told = listening.end(&ground.devices);
    Ok(Loaded { model: Arc::new(model), file, told, sha256 })
}

/// Gives the digest of the file, which must be the one that is expected, where one is.
///
/// `progress` gets the share that is done, and says whether to go on.
///
/// # Errors
/// One plain line: the file can't be read, or is another one.
fn expected(
    file: &File,
    options: &WorkerOptions,
    progress: impl FnMut(f32) -> bool,
) -> Result<String, String> {
    let path = &options.model;
    let found = digest::sha256(file, progress)
        .map_err(|error| GgufError::Unreadable(path.clone(), error.kind()).to_string())?;
    match &options.sha256 {
        Some(expected) if *expected != found => Err(format!(
            "{} is not the file that is expected: its SHA-256 is {found} and must be {expected}; put the right file \
             back, or, where the new one is meant, change `sha256` in the configuration or else say `genset model \
             accept`, and restart the box",
            path.display()
        )),
        _ => Ok(found),
    }
}

/// Refuses at once what would fail, or starve the machine, only after minutes; and holds the model to what it says of
/// itself.
fn fits(file: &Gguf, ground: &Ground, options: &WorkerOptions) -> Result<(), String> {
    let Some(free) = ground.free.clone() else { return Ok(()) };
    let is_gpu = free.is_gpu();
    match plan(file, wish(options), free) {
        Plan::Fits { need, .. } if is_gpu => fits_beside(file, options, need),
        Plan::Fits { need, .. } => {
            limit_memory(need.total(), ground.cores);
            Ok(())
        }
        refused @ Plan::TooLarge { .. } => Err(format!("{}: {refused}", options.model.display())),
    }
}

/// What is not on a GPU must fit into this machine's own memory.
fn fits_beside(file: &Gguf, options: &WorkerOptions, on_gpu: Need) -> Result<(), String> {
    let rest = Need::of(file, wish(options)).beside(on_gpu);
    let Some(bytes) = available_bytes().filter(|_| rest.weights > 0) else { return Ok(()) };
    let free = Free { device: "CPU".into(), bytes: bytes.saturating_sub(options.mapped_bytes), gpus: 0 };
    if rest.fits(&free) {
        return Ok(());
    }
    let (path, bytes) = (options.model.display(), Size(free.bytes));
    Err(format!(
        "{path}: beside the GPU it {rest}; {bytes} are free: it does not fit; raise `gpu_layers`, or choose a smaller model"
    ))
}

fn wish(options: &WorkerOptions) -> Wish {
    Wish {
        context_cells: options.context,
        sequences: options.sequences,
        cache: options.cache,
        kind: options.kind,
        gpu_layers: options.gpu_layers,
    }
}

/// False when control is gone, and there is nobody to load for.
fn tell(out: &Sender<FromWorker>, share: f32) -> bool {
    out.send(FromWorker::Loading { percent: (share * 100.0) as u8 }).is_ok()
}

impl Loaded {
    /// One thread per core; a single one for a model so small that its threads would mostly wait for each other, and
    /// for as long as a scheduler's turn on a busy machine.
    pub(super) fn usual_threads(&self, cores: u32) -> u32 {
        if self.model.size() < SMALL_MODEL_BYTES { 1 } else { cores }
    }

    /// What may be kept of ended answers outside of the context. Nothing beside a GPU: it would give what it holds in a
    /// thousand small pieces, one by one.
    pub(super) fn swap_bytes(&self, ground: &Ground, options: &WorkerOptions) -> u64 {
        let available = ground.free.as_ref().filter(|_| !ground.with_gpu && self.shares_prefixes());
        available.map_or(0, |free| swap_bytes(&self.need(options), free))
    }

    pub(super) fn need(&self, options: &WorkerOptions) -> Need {
        Need::of(&self.file, wish(options))
    }

    /// Sequences of the context where so many answers may run. Some more keep what was read even then: not many, since
    /// each step passes over all that is kept. Where fewer run, the rest of the places keep something too.
    pub(super) fn seats(&self, sequences: u32) -> u32 {
        if self.shares_prefixes() {
            (sequences + sequences.div_ceil(4)).min(MOST_SEQUENCES - 1).max(sequences)
        } else {
            sequences
        }
    }

    /// One sequence more, for rows of nobody, where such rows can be cut off again.
    pub(super) fn filler(&self, sequences: u32) -> Option<u32> {
        let seats = self.seats(sequences);
        (self.shares_prefixes() && seats < MOST_SEQUENCES).then_some(seats)
    }

    /// Whether what was read of a beginning can be cut off at any token, and be read on from there. A memory that rolls
    /// everything up, or forgets all but the last tokens, cannot.
    pub(super) fn shares_prefixes(&self) -> bool {
        self.told.window == Some(0) && !self.model.is_recurrent() && !self.model.is_hybrid()
    }

    /// # Errors
    /// One plain line, where the device has no room for the context.
    pub(super) fn context<'a>(
        &'a self,
        ground: &Ground,
        options: &WorkerOptions,
    ) -> Result<LlamaContext<'a>, String> {
        let threads = options.threads.unwrap_or_else(|| self.usual_threads(ground.cores));
        let threads = i32::try_from(threads).unwrap_or(1);
        let kind = match options.cache {
            CacheKind::F16 => KvCacheType::F16,
            CacheKind::Q8_0 => KvCacheType::Q8_0,
        };
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(options.context.next_multiple_of(CELLS_TOGETHER)))
            .with_n_seq_max(
                self.seats(options.sequences) + u32::from(self.filler(options.sequences).is_some()),
            )
            .with_n_batch(STEP_TOKENS)
            .with_n_ubatch(STEP_TOKENS)
            .with_kv_unified(true)
            .with_type_k(kind)
            .with_type_v(kind)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_no_perf(true);
        // lavapipe's compiler ends the process in the midst of flash attention, now and then.
        let params =
            if ground.is_software { params.with_flash_attention_policy(NO_FLASH_ATTENTION) } else { params };
        self.model.new_context(&ground.backend, params).map_err(|_| {
            let (device, cells) = (&ground.device, options.context);
            format!("{device} has no room for a context of {cells} cells: lower `context_cells`")
        })
    }

    /// # Errors
    /// One plain line, where the model has no usable chat template.
    pub(super) fn prompter(
        &self,
        ground: &Ground,
        options: &WorkerOptions,
        limit: u32,
    ) -> Result<Prompter, String> {
        let path = options.model.display();
        let source =
            self.model.chat_template(None).ok().and_then(|template| template.to_string().ok()).ok_or_else(
                || format!("{path} has no chat template: choose a model that is made for conversation"),
            )?;
        let vocab = self.model.vocab();
        let text = |token: LlamaToken| {
            if token.0 < 0 {
                return String::new();
            }
            String::from_utf8_lossy(&vocab.token_to_piece(token, true, None)).into_owned()
        };
        let zone = ground.time_zone.clone();
        let template = Template::new(source, text(vocab.bos()), text(vocab.eos()), zone);
        let template = template.map_err(|error| {
            format!("the chat template of {path} can't be read ({error}): choose another model")
        })?;
        let special = |token: &LlamaToken| {
            let attributes = vocab.attr(*token).0;
            attributes.contains(LlamaTokenAttr::Control) || attributes.contains(LlamaTokenAttr::UserDefined)
        };
        let controls =
            vocab.tokens().filter(special).map(text).filter(|text| text.trim().len() > 1).collect();
        let manner = Manner::of(&template);
        let vocabulary = Arc::new(Vocabulary::of(&self.model, &manner.marks()));
        let formats = Formats::new(vocabulary.clone());
        let guard = Guard::new(controls);
        let (model, tokenizer) = (self.model.clone(), Tokenizer::new(self.model.clone()));
        Ok(Prompter { model, tokenizer, vocabulary, template, manner, formats, guard, limit })
    }

    pub(super) fn facts(
        &self,
        context_limit: u32,
        ground: &Ground,
        confinement: Confinement,
        tools: bool,
    ) -> Facts {
        Facts {
            architecture: self.file.architecture.clone(),
            quantisation: self.file.quantisation.clone(),
            parameters: self.model.n_params(),
            size_bytes: self.file.size_bytes,
            layers: self.model.n_layer(),
            kv_bytes_per_token: self.file.shape.kv_bytes_per_token(),
            context_train: self.model.n_ctx_train(),
            context_limit,
            device: ground.device.clone(),
            tools,
            vectors: None,
            sha256: self.sha256.clone(),
            swap_bytes: 0,
            later_bytes: 0,
            confinement,
            placement: Placement::default(),
        }
    }
}

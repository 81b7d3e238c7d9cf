//! Loads a model, and says plainly why one can't be loaded.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::available_parallelism;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

use super::devices::{Device, DeviceKind, devices};
use super::format::Formats;
use super::guard::Guard;
use super::manner::Manner;
use super::options::WorkerOptions;
use super::prompt::Prompter;
use super::template::Template;
use super::vocabulary::Vocabulary;
use crate::frames::FromWorker;
use crate::gguf::{self, Gguf};
use crate::model::Facts;

/// Tokens of one step. Longer steps read prompts faster and keep every running answer waiting for longer.
pub(super) const STEP_TOKENS: u32 = 512;

/// The work on a model smaller than this is done sooner by one thread than shared out among several.
const SMALL_MODEL_BYTES: u64 = 32 << 20;

/// A model in memory, with what the file says of it.
pub(super) struct Loaded {
    pub(super) model: Arc<LlamaModel>,
    file: Gguf,
    device: String,
}

/// Checks the file, then loads it, telling control how far it is.
///
/// # Errors
/// One plain line that says what, where and how to mend it.
pub(super) fn load(
    backend: &LlamaBackend,
    options: &WorkerOptions,
    out: &Sender<FromWorker>,
) -> Result<Loaded, String> {
    let file = gguf::inspect(&options.model).map_err(|error| error.to_string())?;
    let (params, device) = placement(options)?;
    let mut last = 0;
    let progress = out.clone();
    let params = params.with_progress_callback(move |share| {
        let percent = (share * 100.0) as u8;
        // Control is gone when its end of the channel is: then there is nobody to load for.
        percent == last || {
            last = percent;
            progress.send(FromWorker::Loading { percent }).is_ok()
        }
    });
    let model = LlamaModel::load_from_file(backend, &options.model, &params).map_err(|_| {
        let path = options.model.display();
        format!(
            "llama.cpp can't load {path} ({}): choose another model, or make room on {device}",
            file.architecture
        )
    })?;
    Ok(Loaded { model: Arc::new(model), file, device })
}

impl Loaded {
    /// One thread per core; a single one for a model so small that its threads would mostly wait for each other, and
    /// for as long as a scheduler's turn on a busy machine.
    fn usual_threads(&self) -> u32 {
        if self.model.size() < SMALL_MODEL_BYTES {
            return 1;
        }
        available_parallelism().ok().and_then(|cores| cores.get().try_into().ok()).unwrap_or(1)
    }

    /// # Errors
    /// One plain line, where the device has no room for the context.
    pub(super) fn context<'a>(
        &'a self,
        backend: &LlamaBackend,
        options: &WorkerOptions,
    ) -> Result<LlamaContext<'a>, String> {
        let threads = options.threads.unwrap_or_else(|| self.usual_threads());
        let threads = i32::try_from(threads).unwrap_or(1);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(options.context))
            .with_n_seq_max(options.sequences)
            .with_n_batch(STEP_TOKENS)
            .with_n_ubatch(STEP_TOKENS)
            .with_kv_unified(true)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_no_perf(true);
        self.model.new_context(backend, params).map_err(|_| {
            format!("{} has no room for a context of {} cells: lower `context`", self.device, options.context)
        })
    }

    /// # Errors
    /// One plain line, where the model has no usable chat template.
    pub(super) fn prompter(&self, options: &WorkerOptions, limit: u32) -> Result<Prompter, String> {
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
        let template = Template::new(source, text(vocab.bos()), text(vocab.eos())).map_err(|error| {
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
        Ok(Prompter { model: self.model.clone(), vocabulary, template, manner, formats, guard, limit })
    }

    pub(super) fn facts(&self, context_limit: u32, tools: bool) -> Facts {
        Facts {
            architecture: self.file.architecture.clone(),
            quantisation: self.file.quantisation.clone(),
            parameters: self.model.n_params(),
            size_bytes: self.file.size_bytes,
            layers: self.model.n_layer(),
            context_train: self.model.n_ctx_train(),
            context_limit,
            device: self.device.clone(),
            tools,
        }
    }
}

/// Where the weights go: the device that was asked for, or all GPUs, or else the CPU.
fn placement(options: &WorkerOptions) -> Result<(LlamaModelParams, String), String> {
    let params = LlamaModelParams::default();
    let found = devices();
    let on_cpu = |device: &Device| matches!(device.kind, DeviceKind::Cpu | DeviceKind::Accelerator);
    let Some(index) = options.device else {
        let device = found.iter().find(|device| !on_cpu(device)).or(found.first());
        return Ok((params, device.map_or_else(|| "CPU".to_owned(), |device| device.name.clone())));
    };
    let device = found.iter().find(|device| device.index == index);
    let device = device.ok_or_else(|| format!("there is no device {index}: `genset doctor` lists them"))?;
    let params = if on_cpu(device) {
        params.with_n_gpu_layers(0)
    } else {
        params.with_devices(&[index as usize]).map_err(|error| error.to_string())?
    };
    Ok((params, device.name.clone()))
}

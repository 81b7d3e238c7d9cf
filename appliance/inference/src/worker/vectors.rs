//! A worker whose model makes vectors of texts, or scores documents: nothing is written, so there is no conversation,
//! no template and no sampler.
//!
//! The threads are those of every worker. What differs is that each text is read whole in one step, with as many
//! others as have room in it, and is then forgotten.

mod engine;
mod hangul;
mod schedule;
mod texts;

use std::io::BufReader;
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};

use super::WorkerError;
use super::confinement::Confinement;
use super::ground::Ground;
use super::load::{LoadError, Loaded};
use super::options::WorkerOptions;
use super::placement::Placement;
use super::tokenizer::STACK_BYTES;
use crate::frames::{self, FromWorker, ToWorker};
use crate::job::VectorFacts;
use crate::kind::{self, Pooling};
use crate::plan::{longest_text, step_of_vectors};
use engine::{Engine, Order};
use texts::Reader;

/// A reranker with a template of its own is asked in words that this version does not know.
const OWN_TEMPLATE: &str = "tokenizer.chat_template.rerank";

/// Serves until control closes the socket or says stop.
///
/// # Errors
/// As [`run`](super::run).
pub(super) fn serve(
    options: &WorkerOptions,
    ground: &Ground,
    loaded: &Loaded,
    (confinement, placement): (Confinement, Placement),
    socket: UnixStream,
    out: &Sender<FromWorker>,
) -> Result<(), WorkerError> {
    let pooling = pooling(options, loaded).map_err(LoadError::Unusable)?;
    let limit = longest_text(&loaded.file, options.context);
    let step = step_of_vectors(&loaded.file, options.context);
    let context = context(options, ground, loaded, pooling, step).map_err(LoadError::NoRoom)?;
    let reader = Reader::new(loaded.model.clone(), limit);
    let dimensions = match pooling {
        Pooling::Rank => loaded.model.n_cls_out(),
        _ => u32::try_from(loaded.model.n_embd_out()).unwrap_or(0),
    };
    let (orders, taken) = channel();
    let engine = Engine::new(context, pooling, options.sequences, taken, out.clone());
    let refusals = out.clone();
    thread::Builder::new()
        .name("reader".into())
        .stack_size(STACK_BYTES)
        .spawn(move || read_orders(socket, &reader, &orders, &refusals))?;
    let mut facts = loaded.facts(limit, ground, confinement, false);
    facts.vectors = Some(VectorFacts { pooling, dimensions });
    facts.placement = placement;
    facts.later_bytes = loaded.need(options).compute;
    let _ = out.send(FromWorker::Ready { facts: Box::new(facts), measured: None });
    engine.run()
}

/// How the model's vectors are made.
///
/// # Errors
/// One plain line: the model is not made for what is asked of it.
fn pooling(options: &WorkerOptions, loaded: &Loaded) -> Result<Pooling, String> {
    let path = options.model.display();
    let fitting = kind::fitting(&loaded.file, options.kind, options.pooling);
    let pooling = fitting.map_err(|why| format!("{path}: {why}"))?;
    let pooling = pooling.ok_or_else(|| format!("{path}: it answers in words and makes no vectors"))?;
    let labels = loaded.model.n_cls_out();
    if pooling == Pooling::Rank && labels != 1 {
        return Err(format!(
            "{path}: it sorts texts into {labels} classes and gives no score: choose a reranker"
        ));
    }
    if pooling == Pooling::Rank && loaded.model.meta_val_str(OWN_TEMPLATE).is_ok() {
        return Err(format!(
            "{path}: this reranker is asked in words of its own, which this version does not know: choose one that \
             takes a query and a document as a pair, such as those of the bge family"
        ));
    }
    Ok(pooling)
}

/// # Errors
/// One plain line, where the device has no room for a step.
fn context<'a>(
    options: &WorkerOptions,
    ground: &Ground,
    loaded: &'a Loaded,
    pooling: Pooling,
    step: u32,
) -> Result<LlamaContext<'a>, String> {
    let threads = options.threads.unwrap_or_else(|| loaded.usual_threads(ground.cores));
    let threads = i32::try_from(threads).unwrap_or(1);
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(step))
        .with_n_seq_max(options.sequences)
        // A text must be read in one piece: more tokens than this at once, and llama.cpp ends the process.
        .with_n_batch(step)
        .with_n_ubatch(step)
        .with_kv_unified(true)
        .with_embeddings(true)
        .with_pooling_type(match pooling {
            Pooling::Mean => LlamaPoolingType::Mean,
            Pooling::Cls => LlamaPoolingType::Cls,
            Pooling::Last => LlamaPoolingType::Last,
            Pooling::Rank => LlamaPoolingType::Rank,
        })
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_no_perf(true);
    loaded.model.new_context(&ground.backend, params).map_err(|_| {
        let (device, cells) = (&ground.device, options.context);
        format!("{device} has no room for texts of {cells} tokens: lower `context_cells`")
    })
}

/// Reads until the end of the socket or an order to stop; then the engine's channel closes, and it ends.
fn read_orders(socket: UnixStream, reader: &Reader, orders: &Sender<Order>, refusals: &Sender<FromWorker>) {
    let mut socket = BufReader::new(socket);
    while let Ok(Some(frame)) = frames::read(&mut socket) {
        let order = match frame {
            ToWorker::Stop => return,
            ToWorker::Cancel { id } => Order::Cancel { id },
            ToWorker::Submit(submission) => {
                let error = crate::job::JobError::WrongKind;
                let _ = refusals.send(FromWorker::Refused { id: submission.id, error });
                continue;
            }
            ToWorker::Compute(submission) => {
                let id = submission.id;
                match reader.read(*submission) {
                    Ok(job) => Order::Run(job),
                    Err(error) => {
                        let _ = refusals.send(FromWorker::Refused { id, error });
                        continue;
                    }
                }
            }
        };
        if orders.send(order).is_err() {
            return;
        }
    }
}

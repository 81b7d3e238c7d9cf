//! The worker process: one model, one llama.cpp context, and the socket to control on its standard input.
//!
//! Four threads: the main one owns the context and only computes; one reads orders, renders templates and tokenises; one
//! does the same for what takes longer; one writes frames. The process ends when control closes the socket or says stop.
//!
//! What it needs of the machine it takes at its start; then it confines itself, and only then reads the model.

mod backends;
mod confinement;
mod conversation;
mod devices;
mod engine;
mod format;
mod grammar;
mod ground;
mod guard;
mod load;
mod manner;
mod measured;
mod memory;
mod odds;
mod options;
mod pace;
mod panics;
mod parser;
mod placement;
mod prefixes;
mod preparing;
mod prompt;
mod sampler;
mod scheduler;
mod seam;
mod sequence;
mod speech;
mod template;
mod text;
mod tokenizer;
mod vectors;
mod vocabulary;

use std::io::{BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, channel};
use std::sync::{Arc, Once};
use std::thread;

use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use tokio::time::Instant;
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::frames::{self, FromWorker, Submission, ToWorker};
use crate::job::JobError;
use crate::kind::Kind;
use crate::model::Facts;
use engine::{Engine, Means, Order};
use ground::Ground;
use load::LoadError;
use placement::{Listener, Listening, Told};
use preparing::{Preparing, caught};
use prompt::{Prepared, Prompter};
use scheduler::Room;

pub use backends::{Api, built_for};
pub use confinement::{Confinement, confine};
pub use devices::{Device, DeviceKind, devices};
pub use ground::free_memory;
pub(crate) use measured::Measured;
pub use options::{OptionsError, WorkerOptions};
pub use placement::Placement;

/// Why a worker process ended other than by order. A model that can't be loaded is told to control first.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("standard input is no socket: a worker is started by `genset serve`, not by hand")]
    NoSocket,
    #[error("the model could not be loaded: {0}")]
    Load(#[from] LoadError),
    #[error("the engine could not compute: {0}")]
    Engine(String),
    #[error("the socket to control failed")]
    Socket(#[from] std::io::Error),
}

/// Serves until control closes the socket or says stop. Blocks; needs no runtime.
///
/// # Errors
/// See [`WorkerError`]; control learns of it by the process's end, and starts another.
pub fn run(options: &WorkerOptions) -> Result<(), WorkerError> {
    panics::keep_requests_back();
    let listening = log_to_stderr();
    let socket = socket_to_control()?;
    let (out, frames) = channel();
    let written = socket.try_clone()?;
    let (walled, is_walled) = channel();
    let doing = Arc::new(Doing::default());
    let shown = doing.clone();
    let writer = thread::Builder::new().name("writer".into()).spawn(move || {
        let _ = walled.send(confinement::open_nothing());
        write_frames(written, &frames, &shown);
    })?;
    let is_walled = is_walled.recv().unwrap_or(false);
    let result = serve(options, socket, is_walled, &listening, &out, &doing);
    if let Err(WorkerError::Load(error)) = &result {
        let (reason, is_for_now) = (error.to_string(), matches!(error, LoadError::NoRoom(_)));
        let _ = out.send(FromWorker::LoadFailed { reason, is_for_now });
    }
    // Who reads, or prepares a job, may go on for long, and is ended with the process.
    doing.is_over.store(true, Ordering::Release);
    let _ = out.send(FromWorker::Alive { only_prepares: false });
    let _ = writer.join();
    result
}

/// What the threads of a worker do at the moment, for its signs of life.
#[derive(Default)]
struct Doing {
    /// The engine has jobs.
    computes: AtomicBool,
    preparing: Preparing,
    /// What is to be said still is all that will be said.
    is_over: AtomicBool,
}

impl Doing {
    fn sign(&self) -> FromWorker {
        FromWorker::Alive {
            only_prepares: !self.computes.load(Ordering::Relaxed) && self.preparing.is_at_work(),
        }
    }

    /// A thread that hangs is ended with its process, whatever else the process does; the next one goes on with the
    /// answers.
    fn end_if_it_hangs(&self) {
        if self.preparing.hangs(Instant::now()) {
            let _ = writeln!(
                std::io::stderr(),
                "a request has been in preparation for more than {} s: the worker ends itself",
                frames::MAX_PREPARING_SECONDS
            );
            std::process::abort();
        }
    }
}

fn serve(
    options: &WorkerOptions,
    socket: UnixStream,
    writer_is_walled: bool,
    listening: &Listening,
    out: &Sender<FromWorker>,
    doing: &Arc<Doing>,
) -> Result<(), WorkerError> {
    let mut ground = Ground::take(options).map_err(LoadError::Unusable)?;
    let mut confinement = confine(&ground.file, ground.with_gpu);
    confinement.files &= writer_is_walled;
    let loaded = load::load(&mut ground, options, listening, out)?;
    let placement = placement(&loaded.told, &ground, options.gpu_layers);
    if options.kind != Kind::Chat {
        return vectors::serve(options, &ground, &loaded, (confinement, placement), socket, out);
    }
    let context = loaded.context(&ground, options).map_err(LoadError::NoRoom)?;
    let room = Room::new(context.n_ctx(), options.sequences, options.clinical_reserve);
    let limit = room.largest_job().min(options.context).min(loaded.model.n_ctx_train());
    let prompter = loaded.prompter(&ground, options, limit).map_err(LoadError::Unusable)?;
    let prompter = Arc::new(prompter);
    let vocabulary = prompter.vocabulary.clone();
    let later_bytes = format::bytes_for(&vocabulary);
    let tools = prompter.manner.family.is_some();
    let swap_bytes = loaded.swap_bytes(&ground, options);
    let (orders, taken) = channel();
    let means = Means {
        room,
        seats: loaded.seats(options.sequences),
        filler: loaded.filler(options.sequences).map(|slot| slot as i32),
        shares_prefixes: loaded.shares_prefixes(),
        swap_bytes,
        beginnings: prompter.beginnings(),
        vocabulary,
        threads: options.threads.unwrap_or(ground.cores) as usize,
        builds_code: ground.with_gpu,
        measured: options.measured.clone(),
        doing: doing.clone(),
    };
    let (engine, measured) = Engine::new(context, means, taken, out.clone())?;
    let beside = Intake { prompter, orders, refusals: out.clone(), doing: doing.clone() };
    let intake = beside.clone();
    let thread = |name: &str| thread::Builder::new().name(name.into()).stack_size(tokenizer::STACK_BYTES);
    thread("preparer").spawn(move || beside.prepare())?;
    thread("reader").spawn(move || intake.read_orders(socket))?;
    let facts =
        Facts { placement, swap_bytes, later_bytes, ..loaded.facts(limit, &ground, confinement, tools) };
    let _ = out.send(FromWorker::Ready { facts: Box::new(facts), measured: Some(measured) });
    engine.run()
}

/// Warnings of llama.cpp go to standard error, where control keeps the last of them; what it says of the places of
/// layers is listened to.
fn log_to_stderr() -> Listening {
    let listening = Listening::default();
    let warnings = std::io::stderr.with_max_level(tracing::Level::WARN);
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(warnings).with_ansi(false).without_time();
    let _ = tracing_subscriber::registry().with(Listener(listening.clone())).with(to_stderr).try_init();
    engine_speaks_to_tracing();
    listening
}

/// What llama.cpp says goes to whoever listens in this process, and not to standard error.
fn engine_speaks_to_tracing() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| send_logs_to_tracing(LogOptions::default()));
}

fn placement(told: &Told, ground: &Ground, wanted_layers: Option<u32>) -> Placement {
    Placement {
        layers: told.layers,
        layers_on_gpu: told.layers_on_gpu,
        gpu_weight_bytes: told.gpu_weight_bytes,
        wants_gpu: ground.with_gpu,
        wanted_layers,
        may_use_gpu: ground.may_use_gpu,
        devices: ground.devices.clone(),
        other_gpus: ground.other_gpus.clone(),
        built_for: built_for(),
    }
}

fn socket_to_control() -> Result<UnixStream, WorkerError> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr().map_err(|_| WorkerError::NoSocket)?;
    Ok(socket)
}

fn write_frames(mut socket: UnixStream, frames: &Receiver<FromWorker>, doing: &Doing) {
    let mut looked = Instant::now();
    loop {
        let is_over = doing.is_over.load(Ordering::Acquire);
        if !is_over && looked.elapsed() >= frames::ALIVE_EVERY {
            looked = Instant::now();
            doing.end_if_it_hangs();
        }
        let frame = match frames.try_recv() {
            Ok(frame) => Ok(frame),
            Err(_) if is_over => return,
            Err(_) => frames.recv_timeout(frames::ALIVE_EVERY),
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(RecvTimeoutError::Timeout) => doing.sign(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Control has gone; dropping the receiver tells the engine.
        let sent = frames::encode(&frame).and_then(|bytes| socket.write_all(&bytes));
        if sent.is_err() {
            return;
        }
    }
}

/// Where jobs come in and are prepared for the engine.
#[derive(Clone)]
struct Intake {
    prompter: Arc<Prompter>,
    orders: Sender<Order>,
    refusals: Sender<FromWorker>,
    doing: Arc<Doing>,
}

impl Intake {
    /// Reads until the end of the socket or an order to stop; then the engine's channel closes, and it ends. What takes
    /// longer to prepare is prepared beside, so that nobody else waits for it.
    fn read_orders(&self, socket: UnixStream) {
        let mut socket = BufReader::new(socket);
        while let Ok(Some(frame)) = frames::read(&mut socket) {
            let taken = match frame {
                ToWorker::Stop => break,
                ToWorker::Submit(submission) if Prompter::is_slow_for(&submission.job) => {
                    self.doing.preparing.add(submission);
                    Ok(())
                }
                ToWorker::Submit(submission) => {
                    let (id, prepared) = self.prepared(*submission);
                    self.hand_over(id, prepared)
                }
                ToWorker::Compute(submission) => self.hand_over(submission.id, Err(JobError::WrongKind)),
                ToWorker::Cancel { id } if self.doing.preparing.cancel(id) => Ok(()),
                ToWorker::Cancel { id } => self.orders.send(Order::Cancel { id }),
            };
            if taken.is_err() {
                break;
            }
        }
        self.doing.preparing.end();
    }

    /// Prepares what takes longer, until nothing more is read.
    fn prepare(&self) {
        while let Some(submission) = self.doing.preparing.next() {
            let (id, prepared) = self.prepared(*submission);
            if let Some(Err(_)) = self.doing.preparing.done(|| self.hand_over(id, prepared)) {
                return;
            }
        }
    }

    fn prepared(&self, submission: Submission) -> (u64, Result<Box<Prepared>, JobError>) {
        let id = submission.id;
        (id, caught(|| self.prompter.prepare(submission).map(Box::new)))
    }

    /// # Errors
    /// The engine has gone.
    fn hand_over(&self, id: u64, prepared: Result<Box<Prepared>, JobError>) -> Result<(), SendError<Order>> {
        match prepared {
            Ok(prepared) => self.orders.send(Order::Run(prepared)),
            Err(error) => {
                let _ = self.refusals.send(FromWorker::Refused { id, error });
                Ok(())
            }
        }
    }
}

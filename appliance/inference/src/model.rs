//! The handle that the rest of the box holds of a local model.

mod computation;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::frames;
use crate::job::{Event, Job, JobError, Lane, VectorFacts, VectorJob, Vectors};
use crate::keeper::{Keeper, Memory, Replacement};
use crate::kind::Kind;
use crate::queue::{CallerId, Occupancy, Place, Queue, Ticket};
use crate::spec::ModelSpec;
use crate::worker::{Confinement, Placement};

pub use computation::Computation;

/// A local model, as a cheap handle; its [`Keeper`] does the work.
#[derive(Clone)]
pub struct LocalModel {
    name: Arc<str>,
    kind: Kind,
    queue: Arc<Queue>,
    status: watch::Receiver<Status>,
    orders: mpsc::UnboundedSender<Order>,
    counters: Arc<Counters>,
    is_resident: bool,
}

/// A model is proven for so long after its last token, whoever asked for it. The keeper asks for one sooner.
pub const PROVEN_FOR: Duration = Duration::from_secs(60);

/// How a local model is.
///
/// ```text
///            worker started          weights in
/// Starting ───────────────▶ Loading ────────────▶ Ready ──┐
///    ▲                         │                          │ worker died: restarted at once
///    │ retry_at                ▼ unusable file            │
///    └────────────────────── Failed                       │
///    ▲────────────────────────────────────────────────────┘
///    │ wanted                          last answers over
/// Unloaded ◀───────────────────────────────── Unloading ◀── not wanted any more
/// ```
#[derive(Debug, Clone)]
pub enum Status {
    Starting,
    Loading {
        percent: u8,
    },
    /// The weights are in and at least one real token has been generated, the last one at `proven_at`.
    Ready {
        facts: Facts,
        proven_at: Instant,
    },
    /// One plain line: what is wrong, where, and how to mend it; and when it is tried again.
    Failed {
        reason: String,
        retry_at: Instant,
    },
    /// It is not wanted any more: the answers that run come to their end.
    Unloading,
    /// There is no worker, and none is wanted.
    Unloaded,
}

/// Why a model that is not wanted takes no job.
pub(crate) const UNLOADED: &str = "it is not loaded";

impl Status {
    /// It can answer, as far as anybody can know: it has done so within [`PROVEN_FOR`].
    pub fn is_proven(&self) -> bool {
        matches!(self, Status::Ready { proven_at, .. } if proven_at.elapsed() <= PROVEN_FOR)
    }

    /// It is not ready and will be soon, as far as anybody can know.
    pub fn is_coming(&self) -> bool {
        matches!(self, Status::Starting | Status::Loading { .. })
    }

    /// It is of no use as it is, and does not mend by waiting a moment.
    pub fn is_out(&self) -> bool {
        self.refusal().is_some()
    }

    /// Why it takes no job at all.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Status::Failed { reason, .. } => Some(reason.clone()),
            Status::Unloading | Status::Unloaded => Some(UNLOADED.into()),
            Status::Starting | Status::Loading { .. } | Status::Ready { .. } => None,
        }
    }
}

/// What the model's file and the engine say of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub architecture: String,
    pub quantisation: String,
    pub parameters: u64,
    pub size_bytes: u64,
    pub layers: u32,
    /// What the cache keeps of each token of a conversation.
    pub kv_bytes_per_token: u64,
    /// Tokens of context that the model was trained on.
    pub context_train: u32,
    /// Tokens that one conversation may have here, its answer included; or one text.
    pub context_limit: u32,
    pub device: String,
    /// The model's template has tools, and how it calls them is known.
    pub tools: bool,
    /// `None` of a model that answers in words.
    pub vectors: Option<VectorFacts>,
    /// Of the whole file, in 64 hexadecimal digits, as it was checked before it was loaded.
    pub sha256: String,
    pub confinement: Confinement,
    /// On what it is computed.
    pub placement: Placement,
}

/// What the handle asks of the keeper.
pub(crate) enum Order {
    Submit {
        id: u64,
        job: Box<Job>,
        ticket: Ticket,
        events: mpsc::UnboundedSender<Result<Event, JobError>>,
    },
    Compute {
        id: u64,
        job: Box<VectorJob>,
        ticket: Ticket,
        whole: oneshot::Sender<Result<Vectors, JobError>>,
    },
    Cancel {
        id: u64,
    },
}

/// Plain numbers that the handle and the keeper share.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) next_id: AtomicU64,
    pub(crate) in_flight: AtomicU32,
    pub(crate) restarts: AtomicU64,
    pub(crate) tokens: AtomicU64,
    /// The worker's process id, 0 while there is none.
    pub(crate) pid: AtomicU32,
    /// Whether the model has ever been ready.
    pub(crate) was_ready: AtomicBool,
    /// What the worker has; none while there is none, or where nobody can tell.
    pub(crate) memory: watch::Sender<Option<Memory>>,
    /// The last worker that was replaced because it had grown.
    pub(crate) replaced: watch::Sender<Option<Replacement>>,
    /// Whether there should be a worker.
    pub(crate) wanted: watch::Sender<bool>,
}

impl LocalModel {
    /// Makes the handle and the keeper of one model; nothing runs until [`Keeper::run`] does.
    pub fn new(spec: ModelSpec) -> (LocalModel, Keeper) {
        let (status_sender, status) = watch::channel(Status::Starting);
        let (orders, orders_receiver) = mpsc::unbounded_channel();
        let counters = Arc::new(Counters::default());
        counters.wanted.send_replace(spec.resident);
        let model = LocalModel {
            name: spec.name.as_str().into(),
            kind: spec.kind,
            queue: Queue::new(&spec),
            status,
            orders,
            counters: counters.clone(),
            is_resident: spec.resident,
        };
        (model, Keeper::new(spec, status_sender, orders_receiver, counters))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What may be asked of it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// It is loaded unless somebody orders otherwise.
    pub fn is_resident(&self) -> bool {
        self.is_resident
    }

    /// Loads it, or unloads it when the answers that run have ended, within a minute. What is so already stays so.
    pub fn want(&self, loaded: bool) {
        self.counters.wanted.send_if_modified(|wanted| std::mem::replace(wanted, loaded) != loaded);
    }

    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Asks for an answer on nobody's account: all that is asked so is of one caller.
    pub fn generate(&self, job: Job) -> Generation {
        self.generate_for("", job)
    }

    /// Asks for an answer. A refusal comes as the stream's only item; dropping the stream cancels the job. Jobs of
    /// several callers take turns.
    ///
    /// While a worker that was ready is being restarted, jobs wait for it.
    pub fn generate_for(&self, caller: &str, job: Job) -> Generation {
        let (sender, events) = mpsc::unbounded_channel();
        let id = self.counters.next_id.fetch_add(1, Ordering::Relaxed);
        self.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        let mut generation = Generation {
            id,
            events,
            orders: self.orders.clone(),
            counters: self.counters.clone(),
            place: None,
            over: false,
        };
        let admitted = self.admit(Kind::Chat, job.text_bytes(), job.lane, caller);
        match admitted {
            Ok(ticket) => {
                generation.place = Some((self.queue.clone(), ticket.key(), job.lane));
                // A keeper that has ended drops the order, and with it the sender: the stream then says so.
                let _ = self.orders.send(Order::Submit { id, job: Box::new(job), ticket, events: sender });
            }
            Err(refusal) => drop(sender.send(Err(refusal))),
        }
        generation
    }

    /// Requests that are waiting or running.
    pub fn in_flight(&self) -> u32 {
        self.counters.in_flight.load(Ordering::Relaxed)
    }

    /// How busy the model is, and what a job that came now would have to wait.
    pub fn occupancy(&self) -> Occupancy {
        self.queue.occupancy()
    }

    /// How many times the worker process has been started again.
    pub fn restarts(&self) -> u64 {
        self.counters.restarts.load(Ordering::Relaxed)
    }

    pub fn tokens_generated(&self) -> u64 {
        self.counters.tokens.load(Ordering::Relaxed)
    }

    pub fn worker_pid(&self) -> Option<u32> {
        Some(self.counters.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// The memory of the worker process; none while there is none, or where the kernel does not tell.
    pub fn memory(&self) -> Option<Memory> {
        *self.counters.memory.borrow()
    }

    /// The last worker that was replaced because it had grown, and news of the next.
    pub fn replaced(&self) -> watch::Receiver<Option<Replacement>> {
        self.counters.replaced.subscribe()
    }

    fn admit(&self, kind: Kind, bytes: u64, lane: Lane, caller: &str) -> Result<Ticket, JobError> {
        if kind != self.kind {
            return Err(JobError::WrongKind);
        }
        let status = self.status.borrow();
        if let Some(reason) = status.refusal() {
            return Err(JobError::Unready(reason));
        }
        if status.is_coming() && !self.counters.was_ready.load(Ordering::Relaxed) {
            return Err(JobError::Unready("it is being loaded".into()));
        }
        drop(status);
        let limit = frames::MAX_JOB_BYTES;
        if bytes > limit {
            return Err(JobError::TooLarge { bytes, limit });
        }
        self.queue.join(lane, &CallerId::of(caller)).map_err(|wait| JobError::QueueFull {
            position: wait.position,
            wait_ms: wait.expected.as_millis() as u64,
        })
    }
}

/// The answer as it comes: a stream of events that ends after `Finished` or after an error.
///
/// What the client has not read yet is kept here whole: an answer is bounded by its `max_tokens`.
pub struct Generation {
    id: u64,
    events: mpsc::UnboundedReceiver<Result<Event, JobError>>,
    orders: mpsc::UnboundedSender<Order>,
    counters: Arc<Counters>,
    place: Option<(Arc<Queue>, (Duration, u64), Lane)>,
    over: bool,
}

impl Generation {
    /// Its place in the queue and the time until it is served; `None` once it is.
    pub fn waiting(&self) -> Option<Place> {
        let (queue, key, lane) = self.place.as_ref()?;
        queue.place(*key, *lane)
    }

    fn end(&mut self) {
        self.over = true;
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stream for Generation {
    type Item = Result<Event, JobError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = match std::task::ready!(self.events.poll_recv(cx)) {
            Some(next) => next,
            None => Err(JobError::Unready("its keeper has stopped".into())),
        };
        if matches!(next, Err(_) | Ok(Event::Finished { .. })) {
            self.end();
        }
        Poll::Ready(Some(next))
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if !self.over {
            self.end();
            let _ = self.orders.send(Order::Cancel { id: self.id });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_model_is_proven_for_a_minute_after_its_last_token() {
        let facts = Facts {
            architecture: "llama".into(),
            quantisation: "Q4_0".into(),
            parameters: 1,
            size_bytes: 1,
            layers: 1,
            kv_bytes_per_token: 1,
            context_train: 1,
            context_limit: 1,
            device: "CPU".into(),
            tools: false,
            vectors: None,
            sha256: String::new(),
            confinement: Confinement::WHOLE,
            placement: Placement::default(),
        };
        let status = Status::Ready { facts, proven_at: Instant::now() };
        tokio::time::advance(PROVEN_FOR).await;
        assert!(status.is_proven());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!status.is_proven());
        assert!(!Status::Starting.is_proven() && !Status::Loading { percent: 99 }.is_proven());
    }
}

//! The handle that the rest of the box holds of a local model.

mod computation;
mod replica;
mod shown;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::frames;
use crate::job::{Event, Job, JobError, Lane, VectorFacts};
use crate::keeper::{Memory, Replacement};
use crate::kind::Kind;
use crate::queue::{CallerId, Occupancy, Place, Queue, Ticket};
use crate::replicas::Replicas;
use crate::spec::ModelSpec;
use crate::worker::{Confinement, Placement};

pub use computation::Computation;
use replica::Replica;
pub(crate) use replica::{Counters, Ends, Order};
pub(crate) use shown::OwnStatus;
use shown::Shown;

/// A local model, as a cheap handle; its [`Replicas`] do the work.
#[derive(Clone)]
pub struct LocalModel(Arc<Parts>);

struct Parts {
    name: Box<str>,
    kind: Kind,
    is_resident: bool,
    /// One at least; more may come, and none goes.
    replicas: watch::Sender<Arc<[Replica]>>,
    shown: Arc<Shown>,
    wanted: watch::Sender<bool>,
    replaced: watch::Sender<Option<Replacement>>,
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
        facts: Arc<Facts>,
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

    /// The smaller, the more of use.
    pub(crate) fn rank(&self) -> (u8, u8) {
        match self {
            Status::Ready { .. } => (0, 0),
            Status::Loading { percent } => (1, 100 - percent.min(&100)),
            Status::Starting => (2, 0),
            Status::Failed { .. } => (3, 0),
            Status::Unloading => (4, 0),
            Status::Unloaded => (5, 0),
        }
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
    /// What the worker may come to keep of ended answers outside of the context.
    pub swap_bytes: u64,
    /// What it comes to hold with the first answer that has a form, or with the first step of many texts.
    pub later_bytes: u64,
    pub confinement: Confinement,
    /// On what it is computed.
    pub placement: Placement,
}

impl LocalModel {
    /// Makes the handle of one model, and what runs it; nothing runs until [`Replicas::run`] does.
    pub fn new(spec: ModelSpec) -> (LocalModel, Replicas) {
        let model = LocalModel(Arc::new(Parts {
            name: spec.name.as_str().into(),
            kind: spec.kind,
            is_resident: spec.resident,
            replicas: watch::Sender::new(Arc::default()),
            shown: Shown::new(),
            wanted: watch::Sender::new(spec.resident),
            replaced: watch::Sender::new(None),
        }));
        let first = model.one_more(&spec);
        (model.clone(), Replicas::new(model, spec, first))
    }

    /// Adds a replica, whose keeper gets the other end.
    pub(crate) fn one_more(&self, spec: &ModelSpec) -> Ends {
        let Parts { shown, wanted, replaced, replicas, .. } = &*self.0;
        let (replica, ends) = Replica::new(spec, shown.one_more(), wanted.subscribe(), replaced.clone());
        replicas.send_modify(|replicas| *replicas = replicas.iter().cloned().chain([replica]).collect());
        ends
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What may be asked of it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// It is loaded unless somebody orders otherwise.
    pub fn is_resident(&self) -> bool {
        self.0.is_resident
    }

    /// Loads it, or unloads it when the answers that run have ended, within a minute. What is so already stays so.
    pub fn want(&self, loaded: bool) {
        self.0.wanted.send_if_modified(|wanted| std::mem::replace(wanted, loaded) != loaded);
    }

    /// That of its best replica.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.shown.best()
    }

    /// The devices of the replicas that are ready.
    pub fn devices(&self) -> Vec<String> {
        let device = |replica: &Replica| {
            replica.status.look(|status| match status {
                Status::Ready { facts, .. } => Some(facts.device.clone()),
                _ => None,
            })
        };
        self.replicas().iter().filter_map(device).collect()
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
        let (replica, ticket) = self.admit(Kind::Chat, job.text_bytes(), job.lane, caller);
        let Replica { queue, orders, counters, .. } = replica;
        let id = counters.next_id.fetch_add(1, Ordering::Relaxed);
        counters.in_flight.fetch_add(1, Ordering::Relaxed);
        let mut generation = Generation { id, events, orders, counters, place: None, over: false };
        match ticket {
            Ok(ticket) => {
                generation.place = Some((queue, ticket.key(), job.lane));
                // A keeper that has ended drops the order, and with it the sender: the stream then says so.
                let submit = Order::Submit { id, job: Box::new(job), ticket, events: sender };
                let _ = generation.orders.send(submit);
            }
            Err(refusal) => drop(sender.send(Err(refusal))),
        }
        generation
    }

    /// Requests that are waiting or running.
    pub fn in_flight(&self) -> u32 {
        self.replicas().iter().map(|replica| replica.counters.in_flight.load(Ordering::Relaxed)).sum()
    }

    /// How busy the model is, and what a job that came now would have to wait at the replica that serves it first.
    pub fn occupancy(&self) -> Occupancy {
        let all: Vec<Occupancy> = self.replicas().iter().map(|replica| replica.queue.occupancy()).collect();
        Occupancy::of_all(&all)
    }

    /// How many times a worker process has been started again.
    pub fn restarts(&self) -> u64 {
        self.replicas().iter().map(|replica| replica.counters.restarts.load(Ordering::Relaxed)).sum()
    }

    pub fn tokens_generated(&self) -> u64 {
        self.replicas().iter().map(|replica| replica.counters.tokens.load(Ordering::Relaxed)).sum()
    }

    /// The process of each worker that there is.
    pub fn worker_pids(&self) -> Vec<u32> {
        let pid = |replica: &Replica| replica.counters.pid.load(Ordering::Relaxed);
        self.replicas().iter().map(pid).filter(|pid| *pid != 0).collect()
    }

    /// The process of the first worker.
    pub fn worker_pid(&self) -> Option<u32> {
        self.worker_pids().first().copied()
    }

    /// The memory of the worker processes together; none while there is none, or where the kernel does not tell.
    pub fn memory(&self) -> Option<Memory> {
        let memory = |replica: &Replica| *replica.counters.memory.borrow();
        self.replicas().iter().filter_map(memory).reduce(Memory::and)
    }

    /// The last worker that was replaced because it had grown, and news of the next.
    pub fn replaced(&self) -> watch::Receiver<Option<Replacement>> {
        self.0.replaced.subscribe()
    }

    fn replicas(&self) -> Arc<[Replica]> {
        self.0.replicas.borrow().clone()
    }

    /// The replica that takes the job and its place there; or the first that could have, and why none does.
    fn admit(&self, kind: Kind, bytes: u64, lane: Lane, caller: &str) -> (Replica, Result<Ticket, JobError>) {
        let replicas = self.replicas();
        let order = replica::in_order_for(&replicas, lane, caller);
        let limit = frames::MAX_JOB_BYTES;
        let unfit = match bytes {
            _ if kind != self.0.kind => Some(JobError::WrongKind),
            bytes if bytes > limit => Some(JobError::TooLarge { bytes, limit }),
            _ => None,
        };
        let caller = CallerId::of(caller);
        let mut refusal = None;
        for replica in order.iter().filter(|_| unfit.is_none()) {
            match replica.join(lane, &caller) {
                Ok(ticket) => return ((*replica).clone(), Ok(ticket)),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        let why = unfit.or(refusal).unwrap_or_else(|| JobError::Unready(UNLOADED.into()));
        (order[0].clone(), Err(why))
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
            swap_bytes: 0,
            later_bytes: 0,
            confinement: Confinement::WHOLE,
            placement: Placement::default(),
        };
        let status = Status::Ready { facts: Arc::new(facts), proven_at: Instant::now() };
        tokio::time::advance(PROVEN_FOR).await;
        assert!(status.is_proven());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!status.is_proven());
        assert!(!Status::Starting.is_proven() && !Status::Loading { percent: 99 }.is_proven());
    }
}

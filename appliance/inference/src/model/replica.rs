//! One replica of a model, as the handle sees it: a worker, its keeper, and those who wait for it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use super::shown::OwnStatus;
use crate::job::{Event, Job, JobError, Lane, VectorJob, Vectors};
use crate::keeper::{Memory, Replacement};
use crate::queue::{CallerId, Occupancy, Queue, Ticket};
use crate::spec::ModelSpec;

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
    /// Whether the replica has ever been ready.
    pub(crate) was_ready: AtomicBool,
    /// What the worker has; none while there is none, or where nobody can tell.
    pub(crate) memory: watch::Sender<Option<Memory>>,
}

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) queue: Arc<Queue>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) status: OwnStatus,
}

/// The keeper's end of a replica.
pub(crate) struct Ends {
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) status: OwnStatus,
    /// Whether there should be a worker.
    pub(crate) wanted: watch::Receiver<bool>,
    /// The last worker of the model that was replaced because it had grown.
    pub(crate) replaced: watch::Sender<Option<Replacement>>,
}

impl Replica {
    pub(super) fn new(
        spec: &ModelSpec,
        status: OwnStatus,
        wanted: watch::Receiver<bool>,
        replaced: watch::Sender<Option<Replacement>>,
    ) -> (Replica, Ends) {
        let (sender, orders) = mpsc::unbounded_channel();
        let counters = Arc::new(Counters::default());
        let replica = Replica {
            queue: Queue::new(spec),
            orders: sender,
            counters: counters.clone(),
            status: status.clone(),
        };
        (replica, Ends { orders, counters, status, wanted, replaced })
    }

    /// A place in its queue.
    ///
    /// # Errors
    /// Why it takes no job, or not this one.
    pub(super) fn join(&self, lane: Lane, caller: &CallerId) -> Result<Ticket, JobError> {
        let was_ready = self.counters.was_ready.load(Ordering::Relaxed);
        let refusal = self.status.look(|status| match status.refusal() {
            None if status.is_coming() && !was_ready => Some("it is being loaded".into()),
            refusal => refusal,
        });
        if let Some(reason) = refusal {
            return Err(JobError::Unready(reason));
        }
        self.queue.join(lane, caller).map_err(|wait| JobError::QueueFull {
            position: wait.position,
            wait_ms: wait.expected.as_millis() as u64,
        })
    }
}

/// The replicas in the order in which a caller's job tries them: those that are ready, by the time until it would be
/// served. Where several would serve it at once, the one goes first that has read what this caller asked before, unless it
/// is much busier than another.
pub(super) fn in_order_for<'a>(replicas: &'a [Replica], lane: Lane, caller: &str) -> Vec<&'a Replica> {
    if let [only] = replicas {
        return vec![only];
    }
    let usual = home_of(caller, replicas.len());
    let load = |replica: &Replica| {
        let Occupancy { running, waiting, sequences, next, .. } = replica.queue.occupancy();
        (running + waiting.iter().sum::<u32>(), sequences, next[lane as usize].expected)
    };
    let least = replicas.iter().map(|replica| load(replica).0).min().unwrap_or_default();
    let mut order: Vec<_> = replicas
        .iter()
        .enumerate()
        .map(|(index, replica)| {
            let (busy, sequences, expected) = load(replica);
            let is_at_home = index == usual && busy <= least + sequences / 4;
            ((replica.status.look(|status| status.rank()), expected, !is_at_home, busy, index), replica)
        })
        .collect();
    order.sort_by_key(|(key, _)| *key);
    order.into_iter().map(|(_, replica)| replica).collect()
}

/// The same caller always comes to the same of so many replicas.
fn home_of(caller: &str, replicas: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    caller.hash(&mut hasher);
    (hasher.finish() % replicas as u64) as usize
}

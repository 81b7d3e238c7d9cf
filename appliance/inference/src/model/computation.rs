//! Vectors that are being made, and how they are asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::replica::Replica;
use super::{Counters, LocalModel, Order};
use crate::job::{JobError, Lane, VectorJob, Vectors};
use crate::kind::Kind;
use crate::queue::{Place, Queue};

impl LocalModel {
    /// Asks on nobody's account: all that is asked so is of one caller.
    pub fn compute(&self, job: VectorJob) -> Computation {
        self.compute_for("", job)
    }

    /// Asks for the vectors of some texts, or for the scores of some documents. Dropping what this gives cancels the
    /// job. Jobs of several callers take turns.
    ///
    /// While a worker that was ready is being restarted, jobs wait for it.
    pub fn compute_for(&self, caller: &str, job: VectorJob) -> Computation {
        let (sender, whole) = oneshot::channel();
        let kind = if job.query.is_some() { Kind::Rerank } else { Kind::Embedding };
        let (replica, ticket) = self.admit(kind, job.text_bytes(), job.lane, caller);
        let Replica { queue, orders, counters, .. } = replica;
        let id = counters.next_id.fetch_add(1, Ordering::Relaxed);
        counters.in_flight.fetch_add(1, Ordering::Relaxed);
        let mut computation = Computation { id, whole, orders, counters, place: None, over: false };
        match ticket {
            Ok(ticket) => {
                computation.place = Some((queue, ticket.key(), job.lane));
                // A keeper that has ended drops the order, and with it the sender.
                let compute = Order::Compute { id, job: Box::new(job), ticket, whole: sender };
                let _ = computation.orders.send(compute);
            }
            Err(refusal) => drop(sender.send(Err(refusal))),
        }
        computation
    }
}

/// Vectors that are being made.
pub struct Computation {
    id: u64,
    whole: oneshot::Receiver<Result<Vectors, JobError>>,
    orders: mpsc::UnboundedSender<Order>,
    counters: Arc<Counters>,
    place: Option<(Arc<Queue>, (Duration, u64), Lane)>,
    over: bool,
}

impl Computation {
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

/// All vectors of the job, or why there are none.
impl Future for Computation {
    type Output = Result<Vectors, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.over {
            return Poll::Pending;
        }
        let whole = std::task::ready!(Pin::new(&mut self.whole).poll(cx));
        self.end();
        Poll::Ready(whole.unwrap_or_else(|_| Err(JobError::Unready("its keeper has stopped".into()))))
    }
}

impl Drop for Computation {
    fn drop(&mut self) {
        if !self.over {
            self.end();
            let _ = self.orders.send(Order::Cancel { id: self.id });
        }
    }
}

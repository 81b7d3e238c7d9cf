//! Keeps one worker process alive, and the answers that it was giving.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::model::{Counters, Order, Status};
use crate::spec::ModelSpec;

/// Runs the worker process of one [`LocalModel`](crate::LocalModel).
pub struct Keeper {
    spec: ModelSpec,
    status: watch::Sender<Status>,
    orders: mpsc::UnboundedReceiver<Order>,
    counters: Arc<Counters>,
}

impl Keeper {
    pub(crate) fn new(
        spec: ModelSpec,
        status: watch::Sender<Status>,
        orders: mpsc::UnboundedReceiver<Order>,
        counters: Arc<Counters>,
    ) -> Keeper {
        Keeper { spec, status, orders, counters }
    }

    /// Keeps the worker until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        cancel.cancelled().await;
    }
}

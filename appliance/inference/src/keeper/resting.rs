//! A model that is not wanted: its answers come to their end, its worker goes, and its memory is free for others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Keeper, Life, Outcome};
use crate::job::JobError;
use crate::model::{Status, UNLOADED};

/// So long the answers that run when a model is unloaded may go on; what is left then goes on elsewhere.
const LAST_ANSWERS: Duration = Duration::from_secs(60);

impl Keeper {
    pub(super) fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Without a worker, until one is wanted.
    pub(super) async fn rest(&mut self, cancel: &CancellationToken) {
        self.place.leave();
        self.has_room = false;
        self.journal.refuse_all(&unloaded());
        self.status.set(Status::Unloaded);
        // Nobody waits for its next load, as after a death.
        self.counters.was_ready.store(false, Ordering::Relaxed);
        tracing::info!(model = self.spec.name, "the model {} is not loaded", self.spec.name);
        while !self.is_wanted() {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = self.wanted.changed() => {}
                Some(order) = self.orders.recv() => self.obey(order, None),
            }
        }
    }

    /// The order has changed while a worker lives: no new jobs, or new jobs again.
    pub(super) fn follow_order(&mut self, life: &mut Life) {
        let leaves = !self.is_wanted();
        if leaves == life.leaves_by.is_some() {
            return;
        }
        life.leaves_by = leaves.then(|| Instant::now() + LAST_ANSWERS);
        if leaves {
            self.forget_proof();
            let answers = self.journal.len();
            tracing::info!(model = self.spec.name, answers, "the model {} is being unloaded", self.spec.name);
            self.status.set(Status::Unloading);
        } else if life.facts.is_some() {
            // The next token says that it is ready.
            self.status.set(Status::Loading { percent: 100 });
            self.prove(life);
        } else {
            self.status.set(Status::Starting);
        }
    }

    /// Nothing keeps the worker of a model that is not wanted any longer.
    pub(super) fn may_leave(&self, life: &Life) -> bool {
        let is_over = |by: Instant| life.facts.is_none() || self.journal.is_empty() || Instant::now() >= by;
        life.leaves_by.is_some_and(is_over)
    }

    pub(super) async fn leave(&mut self, life: Life) -> Outcome {
        self.journal.refuse_all(&unloaded());
        life.child.stop().await;
        Outcome::Unloaded
    }
}

fn unloaded() -> JobError {
    JobError::Unready(UNLOADED.into())
}

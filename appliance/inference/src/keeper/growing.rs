//! Weighs the worker while it serves, and replaces one that has grown without losing an answer.

use tokio::time::Instant;

use super::memory::{Grown, Memory, Replacement};
use super::{Keeper, Life, Outcome};
use crate::plan::Size;

impl Keeper {
    /// Publishes what the worker has, and notes when it has grown by too much.
    pub(super) fn weigh(&self, life: &mut Life) {
        let Some(pid) = life.child.pid() else { return };
        let memory =
            Memory::of(pid).map(|own| Memory { gpu_bytes: self.gpus.borrow().memory_of(pid), ..own });
        let now = Instant::now();
        if let Some(grown) = memory.and_then(|memory| life.scale.weigh(memory, now)) {
            life.grown.get_or_insert((grown, now));
        }
        let warm_bytes = life.scale.warm_bytes();
        self.counters.memory.send_replace(memory.map(|memory| Memory { warm_bytes, ..memory }));
    }

    /// What a worker has once its model is loaded. Where a system hides processes, nobody could see it grow.
    pub(super) fn first_memory(&self, life: &Life) -> Option<Memory> {
        let pid = life.child.pid()?;
        let memory = Memory::of(pid);
        if memory.is_none() {
            tracing::warn!(
                model = self.spec.name,
                "/proc/{pid} can't be read: a worker of this model that grows will not be seen and not be replaced; \
                 let the box see its own processes (no `ProtectProc=`, no `hidepid=`)"
            );
        }
        memory
    }

    /// It has grown, and nobody is waiting for it, or somebody always is.
    pub(super) fn outgrown(&self, life: &Life) -> Option<Grown> {
        let (grown, since) = life.grown?;
        let is_idle = || self.journal.ids().iter().all(|id| self.proof == Some(*id));
        (since.elapsed() >= self.spec.growth.patience || is_idle()).then_some(grown)
    }

    /// Ends a worker that has grown. No answer is lost: the next worker goes on with them.
    pub(super) async fn replace(&mut self, life: Life, (from_bytes, to_bytes, on_gpu): Grown) -> Outcome {
        self.forget_proof();
        life.child.stop().await;
        let answers = self.journal.len();
        let model = &self.spec.name;
        let (from, to) = (Size(from_bytes), Size(to_bytes));
        tracing::warn!(model, answers, "the worker of {model} has grown from {from} to {to} and is replaced");
        self.replaced.send_modify(|replaced| {
            let count = replaced.map_or(0, |earlier: Replacement| earlier.count) + 1;
            *replaced = Some(Replacement { count, from_bytes, to_bytes, on_gpu, answers });
        });
        Outcome::Replaced
    }
}

//! The GPUs and the workers' memory: what of them is published, and what is told once when it turns.

use futures_util::future::join_all;
use inference::gpus::{Gpus, IdleGpu, idle};
use inference::{LocalModel, Replacement, Status};
use serde_json::json;

use super::event;
use crate::gateway::Gateway;
use crate::site::{GpuState, MachineView};

/// What the kernel and NVIDIA's library say, held against what the engine uses.
pub(super) fn machine(gpus: &Gpus, locals: &[LocalModel]) -> MachineView {
    let states =
        gpus.readings.iter().map(|reading| GpuState { worries: reading.worries(), reading: reading.clone() });
    MachineView {
        gpus: states.collect(),
        driver: gpus.driver.clone(),
        trouble: gpus.trouble.clone(),
        is_fresh: gpus.is_fresh(),
        idle: locals.iter().find_map(|model| idle_by(gpus, model)).unwrap_or_default(),
    }
}

/// As the worker of one model sees it, where that model may use a GPU; all workers find the same.
fn idle_by(gpus: &Gpus, model: &LocalModel) -> Option<Vec<IdleGpu>> {
    match &*model.status().borrow() {
        Status::Ready { facts, .. } if facts.placement.may_use_gpu => {
            Some(idle(&gpus.found, &facts.placement.devices, &facts.placement.built_for))
        }
        _ => None,
    }
}

/// The idle GPUs that the log has been told of.
#[derive(Default)]
pub(super) struct ToldIdle(Vec<IdleGpu>);

impl ToldIdle {
    pub(super) fn turn(&mut self, machine: &MachineView) {
        for gpu in &machine.idle {
            if !self.0.contains(gpu) {
                tracing::warn!("{gpu}");
                self.0.push(gpu.clone());
            }
        }
    }
}

/// A row of the log for each worker that is replaced because it had grown. Runs for ever.
pub(super) async fn watch_workers(gateway: &Gateway) {
    join_all(gateway.locals().iter().map(|model| watch_worker(gateway, model))).await;
}

async fn watch_worker(gateway: &Gateway, model: &LocalModel) {
    let mut replaced = model.replaced();
    while replaced.changed().await.is_ok() {
        let Some(Replacement { from_bytes, to_bytes, on_gpu, answers, .. }) = *replaced.borrow_and_update()
        else {
            continue;
        };
        let (from_mb, to_mb) = (from_bytes / 1_000_000, to_bytes / 1_000_000);
        let detail = json!({
            "name": model.name(), "from_mb": from_mb, "to_mb": to_mb, "on_gpu": on_gpu, "answers": answers,
        });
        drop(gateway.store().audit.event(event("worker-replaced", detail)));
    }
}

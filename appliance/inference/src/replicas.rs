//! Runs the workers of one model: one, or one for each GPU that holds the whole of it.
//!
//! Control starts no GPU driver, so it learns from the first worker, once that is ready, on what other GPUs the model fits.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::gpus::{self, GpuView};
use crate::keeper::Keeper;
use crate::load_line::{LoadLine, LoadPlace};
use crate::model::{Ends, LocalModel, Status};
use crate::spec::ModelSpec;
use crate::worker::Placement;

/// The replicas of one [`LocalModel`].
pub struct Replicas {
    model: LocalModel,
    spec: ModelSpec,
    first: Ends,
    gpus: GpuView,
    line: LoadLine,
    place: LoadPlace,
}

impl Replicas {
    pub(crate) fn new(model: LocalModel, spec: ModelSpec, first: Ends) -> Replicas {
        let line = LoadLine::default();
        let place = line.place(bytes_of(&spec));
        Replicas { model, spec, first, gpus: gpus::none(), line, place }
    }

    /// Loads one at a time with the other models of this line. It is lined up from now on if it is to be loaded at once.
    pub fn in_line(self, line: &LoadLine) -> Replicas {
        let place = line.place(bytes_of(&self.spec));
        if self.spec.resident {
            place.line_up();
        }
        Replicas { line: line.clone(), place, ..self }
    }

    /// Watches what the workers have on GPUs, too.
    pub fn with_gpus(self, gpus: GpuView) -> Replicas {
        Replicas { gpus, ..self }
    }

    /// Keeps the workers until `cancel`; then no worker process is left.
    pub async fn run(self, cancel: CancellationToken) {
        let Replicas { model, spec, first, gpus, line, place } = self;
        let mut keepers: FuturesUnordered<_> =
            [Keeper::new(spec.clone(), first, gpus.clone(), place).run(cancel.clone())].into_iter().collect();
        let mut status = model.status();
        tokio::select! {
            _ = keepers.next() => return,
            ready = status.wait_for(|status| matches!(status, Status::Ready { .. })) => {
                let (placement, sha256) = match ready.as_deref() {
                    Ok(Status::Ready { facts, .. }) => (facts.placement.clone(), Some(facts.sha256.clone())),
                    _ => (Placement::default(), None),
                };
                // All replicas are of one file.
                let spec = ModelSpec { sha256: spec.sha256.clone().or(sha256), ..spec };
                for spec in others(&spec, &placement) {
                    let ends = model.one_more(&spec);
                    let place = line.place(bytes_of(&spec));
                    let keeper = Keeper::new(spec, ends, gpus.clone(), place).further();
                    keepers.push(keeper.run(cancel.clone()));
                }
            }
        }
        if keepers.len() > 1 {
            let (name, replicas) = (model.name(), keepers.len());
            tracing::info!(model = name, replicas, "the model {name} gets {replicas} replicas");
        }
        while keepers.next().await.is_some() {}
    }
}

/// What its file has; nothing where it can't be read, which its worker will tell.
fn bytes_of(spec: &ModelSpec) -> u64 {
    std::fs::metadata(&spec.file).map_or(0, |file| file.len())
}

/// The replicas besides the first, which lies as it is told here.
fn others(first: &ModelSpec, placement: &Placement) -> Vec<ModelSpec> {
    let most = first.replicas.map_or(usize::MAX, |replicas| replicas.saturating_sub(1) as usize);
    if placement.layers_on_gpu > 0 {
        let fitting = placement.other_gpus.iter().take(most);
        return fitting.map(|gpu| ModelSpec { device: Some(*gpu), ..first.clone() }).collect();
    }
    let on_cpu = first.replicas.map_or(0, |_| most);
    vec![first.clone(); on_cpu]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_replicated_on_each_gpu_that_holds_it_or_as_often_as_somebody_says() {
        let spec = |replicas| ModelSpec { replicas, ..ModelSpec::new("m", "m.gguf", "genset") };
        let on_gpu = |other_gpus: &[u32]| Placement {
            layers: 3,
            layers_on_gpu: 3,
            other_gpus: other_gpus.to_vec(),
            ..Placement::default()
        };
        let table = [
            (None, on_gpu(&[]), vec![]),
            (None, on_gpu(&[2, 3]), vec![Some(2), Some(3)]),
            (Some(1), on_gpu(&[2, 3]), vec![]),
            (Some(2), on_gpu(&[2, 3]), vec![Some(2)]),
            (Some(8), on_gpu(&[2, 3]), vec![Some(2), Some(3)]),
            (None, Placement::default(), vec![]),
            (Some(3), Placement::default(), vec![None, None]),
        ];
        for (replicas, placement, devices) in table {
            let others = others(&spec(replicas), &placement);
            assert_eq!(others.iter().map(|spec| spec.device).collect::<Vec<_>>(), devices, "{placement:?}");
        }
    }
}

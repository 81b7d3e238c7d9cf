//! What a worker takes of the machine before it confines itself: the model file, the devices, the clock's zone.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread::available_parallelism;

use jiff::tz::TimeZone;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::params::LlamaModelParams;

use super::devices::{Device, DeviceKind, devices};
use super::memory::available_bytes;
use super::options::WorkerOptions;
use crate::gguf::{self, Gguf};
use crate::plan::{Free, Need, Wish};
use crate::spec::ModelSpec;

/// Everything that is open when the walls go up.
pub(super) struct Ground {
    pub(super) backend: LlamaBackend,
    pub(super) file: File,
    /// The device that holds the model.
    pub(super) device: String,
    pub(super) with_gpu: bool,
    /// Only a program plays the GPU.
    pub(super) is_software: bool,
    /// Nobody has said that the model belongs on the CPU.
    pub(super) may_use_gpu: bool,
    pub(super) cores: u32,
    pub(super) time_zone: TimeZone,
    /// None where nothing is known of it.
    pub(super) free: Option<Free>,
    pub(super) devices: Vec<Device>,
    /// The other GPUs that would hold the whole model, where it lies on one of several.
    pub(super) other_gpus: Vec<u32>,
    /// The one device that the model is for.
    only: Option<Device>,
}

impl Ground {
    /// # Errors
    /// One plain line: a file that can't be read, or a device that is not there.
    pub(super) fn take(options: &WorkerOptions) -> Result<Ground, String> {
        let file = gguf::open(&options.model).map_err(|error| error.to_string())?;
        // The modules of the engine first: it knows no others once it has begun.
        let found = devices()?;
        let backend = LlamaBackend::init().map_err(|error| error.to_string())?;
        let only = match (options.on_cpu, options.device) {
            (true, _) => found.iter().find(|device| device.kind == DeviceKind::Cpu).cloned(),
            (false, None) => None,
            (false, Some(index)) => {
                let device = found.iter().find(|device| device.index == index).cloned();
                Some(
                    device
                        .ok_or_else(|| format!("there is no device {index}: `genset doctor` lists them"))?,
                )
            }
        };
        let usual = usual(&found).first().copied().or(found.first());
        let device = only.as_ref().or(usual);
        let free = free(only.as_ref(), &found, options.mapped_bytes);
        Ok(Ground {
            backend,
            file,
            device: device.map_or_else(|| "CPU".to_owned(), |device| device.name.clone()),
            with_gpu: device.is_some_and(Device::is_gpu),
            is_software: device.is_some_and(Device::is_software),
            may_use_gpu: only.as_ref().is_none_or(Device::is_gpu),
            cores: available_parallelism().ok().and_then(|cores| cores.get().try_into().ok()).unwrap_or(1),
            time_zone: TimeZone::system(),
            free,
            only,
            other_gpus: Vec::new(),
            devices: found,
        })
    }

    /// Of several GPUs, one that holds the whole model takes it: the work of a layer would wait for that of the one before
    /// on another. Where none does, all share it.
    pub(super) fn settle(&mut self, file: &Gguf, wish: Wish) {
        let gpus = usual(&self.devices);
        if self.only.is_some() || gpus.len() < 2 {
            return;
        }
        let fitting = in_order_of_room(&gpus, |free| Need::on(free, file, wish));
        if let Some((only, others)) = fitting.split_first() {
            self.other_gpus = others.iter().map(|device| device.index).collect();
            self.device.clone_from(&only.name);
            let only = (*only).clone();
            self.free = free(Some(&only), &self.devices, 0);
            self.only = Some(only);
        }
    }

    /// The file that is open, whatever its path leads to by now.
    pub(super) fn open_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// Where the weights go: the device that was asked for, or all GPUs, or else the CPU; on GPUs so many layers, or all.
    ///
    /// # Errors
    /// What llama.cpp says of the device.
    pub(super) fn placement(&self, gpu_layers: Option<u32>) -> Result<LlamaModelParams, String> {
        let all = LlamaModelParams::default();
        let params = match gpu_layers {
            Some(layers) => all.with_n_gpu_layers(layers),
            None => all,
        };
        match &self.only {
            None => Ok(params),
            // With no GPU among its devices the engine does not borrow one for large steps either: a process that is
            // confined for the CPU could not reach it.
            Some(device) if !device.is_gpu() => {
                let params = params.with_n_gpu_layers(0).with_devices(&[]);
                params.map_err(|error| error.to_string())
            }
            Some(device) => params.with_devices(&[device.index as usize]).map_err(|error| error.to_string()),
        }
    }
}

/// The devices that take a model for which nothing is asked, as the engine chooses them: GPUs with memory of their own,
/// or else integrated ones. Empty where there are none.
fn usual(found: &[Device]) -> Vec<&Device> {
    let of_kind = |kind| found.iter().filter(|device| device.kind == kind).collect::<Vec<_>>();
    let own = of_kind(DeviceKind::Gpu);
    if own.is_empty() { of_kind(DeviceKind::IntegratedGpu) } else { own }
}

/// Those that hold a model which needs so much of them, the freest first.
fn in_order_of_room<'a>(gpus: &[&'a Device], need: impl Fn(&Free) -> Need) -> Vec<&'a Device> {
    let mut fitting: Vec<&Device> = gpus
        .iter()
        .copied()
        .filter(|gpu| free(Some(gpu), &[], 0).is_some_and(|free| need(&free).fits(&free)))
        .collect();
    fitting.sort_by_key(|gpu| std::cmp::Reverse(gpu.memory_free_bytes));
    fitting
}

/// What is free for a model on this machine now: on one device, or where a model goes by itself. None where nothing is
/// known of it. Starts the GPU drivers in this process.
pub fn free_memory(spec: &ModelSpec) -> Option<Free> {
    let found = devices().ok()?;
    let is_it = |device: &&Device| match spec.on_cpu {
        true => device.kind == DeviceKind::Cpu,
        false => spec.device == Some(device.index),
    };
    free(found.iter().find(is_it), &found, 0)
}

/// What is free on the one device, or on all GPUs together, or else in this machine's own memory, where `mapped_bytes`
/// only look so.
fn free(only: Option<&Device>, found: &[Device], mapped_bytes: u64) -> Option<Free> {
    let gpus = match only {
        Some(only) => Vec::from_iter(only.is_gpu().then_some(only)),
        None => usual(found),
    };
    let Some(first) = gpus.first() else {
        let bytes = available_bytes()?.saturating_sub(mapped_bytes);
        return Some(Free { device: "CPU".into(), bytes, gpus: 0 });
    };
    let bytes = gpus.iter().map(|device| device.memory_free_bytes).sum();
    let device = if gpus.len() == 1 { first.name.clone() } else { format!("{} GPUs", gpus.len()) };
    // A driver that tells nothing is not taken for a full one.
    (bytes > 0).then_some(Free { device, bytes, gpus: gpus.len() as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(index: u32, free_gib: u64) -> Device {
        Device {
            index,
            name: format!("CUDA{index}"),
            description: String::new(),
            backend: "CUDA".into(),
            kind: DeviceKind::Gpu,
            memory_total_bytes: 80 << 30,
            memory_free_bytes: free_gib << 30,
        }
    }

    #[test]
    fn the_freest_gpu_that_holds_the_whole_model_takes_it_and_the_others_may_have_a_replica() {
        let need = |gib: u64| Need { weights: gib << 30, context: 0, compute: 0 };
        let gpus = [gpu(0, 40), gpu(1, 79), gpu(2, 20), gpu(3, 79)];
        let fitting = |gib| {
            let gpus: Vec<&Device> = gpus.iter().collect();
            in_order_of_room(&gpus, |_| need(gib)).iter().map(|gpu| gpu.index).collect::<Vec<_>>()
        };
        assert_eq!(fitting(5), [1, 3, 0, 2]);
        assert_eq!(fitting(30), [1, 3, 0]);
        assert_eq!(fitting(78), [1, 3]);
        assert_eq!(fitting(79), [0; 0], "something is left to others: it is split");
    }
}

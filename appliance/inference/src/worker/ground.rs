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
use crate::gguf::GgufError;
use crate::plan::Free;

/// Everything that is open when the walls go up.
pub(super) struct Ground {
    pub(super) backend: LlamaBackend,
    pub(super) file: File,
    /// The device that holds the model.
    pub(super) device: String,
    pub(super) with_gpu: bool,
    pub(super) cores: u32,
    pub(super) time_zone: TimeZone,
    /// None where nothing is known of it.
    pub(super) free: Option<Free>,
    /// The one device that was asked for.
    only: Option<Device>,
}

impl Ground {
    /// # Errors
    /// One plain line: a file that can't be read, or a device that is not there.
    pub(super) fn take(options: &WorkerOptions) -> Result<Ground, String> {
        let path = &options.model;
        let file = File::open(path).map_err(|error| GgufError::Unreadable(path.clone(), error.kind()));
        let file = file.map_err(|error| error.to_string())?;
        let backend = LlamaBackend::init().map_err(|error| error.to_string())?;
        let found = devices();
        let only = options.device.map(|index| {
            let device = found.iter().find(|device| device.index == index).cloned();
            device.ok_or_else(|| format!("there is no device {index}: `genset doctor` lists them"))
        });
        let only = only.transpose()?;
        let usual = found.iter().find(|device| !on_cpu(device)).or(found.first());
        let device = only.as_ref().or(usual);
        let free = free(only.as_ref(), &found);
        Ok(Ground {
            backend,
            file,
            device: device.map_or_else(|| "CPU".to_owned(), |device| device.name.clone()),
            with_gpu: device.is_some_and(|device| !on_cpu(device)),
            cores: available_parallelism().ok().and_then(|cores| cores.get().try_into().ok()).unwrap_or(1),
            time_zone: TimeZone::system(),
            free,
            only,
        })
    }

    /// The file that is open, whatever its path leads to by now.
    pub(super) fn open_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// Where the weights go: the device that was asked for, or all GPUs, or else the CPU.
    ///
    /// # Errors
    /// What llama.cpp says of the device.
    pub(super) fn placement(&self) -> Result<LlamaModelParams, String> {
        let params = LlamaModelParams::default();
        match &self.only {
            None => Ok(params),
            Some(device) if on_cpu(device) => Ok(params.with_n_gpu_layers(0)),
            Some(device) => params.with_devices(&[device.index as usize]).map_err(|error| error.to_string()),
        }
    }
}

fn on_cpu(device: &Device) -> bool {
    matches!(device.kind, DeviceKind::Cpu | DeviceKind::Accelerator)
}

/// What is free for a model on this machine now: on one device, or where a model goes by itself. None where nothing is
/// known of it. Starts the GPU drivers in this process.
pub fn free_memory(device: Option<u32>) -> Option<Free> {
    let found = devices();
    let only = device.and_then(|index| found.iter().find(|device| device.index == index));
    free(only, &found)
}

/// What is free on the one device, or on all GPUs together, or else in this machine's own memory.
fn free(only: Option<&Device>, found: &[Device]) -> Option<Free> {
    let asked = |device: &&Device| only.is_none_or(|only| only.index == device.index);
    let gpus: Vec<&Device> = found.iter().filter(asked).filter(|device| !on_cpu(device)).collect();
    let Some(first) = gpus.first() else {
        return available_bytes().map(|bytes| Free { device: "CPU".into(), bytes, is_gpu: false });
    };
    let bytes = gpus.iter().map(|device| device.memory_free_bytes).sum();
    let device = if gpus.len() == 1 { first.name.clone() } else { format!("{} GPUs", gpus.len()) };
    // A driver that tells nothing is not taken for a full one.
    (bytes > 0).then_some(Free { device, bytes, is_gpu: true })
}

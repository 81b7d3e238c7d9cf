//! The devices that the engine was built for and finds in this machine.

use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};
use serde::{Deserialize, Serialize};

use super::backends;

/// One device that can hold a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What [`ModelSpec::device`](crate::ModelSpec) takes.
    pub index: u32,
    pub name: String,
    pub description: String,
    /// What of the engine computes on it, as `CUDA`, `Vulkan` or `CPU`.
    pub backend: String,
    pub kind: DeviceKind,
    pub memory_total_bytes: u64,
    pub memory_free_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    Cpu,
    Gpu,
    IntegratedGpu,
    /// Helps the CPU; holds no model by itself.
    Accelerator,
}

impl Device {
    /// Mesa's lavapipe: the CPU stands in for a GPU, for tests.
    pub(super) fn is_software(&self) -> bool {
        self.description.contains("llvmpipe")
    }

    /// It holds a model in memory of its own, or computes on one much faster than the CPU.
    pub fn is_gpu(&self) -> bool {
        matches!(self.kind, DeviceKind::Gpu | DeviceKind::IntegratedGpu)
    }
}

/// Lists the devices, in the engine's order. Starts the GPU drivers in this process.
///
/// # Errors
/// One plain line, where the engine's backends are missing.
pub fn devices() -> Result<Vec<Device>, String> {
    super::engine_speaks_to_tracing();
    backends::load()?;
    let found: Vec<Device> = list_llama_ggml_backend_devices()
        .into_iter()
        .map(|device| Device {
            index: u32::try_from(device.index).unwrap_or(u32::MAX),
            name: device.name,
            description: device.description,
            backend: device.backend,
            kind: match device.device_type {
                LlamaBackendDeviceType::Cpu => DeviceKind::Cpu,
                LlamaBackendDeviceType::Gpu => DeviceKind::Gpu,
                LlamaBackendDeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
                LlamaBackendDeviceType::Accelerator | LlamaBackendDeviceType::Unknown => {
                    DeviceKind::Accelerator
                }
            },
            memory_total_bytes: device.memory_total as u64,
            memory_free_bytes: device.memory_free as u64,
        })
        .collect();
    if found.iter().any(|device| device.kind == DeviceKind::Cpu) {
        return Ok(found);
    }
    Err(backends::no_cpu())
}

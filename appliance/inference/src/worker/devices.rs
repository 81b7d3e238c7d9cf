//! The devices that the engine was built for and finds in this machine.

use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};
use serde::{Deserialize, Serialize};

/// One device that can hold a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What [`ModelSpec::device`](crate::ModelSpec) takes.
    pub index: u32,
    pub name: String,
    pub description: String,
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

/// Lists the devices, in the engine's order. Starts the GPU drivers in this process.
pub fn devices() -> Vec<Device> {
    list_llama_ggml_backend_devices()
        .into_iter()
        .map(|device| Device {
            index: u32::try_from(device.index).unwrap_or(u32::MAX),
            name: device.name,
            description: device.description,
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
        .collect()
}

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
    let found = each_once(found);
    if found.iter().any(|device| device.kind == DeviceKind::Cpu) {
        return Ok(found);
    }
    Err(backends::no_cpu())
}

/// Vulkan finds the cards of other backends too, under the same name or a longer one: there they are faster, and each is
/// one card all the same. The indices stay the engine's.
fn each_once(found: Vec<Device>) -> Vec<Device> {
    let is_vulkan = |device: &Device| device.backend == "Vulkan";
    let gpus = found.iter().filter(|device| device.is_gpu() && !is_vulkan(device));
    let mut known: Vec<String> = gpus.map(|device| device.description.clone()).collect();
    let mut is_twin = |device: &Device| {
        let twin = known.iter().position(|name| !name.is_empty() && device.description.starts_with(name));
        twin.map(|twin| known.swap_remove(twin)).is_some()
    };
    found.into_iter().filter(|device| !(device.is_gpu() && is_vulkan(device) && is_twin(device))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_two_backends_find_is_one() {
        let device = |(index, (backend, description)): (u32, (&str, &str))| Device {
            index,
            name: format!("{backend}{index}"),
            description: description.into(),
            backend: backend.into(),
            kind: if backend == "CPU" { DeviceKind::Cpu } else { DeviceKind::Gpu },
            memory_total_bytes: 0,
            memory_free_bytes: 0,
        };
        let found = [
            ("CUDA", "NVIDIA L40S"),
            ("CUDA", "NVIDIA L40S"),
            ("Vulkan", "NVIDIA L40S"),
            ("Vulkan", "NVIDIA L40S"),
            ("Vulkan", "Intel Arc A770"),
            ("ROCm", "AMD Radeon RX 7900 XTX"),
            ("Vulkan", "AMD Radeon RX 7900 XTX (RADV NAVI31)"),
            ("CPU", "NVIDIA L40S"),
        ];
        let kept = each_once((0..).zip(found).map(device).collect());
        assert_eq!(kept.iter().map(|device| device.index).collect::<Vec<_>>(), [0, 1, 4, 5, 7]);
    }
}

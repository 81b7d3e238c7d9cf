//! The GPUs that the kernel lists, and why those that nobody computes on are idle.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::worker::{Api, Device, DeviceKind};

/// Who made a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    Nvidia,
    Amd,
    Intel,
}

impl Vendor {
    const ALL: [Vendor; 3] = [Vendor::Nvidia, Vendor::Amd, Vendor::Intel];

    /// As the maker writes it.
    pub fn name(self) -> &'static str {
        match self {
            Vendor::Nvidia => "NVIDIA",
            Vendor::Amd => "AMD",
            Vendor::Intel => "Intel",
        }
    }

    fn of_pci(id: &str) -> Option<Vendor> {
        match id.trim() {
            "0x10de" => Some(Vendor::Nvidia),
            "0x1002" => Some(Vendor::Amd),
            "0x8086" => Some(Vendor::Intel),
            _ => None,
        }
    }

    /// What a build needs to compute on its GPUs.
    pub fn served_by(self) -> &'static [Api] {
        match self {
            Vendor::Nvidia => &[Api::Cuda, Api::Vulkan],
            Vendor::Amd => &[Api::Rocm, Api::Vulkan],
            Vendor::Intel => &[Api::Vulkan],
        }
    }

    /// Its names, in what engines call its GPUs.
    fn words(self) -> &'static [&'static str] {
        match self {
            Vendor::Nvidia => &["NVIDIA", "GeForce", "Quadro", "Tesla"],
            Vendor::Amd => &["AMD", "Radeon"],
            Vendor::Intel => &["Intel"],
        }
    }

    fn made(self, device: &Device) -> bool {
        let own_backend = match self {
            Vendor::Nvidia => device.backend == "CUDA",
            Vendor::Amd => matches!(device.backend.as_str(), "ROCm" | "HIP"),
            Vendor::Intel => false,
        };
        own_backend || self.words().iter().any(|word| device.description.contains(word))
    }
}

/// All GPUs of one maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundGpu {
    pub vendor: Vendor,
    /// The files by which programs reach them, as `/dev/nvidia0`. Empty where no driver has made any.
    pub nodes: Vec<String>,
    /// Those of them that this process may not open.
    pub closed: Vec<String>,
}

/// Lists what is under `root/dev` and `root/sys`, the makers in their own order. Opens no device.
pub fn look(root: &Path) -> Vec<FoundGpu> {
    let on_bus = on_bus(root);
    let rendering = rendering(root);
    let found = Vendor::ALL.into_iter().filter_map(|vendor| {
        let mut nodes: Vec<PathBuf> = match vendor {
            Vendor::Nvidia => numbered(&root.join("dev"), "nvidia"),
            Vendor::Amd => [root.join("dev/kfd")].into_iter().filter(|node| node.exists()).collect(),
            Vendor::Intel => Vec::new(),
        };
        // NVIDIA's are reached by its own node; a node of the desktop's driver for it computes nothing.
        if vendor != Vendor::Nvidia {
            nodes
                .extend(rendering.iter().filter(|(maker, _)| *maker == vendor).map(|(_, node)| node.clone()));
        }
        if nodes.is_empty() && !on_bus.contains(&vendor) {
            return None;
        }
        let named = |path: &PathBuf| format!("/{}", path.strip_prefix(root).unwrap_or(path).display());
        let is_closed = |path: &&PathBuf| access(path.as_path(), Access::READ_OK | Access::WRITE_OK).is_err();
        let closed = nodes.iter().filter(is_closed).map(named).collect();
        Some(FoundGpu { vendor, nodes: nodes.iter().map(named).collect(), closed })
    });
    found.collect()
}

/// Makers of the display and compute devices on the PCI bus.
fn on_bus(root: &Path) -> Vec<Vendor> {
    let devices = entries(&root.join("sys/bus/pci/devices"));
    let computes = |device: &PathBuf| {
        let class = fs::read_to_string(device.join("class")).unwrap_or_default();
        // Displays, and processing accelerators.
        class.starts_with("0x03") || class.starts_with("0x12")
    };
    let vendor = |device: PathBuf| Vendor::of_pci(&fs::read_to_string(device.join("vendor")).ok()?);
    devices.into_iter().filter(computes).filter_map(vendor).collect()
}

/// The nodes for rendering, with who made the device behind each.
fn rendering(root: &Path) -> Vec<(Vendor, PathBuf)> {
    let nodes = numbered(&root.join("dev/dri"), "renderD").into_iter();
    let with_maker = nodes.filter_map(|node| {
        let of_kernel = root.join("sys/class/drm").join(node.file_name()?).join("device/vendor");
        Some((Vendor::of_pci(&fs::read_to_string(of_kernel).ok()?)?, node))
    });
    with_maker.collect()
}

/// Entries that are called `name` and a number, in order.
fn numbered(folder: &Path, name: &str) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        let number = path.file_name().and_then(|file| file.to_str()).and_then(|file| file.strip_prefix(name));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut found: Vec<PathBuf> = entries(folder).into_iter().filter(is_one).collect();
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// GPUs of a maker that the machine has and the engine does not use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdleGpu {
    pub vendor: Vendor,
    pub why: Why,
}

/// Why nobody computes on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// No backend of this build is for them.
    NotBuilt,
    /// There is no such file: the kernel has no driver for them that works.
    NoNode(&'static str),
    /// The box's user may not open this.
    Closed(String),
    /// The driver's library, or all of it, is missing or of another version than the kernel's part.
    NotListed,
}

/// The GPUs that `found` has and `engine` lacks: one line for each maker.
pub fn idle(found: &[FoundGpu], engine: &[Device], built_for: &[Api]) -> Vec<IdleGpu> {
    let is_gpu = |device: &&Device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::IntegratedGpu);
    let is_used = |vendor: Vendor| engine.iter().filter(is_gpu).any(|device| vendor.made(device));
    let idle = found.iter().filter(|gpu| !is_used(gpu.vendor)).filter_map(|gpu| {
        let why = if !gpu.vendor.served_by().iter().any(|api| built_for.contains(api)) {
            // Half of all processors have one of Intel's, which is hardly faster: nobody needs another build for it.
            if gpu.vendor == Vendor::Intel {
                return None;
            }
            Why::NotBuilt
        } else if gpu.nodes.is_empty() {
            Why::NoNode(match gpu.vendor {
                Vendor::Nvidia => "/dev/nvidia0",
                Vendor::Amd => "/dev/kfd",
                Vendor::Intel => "/dev/dri/renderD128",
            })
        } else if let Some(node) = gpu.closed.first() {
            Why::Closed(node.clone())
        } else {
            Why::NotListed
        };
        Some(IdleGpu { vendor: gpu.vendor, why })
    });
    idle.collect()
}

impl Why {
    /// One word, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Why::NotBuilt => "not-built",
            Why::NoNode(_) => "no-driver",
            Why::Closed(_) => "not-allowed",
            Why::NotListed => "not-listed",
        }
    }
}

/// One line, for logs: what is wrong, and the mend.
impl fmt::Display for IdleGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vendor = self.vendor.name();
        write!(f, "this box has an {vendor} device, ")?;
        match &self.why {
            Why::NotBuilt => write!(
                f,
                "but this build of genset cannot compute on it: install the package with the backends, or build with \
                 one for {vendor} (see the README, \"GPUs\")"
            ),
            Why::NoNode(node) => write!(
                f,
                "but no driver that works: {node} is not there; install {vendor}'s driver for this kernel and restart"
            ),
            Why::Closed(node) => write!(
                f,
                "but no driver that works: the box's user may not open {node}; add it to the groups that may, usually \
                 render and video"
            ),
            Why::NotListed => write!(
                f,
                "but no driver that works: the engine finds none; install the driver's libraries (libcuda.so.1, or \
                 libvulkan.so.1 with {vendor}'s driver for it), of the version that the kernel's driver has"
            ),
        }
    }
}

//! Where a model's layers came to lie, as the engine itself tells it while it loads.
//!
//! There is no call that says it: llama.cpp falls back to the CPU in silence, and even its line "offloaded N/M layers"
//! repeats what was wished. So its messages are read, layer by layer and buffer by buffer.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::backends::Api;
use super::devices::Device;

/// On what a model is computed, and what else there would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The layers of the model, its output counted as one.
    pub layers: u32,
    /// Those that a GPU computes.
    pub layers_on_gpu: u32,
    /// Weights in the memory of GPUs, in bytes.
    pub gpu_weight_bytes: u64,
    /// Its layers belong on a GPU: the engine has one, and the model is not kept from it.
    pub wants_gpu: bool,
    /// Only so many of them, because it was said so.
    pub wanted_layers: Option<u32>,
    /// Nobody has said that the model belongs on the CPU.
    pub may_use_gpu: bool,
    /// The devices that the engine has found here.
    pub devices: Vec<Device>,
    /// The other GPUs that would hold the whole model, where it lies on one.
    pub other_gpus: Vec<u32>,
    /// What it was built for.
    pub built_for: Vec<Api>,
}

impl Placement {
    /// Layers that should be on a GPU are on the CPU.
    pub fn is_short(&self) -> bool {
        let wanted = self.wanted_layers.map_or(self.layers, |wanted| wanted.min(self.layers));
        self.wants_gpu && (self.layers_on_gpu < wanted || self.layers == 0)
    }
}

/// So many characters of what the engine says of a file are shown.
const MOST_SHOWN: usize = 200;

/// Listens to the engine; the other half is the [`Listener`] among those who log.
#[derive(Clone, Default)]
pub(super) struct Listening(Arc<Mutex<Option<Heard>>>);

/// What the engine has said of a model that was loaded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The layers of the model, and those on GPUs.
    pub(super) layers: u32,
    pub(super) layers_on_gpu: u32,
    pub(super) gpu_weight_bytes: u64,
    /// Of how many tokens the past goes back in the layers that forget; 0 where none does.
    pub(super) window: Option<u32>,
}

/// What the engine has said so far.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    window: Option<u32>,
    why: Option<String>,
    /// The device of each layer.
    layers: Vec<String>,
    /// Buffers of weights, with their bytes.
    buffers: Vec<(String, u64)>,
}

impl Listening {
    /// From now on until [`end`](Listening::end) all that the engine says is read.
    pub(super) fn begin(&self) {
        *self.heard() = Some(Heard::default());
    }

    /// Of a model that was loaded meanwhile.
    pub(super) fn end(&self, devices: &[Device]) -> Told {
        self.heard().take().unwrap_or_default().summary(devices)
    }

    /// Why the engine did not load a model, in its own words, made fit to be shown: they may hold what stands in the file.
    pub(super) fn why(&self) -> Option<String> {
        let why = self.heard().as_ref()?.why.clone()?;
        Some(why.chars().filter(|char| !char.is_control()).take(MOST_SHOWN).collect())
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Option<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.heard().is_some()
    }
}

impl Heard {
    fn hear(&mut self, line: &str) {
        if let Some((_, rest)) = line.split_once("assigned to device ") {
            self.layers.push(rest.split(',').next().unwrap_or_default().trim().to_owned());
        } else if let Some((name, size)) = line.split_once(" model buffer size = ") {
            let megabytes =
                size.trim().strip_suffix(" MiB").and_then(|number| number.trim().parse::<f64>().ok());
            let name = name.rsplit(": ").next().unwrap_or_default().trim().to_owned();
            self.buffers.push((name, megabytes.map_or(0, |number| (number * f64::from(1 << 20)) as u64)));
        } else if let Some((_, why)) = line.split_once("error loading model: ") {
            self.why = Some(why.trim().to_owned());
        } else if let Some((_, window)) = line.split_once("n_swa  ") {
            self.window = window.trim_start_matches([' ', '=']).trim().parse().ok();
        }
    }

    /// A device whose buffers hold nothing computes nothing, whatever was assigned to it.
    fn summary(&self, devices: &[Device]) -> Told {
        let gpus = || devices.iter().filter(|device| device.is_gpu());
        // `CUDA0` is the device; what lies in the CPU's memory for it is called `CUDA_Host`.
        let bytes_of = |device: &Device| {
            let own = self.buffers.iter().filter(|(name, _)| *name == device.name);
            own.map(|(_, bytes)| bytes).sum::<u64>()
        };
        let is_on_gpu = |layer: &&String| gpus().any(|gpu| gpu.name == **layer && bytes_of(gpu) > 0);
        let on_gpu = self.layers.iter().filter(is_on_gpu).count();
        Told {
            layers: self.layers.len() as u32,
            layers_on_gpu: on_gpu as u32,
            gpu_weight_bytes: gpus().map(bytes_of).sum(),
            window: self.window,
        }
    }
}

/// Takes part in logging, and lets through what is of use to people: warnings, and while a model is loaded all that
/// tells where it goes.
pub(super) struct Listener(pub(super) Listening);

impl<S: Subscriber> Layer<S> for Listener {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::WARN || self.0.is_open()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if let Some(heard) = &mut *self.0.heard() {
            event.record(&mut Line(heard));
        }
    }
}

struct Line<'a>(&'a mut Heard);

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.hear(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.hear(&format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::DeviceKind;

    fn device(name: &str, kind: DeviceKind) -> Device {
        Device {
            index: 0,
            name: name.into(),
            description: String::new(),
            backend: String::new(),
            kind,
            memory_total_bytes: 0,
            memory_free_bytes: 0,
        }
    }

    fn heard(lines: &[&str]) -> Told {
        let mut heard = Heard::default();
        lines.iter().for_each(|line| heard.hear(line));
        heard.summary(&[device("CPU", DeviceKind::Cpu), device("CUDA0", DeviceKind::Gpu)])
    }

    #[test]
    fn layers_are_counted_where_they_are() {
        let lines = [
            "layer   0 assigned to device CPU, is_swa = 0",
            "layer   1 assigned to device CUDA0, is_swa = 0",
            "layer   2 assigned to device CUDA0, is_swa = 1",
            "  CPU_Mapped model buffer size =    10.00 MiB",
            "       CUDA0 model buffer size =     2.50 MiB",
            "print_info: n_swa                 = 4096",
        ];
        let told = Told { layers: 3, layers_on_gpu: 2, gpu_weight_bytes: 5 << 19, window: Some(4096) };
        assert_eq!(heard(&lines), told);
    }

    #[test]
    fn a_gpu_without_weights_computes_nothing() {
        let lines = [
            "layer   0 assigned to device CUDA0, is_swa = 0",
            "offloaded 1/1 layers to GPU",
            "   CUDA_Host model buffer size =    10.00 MiB",
        ];
        assert_eq!(heard(&lines), Told { layers: 1, ..Told::default() });
    }

    #[test]
    fn what_the_engine_does_not_tell_is_no_success() {
        let Told { layers, layers_on_gpu, window, .. } =
            heard(&["loading model tensors, this can take a while..."]);
        assert_eq!(window, None);
        let silent = Placement { layers, layers_on_gpu, wants_gpu: true, ..Placement::default() };
        assert!(silent.is_short());
        assert!(!Placement { wants_gpu: false, ..silent }.is_short());
        let whole = Placement { layers: 3, layers_on_gpu: 3, wants_gpu: true, ..Placement::default() };
        assert!(!whole.is_short());
        let two = Placement { layers_on_gpu: 2, ..whole };
        assert!(two.is_short());
        let wanted = |layers| Placement { wanted_layers: Some(layers), ..two.clone() }.is_short();
        assert_eq!([2, 3, 4].map(wanted), [false, true, true], "two of three are there");
    }
}

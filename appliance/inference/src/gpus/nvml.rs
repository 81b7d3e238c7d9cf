//! Asks NVIDIA's management library, which is loaded at run time: where there is none, nothing is said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor, TemperatureThreshold};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet};
use tokio::time::Instant;

use super::{GpuReading, GpuWatch, Gpus, RETRY, Xid, look};

/// Events that are taken of one GPU at a time: one that reports without end must not keep the others waiting.
const EVENTS_AT_ONCE: usize = 64;

/// The Xids of each GPU since the box runs, through all returns of the library.
type Xids = BTreeMap<u32, (u64, Option<Xid>)>;

/// Reads until the other end of `stopped` is gone.
pub(super) fn keep_reading(watch: &GpuWatch, stopped: &Receiver<()>) {
    let mut xids = Xids::new();
    let mut told = None;
    loop {
        let trouble = match Nvml::builder().lib_path(watch.library.as_os_str()).init() {
            Ok(nvml) => match read_while_it_works(watch, &nvml, &mut xids, stopped) {
                Ok(()) => return,
                Err(error) => Some(error.to_string()),
            },
            // There is none, which is no trouble; a driver that is installed later is found later.
            Err(NvmlError::LibloadingError(_)) => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(trouble) = trouble.as_ref().filter(|trouble| told.as_ref() != Some(*trouble)) {
            tracing::warn!("NVIDIA's library does not work: {trouble}");
        }
        told.clone_from(&trouble);
        publish(watch, Gpus { found: look(&watch.root), trouble, ..Gpus::default() });
        if is_over(stopped, RETRY.min(watch.every * 12)) {
            return;
        }
    }
}

/// # Errors
/// What the library says when it can count the GPUs no more.
fn read_while_it_works(
    watch: &GpuWatch,
    nvml: &Nvml,
    xids: &mut Xids,
    stopped: &Receiver<()>,
) -> Result<(), NvmlError> {
    let driver = nvml.sys_driver_version().ok();
    let count = nvml.device_count()?;
    let events: Vec<Option<EventSet<'_>>> = (0..count).map(|index| events(nvml, index)).collect();
    loop {
        for (index, events) in (0..).zip(&events) {
            let newest = events.as_ref().map(reported).unwrap_or_default();
            let (number, last) = xids.entry(index).or_default();
            *number += newest.len() as u64;
            *last = newest.last().copied().or(*last);
        }
        let readings = (0..nvml.device_count()?).map(|index| reading(nvml, index, xids)).collect();
        let (found, driver) = (look(&watch.root), driver.clone());
        publish(watch, Gpus { found, readings, driver, trouble: None, read_at: Some(Instant::now()) });
        if is_over(stopped, watch.every) {
            return Ok(());
        }
    }
}

fn publish(watch: &GpuWatch, gpus: Gpus) {
    watch.publish.send_replace(Arc::new(gpus));
}

fn is_over(stopped: &Receiver<()>, pause: Duration) -> bool {
    !matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
}

/// None for a GPU that reports nothing.
fn events(nvml: &Nvml, index: u32) -> Option<EventSet<'_>> {
    let set = nvml.create_event_set().ok()?;
    nvml.device_by_index(index).ok()?.register_events(EventTypes::CRITICAL_XID_ERROR, set).ok()
}

fn reported(events: &EventSet<'_>) -> Vec<Xid> {
    let waiting = std::iter::from_fn(|| events.wait(0).ok()).take(EVENTS_AT_ONCE);
    let xids = waiting.filter_map(|event| event.event_data).map(|xid| match xid {
        XidError::Value(number) => Xid { number, at: Instant::now() },
        XidError::Unknown => Xid { number: 0, at: Instant::now() },
    });
    xids.collect()
}

/// What a GPU does not tell is none: no card tells all of it.
fn reading(nvml: &Nvml, index: u32, xids: &Xids) -> GpuReading {
    let (count, last_xid) = xids.get(&index).copied().unwrap_or_default();
    let known =
        GpuReading { index, name: format!("GPU {index}"), xids: count, last_xid, ..GpuReading::default() };
    let Ok(device) = nvml.device_by_index(index) else {
        return GpuReading { is_lost: true, ..known };
    };
    let temperature = device.temperature(TemperatureSensor::Gpu);
    let memory = device.memory_info();
    if matches!(temperature, Err(NvmlError::GpuLost)) || matches!(memory, Err(NvmlError::GpuLost)) {
        return GpuReading { name: device.name().unwrap_or(known.name), is_lost: true, ..known };
    }
    let memory = memory.ok();
    let slowing = ThrottleReasons::HW_SLOWDOWN
        | ThrottleReasons::HW_THERMAL_SLOWDOWN
        | ThrottleReasons::SW_THERMAL_SLOWDOWN
        | ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN;
    let errors = |kind| device.total_ecc_errors(kind, EccCounter::Volatile).ok();
    GpuReading {
        name: device.name().unwrap_or(known.name),
        memory_total_bytes: memory.as_ref().map(|memory| memory.total),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        load_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
        temperature_c: temperature.ok(),
        slowdown_c: device.temperature_threshold(TemperatureThreshold::Slowdown).ok(),
        power_mw: device.power_usage().ok(),
        power_limit_mw: device.enforced_power_limit().ok(),
        is_slowed: device.current_throttle_reasons().is_ok_and(|reasons| reasons.intersects(slowing)),
        ecc_corrected: errors(MemoryError::Corrected),
        ecc_uncorrected: errors(MemoryError::Uncorrected),
        processes: processes(&device),
        ..known
    }
}

/// Computing and drawing: Vulkan counts as drawing. A process that does both is in both lists, with the same number.
fn processes(device: &Device<'_>) -> Vec<(u32, u64)> {
    let lists = [device.running_compute_processes(), device.running_graphics_processes()];
    let mut bytes = BTreeMap::<u32, u64>::new();
    for process in lists.into_iter().filter_map(Result::ok).flatten() {
        if let UsedGpuMemory::Used(used) = process.used_gpu_memory {
            let most = bytes.entry(process.pid).or_default();
            *most = used.max(*most);
        }
    }
    bytes.into_iter().collect()
}

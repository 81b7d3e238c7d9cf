//! The numbers of the GPUs, from the newest snapshot: no scrape asks a driver.

use std::sync::Arc;

use inference::gpus::GpuReading;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::site::Site;

pub(crate) fn register(registry: &mut Registry, site: watch::Receiver<Arc<Site>>) {
    registry.register_collector(Box::new(Readings { site }));
}

#[derive(Debug)]
struct Readings {
    site: watch::Receiver<Arc<Site>>,
}

/// A name, what it is, and how it is read of a GPU; none where its driver does not tell.
type Number = (&'static str, &'static str, fn(&GpuReading) -> Option<f64>);

const NUMBERS: [Number; 11] = [
    ("gpu_lost", "1 for a GPU that has fallen off the bus", |gpu| Some(f64::from(u8::from(gpu.is_lost)))),
    ("gpu_memory_bytes", "Memory of the GPU", |gpu| gpu.memory_total_bytes.map(|bytes| bytes as f64)),
    ("gpu_memory_used_bytes", "Memory in use, whoever uses it", |gpu| {
        gpu.memory_used_bytes.map(|bytes| bytes as f64)
    }),
    ("gpu_load_ratio", "Share of the last moment in which it computed, 0 to 1", |gpu| {
        gpu.load_percent.map(|percent| f64::from(percent) / 100.0)
    }),
    ("gpu_temperature_celsius", "Temperature of the GPU", |gpu| gpu.temperature_c.map(f64::from)),
    ("gpu_power_watts", "Power that it takes", |gpu| gpu.power_mw.map(|mw| f64::from(mw) / 1000.0)),
    ("gpu_power_limit_watts", "Power that it may take", |gpu| {
        gpu.power_limit_mw.map(|mw| f64::from(mw) / 1000.0)
    }),
    ("gpu_slowed", "1 while heat or want of power slows it", |gpu| Some(f64::from(u8::from(gpu.is_slowed)))),
    ("gpu_ecc_corrected", "Corrected errors of its memory since the driver was loaded", |gpu| {
        gpu.ecc_corrected.map(|errors| errors as f64)
    }),
    ("gpu_ecc_uncorrected", "Errors of its memory that could not be corrected", |gpu| {
        gpu.ecc_uncorrected.map(|errors| errors as f64)
    }),
    ("gpu_xids", "Errors that the driver has reported since the box runs", |gpu| Some(gpu.xids as f64)),
];

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let site = self.site.borrow().clone();
        let machine = &site.machine;
        for (name, help, number) in NUMBERS {
            let of_one = |gpu: &GpuReading| Some((gpu.index.to_string(), number(gpu)?));
            let values: Vec<_> = machine.gpus.iter().filter_map(|gpu| of_one(&gpu.reading)).collect();
            gauge(&mut encoder, name, help, "gpu", &values)?;
        }
        let idle = machine.idle.iter().map(|gpu| (gpu.vendor.name().to_owned(), 1.0));
        let help = "1 for GPUs of this maker that the machine has and the engine does not use";
        gauge(&mut encoder, "gpu_idle", help, "vendor", &idle.collect::<Vec<_>>())
    }
}

/// Nothing at all where there are no values.
fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(String, f64)],
) -> Result<(), std::fmt::Error> {
    if values.is_empty() {
        return Ok(());
    }
    let kind = ConstGauge::new(0.0).metric_type();
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    for (value, number) in values {
        ConstGauge::new(*number).encode(metric.encode_family(&[(label, value.as_str())])?)?;
    }
    Ok(())
}

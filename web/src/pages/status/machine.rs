//! What the status page says of GPUs: their numbers, and what about them must be mended.

use gateway::{GpuState, MachineView, Site};

use crate::text::MachineText;

/// The section about GPUs; there is none on a machine that NVIDIA's library says nothing of.
pub(crate) struct GpuTable {
    pub(crate) driver: Option<String>,
    pub(crate) rows: Vec<GpuRow>,
}

pub(crate) struct GpuRow {
    pub(crate) name: String,
    pub(crate) lamp: &'static str,
    pub(crate) load: String,
    pub(crate) memory: String,
    pub(crate) temperature: String,
    pub(crate) power: String,
    pub(crate) errors: String,
}

pub(crate) fn table(machine: &MachineView, text: &MachineText) -> Option<GpuTable> {
    let rows: Vec<GpuRow> = machine.gpus.iter().map(|gpu| row(gpu, machine.is_fresh, text)).collect();
    let driver = machine.driver.as_deref().map(text.driver);
    (!rows.is_empty()).then_some(GpuTable { driver, rows })
}

/// What a driver does not tell is a dash.
fn row(gpu: &GpuState, is_fresh: bool, text: &MachineText) -> GpuRow {
    let reading = &gpu.reading;
    let or_dash = |told: Option<String>| told.unwrap_or_else(|| "–".to_owned());
    let of = |is: Option<String>, limit: Option<String>| match (is, limit) {
        (Some(is), Some(limit)) => format!("{is} / {limit}"),
        (is, _) => or_dash(is),
    };
    let gigabytes = |bytes: Option<u64>| bytes.map(|bytes| format!("{:.1} GB", bytes as f64 / 1e9));
    let watts = |mw: Option<u32>| mw.map(|mw| format!("{} W", mw / 1000));
    GpuRow {
        name: format!("{}: {}", reading.index, reading.name),
        lamp: if gpu.worries.is_empty() && is_fresh { "good" } else { "bad" },
        load: or_dash(reading.load_percent.map(|percent| format!("{percent} %"))),
        memory: of(gigabytes(reading.memory_used_bytes), gigabytes(reading.memory_total_bytes)),
        temperature: or_dash(reading.temperature_c.map(|c| format!("{c} °C"))),
        power: of(watts(reading.power_mw), watts(reading.power_limit_mw)),
        errors: (text.counts)(reading.ecc_uncorrected, reading.xids),
    }
}

/// A sentence for each thing that must be mended: layers on the wrong processor, GPUs that nobody uses, GPUs in trouble.
pub(crate) fn alarms(site: &Site, text: &MachineText) -> Vec<String> {
    let machine = &site.machine;
    let short = site.locals.iter().filter_map(|local| {
        let layers = local.layers.filter(|layers| layers.is_short)?;
        Some((text.short)(&local.name, layers))
    });
    let idle = machine.idle.iter().map(text.idle);
    let worries = machine.gpus.iter().flat_map(|gpu| {
        let reading = &gpu.reading;
        gpu.worries.iter().map(|worry| (text.worry)(&reading.name, reading.index, *worry))
    });
    let trouble = machine.trouble.as_deref().map(text.trouble);
    let stale = (!machine.gpus.is_empty() && !machine.is_fresh).then(|| text.stale.to_owned());
    short.chain(idle).chain(trouble).chain(stale).chain(worries).collect()
}

//! The machine under the box: its names and addresses, and its numbers for `/metrics`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use sysinfo::{Disks, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The names and addresses under which the box is reached, for its certificate.
pub(crate) fn names_and_addresses() -> (Vec<String>, Vec<IpAddr>) {
    let mut names = vec!["localhost".to_owned()];
    names.extend(System::host_name().ok().filter(|name| name != "localhost"));
    let mut addresses: Vec<IpAddr> = [[127, 0, 0, 1].into(), "::1".parse().expect("an address")].into();
    let Ok(networks) = Networks::new_with_refreshed_list() else { return (names, addresses) };
    for network in networks.values().flat_map(|network| network.ip_networks()) {
        if !addresses.contains(&network.addr) {
            addresses.push(network.addr);
        }
    }
    (names, addresses)
}

/// Adds the machine's numbers to what `/metrics` says.
pub(crate) fn register(registry: &mut Registry, data_dir: PathBuf) {
    match System::new() {
        Ok(system) => {
            registry.register_collector(Box::new(Readings { system: Mutex::new(system), data_dir }));
        }
        Err(error) => tracing::warn!(%error, "the machine's own numbers cannot be read here"),
    }
}

/// Read at the moment of asking: memory of the machine and of this process, room for the data.
#[derive(Debug)]
struct Readings {
    system: Mutex<System>,
    data_dir: PathBuf,
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = ConstGauge::new(value as f64);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)
        };
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let own = Pid::from_u32(std::process::id());
        system.refresh_memory();
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[own]),
            true,
            ProcessRefreshKind::nothing().with_memory(),
        );
        gauge("host_memory_bytes", "Memory of the machine", system.total_memory())?;
        gauge("host_memory_available_bytes", "Memory that is free to use", system.available_memory())?;
        if let Some(process) = system.process(own) {
            gauge("control_resident_bytes", "Resident memory of the control process", process.memory())?;
        }
        let Ok(disks) = Disks::new_with_refreshed_list() else { return Ok(()) };
        let holding = disks.iter().filter(|disk| self.data_dir.starts_with(disk.mount_point()));
        if let Some(disk) = holding.max_by_key(|disk| disk.mount_point().as_os_str().len()) {
            gauge(
                "data_disk_available_bytes",
                "Room on the disk of the data folder",
                disk.available_space(),
            )?;
        }
        Ok(())
    }
}

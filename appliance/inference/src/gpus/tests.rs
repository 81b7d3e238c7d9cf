//! Folders that look like a machine with GPUs, and a library that speaks like NVIDIA's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::worker::{Api, Device, DeviceKind};

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn on_bus(root: &Path, place: &str, vendor: &str, class: &str) {
    write(root, &format!("sys/bus/pci/devices/{place}/vendor"), vendor);
    write(root, &format!("sys/bus/pci/devices/{place}/class"), class);
}

fn device(backend: &str, description: &str, kind: DeviceKind) -> Device {
    Device {
        index: 0,
        name: format!("{backend}0"),
        description: description.into(),
        backend: backend.into(),
        kind,
        memory_total_bytes: 1,
        memory_free_bytes: 1,
    }
}

fn cpu() -> Device {
    device("CPU", "Intel(R) Xeon(R) CPU", DeviceKind::Cpu)
}

fn why(found: &[FoundGpu], engine: &[Device], built_for: &[Api]) -> Vec<Why> {
    idle(found, engine, built_for).into_iter().map(|gpu| gpu.why).collect()
}

#[test]
fn a_machine_without_gpus_has_none() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(look(root.path()), []);
    // A network card of Intel's, and the small display chip of a server's board.
    on_bus(root.path(), "0000:01:00.0", "0x8086\n", "0x020000\n");
    on_bus(root.path(), "0000:02:00.0", "0x1a03\n", "0x030000\n");
    write(root.path(), "dev/nvidiactl", "");
    assert_eq!(look(root.path()), []);
}

#[test]
fn a_gpu_without_a_driver_is_found_on_the_bus() {
    let root = tempfile::tempdir().unwrap();
    on_bus(root.path(), "0000:41:00.0", "0x10de\n", "0x030200\n");
    let found = look(root.path());
    assert_eq!(found, [FoundGpu { vendor: Vendor::Nvidia, nodes: vec![], closed: vec![] }]);
    assert_eq!(why(&found, &[cpu()], &[]), [Why::NotBuilt]);
    assert_eq!(why(&found, &[cpu()], &[Api::Rocm]), [Why::NotBuilt]);
    assert_eq!(why(&found, &[cpu()], &[Api::Vulkan]), [Why::NoNode("/dev/nvidia0")]);
    let said = idle(&found, &[cpu()], &[Api::Cuda])[0].to_string();
    assert!(said.starts_with("this box has an NVIDIA device, but no driver that works: "), "{said}");
}

#[test]
fn nodes_are_found_with_their_makers() {
    let root = tempfile::tempdir().unwrap();
    for node in
        ["dev/nvidia1", "dev/nvidia0", "dev/nvidia-uvm", "dev/kfd", "dev/dri/renderD128", "dev/dri/card0"]
    {
        write(root.path(), node, "");
    }
    write(root.path(), "sys/class/drm/renderD128/device/vendor", "0x1002\n");
    let found = look(root.path());
    let nodes: Vec<_> = found.iter().map(|gpu| (gpu.vendor, gpu.nodes.join(" "))).collect();
    let wanted = [
        (Vendor::Nvidia, "/dev/nvidia0 /dev/nvidia1".to_owned()),
        (Vendor::Amd, "/dev/kfd /dev/dri/renderD128".to_owned()),
    ];
    assert_eq!(nodes, wanted);
    assert_eq!(why(&found, &[cpu()], &[Api::Vulkan]), [Why::NotListed, Why::NotListed]);
}

#[test]
fn a_node_that_may_not_be_opened_is_named() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "dev/nvidia0", "");
    let node = root.path().join("dev/nvidia0");
    fs::set_permissions(&node, fs::Permissions::from_mode(0o000)).unwrap();
    let mut found = look(root.path());
    // Root may open everything.
    if rustix::process::geteuid().is_root() {
        assert_eq!(found[0].closed, [] as [String; 0]);
        found[0].closed = found[0].nodes.clone();
    }
    assert_eq!(why(&found, &[cpu()], &[Api::Cuda]), [Why::Closed("/dev/nvidia0".into())]);
}

#[test]
fn a_gpu_that_the_engine_uses_is_not_idle_by_whatever_name() {
    let found: Vec<FoundGpu> = [Vendor::Nvidia, Vendor::Amd, Vendor::Intel]
        .map(|vendor| FoundGpu { vendor, nodes: vec!["/dev/x".into()], closed: vec![] })
        .into();
    let left = |engine: &[Device]| -> Vec<Vendor> {
        idle(&found, engine, &[Api::Vulkan]).into_iter().map(|gpu| gpu.vendor).collect()
    };
    assert_eq!(left(&[cpu()]), [Vendor::Nvidia, Vendor::Amd, Vendor::Intel], "a processor is no GPU");
    assert_eq!(left(&[device("CUDA", "GRID A100", DeviceKind::Gpu)]), [Vendor::Amd, Vendor::Intel]);
    assert_eq!(left(&[device("ROCm", "gfx1100", DeviceKind::Gpu)]), [Vendor::Nvidia, Vendor::Intel]);
    assert!(idle(&found[2..], &[cpu()], &[]).is_empty(), "no build is needed for it");
    let integrated = device("Vulkan", "Intel(R) UHD Graphics", DeviceKind::IntegratedGpu);
    assert_eq!(left(&[integrated]), [Vendor::Nvidia, Vendor::Amd]);
    assert_eq!(left(&[device("Vulkan", "Tesla T4", DeviceKind::Gpu)]), [Vendor::Amd, Vendor::Intel]);
}

/// Builds the library of `fake.c` and gives its path.
fn library(folder: &Path) -> PathBuf {
    let (source, library) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/src/gpus/fake.c"), folder.join("libfake.so"));
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(built.unwrap().success());
    library
}

/// Runs the watch until `body` ends.
async fn watched(library: PathBuf, body: impl AsyncFnOnce(GpuView)) {
    let (watch, view) = GpuWatch::of(library, "/nonexistent".into(), Duration::from_millis(5));
    let stop = CancellationToken::new();
    let body = async {
        body(view).await;
        stop.cancel();
    };
    tokio::join!(watch.run(stop.clone()), body);
}

#[tokio::test]
async fn what_the_library_says_is_published() {
    let folder = tempfile::tempdir().unwrap();
    watched(library(folder.path()), async |mut view| {
        // The library reports one Xid of the first GPU after a few looks.
        let seen = view.wait_for(|gpus| gpus.readings.first().is_some_and(|gpu| gpu.xids > 0)).await;
        let gpus = seen.unwrap().clone();
        assert_eq!((gpus.driver.as_deref(), gpus.trouble.as_deref()), (Some("550.1"), None));
        assert!(gpus.is_fresh() && gpus.read_at.is_some());
        let [first, second] = gpus.readings.as_slice() else { panic!("{gpus:?}") };
        let wanted = GpuReading {
            index: 0,
            name: "Fake H100".into(),
            memory_total_bytes: Some(80 << 30),
            memory_used_bytes: Some(6 << 30),
            load_percent: Some(37),
            temperature_c: Some(64),
            slowdown_c: Some(87),
            power_mw: Some(212_000),
            power_limit_mw: Some(350_000),
            ecc_corrected: Some(5),
            ecc_uncorrected: Some(0),
            xids: 1,
            last_xid: first.last_xid,
            processes: vec![(4242, 5 << 30), (4243, 1 << 20)],
            ..GpuReading::default()
        };
        assert_eq!(*first, wanted);
        assert_eq!(first.worries(), [Worry::Xid(79)]);
        assert_eq!(gpus.memory_of(4242), Some(5 << 30), "the larger of two lists");
        assert_eq!(gpus.memory_of(1), None);
        assert_eq!(second.worries(), [Worry::Lost], "{second:?}");
    })
    .await;
}

#[tokio::test]
async fn a_library_that_does_not_work_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("broken.c");
    fs::write(&source, "int nvmlInit_v2(void) { return 18; }\nint nvmlShutdown(void) { return 0; }\n")
        .unwrap();
    let library = folder.path().join("libbroken.so");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(built.unwrap().success());
    watched(library, async |mut view| {
        let gpus = view.wait_for(|gpus| gpus.trouble.is_some()).await.unwrap().clone();
        assert!(gpus.trouble.as_ref().unwrap().contains("version"), "{gpus:?}");
        assert!(gpus.readings.is_empty() && gpus.is_fresh());
    })
    .await;
}

#[tokio::test]
async fn where_there_is_no_library_nothing_is_said() {
    watched("/nonexistent/libnvidia-ml.so.1".into(), async |mut view| {
        view.changed().await.unwrap();
        assert_eq!(**view.borrow(), Gpus::default());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn readings_grow_old() {
    let gpus = Gpus { read_at: Some(Instant::now()), ..Gpus::default() };
    tokio::time::advance(STALE_AFTER).await;
    assert!(gpus.is_fresh());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!gpus.is_fresh());
    assert!(Gpus::default().is_fresh(), "where nothing is read nothing is old");
}

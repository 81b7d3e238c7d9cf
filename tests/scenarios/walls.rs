//! The import walls of the house, read from what Cargo itself knows.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Who may import whom among our own packages. Nobody imports `tests`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("continuity", &[]),
    ("dialect", &[]),
    ("inference", &["continuity", "dialect"]),
    ("kernels", &[]),
    ("verifier", &[]),
    ("store", &["continuity", "dialect", "verifier"]),
    ("gateway", &["continuity", "dialect", "inference", "store"]),
    ("web", &["gateway", "store", "continuity"]),
    ("appliance", &["continuity", "dialect", "inference", "kernels", "store", "gateway", "web", "verifier"]),
    ("breakable-disk", &[]),
    ("tests", &["continuity", "dialect", "inference", "store", "gateway", "web", "appliance", "verifier"]),
    ("simulator", &["continuity", "dialect", "inference", "store", "gateway"]),
    ("breakable-disk", &[]),
];

/// What would bring I/O, tasks or a clock into the pure packages.
const IMPURE: &[&str] =
    &["axum", "hyper", "hyper-util", "jiff", "rusqlite", "rustix", "rustls", "tokio", "tokio-util"];

/// Our packages with all that each depends on in the product, tests aside.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(tests::repository().join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages.iter().map(|package| (text(&package["name"]), dependencies(package))).collect()
}

fn dependencies(package: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().expect("a list of dependencies");
    all.iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| text(&dependency["name"]))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a name is a string").to_owned()
}

#[test]
fn no_package_imports_across_a_wall() {
    let packages = packages();
    let ours: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, packages.keys().map(String::as_str).collect(), "the list of packages is the design's");
    for (name, allowed) in ALLOWED {
        for import in packages[*name].iter().filter(|import| ours.contains(import.as_str())) {
            assert!(allowed.contains(&import.as_str()), "{name} imports {import}, which the design forbids");
        }
    }
}

#[test]
fn the_pure_packages_depend_on_nothing_that_does_io_or_reads_a_clock() {
    let packages = packages();
    for name in ["continuity", "dialect"] {
        for import in &packages[name] {
            assert!(!IMPURE.contains(&import.as_str()), "{name} is pure and depends on {import}");
        }
    }
}

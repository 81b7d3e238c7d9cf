//! No way to write is without a row: the functions of the store and the files of the box, as their sources have them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::all;

/// Functions of the store that write and that no path takes, each with the reason.
const ELSEWHERE: &[(&str, &str)] = &[
    ("audit::keep_spool", "the first start of a box, and the hours without a log"),
    ("backup::copy_to", "a backup"),
    ("integrity::check_all", "the first start of a box"),
    ("retention::sweep", "it makes many changes, each whole, and the next one goes on"),
    ("review::review_directory_people", "it ends many sessions, each whole, and the next one goes on"),
    ("seldom::refusal", "an event of the log, at most so many"),
    ("sessions::session", "a note of when it was used, which may be lost"),
    ("verify::verify", "it reads"),
    (
        "vouched::enter_vouched",
        "it makes several changes, each whole and in the log, and the next sign-in goes on",
    ),
];

/// Files of the product that write files of their own, and what tries them.
const WRITERS: &[(&str, &str)] = &[
    ("appliance/src/app.rs", "the first start: the lock"),
    ("appliance/src/audit_keeper/file.rs", "the first start: checkpoints on other media"),
    ("appliance/src/backup.rs", "a backup"),
    ("appliance/src/backup/archive.rs", "a restore"),
    ("appliance/src/command/audit.rs", "an export of the log"),
    ("appliance/src/command/doctor.rs", "a temporary folder"),
    ("appliance/src/command/restore.rs", "a restore"),
    ("appliance/src/cutter.rs", "the socket of another program"),
    ("appliance/src/keys.rs", "a new recovery sheet, the sealing of a cloud key"),
    ("appliance/src/pilot_light.rs", "the first start"),
    ("appliance/src/tls.rs", "the first start: the authority"),
    (
        "appliance/src/command/wipe.rs",
        "the end of a box: what fails is told, and the wipe goes on when it is called again",
    ),
    ("appliance/src/wipe.rs", "as above"),
    ("appliance/src/wipe/destroy.rs", "as above"),
    ("appliance/store/src/audit/signing.rs", "the opening of a store"),
    ("appliance/store/src/audit/spool.rs", "the first start"),
    ("appliance/store/src/durable.rs", "what the others write with"),
    ("appliance/store/src/file.rs", "the opening of a store"),
    ("appliance/store/src/sealing.rs", "the sealing of a cloud key; the second factors of the store's paths"),
    ("appliance/store/src/retention.rs", "copies of older versions: the next sweep goes on"),
    ("appliance/store/src/integrity.rs", "the first start: the mark of a running box"),
];

/// What a line has that writes a file.
const WRITES: [&str; 8] = [
    "OpenOptions::new()",
    "File::create(",
    "write_file(",
    "make_folder(",
    "fs::write(",
    "fs::rename(",
    "fs::remove_file(",
    "fs::remove_dir",
];

fn sources(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![crate::repository().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable").flatten() {
            match entry.path() {
                path if path.is_dir() && !path.ends_with("tests") => folders.push(path),
                path if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    found
}

/// A source without the tests at its end.
fn product(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("readable");
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn every_function_of_the_store_that_may_write_has_a_path() {
    let known: BTreeSet<String> = all()
        .flat_map(|path| path.covers)
        .chain(ELSEWHERE.iter().map(|(name, _)| name))
        .map(|name| (*name).to_owned())
        .collect();
    let mut missed = Vec::new();
    for path in sources("appliance/store/src") {
        let file = path.file_stem().expect("a file").to_string_lossy().into_owned();
        if file == "simulated" {
            continue;
        }
        for signature in product(&path).split("\n    pub ").skip(1) {
            let head = signature.split('{').next().unwrap_or_default();
            let writes = head.starts_with("async fn ")
                || (head.starts_with("fn ")
                    && (head.contains("-> Receipt") || signature_body_writes(signature)));
            let name = head.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next());
            if let (true, Some(name)) = (writes, name) {
                let name = format!("{file}::{name}");
                if !known.contains(&name) {
                    missed.push(name);
                }
            }
        }
    }
    assert!(missed.is_empty(), "these may write, and no path of the torture takes them: {missed:#?}");
}

/// A function that writes and does not wait for it.
fn signature_body_writes(signature: &str) -> bool {
    signature.split("\n    }").next().is_some_and(|body| body.contains("self.write("))
}

#[test]
fn every_file_of_the_product_that_writes_files_is_known() {
    let root = crate::repository();
    let mut missed = Vec::new();
    for path in
        ["appliance/src", "appliance/store/src", "appliance/gateway/src", "web/src"].map(sources).concat()
    {
        let text = product(&path);
        let name = path.strip_prefix(root).expect("in the repository").display().to_string();
        let writes = WRITES.iter().any(|word| text.contains(word));
        if writes && !WRITERS.iter().any(|(known, _)| *known == name) {
            missed.push(name);
        }
    }
    assert!(
        missed.is_empty(),
        "these write files, and nothing tries what they do on a bad disk: {missed:#?}"
    );
}

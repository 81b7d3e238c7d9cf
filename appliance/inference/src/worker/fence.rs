//! What a worker can still reach: its model, the system's own files, and the devices that compute. It reads no file of
//! the box, writes nowhere, and calls nobody: whoever takes it over by a prompt or a model has taken no more than that.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, path_beneath_rules,
};

/// Where libraries, drivers and the facts of the machine lie. Nothing of the box does.
const SYSTEM: [&str; 7] = ["/usr", "/lib", "/lib64", "/etc", "/opt", "/proc", "/sys"];
/// Graphics processors are files that are written to.
const DEVICES: [&str; 1] = ["/dev"];

/// Closes the fence around this thread and all that it starts; true where the kernel holds all of it.
///
/// # Errors
/// When the kernel refuses the rules. Nothing is closed then.
pub(super) fn close(model: &Path) -> Result<bool, RulesetError> {
    // The newest that is known here; of an older kernel as much as it has.
    let abi = ABI::V6;
    let readable = models_beside(model).into_iter().chain(libraries()).chain(SYSTEM.map(PathBuf::from));
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(readable, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(DEVICES, AccessFs::from_all(abi)))?
        .restrict_self()?;
    Ok(status.ruleset == RulesetStatus::FullyEnforced)
}

/// The file, and the others of a model that is split up into several; no folder, for keys may lie in the same one.
fn models_beside(model: &Path) -> Vec<PathBuf> {
    let is_model = |path: &PathBuf| path.extension() == model.extension() && path.is_file();
    let beside = model.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let beside = beside.into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_model);
    beside.chain([model.to_owned()]).collect()
}

/// Where the machine's own settings look for drivers.
fn libraries() -> Vec<PathBuf> {
    let given = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    std::env::split_paths(&given).filter(|path| path.is_absolute()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn behind_the_fence_there_is_the_model_and_neither_the_box_nor_the_network() {
        let dir = tempfile::tempdir().unwrap();
        let (model, secret) = (dir.path().join("model.gguf"), dir.path().join("core.db"));
        std::fs::write(&model, "a model").unwrap();
        std::fs::write(&secret, "a secret").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The fence holds the thread that closes it, and the test ends with it.
        let behind = std::thread::spawn(move || {
            let is_whole = close(&model).unwrap();
            if !is_whole {
                return None;
            }
            let reads = [&model, &secret].map(|path| std::fs::read(path).is_ok());
            let writes =
                std::fs::write(dir.path().join("new"), "x").is_ok() || std::fs::write(&secret, "x").is_ok();
            let lists = std::fs::read_dir(dir.path()).is_ok();
            let starts = std::process::Command::new(dir.path().join("model.gguf")).spawn().is_ok();
            let calls = TcpStream::connect(address).is_ok() || TcpListener::bind("127.0.0.1:0").is_ok();
            let system = std::fs::read("/proc/cpuinfo").is_ok();
            Some((reads, writes, lists, starts, calls, system))
        });
        match behind.join().unwrap() {
            Some(found) => assert_eq!(found, ([true, false], false, false, false, false, true)),
            // This kernel has no fence, or a part of it: there is nothing to try.
            None => {}
        }
    }
}

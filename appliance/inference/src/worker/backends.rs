//! What computes: linked into the program, or modules that are loaded at run time from a folder beside it.
//!
//! The package has the second kind, so that one build runs on any box: the module for this processor and those whose
//! drivers are there are taken, the others are left. They are code, so they are loaded before a worker confines itself.

use serde::{Deserialize, Serialize};

/// How a backend reaches GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    Cuda,
    Vulkan,
    Rocm,
}

#[cfg(not(feature = "backends"))]
pub use linked::built_for;
#[cfg(not(feature = "backends"))]
pub(super) use linked::{load, no_cpu};
#[cfg(feature = "backends")]
pub use modules::built_for;
#[cfg(feature = "backends")]
pub(super) use modules::{load, no_cpu};

#[cfg(not(feature = "backends"))]
mod linked {
    use super::Api;

    /// The GPUs that this build can compute on, by how it reaches them.
    pub fn built_for() -> Vec<Api> {
        let all = [
            (Api::Cuda, cfg!(feature = "cuda")),
            (Api::Vulkan, cfg!(feature = "vulkan")),
            (Api::Rocm, cfg!(feature = "rocm")),
        ];
        all.into_iter().filter(|(_, is_built)| *is_built).map(|(api, _)| api).collect()
    }

    /// They are there already.
    #[expect(clippy::unnecessary_wraps, reason = "modules may be missing")]
    pub(in crate::worker) fn load() -> Result<(), String> {
        Ok(())
    }

    pub(in crate::worker) fn no_cpu() -> String {
        "the engine finds no CPU to compute on: build genset for this processor".to_owned()
    }
}

#[cfg(feature = "backends")]
mod modules {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::OnceLock;

    use llama_cpp_2::llama_backend::load_backends_from_path;

    use super::Api;

    /// The GPUs that this package can compute on, by how it reaches them.
    pub fn built_for() -> Vec<Api> {
        let all = [(Api::Cuda, "cuda"), (Api::Vulkan, "vulkan"), (Api::Rocm, "hip")];
        let Ok(folder) = folder() else { return Vec::new() };
        let is_there = |name: &str| folder.join(format!("libggml-{name}.so")).is_file();
        all.into_iter().filter(|(_, name)| is_there(name)).map(|(api, _)| api).collect()
    }

    /// `lib/ggml` beside the `bin` of this program, wherever the package lies. Never the folder that the engine was
    /// built in, nor the current one: who can write there could run code in the box.
    fn folder() -> Result<PathBuf, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("this program cannot be found ({error})"))?;
        let package = program.parent().and_then(|bin| bin.parent());
        package
            .map(|package| package.join("lib/ggml"))
            .ok_or_else(|| "this program lies in no folder".to_owned())
    }

    /// Loads what fits this machine, once.
    ///
    /// # Errors
    /// One plain line, where the modules are not there.
    pub(in crate::worker) fn load() -> Result<(), String> {
        static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
        LOADED.get_or_init(load_once).clone()
    }

    fn load_once() -> Result<(), String> {
        let folder = folder()?;
        let whole = "put the whole package in place, with bin and lib side by side";
        let entries = fs::read_dir(&folder).map_err(|error| {
            format!("{}: the engine's modules are not there ({error}); {whole}", folder.display())
        })?;
        let is_module = |name: &str| name.starts_with("libggml-") && name.ends_with(".so");
        if !entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_module)) {
            return Err(format!("{}: there are no modules of the engine; {whole}", folder.display()));
        }
        // The binding takes text alone.
        if folder.to_str().is_none() {
            return Err(format!("{}: the name of this folder must be UTF-8", folder.display()));
        }
        load_backends_from_path(&folder);
        Ok(())
    }

    pub(in crate::worker) fn no_cpu() -> String {
        let folder = folder().map(|folder| folder.display().to_string()).unwrap_or_default();
        format!(
            "{folder}: none of the engine's modules for the CPU could be loaded on this machine: put the whole package \
             in place, for this kind of processor, and install libgomp1 and libstdc++6"
        )
    }
}

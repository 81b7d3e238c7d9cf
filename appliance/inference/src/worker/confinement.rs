//! What a worker may do once it reads a model file that nobody vouches for: compute, read that one file, and speak
//! with control.
//!
//! Three walls, each of them complete without the others. Landlock lets it open no file but its model, and nothing to
//! write. A list of system calls lets it make no socket, start no program and reach no other process; what is not
//! listed fails. Limits let it write no file, leave no core dump, and be the first to go when memory runs out.
//!
//! All three stand before the first byte of the model is parsed, around every thread.
//! A kernel that lacks one of them does not keep the worker from its work: the box says so instead, in `/status` and
//! in `genset doctor`.

mod calls;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, RestrictSelfAttr, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use serde::{Deserialize, Serialize};

/// The walls that stand around a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// It may open its model file and no other.
    pub files: bool,
    /// It may make no socket, start no program and reach no other process.
    pub calls: bool,
}

impl Confinement {
    pub const WHOLE: Confinement = Confinement { files: true, calls: true };

    pub fn is_whole(self) -> bool {
        self == Confinement::WHOLE
    }
}

/// The newest Landlock whose rights are handled; an older kernel enforces what it knows of them.
const NEWEST: ABI = ABI::V7;

/// What the threads take as their stacks that read and prepare, and one for each core that computes: as much as they may
/// come to use counts, not what they do.
const STACKS_BYTES: u64 = 128 << 20;
const STACK_OF_A_CORE_BYTES: u64 = 8 << 20;

/// What a GPU's driver opens while it works: its devices, its libraries and what the kernel tells of the machine. Besides
/// these the package's own libraries, wherever it lies.
const FOR_GPU_TO_READ: [&str; 11] = [
    "/sys",
    "/proc",
    "/usr",
    "/lib",
    "/lib64",
    "/opt/rocm",
    "/etc/ld.so.cache",
    "/etc/OpenCL",
    "/etc/vulkan",
    "/etc/drirc",
    "/etc/nvidia",
];
const FOR_GPU_TO_USE: [&str; 1] = ["/dev"];

/// Where an administrator may let drivers keep the programs that they have compiled for a GPU: else each start compiles
/// them anew. Nothing is kept where none of them is set.
const CACHES_OF_GPU: [&str; 3] = ["MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH", "CUDA_CACHE_PATH"];

/// The largest file that a driver may write there.
const MAX_CACHE_FILE_BYTES: u64 = 1 << 30;

/// Open files that a worker may have: many more than it needs, and too few to starve the machine.
const MAX_OPEN_FILES: u64 = 256;

/// Threads that its user may have. All of a user's processes count, so this only ends a flood.
const MAX_THREADS: u64 = 8192;

/// Puts up the walls around this process, for good: it may open `model` and nothing else.
///
/// Landlock holds for the thread that calls this and those that it starts; for all of them where the kernel can do that.
/// A thread that was there before must have called [`open_nothing`].
pub fn confine(model: &File, with_gpu: bool) -> Confinement {
    let caches = if with_gpu { caches() } else { Vec::new() };
    limit(with_gpu, !caches.is_empty());
    let files = is_enforced(allow_files(model, with_gpu, &caches));
    let calls = calls::allow_only_what_is_needed(with_gpu, !caches.is_empty());
    if let Err(error) = &calls {
        tracing::warn!("seccomp can't be used: {error}");
    }
    Confinement { files, calls: calls.is_ok() }
}

/// The wall of files for a thread that never opens one. False where the kernel has none.
pub(super) fn open_nothing() -> bool {
    is_enforced(nothing_allowed().and_then(RulesetCreated::restrict_self))
}

fn is_enforced(status: Result<RestrictionStatus, RulesetError>) -> bool {
    match status {
        Ok(status) => status.ruleset != RulesetStatus::NotEnforced,
        Err(error) => {
            tracing::warn!("Landlock can't be used: {error}");
            false
        }
    }
}

/// The folders for caches that are set and there. One that is missing is not made.
fn caches() -> Vec<PathBuf> {
    let set = CACHES_OF_GPU.iter().filter_map(std::env::var_os).map(PathBuf::from);
    set.filter(|folder| folder.is_absolute() && folder.is_dir()).collect()
}

/// `lib` beside the `bin` of this program: NVIDIA's own libraries lie there in the package for its GPUs.
fn package_libraries() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("lib"))
}

/// These can't fail on any kernel that runs the box: a process may always lower its own limits.
fn limit(with_gpu: bool, with_cache: bool) {
    let lower = |resource, most: u64| {
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    };
    lower(Resource::Core, 0);
    lower(Resource::Fsize, if with_cache { MAX_CACHE_FILE_BYTES } else { 0 });
    lower(Resource::Nproc, MAX_THREADS);
    if !with_gpu {
        lower(Resource::Nofile, MAX_OPEN_FILES);
    }
    // A model that is larger than it says ends its own worker, never control.
    // Nobody but root may write this while the process hides its memory, not even the process.
    let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// The memory of its own that this process may have from here on: twice what its model says that it takes, for an
/// estimate is one, and the stacks of its threads. The weights in the page cache do not count.
pub(super) fn limit_memory(planned_bytes: u64, cores: u32) {
    let stacks = STACKS_BYTES + u64::from(cores) * STACK_OF_A_CORE_BYTES;
    let most = Some(planned_bytes.saturating_mul(2).saturating_add(stacks));
    let _ = setrlimit(Resource::Data, Rlimit { current: most, maximum: most });
}

fn nothing_allowed() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()
}

fn allow_files(model: &File, with_gpu: bool, caches: &[PathBuf]) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = nothing_allowed()?.add_rule(PathBeneath::new(model.as_fd(), AccessFs::ReadFile))?;
    if with_gpu {
        let read = AccessFs::from_read(NEWEST);
        let everything = AccessFs::from_file(NEWEST) | AccessFs::ReadDir;
        let to_read = FOR_GPU_TO_READ.iter().map(PathBuf::from).chain(package_libraries());
        let to_use = FOR_GPU_TO_USE.iter().map(PathBuf::from).map(|path| (path, everything));
        for (path, access) in to_read.map(|path| (path, read)).chain(to_use) {
            // A path that is not there needs no rule.
            if let Ok(path) = PathFd::new(path) {
                rules = rules.add_rule(PathBeneath::new(path, access))?;
            }
        }
    }
    for folder in caches {
        if let Ok(folder) = PathFd::new(folder) {
            rules = rules.add_rule(PathBeneath::new(folder, AccessFs::from_all(NEWEST)))?;
        }
    }
    rules.all_threads(true)?.restrict_self()
}

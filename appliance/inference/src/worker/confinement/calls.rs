//! The system calls that a worker may make. What is not here fails with `EPERM`.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// Rules by number of the call; a call without conditions may always be made.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Memory, threads, time, and reading and writing what is open. None of them reaches beyond the process.
const ALWAYS: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fadvise64,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_get_mempolicy,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mremap,
    libc::SYS_msync,
    libc::SYS_munlock,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
    // Its arguments lie in memory, where no filter can read them: the second filter turns it away.
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// What the drivers of GPUs need besides.
const WITH_GPU: &[c_long] = &[
    libc::SYS_eventfd2,
    libc::SYS_faccessat,
    libc::SYS_getdents64,
    libc::SYS_ioctl,
    libc::SYS_mbind,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_openat,
    libc::SYS_pipe2,
    libc::SYS_readlinkat,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// What drivers do in the folder where they may keep what they have compiled. Where they may do it is Landlock's to say.
const WITH_CACHE: &[c_long] = &[
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_renameat2,
    libc::SYS_statfs,
    libc::SYS_unlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];

#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("the filter can't be made: {0}")]
    Made(#[from] BackendError),
    #[error("the filter can't be set: {0}")]
    Set(#[from] seccompiler::Error),
}

/// Sets the filters for all threads, for good.
pub(super) fn allow_only_what_is_needed(with_gpu: bool, with_cache: bool) -> Result<(), FilterError> {
    // glibc takes the older call when it hears that there is no such call; and that one can be looked into.
    let not_there = program(
        Rules::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
    )?;
    let needed = program(
        needed(with_gpu, with_cache)?,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
    )?;
    seccompiler::apply_filter_all_threads(&not_there)?;
    seccompiler::apply_filter_all_threads(&needed)?;
    Ok(())
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, matched, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn needed(with_gpu: bool, with_cache: bool) -> Result<Rules, BackendError> {
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    if with_gpu {
        rules.extend(WITH_GPU.iter().map(|call| (*call, Vec::new())));
    } else {
        let to_read = bits(2, (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE) as u64, 0)?;
        // `O_DIRECTORY` is a part of `O_TMPFILE`: no folder is opened either.
        rules.insert(libc::SYS_openat, vec![rule(to_read)?]);
        // No memory becomes code: a worker's libraries are there already.
        let data = || bits(2, libc::PROT_EXEC as u64, 0);
        rules.insert(libc::SYS_mmap, vec![rule(data()?)?]);
        rules.insert(libc::SYS_mprotect, vec![rule(data()?)?]);
    }
    let threads = (libc::CLONE_THREAD | libc::CLONE_VM) as u64;
    rules.insert(libc::SYS_clone, vec![rule(bits(0, threads, threads)?)?]);
    let mut commands = vec![libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL];
    if with_cache {
        rules.extend(WITH_CACHE.iter().map(|call| (*call, Vec::new())));
        commands.extend([libc::F_GETLK, libc::F_SETLK, libc::F_SETLKW]);
    }
    let descriptors = commands.into_iter().map(|command| rule(equal(1, command as u64)?));
    rules.insert(libc::SYS_fcntl, descriptors.collect::<Result<_, _>>()?);
    let own_process = u64::from(std::process::id());
    // What `abort` does, and nothing else: a signal to itself.
    rules.insert(libc::SYS_tgkill, vec![rule(equal(0, own_process)?)?]);
    // Reading its own limits, which glibc does for a thread's stack, and setting the one on memory.
    let reading = SeccompRule::new(vec![equal(0, 0)?, whole(2, 0)?])?;
    let memory = SeccompRule::new(vec![equal(0, 0)?, equal(1, u64::from(libc::RLIMIT_DATA))?])?;
    rules.insert(libc::SYS_prlimit64, vec![reading, memory]);
    let names = [libc::PR_SET_NAME, libc::PR_SET_VMA].map(|option| rule(equal(0, option as u64)?));
    rules.insert(libc::SYS_prctl, names.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

fn rule(condition: SeccompCondition) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition])
}

fn equal(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, value)
}

/// All 64 bits, as for a pointer.
fn whole(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, seccompiler::SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

/// The bits of `mask` are as in `value`.
fn bits(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, SeccompCmpOp::MaskedEq(mask), value)
}

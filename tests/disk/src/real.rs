//! The kernel's own calls: the functions of libc are what this library stands in for.

use std::ffi::{CStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::{mode_t, off_t, size_t, ssize_t};

pub(crate) fn fail(errno: c_int) -> c_int {
    // SAFETY: each thread has its own.
    unsafe { *libc::__errno_location() = errno };
    -1
}

pub(crate) unsafe fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's own.
    unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode) as c_int }
}

pub(crate) unsafe fn write(fd: c_int, data: *const u8, size: size_t) -> ssize_t {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_write, fd, data, size) as ssize_t }
}

pub(crate) unsafe fn pwrite(fd: c_int, data: *const u8, size: size_t, at: off_t) -> ssize_t {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_pwrite64, fd, data, size, at) as ssize_t }
}

pub(crate) fn ftruncate(fd: c_int, size: off_t) -> c_int {
    // SAFETY: no memory is touched.
    unsafe { libc::syscall(libc::SYS_ftruncate, fd, size) as c_int }
}

pub(crate) fn fsync(fd: c_int) -> c_int {
    // SAFETY: no memory is touched.
    unsafe { libc::syscall(libc::SYS_fsync, fd) as c_int }
}

pub(crate) unsafe fn renameat(
    from: c_int,
    old: *const c_char,
    to: c_int,
    new: *const c_char,
    flags: u32,
) -> c_int {
    // SAFETY: the arguments are the caller's own.
    unsafe { libc::syscall(libc::SYS_renameat2, from, old, to, new, flags) as c_int }
}

pub(crate) unsafe fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_unlinkat, folder, path, flags) as c_int }
}

pub(crate) unsafe fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_mkdirat, folder, path, mode) as c_int }
}

pub(crate) fn is_there(path: &CStr) -> bool {
    // SAFETY: the name ends in NUL.
    unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path.as_ptr(), libc::F_OK) == 0 }
}

/// Where the next `write` to an open file begins.
pub(crate) fn position(fd: c_int) -> u64 {
    // SAFETY: no memory is touched.
    let at = unsafe {
        let appends = libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL) as c_int & libc::O_APPEND != 0;
        let whence = if appends { libc::SEEK_END } else { libc::SEEK_CUR };
        libc::syscall(libc::SYS_lseek, fd, 0, whence)
    };
    u64::try_from(at).unwrap_or(0)
}

/// The name of an open file, as it is now.
pub(crate) fn name_of(fd: c_int) -> PathBuf {
    let link = format!("/proc/self/fd/{fd}\0");
    let mut name = [0_u8; 1024];
    // SAFETY: the buffer has room for what is asked.
    let length = unsafe {
        libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, link.as_ptr(), name.as_mut_ptr(), name.len())
    };
    let length = usize::try_from(length).unwrap_or(0);
    PathBuf::from(std::ffi::OsStr::from_bytes(&name[..length]))
}

/// A name that a call was given, made whole.
pub(crate) unsafe fn named(folder: c_int, path: *const c_char) -> PathBuf {
    if path.is_null() {
        return PathBuf::new();
    }
    // SAFETY: names of calls end in NUL.
    let path = Path::new(std::ffi::OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    match (path.is_absolute(), folder) {
        (true, _) => path.to_owned(),
        (false, libc::AT_FDCWD) => std::env::current_dir().unwrap_or_default().join(path),
        (false, folder) => name_of(folder).join(path),
    }
}

/// A pause that is no function of libc's either.
pub(crate) fn pause() {
    let wait = libc::timespec { tv_sec: 0, tv_nsec: 5_000_000 };
    // SAFETY: the time outlives the call.
    unsafe { libc::syscall(libc::SYS_nanosleep, &raw const wait, std::ptr::null_mut::<libc::timespec>()) };
}

//! The functions of libc that change a disk, each with this library's say before the kernel's.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::{AT_FDCWD, mode_t, off_t, size_t, ssize_t};

use crate::journal::{self, note};
use crate::orders::{self, Call, verdict};
use crate::real;

/// The name of an open file that this disk has a say about.
fn concerned(fd: c_int) -> Option<PathBuf> {
    if !orders::are_given() {
        return None;
    }
    let path = real::name_of(fd);
    orders::concern(&path).then_some(path)
}

unsafe fn opened(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        if !orders::are_given() {
            return real::openat(folder, path, flags, mode);
        }
        let name = real::named(folder, path);
        if !orders::concern(&name) {
            return real::openat(folder, path, flags, mode);
        }
        let is_new = flags & libc::O_CREAT != 0 && !is_there(&name);
        let judged = verdict(Call::Open).and_then(|()| if is_new { verdict(Call::Name) } else { Ok(()) });
        if let Err(errno) = judged {
            return real::fail(errno);
        }
        let fd = real::openat(folder, path, flags, mode);
        if fd >= 0 && is_new {
            note(b'C', &name, Path::new(""), 0, &[]);
        } else if fd >= 0 && flags & libc::O_TRUNC != 0 {
            note(b'T', &name, Path::new(""), 0, &[]);
        }
        fd
    }
}

fn is_there(path: &Path) -> bool {
    CString::new(path.as_os_str().as_bytes()).is_ok_and(|path| real::is_there(&path))
}

unsafe fn written(fd: c_int, data: *const c_void, size: size_t, at: Option<off_t>) -> ssize_t {
    let data = data.cast::<u8>();
    // SAFETY: the caller gives `size` bytes at `data`.
    unsafe {
        if let Some(path) = concerned(fd) {
            if let Err(errno) = verdict(Call::Write) {
                return real::fail(errno) as ssize_t;
            }
            if journal::is_kept() {
                let place = at.map_or_else(|| real::position(fd), |at| u64::try_from(at).unwrap_or(0));
                note(b'W', &path, Path::new(""), place, std::slice::from_raw_parts(data, size));
            }
        }
        match at {
            Some(at) => real::pwrite(fd, data, size, at),
            None => real::write(fd, data, size),
        }
    }
}

fn truncated(fd: c_int, size: off_t) -> c_int {
    if let Some(path) = concerned(fd) {
        if let Err(errno) = verdict(Call::Truncate) {
            return real::fail(errno);
        }
        note(b'T', &path, Path::new(""), u64::try_from(size).unwrap_or(0), &[]);
    }
    real::ftruncate(fd, size)
}

fn synced(fd: c_int) -> c_int {
    let Some(path) = concerned(fd) else { return real::fsync(fd) };
    match verdict(Call::Sync) {
        Err(errno) => real::fail(errno),
        Ok(()) => {
            note(b'S', &path, Path::new(""), 0, &[]);
            0
        }
    }
}

/// A call that changes names: judged, carried out, and written down when it went well.
fn changes_names(path: &Path, call: impl FnOnce() -> c_int, down: impl FnOnce()) -> c_int {
    if !orders::concern(path) {
        return call();
    }
    if let Err(errno) = verdict(Call::Name) {
        return real::fail(errno);
    }
    let done = call();
    if done == 0 {
        down();
    }
    done
}

unsafe fn renamed(from: c_int, old: *const c_char, to: c_int, new: *const c_char, flags: u32) -> c_int {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let (path, other) = (real::named(from, old), real::named(to, new));
        changes_names(
            &path,
            || real::renameat(from, old, to, new, flags),
            || note(b'R', &path, &other, 0, &[]),
        )
    }
}

unsafe fn removed(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let name = real::named(folder, path);
        changes_names(
            &name,
            || real::unlinkat(folder, path, flags),
            || note(b'U', &name, Path::new(""), 0, &[]),
        )
    }
}

unsafe fn folder_made(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's own.
    unsafe {
        let name = real::named(folder, path);
        if is_there(&name) {
            return real::fail(libc::EEXIST);
        }
        changes_names(
            &name,
            || real::mkdirat(folder, path, mode),
            || note(b'C', &name, Path::new(""), 1, &[]),
        )
    }
}

/// Functions under the names that programs call them by.
macro_rules! in_place_of {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty = $body:expr;)*) => {
        $(
            /// # Safety
            /// As the function of libc that it stands in for.
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
                // SAFETY: the arguments are the caller's own.
                #[allow(unused_unsafe, reason = "some need none")]
                unsafe { $body }
            }
        )*
    };
}

in_place_of! {
    open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = opened(AT_FDCWD, path, flags, mode);
    open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int = opened(AT_FDCWD, path, flags, mode);
    openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int =
        opened(folder, path, flags, mode);
    openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int =
        opened(folder, path, flags, mode);
    write(fd: c_int, data: *const c_void, size: size_t) -> ssize_t = written(fd, data, size, None);
    pwrite(fd: c_int, data: *const c_void, size: size_t, at: off_t) -> ssize_t =
        written(fd, data, size, Some(at));
    pwrite64(fd: c_int, data: *const c_void, size: size_t, at: off_t) -> ssize_t =
        written(fd, data, size, Some(at));
    ftruncate(fd: c_int, size: off_t) -> c_int = truncated(fd, size);
    ftruncate64(fd: c_int, size: off_t) -> c_int = truncated(fd, size);
    fsync(fd: c_int) -> c_int = synced(fd);
    fdatasync(fd: c_int) -> c_int = synced(fd);
    rename(old: *const c_char, new: *const c_char) -> c_int = renamed(AT_FDCWD, old, AT_FDCWD, new, 0);
    renameat(from: c_int, old: *const c_char, to: c_int, new: *const c_char) -> c_int =
        renamed(from, old, to, new, 0);
    unlink(path: *const c_char) -> c_int = removed(AT_FDCWD, path, 0);
    rmdir(path: *const c_char) -> c_int = removed(AT_FDCWD, path, libc::AT_REMOVEDIR);
    unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int = removed(folder, path, flags);
    mkdir(path: *const c_char, mode: mode_t) -> c_int = folder_made(AT_FDCWD, path, mode);
    mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int = folder_made(folder, path, mode);
}

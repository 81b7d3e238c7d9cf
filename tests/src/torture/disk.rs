//! A disk that fails and loses power on command: an SQLite VFS over the real one, the default of this process.
//!
//! What was written and not yet synced is remembered. A power cut keeps any part of it, in sectors, in any order,
//! as disks do; what was synced stays. No sync reaches the real disk, so a thousand cuts take seconds.

#![allow(unsafe_code, reason = "a VFS is a table of C functions")]

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use rusqlite::ffi;

use super::platter::{self, Call, Verdict};

/// The real VFS under this one.
struct Under(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite's VFS objects live as long as the process, and their functions may be called from any thread.
unsafe impl Send for Under {}
// SAFETY: as above.
unsafe impl Sync for Under {}

static UNDER: OnceLock<Under> = OnceLock::new();

/// Makes this disk the one that every connection of this process is on.
pub(super) fn install() {
    UNDER.get_or_init(|| {
        // SAFETY: the default VFS is there once SQLite is initialised; the copy and its name are never freed.
        unsafe {
            ffi::sqlite3_initialize();
            let under = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!under.is_null(), "SQLite has a default VFS");
            let mut over = Box::new(*under);
            over.zName = CString::new("breakable").expect("no NUL").into_raw();
            over.szOsFile += c_int::try_from(size_of::<Broken>()).expect("small");
            over.pNext = ptr::null_mut();
            over.xOpen = Some(open);
            over.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::into_raw(over), 1), ffi::SQLITE_OK);
            Under(under)
        }
    });
}

fn under() -> *mut ffi::sqlite3_vfs {
    UNDER.get().expect("installed before the first file is opened").0
}

/// An open file; the real one follows it in memory.
#[repr(C)]
struct Broken {
    base: ffi::sqlite3_file,
    path: *mut PathBuf,
}

unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` made room for the real file behind this one.
    unsafe { file.cast::<u8>().add(size_of::<Broken>()).cast() }
}

unsafe fn methods<'a>(file: *mut ffi::sqlite3_file) -> &'a ffi::sqlite3_io_methods {
    // SAFETY: the real file has been opened, so its methods are set.
    unsafe { &*(*real(file)).pMethods }
}

unsafe fn path<'a>(file: *mut ffi::sqlite3_file) -> &'a Path {
    // SAFETY: set at the opening, and freed at the closing only.
    unsafe { &*(*file.cast::<Broken>()).path }
}

unsafe fn named(name: *const c_char) -> PathBuf {
    if name.is_null() {
        return PathBuf::new();
    }
    // SAFETY: SQLite gives names that end in NUL.
    PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the arguments are SQLite's own; the file has room for both structures.
    unsafe {
        (*file).pMethods = ptr::null();
        let path = named(name);
        if let Verdict::Fails(code) = platter::call(Call::Open(&path)) {
            return code;
        }
        let open = (*under()).xOpen.expect("a VFS opens files");
        let code = open(under(), name, real(file), flags, out);
        if code == ffi::SQLITE_OK {
            (*file.cast::<Broken>()).path = Box::into_raw(Box::new(path));
            (*file).pMethods = &raw const METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: the arguments are SQLite's own.
    unsafe {
        match platter::call(Call::Delete(&named(name), sync != 0)) {
            Verdict::Fails(code) => code,
            Verdict::Passes => (*under()).xDelete.expect("a VFS deletes files")(under(), name, sync),
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open, and SQLite does not use it again.
    unsafe {
        let code = methods(file).xClose.expect("set")(real(file));
        drop(Box::from_raw((*file.cast::<Broken>()).path));
        (*file).pMethods = ptr::null();
        code
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    size: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives `size` bytes at `data`.
    unsafe {
        let bytes = std::slice::from_raw_parts(data.cast::<u8>(), usize::try_from(size).unwrap_or(0));
        let at = usize::try_from(offset).unwrap_or(0);
        match platter::call(Call::Write(path(file), at, bytes)) {
            Verdict::Fails(code) => code,
            Verdict::Passes => methods(file).xWrite.expect("set")(real(file), data, size, offset),
        }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        match platter::call(Call::Truncate(path(file), usize::try_from(size).unwrap_or(0))) {
            Verdict::Fails(code) => code,
            Verdict::Passes => methods(file).xTruncate.expect("set")(real(file), size),
        }
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: the file is open.
    match platter::call(Call::Sync(unsafe { path(file) })) {
        Verdict::Fails(code) => code,
        Verdict::Passes => ffi::SQLITE_OK,
    }
}

/// Functions that only go on to the real file.
macro_rules! passed_on {
    ($($name:ident = $method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*) -> $result {
            // SAFETY: the file is open, and the arguments are SQLite's own.
            unsafe { methods(file).$method.expect("set")(real(file) $(, $argument)*) }
        })*
    };
}

passed_on! {
    read = xRead(data: *mut c_void, size: c_int, offset: ffi::sqlite3_int64) -> c_int;
    file_size = xFileSize(size: *mut ffi::sqlite3_int64) -> c_int;
    lock = xLock(level: c_int) -> c_int;
    unlock = xUnlock(level: c_int) -> c_int;
    check_lock = xCheckReservedLock(out: *mut c_int) -> c_int;
    control = xFileControl(operation: c_int, argument: *mut c_void) -> c_int;
    sector_size = xSectorSize() -> c_int;
    characteristics = xDeviceCharacteristics() -> c_int;
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int;
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier = xShmBarrier() -> ();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int;
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

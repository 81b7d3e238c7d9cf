//! What the disk was told to do, and what it makes of each call.

use std::ffi::{CString, OsString, c_int};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::real;

/// What a call does to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Write,
    Truncate,
    /// Names that come, go and change.
    Name,
    Sync,
}

#[derive(Clone, Copy)]
enum Fault {
    Eio,
    Enospc,
    Emfile,
    Fsync,
}

impl Fault {
    fn of_word(word: &str) -> Option<Fault> {
        Some(match word {
            "eio" => Fault::Eio,
            "enospc" => Fault::Enospc,
            "emfile" => Fault::Emfile,
            "fsync" => Fault::Fsync,
            _ => return None,
        })
    }

    fn meets(self, call: Call) -> bool {
        match self {
            Fault::Eio => matches!(call, Call::Write | Call::Truncate | Call::Name),
            Fault::Enospc => matches!(call, Call::Write | Call::Name),
            Fault::Emfile => call == Call::Open,
            Fault::Fsync => call == Call::Sync,
        }
    }

    fn errno(self) -> c_int {
        match self {
            Fault::Enospc => libc::ENOSPC,
            Fault::Emfile => libc::EMFILE,
            Fault::Eio | Fault::Fsync => libc::EIO,
        }
    }
}

struct Orders {
    folder: PathBuf,
    fault: Option<(Fault, u64, bool)>,
    failed: Option<CString>,
    hang: Option<CString>,
    journal: Option<CString>,
    /// Calls that the fault has met.
    met: AtomicU64,
}

fn orders() -> Option<&'static Orders> {
    static ORDERS: OnceLock<Option<Orders>> = OnceLock::new();
    ORDERS
        .get_or_init(|| {
            let name = |variable: &str| {
                std::env::var_os(variable).and_then(|value: OsString| CString::new(value.into_vec()).ok())
            };
            Some(Orders {
                folder: std::env::var_os("DISK_FOLDER")?.into(),
                fault: std::env::var("DISK_FAULT").ok().and_then(|text| fault(&text)),
                failed: name("DISK_FAILED"),
                hang: name("DISK_HANG"),
                journal: name("DISK_JOURNAL"),
                met: AtomicU64::new(0),
            })
        })
        .as_ref()
}

fn fault(text: &str) -> Option<(Fault, u64, bool)> {
    let mut words = text.split(',');
    let (kind, passes, how) = (words.next()?, words.next()?, words.next()?);
    Some((Fault::of_word(kind)?, passes.parse().ok()?, how == "stays"))
}

/// Where the journal is kept.
pub(crate) fn journal() -> Option<&'static CString> {
    orders()?.journal.as_ref()
}

/// Whether this disk has a say about a file.
pub(crate) fn concern(path: &Path) -> bool {
    orders().is_some_and(|orders| path.starts_with(&orders.folder))
}

/// Whether there is any folder to look at: without one no call is looked at.
pub(crate) fn are_given() -> bool {
    orders().is_some()
}

/// Waits while the disk hangs; the error that the call gives then.
pub(crate) fn verdict(call: Call) -> Result<(), c_int> {
    let Some(orders) = orders() else { return Ok(()) };
    while call != Call::Open && orders.hang.as_ref().is_some_and(|hang| real::is_there(hang)) {
        real::pause();
    }
    let Some((fault, passes, stays)) = orders.fault.filter(|(fault, ..)| fault.meets(call)) else {
        return Ok(());
    };
    let met = orders.met.fetch_add(1, Ordering::SeqCst);
    if met < passes || (met > passes && !stays) {
        return Ok(());
    }
    if let Some(failed) = &orders.failed {
        append(failed, b".");
    }
    Err(fault.errno())
}

/// Adds to a file outside the folder, in one call.
pub(crate) fn append(path: &CString, bytes: &[u8]) {
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: name and bytes outlive the calls.
    unsafe {
        let fd = real::openat(libc::AT_FDCWD, path.as_ptr(), flags, 0o600);
        real::write(fd, bytes.as_ptr(), bytes.len());
        libc::syscall(libc::SYS_close, fd);
    }
}

//! A disk that fails, hangs and loses power on command, under a whole `genset`: preloaded, it stands between the
//! program and libc.
//!
//! It looks only at what lies in one folder, and is told by the environment what to do:
//!
//! | variable | means |
//! | --- | --- |
//! | `DISK_FOLDER` | the folder; without it every call passes through |
//! | `DISK_FAULT` | `KIND,N,once` or `KIND,N,stays`: calls of this kind fail after N others (`eio`, `enospc`, `emfile`, `fsync`) |
//! | `DISK_FAILED` | a file that gets a byte for each call that failed |
//! | `DISK_HANG` | while there is a file with this name, whatever writes or syncs waits |
//! | `DISK_JOURNAL` | a file that gets each change, in its order (`journal.rs`) |
//!
//! No sync reaches the real disk: what a power cut would leave is worked out from the journal.

#![allow(unsafe_code, reason = "it takes the place of C functions")]

mod calls;
mod journal;
mod orders;
mod real;

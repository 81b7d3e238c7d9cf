//! What llama.cpp tells a thread of an operation.

use std::ffi::c_void;

/// `ggml_compute_params` of the pinned llama.cpp.
#[repr(C)]
#[derive(Debug)]
pub struct Params {
    /// The number of this thread, and of how many.
    pub ith: i32,
    pub nth: i32,
    pub wsize: usize,
    pub wdata: *mut c_void,
    pub threadpool: *mut c_void,
    pub use_ref: bool,
}

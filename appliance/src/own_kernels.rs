//! Puts [`kernels`] in the place of llama.cpp's own on the CPU.
//!
//! Where llama.cpp is linked in, the linker gives it these functions where it asks for its operations. Where it is loaded
//! as modules, it finds them in this program, which the loader asks before the module itself.

mod original;

use std::ffi::{c_int, c_void};

use kernels::{Params, Tensor};

/// Called by each thread of llama.cpp for its part of an attention.
///
/// # Safety
/// As [`kernels::attend`].
#[expect(unsafe_code, reason = "llama.cpp calls this by its name")]
#[cfg_attr(own_kernels = "linked", unsafe(export_name = "__wrap_ggml_compute_forward_flash_attn_ext"))]
#[cfg_attr(own_kernels = "loaded", unsafe(export_name = "ggml_compute_forward_flash_attn_ext"))]
unsafe extern "C" fn attend(params: *const Params, dst: *mut Tensor) {
    // SAFETY: llama.cpp gives both to its own operation.
    unsafe {
        if !kernels::attend(&*params, &*dst) {
            original::ggml_compute_forward_flash_attn_ext(params, dst);
        }
    }
}

/// Called by a thread of llama.cpp for some of the weights of a product.
///
/// # Safety
/// As [`kernels::multiply_q4_0`].
#[expect(unsafe_code, reason = "as above")]
#[cfg_attr(own_kernels = "linked", unsafe(export_name = "__wrap_ggml_gemm_q4_0_8x8_q8_0"))]
#[cfg_attr(own_kernels = "loaded", unsafe(export_name = "ggml_gemm_q4_0_8x8_q8_0"))]
unsafe extern "C" fn multiply_q4_0(
    size: c_int,
    out: *mut f32,
    stride: usize,
    weights: *const c_void,
    rows: *const c_void,
    row_count: c_int,
    weight_count: c_int,
) {
    // SAFETY: llama.cpp gives all of them to its own operation.
    unsafe {
        if !kernels::multiply_q4_0(size, out, stride, weights, rows, row_count, weight_count) {
            original::ggml_gemm_q4_0_8x8_q8_0(size, out, stride, weights, rows, row_count, weight_count);
        }
    }
}

/// Called by each thread of llama.cpp for its part of a product.
///
/// # Safety
/// As [`kernels::multiply_q8_0`].
#[expect(unsafe_code, reason = "as above")]
#[cfg_attr(own_kernels = "linked", unsafe(export_name = "__wrap_llamafile_sgemm"))]
#[cfg_attr(own_kernels = "loaded", unsafe(export_name = "llamafile_sgemm"))]
unsafe extern "C" fn multiply_q8_0(
    params: *const Params,
    weight_count: i64,
    row_count: i64,
    blocks: i64,
    weights: *const c_void,
    weights_stride: i64,
    rows: *const c_void,
    rows_stride: i64,
    out: *mut c_void,
    out_stride: i64,
    weights_type: c_int,
    rows_type: c_int,
    out_type: c_int,
) -> bool {
    // SAFETY: llama.cpp gives all of them to its own operation.
    unsafe {
        kernels::multiply_q8_0(
            &*params,
            weight_count,
            row_count,
            blocks,
            weights,
            weights_stride,
            rows,
            rows_stride,
            out,
            out_stride,
            [weights_type, rows_type, out_type],
        ) || original::llamafile_sgemm(
            params,
            weight_count,
            row_count,
            blocks,
            weights,
            weights_stride,
            rows,
            rows_stride,
            out,
            out_stride,
            weights_type,
            rows_type,
            out_type,
        )
    }
}

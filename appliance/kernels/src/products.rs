//! Products of weights with the numbers of a few rows or of many, where both are rounded to bytes or less.
//!
//! One instruction multiplies 64 bytes without a sign with 64 that have one, and sums them up by fours. Weights lose their
//! sign by an offset, which is taken back by the sum of a row's bytes. Sixteen rows are multiplied with each weight that is
//! read.

mod q4_0;
mod q8_0;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::{mem, slice};

use llama_cpp_sys_2::{GGML_TYPE_F32, GGML_TYPE_Q8_0};

use crate::Params;
use q4_0::{FourRows, FourRowsFactors, Weights};
use q8_0::{Block, Factors, Matrix};

/// Numbers of a block, which have a scale together.
const BLOCK: usize = 32;

/// What is worked out of the rows before they are multiplied.
#[derive(Default)]
struct Scratch {
    of_four: Vec<FourRowsFactors>,
    of_one: Vec<Factors>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Whether this processor has what is needed here.
fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("fma")
}

/// Multiplies as `ggml_gemm_q4_0_8x8_q8_0` does: `row_count` rows of `size` numbers with `weight_count` rows of weights.
///
/// The products of a row are `stride` numbers apart from those of the next.
///
/// # Safety
/// All are what llama.cpp gives to that function, in its order.
#[expect(unsafe_code, reason = "llama.cpp's tensors are memory with a description")]
pub unsafe fn multiply_q4_0(
    size: c_int,
    out: *mut f32,
    stride: usize,
    weights: *const c_void,
    rows: *const c_void,
    row_count: c_int,
    weight_count: c_int,
) -> bool {
    if !is_supported() {
        return false;
    }
    let [size, row_count, weight_count] = [size, row_count, weight_count].map(|number| number as usize);
    let blocks = size / BLOCK;
    // SAFETY: so many blocks of eight weights' rows, and of four rows, as the function's contract says; and the processor
    // has what the code is compiled for.
    unsafe {
        let weights: &[Weights] = slice::from_raw_parts(weights.cast(), weight_count / 8 * blocks);
        let rows: &[FourRows] = slice::from_raw_parts(rows.cast(), row_count / 4 * blocks);
        let out = Out { at: out, stride };
        SCRATCH.with_borrow_mut(|scratch| q4_0::multiply(weights, rows, blocks, &out, &mut scratch.of_four));
    }
    true
}

/// Multiplies as `llamafile_sgemm` does, this thread's part of it: `row_count` rows of `blocks` blocks with `weight_count`
/// rows of weights.
///
/// `false` also of other types, a single row, or weights that don't come by sixteen.
///
/// # Safety
/// All are what llama.cpp gives to that function, in its order.
#[expect(unsafe_code, reason = "llama.cpp's tensors are memory with a description")]
#[expect(clippy::too_many_arguments, reason = "they are llama.cpp's")]
pub unsafe fn multiply_q8_0(
    params: &Params,
    weight_count: i64,
    row_count: i64,
    blocks: i64,
    weights: *const c_void,
    weights_stride: i64,
    rows: *const c_void,
    rows_stride: i64,
    out: *mut c_void,
    out_stride: i64,
    types: [c_int; 3],
) -> bool {
    let is_of_bytes = types.map(c_int::cast_unsigned) == [GGML_TYPE_Q8_0, GGML_TYPE_Q8_0, GGML_TYPE_F32];
    let by_sixteen = weight_count > 0 && weight_count % q8_0::TILE as i64 == 0;
    if !is_of_bytes || row_count < 2 || blocks < 1 || !by_sixteen || !is_supported() {
        return false;
    }
    // SAFETY: so many blocks as the function's contract says, and the processor has what the code is compiled for.
    unsafe {
        let matrix = |at: *const c_void, rows: i64, stride: i64| {
            let count = ((rows - 1) * stride + blocks) as usize;
            let all: &[Block] = slice::from_raw_parts(at.cast(), count);
            Matrix { all, rows: rows as usize, stride: stride as usize, blocks: blocks as usize }
        };
        let weights = matrix(weights, weight_count, weights_stride);
        let rows = matrix(rows, row_count, rows_stride);
        let out = Out { at: out.cast(), stride: out_stride as usize };
        let thread = [params.ith, params.nth].map(|number| number as usize);
        SCRATCH.with_borrow_mut(|scratch| {
            q8_0::multiply(&weights, &rows, thread, &out, &mut scratch.of_one);
        });
    }
    true
}

/// Where the products go.
struct Out {
    at: *mut f32,
    stride: usize,
}

impl Out {
    /// Those of a row with so many weights' rows, from one on: one thread's alone.
    #[expect(unsafe_code, reason = "llama.cpp's tensors are memory with a description")]
    #[expect(clippy::mut_from_ref, reason = "it is llama.cpp's memory")]
    fn piece<const WEIGHTS: usize>(&self, row: usize, weight: usize) -> &mut [f32; WEIGHTS] {
        // SAFETY: whoever makes this knows of how many rows and weights it is.
        unsafe { &mut *self.at.add(row * self.stride + weight).cast() }
    }
}

/// The bytes of a number of words, wherever they lie.
fn word<const BYTES: usize>(bytes: &[i8], at: usize) -> [u8; BYTES] {
    let piece: &[i8; BYTES] = bytes[at..].first_chunk().expect("a whole word");
    piece.map(i8::cast_unsigned)
}

const _: () = assert!(mem::size_of::<Weights>() == 144 && mem::size_of::<FourRows>() == 136);
const _: () = assert!(mem::size_of::<Block>() == 34);

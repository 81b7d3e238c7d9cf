//! Attention of a few rows at a time.
//!
//! All answers of a worker share one context, so the row of one answer sees few of the context's cells. llama.cpp asks
//! for each head of each row and for each cell whether the row sees it, and makes numbers of a key and a value anew for
//! each head. Here the cells that a row sees are looked up at once, and a key is read once for all heads that share it.

mod rows;
mod task;

#[cfg(test)]
mod tests;

use crate::{Params, Tensor};
use task::Task;

/// Computes this thread's part of an attention, as `ggml_compute_forward_flash_attn_ext` would.
///
/// `false`, the same for all threads, where that is to do it: more rows than a few, which llama.cpp computes in tiles;
/// numbers that are not 16 bits wide; a bias by distance, capped or sinking scores; or a processor that lacks what is
/// needed.
///
/// # Safety
/// Both are what llama.cpp gives to that function: `dst` is a tensor of this operation, whose sources hold what they say,
/// and each of `params.nth` threads calls this with a number of its own.
#[expect(unsafe_code, reason = "llama.cpp's tensors are memory with a description")]
pub unsafe fn attend(params: &Params, dst: &Tensor) -> bool {
    let Some(task) = Task::of(params, dst).filter(|_| rows::is_supported()) else { return false };
    // SAFETY: the processor has what the function is compiled for.
    unsafe { rows::attend(&task) };
    true
}

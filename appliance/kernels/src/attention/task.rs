//! What is to be attended to, read from llama.cpp's tensors.

use std::slice;

use llama_cpp_sys_2::{GGML_TYPE_F16, GGML_TYPE_F32, ggml_tensor, ggml_type};

use crate::Params;

/// From so many rows on llama.cpp computes in tiles, which is quicker.
const MANY_ROWS: usize = 64;

/// Numbers that are computed at once, and the longest heads of which a block of cells stays in the nearest cache.
pub(super) const LANES: usize = 8;
pub(super) const LONGEST_HEAD: usize = 256;

/// One thread's part of an attention.
pub(super) struct Task<'a> {
    query: Plane<'a>,
    key: Plane<'a>,
    value: Plane<'a>,
    mask: Plane<'a>,
    out: Plane<'a>,
    pub(super) scale: f32,
    /// Numbers of a head.
    pub(super) size: usize,
    pub(super) cells: usize,
    rows: usize,
    /// Heads of queries that share a head of keys and values.
    pub(super) heads_each: usize,
    shared_heads: usize,
    thread: usize,
    threads: usize,
}

/// One row with the heads that share their keys and values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) row: usize,
    pub(super) shared_head: usize,
}

/// The memory of a tensor without a fourth dimension, and how far its rows and heads are apart, in bytes.
struct Plane<'a> {
    tensor: &'a ggml_tensor,
    rows: usize,
    heads: usize,
}

impl<'a> Plane<'a> {
    /// `None` of another type, or whose rows are not in one piece.
    #[expect(unsafe_code, reason = "a tensor's source is a pointer")]
    fn of(tensor: *const ggml_tensor, kind: ggml_type) -> Option<Plane<'a>> {
        // SAFETY: a source is a tensor or null.
        let tensor = unsafe { tensor.as_ref() }?;
        let wide = if kind == GGML_TYPE_F32 { 4 } else { 2 };
        let is_plain = tensor.type_ == kind && tensor.nb[0] == wide && tensor.ne[3] == 1;
        is_plain.then(|| Plane { tensor, rows: tensor.nb[1], heads: tensor.nb[2] })
    }

    fn length(&self, dimension: usize) -> usize {
        self.tensor.ne[dimension] as usize
    }

    fn at(&self, row: usize, head: usize) -> *mut u8 {
        self.tensor.data.cast::<u8>().wrapping_add(row * self.rows + head * self.heads)
    }
}

impl<'a> Task<'a> {
    /// `None` where it is llama.cpp's to compute.
    pub(super) fn of(params: &Params, dst: &'a ggml_tensor) -> Option<Task<'a>> {
        let [scale, max_bias, softcap] =
            [0, 1, 2].map(|at| f32::from_bits(dst.op_params[at].cast_unsigned()));
        let query = Plane::of(dst.src[0], GGML_TYPE_F32)?;
        let key = Plane::of(dst.src[1], GGML_TYPE_F16)?;
        let value = Plane::of(dst.src[2], GGML_TYPE_F16)?;
        let mask = Plane::of(dst.src[3], GGML_TYPE_F16)?;
        let out = Plane::of(dst, GGML_TYPE_F32)?;
        let (size, rows, heads) = (query.length(0), query.length(1), query.length(2));
        let (cells, shared_heads) = (key.length(1), key.length(2));
        let heads_each = heads.checked_div(shared_heads)?;
        let (thread, threads) = (usize::try_from(params.ith).ok()?, usize::try_from(params.nth).ok()?);
        let has_sizes = [&key, &value, &out].iter().all(|plane| plane.length(0) == size)
            && heads_each * shared_heads == heads
            && (value.length(1), value.length(2)) == (cells, shared_heads)
            && (out.length(1), out.length(2)) == (heads, rows)
            && mask.length(0) >= cells
            && mask.length(1) >= rows
            && mask.length(2) == 1;
        let is_usual = !params.use_ref && max_bias == 0.0 && softcap == 0.0 && dst.src[4].is_null();
        let is_ours = size.is_multiple_of(LANES)
            && (LANES..=LONGEST_HEAD).contains(&size)
            && rows < MANY_ROWS
            && rows * shared_heads >= threads;
        (has_sizes && is_usual && is_ours).then_some(Task {
            query,
            key,
            value,
            mask,
            out,
            scale,
            size,
            cells,
            rows,
            heads_each,
            shared_heads,
            thread,
            threads,
        })
    }

    /// What this thread computes.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        let all = (0..self.rows * self.shared_heads).skip(self.thread).step_by(self.threads);
        all.map(|number| Part { row: number / self.shared_heads, shared_head: number % self.shared_heads })
    }

    /// For each cell what is added to its score, in 16 bits.
    pub(super) fn mask(&self, part: Part) -> &[u16] {
        piece(self.mask.at(part.row, 0), self.cells)
    }

    pub(super) fn key(&self, part: Part, cell: usize) -> &[u16] {
        piece(self.key.at(cell, part.shared_head), self.size)
    }

    pub(super) fn value(&self, part: Part, cell: usize) -> &[u16] {
        piece(self.value.at(cell, part.shared_head), self.size)
    }

    /// Of one of the heads that share the part's.
    pub(super) fn query(&self, part: Part, head: usize) -> &[f32] {
        piece(self.query.at(part.row, part.shared_head * self.heads_each + head), self.size)
    }

    /// Where the result of that head goes: one part's alone.
    pub(super) fn out(&self, part: Part, head: usize) -> &mut [f32] {
        piece_mut(self.out.at(part.shared_head * self.heads_each + head, part.row), self.size)
    }
}

#[expect(unsafe_code, reason = "the sizes of a task are checked when it is read")]
fn piece<'a, N>(at: *mut u8, length: usize) -> &'a [N] {
    // SAFETY: a row of a tensor whose sizes and types were checked, which nobody writes during this operation.
    unsafe { slice::from_raw_parts(at.cast(), length) }
}

#[expect(unsafe_code, reason = "as above")]
fn piece_mut<'a>(at: *mut u8, length: usize) -> &'a mut [f32] {
    // SAFETY: a row of the result, which one thread alone computes.
    unsafe { slice::from_raw_parts_mut(at.cast(), length) }
}

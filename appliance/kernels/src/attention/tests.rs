//! The same as llama.cpp's own, tensor for tensor.

use llama_cpp_sys_2::{
    GGML_TYPE_F16, GGML_TYPE_F32, ggml_build_forward_expand, ggml_context, ggml_flash_attn_ext, ggml_free,
    ggml_graph_compute_with_ctx, ggml_init, ggml_init_params, ggml_new_graph, ggml_new_tensor_3d, ggml_type,
};

use super::*;

const ROWS: usize = 5;
const CELLS: usize = 768;
const SHARED_HEADS: usize = 2;

/// Numbers between minus one and one, the same each time.
struct Dice(u32);

impl Dice {
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    fn bits(&mut self) -> u16 {
        // Of 16 bits: a sign, an exponent that keeps it near one, and what comes.
        let fraction = (self.0 >> 9) as u16 & 0x3ff;
        let sign = if self.number() < 0.0 { 0x8000 } else { 0 };
        sign | 0x3400 | fraction
    }
}

/// A context of llama.cpp's tensors, gone with this.
struct Ground(*mut ggml_context);

#[expect(unsafe_code, reason = "llama.cpp's tensors are memory with a description")]
impl Ground {
    fn new() -> Ground {
        let params =
            ggml_init_params { mem_size: 64 << 20, mem_buffer: std::ptr::null_mut(), no_alloc: false };
        // SAFETY: a context of its own.
        Ground(unsafe { ggml_init(params) })
    }

    fn tensor<N: Copy>(&self, kind: ggml_type, sizes: [usize; 3], number: impl FnMut() -> N) -> *mut Tensor {
        let [a, b, c] = sizes.map(|size| size as i64);
        // SAFETY: the tensor's memory holds so many numbers of this type.
        unsafe {
            let tensor = ggml_new_tensor_3d(self.0, kind, a, b, c);
            let count = sizes.iter().product();
            let numbers = std::slice::from_raw_parts_mut((*tensor).data.cast::<N>(), count);
            numbers.fill_with(number);
            tensor
        }
    }

    /// An attention that llama.cpp has computed.
    fn attention(&self, size: usize, heads_each: usize, max_bias: f32) -> *mut Tensor {
        let mut dice = Dice(7);
        let heads = SHARED_HEADS * heads_each;
        let query = self.tensor(GGML_TYPE_F32, [size, ROWS, heads], || 8.0 * dice.number());
        let mut dice = Dice(8);
        let key = self.tensor(GGML_TYPE_F16, [size, CELLS, SHARED_HEADS], || dice.bits());
        let value = self.tensor(GGML_TYPE_F16, [size, CELLS, SHARED_HEADS], || dice.bits());
        // Each row sees a part of the cells, the last one nothing; to some of them a little is added.
        let mut cell = 0;
        let mask = self.tensor(GGML_TYPE_F16, [CELLS, ROWS, 1], || {
            let (row, at) = (cell / CELLS, cell % CELLS);
            cell += 1;
            let is_seen = row + 1 < ROWS && at % (row + 2) == 0 && at < CELLS - row;
            if !is_seen {
                0xfc00
            } else if at % 7 == 0 {
                0x3800
            } else {
                0u16
            }
        });
        // SAFETY: tensors of one context, and a graph of their attention.
        unsafe {
            let scale = 1.0 / (size as f32).sqrt();
            let attention = ggml_flash_attn_ext(self.0, query, key, value, mask, scale, max_bias, 0.0);
            let graph = ggml_new_graph(self.0);
            ggml_build_forward_expand(graph, attention);
            ggml_graph_compute_with_ctx(self.0, graph, 2);
            attention
        }
    }
}

impl Drop for Ground {
    #[expect(unsafe_code, reason = "as above")]
    fn drop(&mut self) {
        // SAFETY: nobody has its tensors any more.
        unsafe { ggml_free(self.0) }
    }
}

#[expect(unsafe_code, reason = "as above")]
fn numbers<'a>(tensor: *mut Tensor) -> &'a mut [f32] {
    // SAFETY: a tensor of so many numbers.
    unsafe {
        let count = (*tensor).ne.iter().product::<i64>() as usize;
        std::slice::from_raw_parts_mut((*tensor).data.cast(), count)
    }
}

/// All threads' parts, one after another; whether it was computed.
#[expect(unsafe_code, reason = "as above")]
fn attend_by(threads: i32, tensor: *mut Tensor) -> bool {
    let nothing = std::ptr::null_mut();
    (0..threads).all(|ith| {
        let params =
            Params { ith, nth: threads, wsize: 0, wdata: nothing, threadpool: nothing, use_ref: false };
        // SAFETY: an attention's tensor with its sources.
        unsafe { attend(&params, &*tensor) }
    })
}

#[test]
fn it_is_what_llama_cpp_computes() {
    for size in [8, 40, 64, 80, 128, 256] {
        for (heads_each, threads) in [(1, 1), (2, 3), (7, 2)] {
            let ground = Ground::new();
            let tensor = ground.attention(size, heads_each, 0.0);
            let theirs = numbers(tensor).to_vec();
            numbers(tensor).fill(f32::NAN);
            assert!(attend_by(threads, tensor));
            for (at, (ours, theirs)) in numbers(tensor).iter().zip(&theirs).enumerate() {
                let most = 0.004 * theirs.abs().max(0.5);
                assert!((ours - theirs).abs() < most, "{size}, {heads_each}, {at}: {ours} and not {theirs}");
            }
            assert!(theirs.iter().any(|number| number.abs() > 0.05), "there is something to compare");
        }
    }
}

#[test]
#[expect(unsafe_code, reason = "as above")]
fn what_is_no_number_is_not_hidden() {
    let ground = Ground::new();
    let tensor = ground.attention(64, 2, 0.0);
    // SAFETY: the first number of the first key, which the first row sees.
    unsafe { (*(*tensor).src[1]).data.cast::<u16>().write(0x7e00) };
    assert!(attend_by(1, tensor));
    let (first, second) = numbers(tensor).split_at(64);
    assert!(first.iter().all(|number| number.is_nan()), "of the head that has this key");
    assert!(second[2 * 64..].iter().any(|number| !number.is_nan()));
}

#[test]
fn what_is_of_another_kind_is_left_to_llama_cpp() {
    let ground = Ground::new();
    assert!(!attend_by(2, ground.attention(64, 2, 8.0)), "a bias by distance");
    assert!(
        !attend_by(1 + (ROWS * SHARED_HEADS) as i32, ground.attention(64, 2, 0.0)),
        "less than a part for each"
    );
}

//! The same as llama.cpp's own, product for product.

use std::ptr::null_mut;

use super::*;

#[expect(unsafe_code, reason = "llama.cpp's own")]
unsafe extern "C" {
    fn ggml_gemm_q4_0_8x8_q8_0(
        size: c_int,
        out: *mut f32,
        stride: usize,
        weights: *const c_void,
        rows: *const c_void,
        row_count: c_int,
        weight_count: c_int,
    );
}

/// Bytes that are the same each time.
struct Dice(u32);

impl Dice {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 24) as u8
    }

    /// Blocks of some scales of 16 bits, between a quarter and one, and then so many bytes.
    fn blocks(&mut self, count: usize, scales: usize, bytes: usize) -> Vec<u8> {
        let mut blocks = Vec::new();
        for _ in 0..count {
            for _ in 0..scales {
                let scale = 0x3400 + (u16::from(self.byte()) << 3);
                blocks.extend(scale.to_le_bytes());
            }
            // No llama.cpp rounds to the least byte.
            blocks.extend(
                (0..bytes)
                    .map(|_| self.byte().max(0x81).wrapping_sub(if self.0 & 1 == 0 { 0x80 } else { 0 })),
            );
        }
        blocks
    }
}

fn compare(ours: &[f32], theirs: &[f32], what: &str) {
    assert!(theirs.iter().any(|number| number.abs() > 1.0), "there is something to compare");
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (ours - theirs).abs() <= 1e-4 * theirs.abs().max(1000.0),
            "{what}, {at}: {ours} and not {theirs}"
        );
    }
}

#[test]
#[expect(unsafe_code, reason = "llama.cpp's own is called")]
fn weights_of_four_bits_are_multiplied_as_by_llama_cpp() {
    const WEIGHTS: usize = 24;
    for (rows, blocks) in [(4, 1), (8, 3), (12, 28), (16, 28), (44, 5)] {
        let mut dice = Dice(1);
        let weights = dice.blocks(WEIGHTS / 8 * blocks, 8, 128);
        let numbers = dice.blocks(rows / 4 * blocks, 4, 128);
        let (stride, size) = (WEIGHTS + 8, (blocks * BLOCK) as c_int);
        let [mut ours, mut theirs] = [(); 2].map(|()| vec![0.0f32; rows * stride]);
        let (weights, numbers) = (weights.as_ptr().cast(), numbers.as_ptr().cast());
        // SAFETY: as many blocks as are said.
        let is_ours = unsafe {
            let (rows, count) = (rows as c_int, WEIGHTS as c_int);
            ggml_gemm_q4_0_8x8_q8_0(size, theirs.as_mut_ptr(), stride, weights, numbers, rows, count);
            multiply_q4_0(size, ours.as_mut_ptr(), stride, weights, numbers, rows, count)
        };
        assert_eq!(is_ours, is_supported());
        if is_ours {
            compare(&ours, &theirs, &format!("{rows} rows of {blocks} blocks"));
        }
    }
}

#[test]
#[expect(unsafe_code, reason = "as llama.cpp calls it")]
fn weights_of_eight_bits_are_multiplied_by_all_threads_together() {
    const WEIGHTS: usize = 64;
    for (rows, blocks, threads) in [(2, 1, 1), (3, 4, 2), (16, 28, 3), (31, 5, 2)] {
        let mut dice = Dice(2);
        let weights = dice.blocks(WEIGHTS * blocks, 1, BLOCK);
        let numbers = dice.blocks(rows * blocks, 1, BLOCK);
        let stride = WEIGHTS + 3;
        let mut ours = vec![0.0f32; rows * stride];
        let types = [GGML_TYPE_Q8_0, GGML_TYPE_Q8_0, GGML_TYPE_F32].map(u32::cast_signed);
        for ith in 0..threads {
            let params = Params {
                ith,
                nth: threads,
                wsize: 0,
                wdata: null_mut(),
                threadpool: null_mut(),
                use_ref: false,
            };
            let (count, each) = (rows as i64, blocks as i64);
            let (weights, numbers) = (weights.as_ptr().cast(), numbers.as_ptr().cast());
            let out = ours.as_mut_ptr().cast();
            let by = |types| {
                // SAFETY: as many blocks as are said.
                unsafe {
                    let (wide, stride) = (WEIGHTS as i64, stride as i64);
                    multiply_q8_0(
                        &params, wide, count, each, weights, each, numbers, each, out, stride, types,
                    )
                }
            };
            assert_eq!(by(types), is_supported());
            assert!(!by([types[0], types[0], types[0]]), "other numbers are llama.cpp's");
        }
        if is_supported() {
            let theirs = one_by_one(&weights, &numbers, WEIGHTS, rows, blocks, stride);
            compare(&ours, &theirs, &format!("{rows} rows of {blocks} blocks"));
        }
    }
}

/// As the format says.
fn one_by_one(
    weights: &[u8],
    numbers: &[u8],
    count: usize,
    rows: usize,
    blocks: usize,
    stride: usize,
) -> Vec<f32> {
    let block = |all: &[u8], row: usize, at: usize| -> (f64, Vec<f64>) {
        let bytes = &all[(row * blocks + at) * 34..][..34];
        let bits = u16::from_le_bytes([bytes[0], bytes[1]]);
        let scale = f64::from(1024 + (bits & 0x3ff)) / 1024.0 * 2f64.powi(i32::from(bits >> 10) - 15);
        (scale, bytes[2..].iter().map(|byte| f64::from(byte.cast_signed())).collect())
    };
    let mut out = vec![0.0; rows * stride];
    for row in 0..rows {
        for weight in 0..count {
            let product = (0..blocks).map(|at| {
                let ((a, weights), (b, numbers)) = (block(weights, weight, at), block(numbers, row, at));
                a * b * weights.iter().zip(numbers).map(|(weight, number)| weight * number).sum::<f64>()
            });
            out[row * stride + weight] = product.sum::<f64>() as f32;
        }
    }
    out
}

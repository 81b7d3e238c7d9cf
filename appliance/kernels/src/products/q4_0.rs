//! Weights of four bits, laid out by llama.cpp for eight of their rows at once.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _mm_cvtph_ps, _mm_loadl_epi64, _mm_loadu_si128, _mm_storeu_ps, _mm256_cvtph_ps,
    _mm256_dpbusd_epi32, _mm256_loadu_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_storeu_ps,
    _mm256_storeu_si256, _mm512_add_ps, _mm512_and_si512, _mm512_castps256_ps512, _mm512_castps512_ps256,
    _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_permute_ps, _mm512_permutexvar_ps, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_epi64,
    _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_srli_epi16, _mm512_xor_si512,
};
use std::array::from_fn;

use super::{Out, word};

/// A block of eight rows of weights: eight bytes of each row in turn, in which the low halves are the first numbers and
/// the high halves those that are sixteen further, less eight each.
#[repr(C)]
pub(super) struct Weights {
    scales: [u16; 8],
    halves: [[u8; 64]; 2],
}

/// A block of four rows: eight bytes of each in turn.
#[repr(C)]
pub(super) struct FourRows {
    scales: [u16; 4],
    bytes: [i8; 128],
}

/// What each row of such a block is multiplied with, and what each of the two sums of a product begins with.
#[derive(Clone, Copy, Default)]
pub(super) struct FourRowsFactors {
    scales: [f32; 4],
    offsets: [i32; 4],
}

/// What the numbers of weights are above themselves, as they are multiplied; a product has two sums.
const OFFSET: i32 = 8;
const SUMS: i32 = 2;

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn multiply(
    weights: &[Weights],
    rows: &[FourRows],
    blocks: usize,
    out: &Out,
    factors: &mut Vec<FourRowsFactors>,
) {
    factors.clear();
    for rows in rows {
        factors.push(factors_of(rows));
    }
    let (mut rows, mut factors, mut first) = (rows, factors.as_slice(), 0);
    while !rows.is_empty() {
        let fours = match rows.len() / blocks {
            1 => multiply_rows::<1>(weights, rows, factors, blocks, out, first),
            2 | 3 => multiply_rows::<2>(weights, rows, factors, blocks, out, first),
            _ => multiply_rows::<4>(weights, rows, factors, blocks, out, first),
        };
        (rows, factors, first) = (&rows[fours * blocks..], &factors[fours * blocks..], first + 4 * fours);
    }
}

/// Multiplies the first rows, and gives how many fours they are.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
fn multiply_rows<const FOURS: usize>(
    weights: &[Weights],
    rows: &[FourRows],
    factors: &[FourRowsFactors],
    blocks: usize,
    out: &Out,
    first: usize,
) -> usize {
    let rows: [&[FourRows]; FOURS] = from_fn(|four| &rows[four * blocks..][..blocks]);
    let factors: [&[FourRowsFactors]; FOURS] = from_fn(|four| &factors[four * blocks..][..blocks]);
    for (weights, eight) in weights.chunks_exact(blocks).zip(0..) {
        let products = products(weights, rows, factors);
        for (four, products) in products.into_iter().enumerate() {
            for (row, products) in products.into_iter().enumerate() {
                store(out.piece(first + 4 * four + row, 8 * eight), products);
            }
        }
    }
    FOURS
}

/// Of eight rows of weights with each row: two sums for each weight.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[inline]
fn products<const FOURS: usize>(
    weights: &[Weights],
    rows: [&[FourRows]; FOURS],
    factors: [&[FourRowsFactors]; FOURS],
) -> [[__m512; 4]; FOURS] {
    let mut products = [[_mm512_setzero_ps(); 4]; FOURS];
    for (block, weights) in weights.iter().enumerate() {
        let (bytes, scales) = (bytes_of(weights), scales_of(weights));
        for ((rows, factors), products) in rows.iter().zip(factors).zip(&mut products) {
            let (rows, factors) = (&rows[block], &factors[block]);
            for (row, product) in products.iter_mut().enumerate() {
                let mut sums = _mm512_set1_epi32(factors.offsets[row]);
                for (part, bytes) in bytes.iter().enumerate() {
                    let numbers = i64::from_le_bytes(word(&rows.bytes, 32 * part + 8 * row));
                    sums = _mm512_dpbusd_epi32(sums, *bytes, _mm512_set1_epi64(numbers));
                }
                let scales = _mm512_mul_ps(scales, _mm512_set1_ps(factors.scales[row]));
                *product = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scales, *product);
            }
        }
    }
    products
}

/// The weights of a block by eight numbers of each row, without a sign.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[inline]
#[expect(unsafe_code, reason = "numbers are loaded from memory")]
fn bytes_of(weights: &Weights) -> [__m512i; 4] {
    let low = _mm512_set1_epi8(0x0f);
    let [a, b] = [&weights.halves[0], &weights.halves[1]].map(|bytes| {
        // SAFETY: as many bytes as are loaded.
        let signed = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        _mm512_xor_si512(signed, _mm512_set1_epi8(0x88_u8.cast_signed()))
    });
    let high = |halves: __m512i| _mm512_and_si512(_mm512_srli_epi16::<4>(halves), low);
    [_mm512_and_si512(a, low), _mm512_and_si512(b, low), high(a), high(b)]
}

/// The scale of each row of weights, twice.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[inline]
#[expect(unsafe_code, reason = "numbers are loaded from memory")]
fn scales_of(weights: &Weights) -> __m512 {
    // SAFETY: as many bytes as are loaded.
    let scales = _mm256_cvtph_ps(unsafe { _mm_loadu_si128(weights.scales.as_ptr().cast()) });
    let twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(scales))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[expect(unsafe_code, reason = "numbers are loaded from memory, and stored there")]
fn factors_of(rows: &FourRows) -> FourRowsFactors {
    let mut factors = FourRowsFactors::default();
    let mut sums = [0; 8];
    // SAFETY: as many bytes as are loaded and stored.
    unsafe {
        let scales = _mm_cvtph_ps(_mm_loadl_epi64(rows.scales.as_ptr().cast()));
        _mm_storeu_ps(factors.scales.as_mut_ptr(), scales);
        let mut of_halves = _mm256_setzero_si256();
        for bytes in rows.bytes.as_chunks::<32>().0 {
            let bytes: __m256i = _mm256_loadu_si256(bytes.as_ptr().cast());
            of_halves = _mm256_dpbusd_epi32(of_halves, _mm256_set1_epi8(1), bytes);
        }
        _mm256_storeu_si256(sums.as_mut_ptr().cast(), of_halves);
    }
    factors.offsets = from_fn(|row| -(OFFSET / SUMS) * (sums[2 * row] + sums[2 * row + 1]));
    factors
}

/// Sums each weight's two sums up.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[expect(unsafe_code, reason = "numbers are stored in memory")]
fn store(to: &mut [f32; 8], products: __m512) {
    let both = _mm512_add_ps(products, _mm512_permute_ps::<0b10_11_00_01>(products));
    let one_each = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14);
    let sums = _mm512_castps512_ps256(_mm512_permutexvar_ps(one_each, both));
    // SAFETY: as many bytes as are stored.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), sums) };
}

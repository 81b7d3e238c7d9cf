//! Weights of eight bits, as they lie in a model's file: a row after the other.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32, _mm256_dpbusd_epi32,
    _mm256_loadu_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_storeu_si256, _mm512_and_si512,
    _mm512_castsi256_si512, _mm512_cvtepi32_epi16, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_i32gather_epi32, _mm512_inserti64x4, _mm512_mul_ps, _mm512_mullo_epi32,
    _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps,
    _mm512_shuffle_i64x2, _mm512_storeu_ps, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};
use std::array::from_fn;
use std::mem;

use super::{BLOCK, Out, word};

/// A block of a row.
#[repr(C)]
pub(super) struct Block {
    scale: u16,
    bytes: [i8; BLOCK],
}

/// Rows of blocks, which may lie apart.
pub(super) struct Matrix<'a> {
    pub(super) all: &'a [Block],
    pub(super) rows: usize,
    pub(super) stride: usize,
    pub(super) blocks: usize,
}

/// What a block of a row is multiplied with, and what its products begin with.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    scale: f32,
    offset: i32,
}

/// Rows of weights that are multiplied at once, four bytes of each.
pub(super) const TILE: usize = 16;
const WORDS: usize = BLOCK / 4;

/// What weights are above themselves, as they are multiplied.
const OFFSET: i32 = 128;

impl Matrix<'_> {
    fn row(&self, row: usize) -> &[Block] {
        &self.all[row * self.stride..][..self.blocks]
    }
}

/// Multiplies the part of one thread, which is the first number of so many.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
pub(super) fn multiply(
    weights: &Matrix<'_>,
    rows: &Matrix<'_>,
    [thread, threads]: [usize; 2],
    out: &Out,
    factors: &mut Vec<Factors>,
) {
    factors.clear();
    for row in 0..rows.rows {
        for block in rows.row(row) {
            factors.push(factors_of(block));
        }
    }
    let tiles = weights.rows / TILE;
    for tile in tiles * thread / threads..tiles * (thread + 1) / threads {
        let mut first = 0;
        while first < rows.rows {
            first += match rows.rows - first {
                1 => multiply_rows::<1>(weights, tile, rows, first, factors, out),
                2 | 3 => multiply_rows::<2>(weights, tile, rows, first, factors, out),
                4..8 => multiply_rows::<4>(weights, tile, rows, first, factors, out),
                8..16 => multiply_rows::<8>(weights, tile, rows, first, factors, out),
                _ => multiply_rows::<16>(weights, tile, rows, first, factors, out),
            };
        }
    }
}

/// Multiplies so many rows from one on with a tile, and gives how many.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
fn multiply_rows<const ROWS: usize>(
    weights: &Matrix<'_>,
    tile: usize,
    rows: &Matrix<'_>,
    first: usize,
    factors: &[Factors],
    out: &Out,
) -> usize {
    let tile_rows: [&[Block]; TILE] = from_fn(|row| weights.row(tile * TILE + row));
    let rows: [&[Block]; ROWS] = from_fn(|row| rows.row(first + row));
    let blocks = rows[0].len();
    let factors: [&[Factors]; ROWS] = from_fn(|row| &factors[(first + row) * blocks..][..blocks]);
    let mut products = [_mm512_setzero_ps(); ROWS];
    for block in 0..blocks {
        let (words, scales) = (words_of(&tile_rows, block), scales_of(&tile_rows, block, weights.stride));
        for ((row, factors), product) in rows.iter().zip(factors).zip(&mut products) {
            let (row, factors) = (&row[block], &factors[block]);
            let mut sums = _mm512_set1_epi32(factors.offset);
            for (at, words) in words.iter().enumerate() {
                let numbers = i32::from_le_bytes(word(&row.bytes, 4 * at));
                sums = _mm512_dpbusd_epi32(sums, *words, _mm512_set1_epi32(numbers));
            }
            let scales = _mm512_mul_ps(scales, _mm512_set1_ps(factors.scale));
            *product = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scales, *product);
        }
    }
    for (row, products) in products.into_iter().enumerate() {
        store(out.piece(first + row, tile * TILE), products);
    }
    ROWS
}

/// The words of a block, each of all rows of the tile together, without a sign.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[inline]
fn words_of(rows: &[&[Block]; TILE], block: usize) -> [__m512i; WORDS] {
    let sign = _mm512_set1_epi8(0x80_u8.cast_signed());
    // Rows 0 to 3 with 4 to 7, and then 8 to 11 with 12 to 15.
    let pairs: [__m512i; 8] = from_fn(|pair| {
        let row = pair + pair / 4 * 4;
        let low = _mm512_castsi256_si512(load(&rows[row][block]));
        _mm512_xor_si512(_mm512_inserti64x4::<1>(low, load(&rows[row + 4][block])), sign)
    });
    let fours = |[a, b, c, d]: [__m512i; 4]| {
        let (first, second) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (third, fourth) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(first, third),
            _mm512_unpackhi_epi64(first, third),
            _mm512_unpacklo_epi64(second, fourth),
            _mm512_unpackhi_epi64(second, fourth),
        ]
    };
    let [a, b, c, d, e, f, g, h] = pairs;
    let (upper, lower) = (fours([a, b, c, d]), fours([e, f, g, h]));
    from_fn(|word| {
        let (upper, lower) = (upper[word % 4], lower[word % 4]);
        if word < 4 {
            _mm512_shuffle_i64x2::<0b10_00_10_00>(upper, lower)
        } else {
            _mm512_shuffle_i64x2::<0b11_01_11_01>(upper, lower)
        }
    })
}

/// The scale of each row of the tile.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[inline]
#[expect(unsafe_code, reason = "numbers are loaded from memory")]
fn scales_of(rows: &[&[Block]; TILE], block: usize, stride: usize) -> __m512 {
    let bytes = (stride * mem::size_of::<Block>()) as i32;
    let numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let offsets = _mm512_mullo_epi32(numbers, _mm512_set1_epi32(bytes));
    let at = &raw const rows[0][block];
    // SAFETY: the rows of a tile are so far apart; a scale, and two bytes of its block.
    let found = unsafe { _mm512_i32gather_epi32::<1>(offsets, at.cast()) };
    _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_and_si512(found, _mm512_set1_epi32(0xffff))))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[expect(unsafe_code, reason = "numbers are stored in memory")]
fn factors_of(block: &Block) -> Factors {
    let sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), load(block));
    let mut numbers = [0; 8];
    // SAFETY: as many bytes as are stored.
    unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), sums) };
    let scale = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(block.scale.into())));
    Factors { scale, offset: -OFFSET * numbers.iter().sum::<i32>() }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[inline]
#[expect(unsafe_code, reason = "numbers are loaded from memory")]
fn load(block: &Block) -> __m256i {
    // SAFETY: as many bytes as are loaded.
    unsafe { _mm256_loadu_si256(block.bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
#[expect(unsafe_code, reason = "numbers are stored in memory")]
fn store(to: &mut [f32; TILE], products: __m512) {
    // SAFETY: as many bytes as are stored.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), products) };
}

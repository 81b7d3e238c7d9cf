//! The numbers: one row's heads over the cells that it sees, a block of cells at a time.

use std::arch::x86_64::{
    __m128, __m256, _mm_add_ps, _mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32, _mm_loadu_si128,
    _mm_storeu_ps, _mm256_castps256_ps128, _mm256_cmpeq_epi16, _mm256_cvtph_ps, _mm256_extractf128_ps,
    _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_movemask_epi8,
    _mm256_mul_ps, _mm256_set1_epi16, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
};
use std::array::from_fn;
use std::cell::RefCell;

use super::task::{LANES, Part, Task};

/// Cells whose keys and values are made numbers of together: they stay in the nearest cache.
const BLOCK: usize = 32;

/// Cells that are looked at together, and keys whose sums are.
const GLANCE: usize = 16;
const KEYS: usize = 4;

/// Minus infinity in 16 bits: the row does not see the cell.
const HIDDEN: u16 = 0xfc00;

/// What a thread works with. A head has `size / LANES` of these numbers.
#[derive(Default)]
struct Scratch {
    seen: Vec<Cell>,
    queries: Vec<__m256>,
    /// The keys of a block of cells, and then the values.
    block: Vec<__m256>,
    heads: Vec<Head>,
    sums: Vec<__m256>,
}

/// A cell that the row sees, and what is added to its score.
#[derive(Clone, Copy)]
struct Cell {
    number: usize,
    bias: f32,
}

/// The scores of a block of cells, the greatest score so far, and the sum of all of them, each as a power.
#[derive(Clone, Copy)]
struct Head {
    scores: [f32; BLOCK],
    greatest: f32,
    sum: f32,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Whether this processor has what is needed here.
pub(super) fn is_supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// Computes all parts of a task.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn attend(task: &Task<'_>) {
    SCRATCH.with_borrow_mut(|scratch| {
        for part in task.parts() {
            scratch.begin(task, part);
            scratch.attend(task, part);
            scratch.write(task, part);
        }
    });
}

impl Scratch {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn begin(&mut self, task: &Task<'_>, part: Part) {
        let (heads, wide) = (task.heads_each, task.size / LANES);
        look(task.mask(part), &mut self.seen);
        let scale = _mm256_set1_ps(task.scale);
        self.queries.clear();
        for head in 0..heads {
            for numbers in task.query(part, head).as_chunks().0 {
                self.queries.push(_mm256_mul_ps(load(numbers), scale));
            }
        }
        self.block.resize(BLOCK * wide, _mm256_setzero_ps());
        self.sums.clear();
        self.sums.resize(heads * wide, _mm256_setzero_ps());
        self.heads.clear();
        self.heads.resize(heads, Head { scores: [0.0; BLOCK], greatest: f32::NEG_INFINITY, sum: 0.0 });
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn attend(&mut self, task: &Task<'_>, part: Part) {
        let wide = task.size / LANES;
        for cells in self.seen.chunks(BLOCK) {
            for (cell, numbers) in cells.iter().zip(self.block.chunks_exact_mut(wide)) {
                widen(task.key(part, cell.number), numbers);
            }
            for (queries, heads) in self.queries.chunks(2 * wide).zip(self.heads.chunks_mut(2)) {
                match heads.len() {
                    2 => score::<2>(queries, &self.block, cells.len(), heads),
                    _ => score::<1>(queries, &self.block, cells.len(), heads),
                }
            }
            for (head, sums) in self.heads.iter_mut().zip(self.sums.chunks_exact_mut(wide)) {
                head.take(cells, sums);
            }
            for (cell, numbers) in cells.iter().zip(self.block.chunks_exact_mut(wide)) {
                widen(task.value(part, cell.number), numbers);
            }
            let values = &self.block[..cells.len() * wide];
            for (sums, heads) in self.sums.chunks_mut(2 * wide).zip(self.heads.chunks(2)) {
                match heads.len() {
                    2 => add_values::<2>(sums, values, wide, heads),
                    _ => add_values::<1>(sums, values, wide, heads),
                }
            }
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn write(&self, task: &Task<'_>, part: Part) {
        let wide = task.size / LANES;
        for (number, (head, sums)) in self.heads.iter().zip(self.sums.chunks_exact(wide)).enumerate() {
            let share = _mm256_set1_ps(if head.sum == 0.0 { 0.0 } else { head.sum.recip() });
            for (out, sum) in task.out(part, number).as_chunks_mut().0.iter_mut().zip(sums) {
                store(out, _mm256_mul_ps(*sum, share));
            }
        }
    }
}

impl Head {
    /// Makes powers of a block's scores, and brings what was summed up before to the measure that they have now.
    #[target_feature(enable = "avx2,fma,f16c")]
    fn take(&mut self, cells: &[Cell], sums: &mut [__m256]) {
        let scores = &mut self.scores[..cells.len()];
        let mut greatest = self.greatest;
        for (score, cell) in scores.iter_mut().zip(cells) {
            *score += cell.bias;
            greatest = greatest.max(*score);
        }
        if greatest > self.greatest {
            let less = exp(self.greatest - greatest);
            for sum in sums {
                *sum = _mm256_mul_ps(*sum, _mm256_set1_ps(less));
            }
            self.sum *= less;
            self.greatest = greatest;
        }
        for score in scores {
            *score = exp(*score - greatest);
            self.sum += *score;
        }
    }
}

/// Finds the cells that are not hidden.
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "numbers are loaded from memory")]
fn look(mask: &[u16], seen: &mut Vec<Cell>) {
    seen.clear();
    let hidden = _mm256_set1_epi16(HIDDEN.cast_signed());
    let (glances, rest) = mask.as_chunks::<GLANCE>();
    for (glance, first) in glances.iter().zip((0..).step_by(GLANCE)) {
        // SAFETY: as many bytes as are loaded.
        let numbers = unsafe { _mm256_loadu_si256(glance.as_ptr().cast()) };
        // Two bits for each cell.
        let mut found = !_mm256_movemask_epi8(_mm256_cmpeq_epi16(numbers, hidden)).cast_unsigned();
        while found != 0 {
            let at = found.trailing_zeros() as usize / 2;
            found &= !(0b11 << (2 * at));
            seen.push(Cell { number: first + at, bias: number(glance[at]) });
        }
    }
    for (bias, cell) in rest.iter().zip(mask.len() - rest.len()..) {
        if *bias != HIDDEN {
            seen.push(Cell { number: cell, bias: number(*bias) });
        }
    }
}

/// The scores of so many heads for the first cells of a block of keys, and up to [`KEYS`] more that mean nothing.
#[target_feature(enable = "avx2,fma,f16c")]
fn score<const HEADS: usize>(queries: &[__m256], keys: &[__m256], cells: usize, heads: &mut [Head]) {
    let wide = queries.len() / HEADS;
    let queries: [&[__m256]; HEADS] = from_fn(|head| &queries[head * wide..][..wide]);
    for (keys, first) in keys.chunks_exact(KEYS * wide).zip((0..cells).step_by(KEYS)) {
        let keys: [&[__m256]; KEYS] = from_fn(|key| &keys[key * wide..][..wide]);
        let mut sums = [[_mm256_setzero_ps(); KEYS]; HEADS];
        for at in 0..wide {
            for (sums, queries) in sums.iter_mut().zip(queries) {
                for (sum, keys) in sums.iter_mut().zip(keys) {
                    *sum = _mm256_fmadd_ps(queries[at], keys[at], *sum);
                }
            }
        }
        for (head, sums) in heads.iter_mut().zip(sums) {
            head.scores[first..first + KEYS].copy_from_slice(&totals(sums));
        }
    }
}

/// Adds the values of a block's cells, each times its score.
#[target_feature(enable = "avx2,fma,f16c")]
fn add_values<const HEADS: usize>(sums: &mut [__m256], values: &[__m256], wide: usize, heads: &[Head]) {
    let mut at = 0;
    while at < wide {
        at += match wide - at {
            1 => add_columns::<HEADS, 1>(sums, values, wide, at, heads),
            2 | 3 => add_columns::<HEADS, 2>(sums, values, wide, at, heads),
            _ => add_columns::<HEADS, 4>(sums, values, wide, at, heads),
        };
    }
}

/// The same of so many columns from one on; gives how many.
#[target_feature(enable = "avx2,fma,f16c")]
fn add_columns<const HEADS: usize, const COLUMNS: usize>(
    sums: &mut [__m256],
    values: &[__m256],
    wide: usize,
    at: usize,
    heads: &[Head],
) -> usize {
    let mut added: [[__m256; COLUMNS]; HEADS] =
        from_fn(|head| from_fn(|column| sums[head * wide + at + column]));
    for (values, cell) in values.chunks_exact(wide).zip(0..BLOCK) {
        let values = &values[at..at + COLUMNS];
        for (added, head) in added.iter_mut().zip(heads) {
            let score = _mm256_set1_ps(head.scores[cell]);
            for (added, value) in added.iter_mut().zip(values) {
                *added = _mm256_fmadd_ps(score, *value, *added);
            }
        }
    }
    for (head, added) in added.iter().enumerate() {
        sums[head * wide + at..][..COLUMNS].copy_from_slice(added);
    }
    COLUMNS
}

/// What e has to be raised to for the logarithm of two, in two parts, so that what is left is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The least power that is more than nothing in 32 bits.
const LEAST: f32 = -87.0;

/// e to the power of a number that is not above zero, but for the last digit: two to the power of a whole number, times a
/// series for the rest.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn exp(power: f32) -> f32 {
    // What is no number stays none, and is found in the end.
    let power = if power < LEAST { LEAST } else { power };
    let whole = (power * std::f32::consts::LOG2_E).round_ties_even();
    let rest = whole.mul_add(-LN_2[1], whole.mul_add(-LN_2[0], power));
    let series = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let sum = series.into_iter().fold(0.0f32, |sum, factor| sum.mul_add(rest, factor));
    sum * f32::from_bits(((whole as i32 + 127) << 23).cast_unsigned())
}

/// A number of 16 bits.
#[target_feature(enable = "avx2,fma,f16c")]
fn number(bits: u16) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits.into())))
}

/// Numbers of 16 bits as those of 32.
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "numbers are loaded from memory")]
fn widen(from: &[u16], to: &mut [__m256]) {
    for (to, from) in to.iter_mut().zip(from.as_chunks::<LANES>().0) {
        // SAFETY: as many bytes as are loaded.
        *to = _mm256_cvtph_ps(unsafe { _mm_loadu_si128(from.as_ptr().cast()) });
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "numbers are loaded from memory")]
fn load(numbers: &[f32; LANES]) -> __m256 {
    // SAFETY: as many bytes as are loaded.
    unsafe { _mm256_loadu_ps(numbers.as_ptr()) }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "numbers are stored in memory")]
fn store(to: &mut [f32; LANES], numbers: __m256) {
    // SAFETY: as many bytes as are stored.
    unsafe { _mm256_storeu_ps(to.as_mut_ptr(), numbers) }
}

/// What the numbers of each come to.
#[target_feature(enable = "avx2,fma,f16c")]
#[expect(unsafe_code, reason = "numbers are stored in memory")]
fn totals([a, b, c, d]: [__m256; KEYS]) -> [f32; KEYS] {
    let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    let totals: __m128 = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
    let mut numbers = [0.0; KEYS];
    // SAFETY: as many bytes as are stored.
    unsafe { _mm_storeu_ps(numbers.as_mut_ptr(), totals) };
    numbers
}

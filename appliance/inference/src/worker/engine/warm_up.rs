//! Some steps before the first job, so that the weights are in memory and the pace is known.

use std::time::Duration;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use tokio::time::Instant;

use super::put;
use crate::worker::WorkerError;
use crate::worker::load::STEP_TOKENS;
use crate::worker::measured::Measured;
use crate::worker::pace::BLOCK;

/// Tokens of the prompt that is read to learn the pace; a whole step where that took no longer than a moment.
const PROMPT: usize = 64;
const MOMENT: Duration = Duration::from_millis(60);

/// So many rows a GPU multiplies one by one, by code that is made for their number.
const FEW: usize = 8;

/// A step of a whole block that is so much quicker than one of a row less says that rows are computed in blocks.
const QUICKER: f64 = 0.93;

/// The context and the batch, which are empty before and after each step.
struct Trial<'a, 'm> {
    context: &'a mut LlamaContext<'m>,
    batch: &'a mut LlamaBatch<'static>,
}

/// Takes one step to have everything in memory, and then some to measure them. Calls `sign` between them: where code is
/// built, they take long.
///
/// # Errors
/// A step that llama.cpp could not compute.
pub(super) fn warm_up(
    context: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'static>,
    sequences: u32,
    has_filler: bool,
    builds_code: bool,
    sign: impl Fn(),
) -> Result<Measured, WorkerError> {
    let most = STEP_TOKENS.min(context.n_ctx()) as usize;
    let mut trial = Trial { context, batch };
    let wide = (sequences as usize).clamp(1, 16);
    let middle = wide.div_ceil(4);
    trial.step(wide, 1)?;
    if builds_code {
        trial.build_code(wide, most, sign)?;
    }
    let mut writing = Vec::new();
    for rows in [1, middle, wide] {
        if writing.last().is_none_or(|(known, _)| *known < rows as u32) {
            writing.push((rows as u32, trial.step(rows, 1)?));
        }
    }
    let block = if has_filler && wide > BLOCK { trial.block(wide - wide % BLOCK)? } else { 1 };
    let tokens = PROMPT.min(most);
    let mut reading = (tokens, trial.step(1, tokens)?);
    if reading.1 < MOMENT && most > tokens {
        reading = (most, trial.step(1, most)?);
    }
    let (tokens, took) = reading;
    Ok(Measured { writing, reading: (tokens as u32, took), block: block as u32 })
}

impl Trial<'_, '_> {
    /// A GPU's code is built at the first step of its kind, which may take a thousand times as long as the next: every kind
    /// now, not while answers wait. The kinds differ in how many rows a step has (each number up to [`FEW`] is one of its
    /// own), and in how much is behind them.
    fn build_code(&mut self, wide: usize, most: usize, sign: impl Fn()) -> Result<(), WorkerError> {
        let doubled =
            |most: usize| std::iter::successors(Some(1), |n| Some(n * 2)).take_while(move |n| *n <= most);
        let many = doubled(wide).filter(|rows| *rows > FEW);
        for rows in (1..=FEW.min(wide)).chain(many) {
            self.step(rows, 1)?;
            sign();
        }
        for tokens in doubled(most - 1) {
            self.read(0, tokens)?;
            self.read(tokens, 1)?;
            self.context.clear_kv_cache();
            sign();
        }
        self.read(0, most / 2)?;
        self.read(most / 2, most / 2)?;
        self.context.clear_kv_cache();
        sign();
        Ok(())
    }

    /// So many tokens of one sequence, from a position on.
    fn read(&mut self, from: usize, tokens: usize) -> Result<(), WorkerError> {
        self.batch.clear();
        for position in from..from + tokens {
            put(self.batch, 0, position as i32, 0, position + 1 == from + tokens)?;
        }
        self.context.decode(self.batch).map_err(|error| WorkerError::Engine(error.to_string()))?;
        self.context.synchronize();
        Ok(())
    }

    /// What a step takes in which so many sequences have so many tokens each.
    fn step(&mut self, sequences: usize, tokens_each: usize) -> Result<Duration, WorkerError> {
        self.batch.clear();
        for slot in 0..sequences as i32 {
            for position in 0..tokens_each {
                put(self.batch, 0, position as i32, slot, position + 1 == tokens_each)?;
            }
        }
        let begun = Instant::now();
        self.context.decode(self.batch).map_err(|error| WorkerError::Engine(error.to_string()))?;
        self.context.synchronize();
        let took = begun.elapsed();
        self.context.clear_kv_cache();
        Ok(took)
    }

    /// Whether `rows`, which are whole blocks, take less time than one row less: each the quicker one of two steps.
    fn block(&mut self, rows: usize) -> Result<usize, WorkerError> {
        let mut quickest = [Duration::MAX; 2];
        for _ in 0..2 {
            for (quickest, rows) in quickest.iter_mut().zip([rows, rows - 1]) {
                *quickest = self.step(rows, 1)?.min(*quickest);
            }
        }
        let [whole, begun] = quickest.map(|took| took.as_secs_f64());
        Ok(if whole < QUICKER * begun { BLOCK } else { 1 })
    }
}

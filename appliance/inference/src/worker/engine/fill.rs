//! What goes into a step: a token of each answer that is written, and parts of prompts.

use std::time::Duration;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use tokio::time::Instant;

use crate::worker::WorkerError;
use crate::worker::load::STEP_TOKENS;
use crate::worker::pace::Pace;
use crate::worker::sequence::Sequence;

/// Tokens of the prompt that is read to learn the pace; a whole step where that took no longer than a moment.
const WARM_UP: usize = 64;
const MOMENT: Duration = Duration::from_millis(60);

/// One batch, as it was shared out.
pub(super) struct Step {
    /// By the order of the running answers.
    pub(super) shares: Vec<Share>,
    /// Answers that get a token.
    pub(super) rows: usize,
    /// Answers that were being written.
    pub(super) writing: usize,
    /// Tokens of prompts.
    pub(super) read: usize,
}

/// What one answer has of a batch.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    pub(super) tokens: usize,
    /// The row of logits that chooses its next token, where its last pending token is in the batch.
    pub(super) row: Option<i32>,
}

/// Shares the batch out: first the answers that are being written, then prompts by lane, the shortest first.
///
/// # Errors
/// A token that llama.cpp does not take.
pub(super) fn fill(
    batch: &mut LlamaBatch<'_>,
    running: &[Sequence],
    pace: &Pace,
) -> Result<Step, WorkerError> {
    batch.clear();
    let mut step = Step { shares: vec![Share::default(); running.len()], rows: 0, writing: 0, read: 0 };
    for (index, sequence) in running.iter().enumerate() {
        if is_written(sequence) {
            add(batch, sequence, 1, &mut step, index)?;
            step.writing += 1;
        }
    }
    // Those that have just begun do not hold up those that came with them.
    let is_heard = running.iter().any(|sequence| is_written(sequence) && !sequence.is_young());
    let mut room = pace.room(if is_heard { step.writing } else { 0 }, STEP_TOKENS as usize - step.writing);
    for index in reading(running, pace) {
        let tokens = running[index].pending().len().min(room);
        if tokens == 0 {
            break;
        }
        add(batch, &running[index], tokens, &mut step, index)?;
        room -= tokens;
        step.read += tokens;
    }
    Ok(step)
}

fn is_written(sequence: &Sequence) -> bool {
    sequence.awaited().is_none() && sequence.pending().len() == 1
}

/// The prompts to read, in order. Each second that one has waited counts as if it were so much shorter as is read in a
/// second: so none is passed over for ever.
fn reading(running: &[Sequence], pace: &Pace) -> Vec<usize> {
    let urgency =
        |sequence: &Sequence| pace.reading(sequence.pending().len()) - sequence.since.elapsed().as_secs_f64();
    let mut reading: Vec<usize> = (0..running.len())
        .filter(|index| running[*index].awaited().is_none() && running[*index].pending().len() > 1)
        .collect();
    reading.sort_by(|a, b| {
        let (a, b) = (&running[*a], &running[*b]);
        a.lane.cmp(&b.lane).then(urgency(a).total_cmp(&urgency(b)))
    });
    reading
}

fn add(
    batch: &mut LlamaBatch<'_>,
    sequence: &Sequence,
    tokens: usize,
    step: &mut Step,
    index: usize,
) -> Result<(), WorkerError> {
    let pending = sequence.pending();
    let mut row = None;
    for (offset, token) in pending[..tokens].iter().enumerate() {
        let chooses = offset + 1 == pending.len();
        row = chooses.then(|| batch.n_tokens());
        put(batch, *token, sequence.position() + offset as i32, sequence.slot, chooses)?;
    }
    step.rows += usize::from(row.is_some());
    step.shares[index] = Share { tokens, row };
    Ok(())
}

fn put(
    batch: &mut LlamaBatch<'_>,
    token: i32,
    position: i32,
    slot: i32,
    chooses: bool,
) -> Result<(), WorkerError> {
    let added = batch.add(LlamaToken(token), position, &[slot], chooses);
    added.map_err(|error| WorkerError::Engine(error.to_string()))
}

/// Takes steps of some kinds once to have everything in memory, and again to measure them. The context is empty after.
///
/// # Errors
/// A step that llama.cpp could not compute.
pub(super) fn warm_up(
    context: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'_>,
    sequences: u32,
) -> Result<Pace, WorkerError> {
    let most = STEP_TOKENS.min(context.n_ctx()) as usize;
    let tokens = WARM_UP.min(most);
    let mut measured = |rows: usize, tokens_each: usize| {
        let mut took = Duration::ZERO;
        for _ in 0..2 {
            batch.clear();
            for slot in 0..rows as i32 {
                for position in 0..tokens_each {
                    put(batch, 0, position as i32, slot, position + 1 == tokens_each)?;
                }
            }
            let begun = Instant::now();
            context.decode(batch).map_err(|error| WorkerError::Engine(error.to_string()))?;
            context.synchronize();
            took = begun.elapsed();
            context.clear_kv_cache();
        }
        Ok::<_, WorkerError>(took)
    };
    let wide = (sequences as usize).clamp(1, 16);
    let middle = wide.div_ceil(4);
    let mut writing = Vec::new();
    for rows in [1, middle, wide] {
        if writing.last().is_none_or(|(known, _)| *known < rows) {
            writing.push((rows, measured(rows, 1)?));
        }
    }
    let mut reading = (tokens, measured(1, tokens)?);
    if reading.1 < MOMENT && most > tokens {
        reading = (most, measured(1, most)?);
    }
    Ok(Pace::new(writing, reading))
}

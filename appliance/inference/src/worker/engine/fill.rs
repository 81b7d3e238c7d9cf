//! What goes into a step: a token of each answer that is written, and parts of prompts.

use std::time::Duration;

use llama_cpp_2::llama_batch::LlamaBatch;
use tokio::time::Instant;

use super::filler::Filler;
use super::put;

use crate::worker::WorkerError;
use crate::worker::load::STEP_TOKENS;
use crate::worker::pace::{Disturbs, Pace};
use crate::worker::sequence::Sequence;

/// So long an answer that has begun waits for the prompts that came with it.
const TOGETHER: Duration = Duration::from_secs(8);

/// So seldom an answer that has begun is written while those that came with it are read: each of its rows would keep the
/// others from their first word, and costs the less the more are written together.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);

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
    /// All of these are of long prompts.
    pub(super) only_long: bool,
    /// Rows of nobody, which make the step cheaper.
    pub(super) filled: usize,
}

/// What one answer has of a batch.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    pub(super) tokens: usize,
    /// The row of logits that chooses its next token, where its last pending token is in the batch.
    pub(super) row: Option<i32>,
}

/// Shares the batch out: first the answers that are being written, unless they rest, then prompts by lane, the shortest
/// first. Where rows are missing to a whole block, `filler` gives some. Answers were last written at `wrote`.
///
/// # Errors
/// A token that llama.cpp does not take.
pub(super) fn fill(
    batch: &mut LlamaBatch<'_>,
    running: &[Sequence],
    pace: &Pace,
    filler: &Filler,
    wrote: Instant,
) -> Result<Step, WorkerError> {
    batch.clear();
    let mut step = Step {
        shares: vec![Share::default(); running.len()],
        rows: 0,
        writing: 0,
        read: 0,
        only_long: true,
        filled: 0,
    };
    let first_heard = running.iter().filter(|sequence| is_written(sequence)).filter_map(|it| it.begun).min();
    let order = reading(running, pace);
    let came_together = order.iter().map(|index| &running[*index]).filter(|sequence| {
        wrote.elapsed() < WRITTEN_EVERY && disturbs(sequence, first_heard) == Disturbs::Nobody
    });
    let resting = came_together.map(|sequence| sequence.lane).min();
    for (index, sequence) in running.iter().enumerate() {
        if is_written(sequence) && resting.is_none_or(|lane| sequence.lane < lane) {
            add(batch, sequence, 1, &mut step, index)?;
            step.writing += 1;
        }
    }
    let most = STEP_TOKENS as usize - step.writing;
    for index in order {
        let (pending, own) = (running[index].pending().len(), disturbs(&running[index], first_heard));
        // The first in order is not kept from its first word by many behind it.
        let disturbs = if step.read > 0 { own.max(Disturbs::Briefly) } else { own };
        let room = pace.room(step.writing, disturbs, most).saturating_sub(step.read);
        // Where nobody needs small steps, a part of the next prompt would only make this step longer.
        let tokens = if disturbs > own && pending > room { 0 } else { pending.min(room) };
        if tokens > 0 {
            add(batch, &running[index], tokens, &mut step, index)?;
            step.read += tokens;
            step.only_long &= disturbs == Disturbs::Long;
        }
    }
    step.filled = filler.fill(batch, pace.missing(step.writing + step.read))?;
    Ok(step)
}

/// Whom the reading of this prompt holds up, where the first of the answers that are written began at `first_heard`.
/// Those that come together begin together: none of them holds up the others by having begun, for a while.
fn disturbs(sequence: &Sequence, first_heard: Option<Instant>) -> Disturbs {
    let came_with = |begun: Instant| begun >= sequence.since && begun.elapsed() <= TOGETHER;
    if first_heard.is_none_or(came_with) {
        Disturbs::Nobody
    } else if sequence.to_read <= STEP_TOKENS as usize {
        Disturbs::Briefly
    } else {
        Disturbs::Long
    }
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

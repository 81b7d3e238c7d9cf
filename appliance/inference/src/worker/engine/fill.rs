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

/// Shares the batch out: first the answers that are being written, then prompts by lane, the shortest first. Where rows
/// are missing to a whole block, `filler` gives some.
///
/// # Errors
/// A token that llama.cpp does not take.
pub(super) fn fill(
    batch: &mut LlamaBatch<'_>,
    running: &[Sequence],
    pace: &Pace,
    filler: &Filler,
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
    for (index, sequence) in running.iter().enumerate() {
        if is_written(sequence) {
            add(batch, sequence, 1, &mut step, index)?;
            step.writing += 1;
        }
    }
    let most = STEP_TOKENS as usize - step.writing;
    let first_heard = running.iter().filter(|sequence| is_written(sequence)).filter_map(|it| it.begun).min();
    for index in reading(running, pace) {
        let disturbs = disturbs(&running[index], first_heard);
        let room = pace.room(step.writing, disturbs, most).saturating_sub(step.read);
        let tokens = running[index].pending().len().min(room);
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

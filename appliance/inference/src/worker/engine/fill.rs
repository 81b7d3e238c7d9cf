//! What goes into a step: a token of each answer that is written, and parts of prompts.

use std::time::Duration;

use llama_cpp_2::llama_batch::LlamaBatch;
use tokio::time::Instant;

use super::filler::Filler;
use super::put;
use crate::job::Lane;
use crate::worker::WorkerError;
use crate::worker::load::STEP_TOKENS;
use crate::worker::pace::{BLOCK, Disturbs, Pace};
use crate::worker::sequence::Sequence;

/// So long an answer that has begun waits for the prompts that came with it.
const TOGETHER: Duration = Duration::from_secs(8);

/// So seldom an answer that has begun is written while those that came with it are read: each of its rows would keep the
/// others from their first word, and costs the less the more are written together.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);

/// So many tokens of a prompt are read in each step, whoever comes before it, once it has waited for as long as its lane is
/// held back: nobody waits for ever.
const A_LITTLE: usize = BLOCK;

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
    let written = Written::of(running);
    let order = reading(running, pace);
    let came_together = order.iter().map(|index| &running[*index]).filter(|sequence| {
        wrote.elapsed() < WRITTEN_EVERY && written.disturbed_by(sequence) == Disturbs::Nobody
    });
    let resting = came_together.map(|sequence| sequence.lane).min();
    for (index, sequence) in running.iter().enumerate() {
        if is_written(sequence) && resting.is_none_or(|lane| sequence.lane < lane) {
            add(batch, sequence, 1, &mut step, index)?;
            step.writing += 1;
        }
    }
    let neglected = neglected(running, &order);
    let most = STEP_TOKENS as usize - step.writing - neglected.map_or(0, |_| A_LITTLE);
    for index in order {
        let (pending, own) = (running[index].pending().len(), written.disturbed_by(&running[index]));
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
    if let Some(index) = neglected.filter(|index| step.shares[*index].tokens == 0) {
        add(batch, &running[index], running[index].pending().len().min(A_LITTLE), &mut step, index)?;
        step.read += step.shares[index].tokens;
    }
    step.filled = filler.fill(batch, pace.missing(step.writing + step.read))?;
    Ok(step)
}

/// The answers that are being written.
struct Written {
    /// When the first of them began.
    first_heard: Option<Instant>,
    /// The most urgent lane among them.
    lane: Option<Lane>,
}

impl Written {
    fn of(running: &[Sequence]) -> Written {
        let written = || running.iter().filter(|sequence| is_written(sequence));
        Written {
            first_heard: written().filter_map(|sequence| sequence.begun).min(),
            lane: written().map(|sequence| sequence.lane).min(),
        }
    }

    /// Whom the reading of this prompt holds up. Those that come together begin together: none of them holds up the others
    /// by having begun, for a while; but one of a lower lane always does.
    fn disturbed_by(&self, sequence: &Sequence) -> Disturbs {
        let came_with = |begun: Instant| begun >= sequence.since && begun.elapsed() <= TOGETHER;
        let is_lower = self.lane.is_some_and(|lane| lane < sequence.lane);
        if !is_lower && self.first_heard.is_none_or(came_with) {
            Disturbs::Nobody
        } else if sequence.to_read <= STEP_TOKENS as usize {
            Disturbs::Briefly
        } else {
            Disturbs::Long
        }
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

/// The prompt that has waited for longest among those that have waited for long behind a more urgent lane.
fn neglected(running: &[Sequence], order: &[usize]) -> Option<usize> {
    let first = running[*order.first()?].lane;
    let waits = |index: &usize| running[*index].since.elapsed();
    let is_neglected = |index: &usize| {
        let lane = running[*index].lane;
        lane > first && waits(index) >= lane.handicap()
    };
    order.iter().copied().filter(is_neglected).max_by_key(waits)
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

#[cfg(test)]
mod tests {
    use Lane::{Batch, Clinical, Interactive};

    use super::*;
    use crate::worker::prompt::Prepared;
    use crate::worker::scheduler::tests::job;
    use crate::worker::vocabulary::Vocabulary;

    /// One that came now and has so many tokens to take in: one where it is written.
    fn sequence(lane: Lane, pending: usize) -> Sequence {
        let prepared = Prepared { tokens: vec![1; pending], ..job(0, lane, 8192) };
        let mut sequence = Sequence::new(prepared, (false, 0, 0), Vocabulary::new(std::iter::empty()).into());
        sequence.to_read = pending;
        sequence.begun = (pending == 1).then(Instant::now);
        sequence
    }

    #[test]
    fn only_those_of_its_own_lane_or_a_lower_one_are_held_up_by_what_came_with_them() {
        let of = |written: Lane, reading: Lane, to_read: usize| {
            let reading = sequence(reading, to_read);
            Written::of(&[sequence(written, 1)]).disturbed_by(&reading)
        };
        assert_eq!(of(Interactive, Interactive, 4000), Disturbs::Nobody, "it has begun since the other came");
        assert_eq!(of(Batch, Clinical, 4000), Disturbs::Nobody);
        assert_eq!(of(Clinical, Batch, 4000), Disturbs::Long);
        assert_eq!(of(Clinical, Interactive, 100), Disturbs::Briefly);
        assert_eq!(Written::of(&[]).disturbed_by(&sequence(Batch, 4000)), Disturbs::Nobody);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_waited_for_long_is_not_passed_over_for_ever() {
        let measured = crate::worker::measured::Measured {
            writing: vec![(1, Duration::from_millis(10))],
            reading: (1, Duration::from_millis(1)),
            block: 1,
        };
        let pace = Pace::new(&measured);
        let read = |running: &[Sequence]| {
            let mut batch = LlamaBatch::new(STEP_TOKENS as usize, 1);
            let step = fill(&mut batch, running, &pace, &Filler::new(None), Instant::now()).expect("a step");
            assert_eq!(batch.n_tokens() as usize, step.read + step.writing);
            step.shares.iter().map(|share| share.tokens).collect::<Vec<_>>()
        };
        let batch = || sequence(Batch, 4000);
        let mut running = vec![batch(), batch(), batch()];
        tokio::time::advance(Batch.handicap()).await;
        running.push(sequence(Clinical, 4000));
        running.push(batch());
        assert_eq!(read(&running), [0, 0, A_LITTLE, STEP_TOKENS as usize - A_LITTLE, 0], "one of the oldest");
        running.drain(..3);
        assert_eq!(read(&running), [STEP_TOKENS as usize, 0], "nobody has waited for long");
    }
}

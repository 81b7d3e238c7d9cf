//! Chooses the next tokens of a step, its rows side by side.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::frames::Progress;
use crate::job::JobError;
use crate::worker::sampler::Scratch;
use crate::worker::sequence::Sequence;

/// Fewer numbers than this are gone through sooner by one thread than shared out.
const WORTH_SHARING: usize = 1 << 17;

/// More threads than this are only in each other's way.
const MOST_THREADS: usize = 8;

/// The row of one answer, and what it became: a token with its words, or why there is none.
pub(super) type Outcome = Result<Progress, (u64, JobError)>;

/// The threads that choose.
pub(super) struct Chooser {
    pool: Option<ThreadPool>,
    scratch: Scratch,
}

impl Chooser {
    /// The threads take over the walls of the one that calls.
    pub(super) fn new(threads: usize) -> Chooser {
        let threads = threads.min(MOST_THREADS);
        let name = |index| format!("chooser-{index}");
        let pool = || ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok();
        Chooser { pool: (threads > 1).then(pool).flatten(), scratch: Scratch::default() }
    }

    /// One more token for each answer, from its row.
    pub(super) fn choose(&mut self, rows: Vec<(&mut Sequence, &[f32])>) -> Vec<Outcome> {
        let numbers: usize = rows.iter().map(|(_, row)| row.len()).sum();
        match &self.pool {
            Some(pool) if rows.len() > 1 && numbers >= WORTH_SHARING => pool.install(|| {
                let rows = rows.into_par_iter().with_max_len(1);
                rows.map_init(Scratch::default, |scratch, (sequence, row)| choose(sequence, row, scratch))
                    .collect()
            }),
            _ => rows.into_iter().map(|(sequence, row)| choose(sequence, row, &mut self.scratch)).collect(),
        }
    }
}

fn choose(sequence: &mut Sequence, row: &[f32], scratch: &mut Scratch) -> Outcome {
    let chosen = sequence.choose(row, scratch);
    chosen.and_then(|token| sequence.accept(token)).map_err(|error| (sequence.id, error))
}

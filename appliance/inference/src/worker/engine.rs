//! The engine's loop: takes orders, admits jobs, and steps all running answers together.
//!
//! A step is one batch: a token of every answer that is being written, and with the room that is left parts of at
//! most two prompts. So a long prompt never keeps running answers waiting for longer than one step.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use tokio::time::Instant;

use super::WorkerError;
use super::load::STEP_TOKENS;
use super::prompt::Prepared;
use super::sampler::Scratch;
use super::scheduler::{Room, Scheduler};
use super::sequence::Sequence;
use super::vocabulary::Vocabulary;
use crate::frames::{Finish, FromWorker, Progress};
use crate::job::JobError;

/// Prompts that are read at the same time.
const PROMPTS_AT_ONCE: usize = 2;

/// What the reader of the socket tells the engine.
pub(super) enum Order {
    Run(Box<Prepared>),
    Cancel { id: u64 },
}

/// The running answers and the context that they share.
pub(super) struct Engine<'a> {
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    vocabulary: Arc<Vocabulary>,
    scheduler: Scheduler,
    running: Vec<Sequence>,
    scratch: Scratch,
    orders: Receiver<Order>,
    out: Sender<FromWorker>,
    began: Instant,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        context: LlamaContext<'a>,
        room: Room,
        vocabulary: Arc<Vocabulary>,
        orders: Receiver<Order>,
        out: Sender<FromWorker>,
    ) -> Engine<'a> {
        let scheduler = Scheduler::new(room);
        let batch = LlamaBatch::new(STEP_TOKENS as usize, 1);
        let (running, scratch) = (Vec::new(), Scratch::default());
        Engine { context, batch, vocabulary, scheduler, running, scratch, orders, out, began: Instant::now() }
    }

    /// Works until the reader is gone.
    ///
    /// # Errors
    /// A step that llama.cpp could not compute: what the context holds is then unknown, and only a new process
    /// can go on.
    pub(super) fn run(mut self) -> Result<(), WorkerError> {
        while self.take_orders() {
            self.admit()?;
            if !self.running.is_empty() {
                self.step()?;
            }
        }
        Ok(())
    }

    /// Takes all orders that are there, and waits for one when there is nothing to do. `false` at the end.
    fn take_orders(&mut self) -> bool {
        if self.running.is_empty() && self.scheduler.is_empty() {
            match self.orders.recv() {
                Ok(order) => self.obey(order),
                Err(_) => return false,
            }
        }
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.obey(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Run(job) => self.scheduler.add(*job, self.began.elapsed()),
            Order::Cancel { id } => {
                if !self.scheduler.cancel(id) {
                    self.retire(&HashSet::from([id]));
                }
            }
        }
    }

    /// Starts the waiting jobs for which there is room.
    fn admit(&mut self) -> Result<(), WorkerError> {
        while let Some((mut job, slot)) = self.scheduler.admit() {
            let generated = std::mem::take(&mut job.generated);
            let mut sequence = Sequence::new(job, slot, self.vocabulary.clone());
            let (id, prompt_tokens) = (sequence.id, sequence.prompt_tokens);
            let over = replay(&mut sequence, generated);
            self.running.push(sequence);
            self.send(FromWorker::Started { id, prompt_tokens })?;
            let end = match over {
                Ok(None) => continue,
                Ok(finish) => FromWorker::Step(vec![Progress { id, token: None, said: Vec::new(), finish }]),
                Err(error) => FromWorker::Refused { id, error },
            };
            self.retire(&HashSet::from([id]));
            self.send(end)?;
        }
        Ok(())
    }

    /// One batch through the model, and one more token for every answer whose prompt has been read.
    fn step(&mut self) -> Result<(), WorkerError> {
        let shares = self.fill_batch()?;
        self.context.decode(&mut self.batch).map_err(|error| WorkerError::Engine(error.to_string()))?;
        let mut progress = Vec::new();
        let mut ended = HashSet::new();
        let mut failed = Vec::new();
        for share in shares {
            let sequence = &mut self.running[share.index];
            sequence.take_in(share.tokens);
            let Some(row) = share.row else { continue };
            let chosen = sequence.choose(self.context.get_logits_ith(row), &mut self.scratch);
            match chosen.and_then(|token| sequence.accept(token)) {
                Ok(step) => progress.push(step),
                Err(error) => failed.push((sequence.id, error)),
            }
        }
        ended.extend(progress.iter().filter(|step| step.finish.is_some()).map(|step| step.id));
        ended.extend(failed.iter().map(|(id, _)| *id));
        self.retire(&ended);
        self.send(FromWorker::Step(progress))?;
        failed.into_iter().try_for_each(|(id, error)| self.send(FromWorker::Refused { id, error }))
    }

    /// Shares the batch out: first the answers that are being written, then prompts by lane and age.
    fn fill_batch(&mut self) -> Result<Vec<Share>, WorkerError> {
        self.batch.clear();
        let (writing, mut reading): (Vec<usize>, Vec<usize>) =
            (0..self.running.len()).partition(|index| self.running[*index].pending().len() == 1);
        // The order of `running` is the order of admission.
        reading.sort_by_key(|index| self.running[*index].lane);
        reading.truncate(PROMPTS_AT_ONCE);
        let mut shares = Vec::with_capacity(writing.len() + reading.len());
        for index in writing.into_iter().chain(reading) {
            let sequence = &self.running[index];
            let room = STEP_TOKENS as usize - self.batch.n_tokens() as usize;
            let pending = sequence.pending();
            let tokens = pending.len().min(room);
            let mut row = None;
            for (offset, token) in pending[..tokens].iter().enumerate() {
                let chooses = offset + 1 == pending.len();
                row = chooses.then(|| self.batch.n_tokens());
                let position = sequence.position() + offset as i32;
                self.batch
                    .add(LlamaToken(*token), position, &[sequence.slot], chooses)
                    .map_err(|error| WorkerError::Engine(error.to_string()))?;
            }
            if tokens > 0 {
                shares.push(Share { index, tokens, row });
            }
        }
        Ok(shares)
    }

    /// Ends answers: their cells and sequences are free at once.
    fn retire(&mut self, ids: &HashSet<u64>) {
        for sequence in self.running.extract_if(.., |sequence| ids.contains(&sequence.id)) {
            // A whole sequence can always be removed.
            let _ = self.context.clear_kv_cache_seq(Some(sequence.slot as u32), None, None);
            self.scheduler.release(sequence.lane, sequence.cells, sequence.slot);
        }
    }

    fn send(&self, frame: FromWorker) -> Result<(), WorkerError> {
        self.out.send(frame).map_err(|_| WorkerError::Socket(std::io::ErrorKind::BrokenPipe.into()))
    }
}

/// Takes in what an earlier worker said. It is said already, so its text goes nowhere; its end, where it has one, does.
fn replay(sequence: &mut Sequence, generated: Vec<i32>) -> Result<Option<Finish>, JobError> {
    for token in generated {
        if let Some(finish) = sequence.accept(token)?.finish {
            return Ok(Some(finish));
        }
    }
    Ok(None)
}

/// What one sequence has of a batch.
struct Share {
    /// Its place among the running ones.
    index: usize,
    tokens: usize,
    /// The row of logits that chooses its next token, where its last pending token is in the batch.
    row: Option<i32>,
}

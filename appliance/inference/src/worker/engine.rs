//! The engine's loop: takes orders, admits jobs, and steps all running answers together.
//!
//! A step is one batch: a token of every answer that is being written, and with the time that is left parts of the
//! prompts that wait. So a long prompt never keeps running answers waiting for much longer than a step without it.

mod chooser;
mod fill;
mod filler;
mod seats;
mod warm_up;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use tokio::time::Instant;

use super::load::STEP_TOKENS;
use super::measured::Measured;
use super::pace::Pace;
use super::prompt::Prepared;
use super::scheduler::{Held, Key, LEAST_AHEAD, Room, Scheduler, Waiting};
use super::sequence::Sequence;
use super::vocabulary::Vocabulary;
use super::{Doing, WorkerError};
use crate::frames::{Finish, FromWorker, Progress};
use crate::job::JobError;
use chooser::Chooser;
use filler::Filler;
use seats::Seats;

/// So long an engine that had nothing to do waits for one more, each time that one comes.
const GATHERING: Duration = Duration::from_millis(1);

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
    seats: Seats,
    pace: Pace,
    filler: Filler,
    running: Vec<Sequence>,
    chooser: Chooser,
    orders: Receiver<Order>,
    out: Sender<FromWorker>,
    /// Where it says that it has jobs.
    doing: Arc<Doing>,
    began: Instant,
    /// When a step last wrote for answers.
    wrote: Instant,
}

/// What the engine is given of its model and its machine.
pub(super) struct Means {
    pub(super) room: Room,
    /// Sequences of the context: those that run, and those that are kept.
    pub(super) seats: u32,
    /// The sequence of the context that is nobody's.
    pub(super) filler: Option<i32>,
    /// The model's memory can be cut at any token.
    pub(super) shares_prefixes: bool,
    /// What may be kept of ended answers outside of the context.
    pub(super) swap_bytes: u64,
    /// What the template begins prompts with.
    pub(super) beginnings: Vec<Vec<i32>>,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) threads: usize,
    /// A GPU's code is built at first use.
    pub(super) builds_code: bool,
    /// Where it says that it has jobs.
    pub(super) doing: Arc<Doing>,
    /// What an earlier worker of the same model has found. Where code is built, steps are taken all the same: answers
    /// should not wait for it in their midst.
    pub(super) measured: Option<Measured>,
}

impl<'a> Engine<'a> {
    /// Takes some steps, so that the weights are in memory and the pace is known; none where it is known already: answers
    /// may wait. The pace is given back for the next worker.
    ///
    /// # Errors
    /// A step that llama.cpp could not compute.
    pub(super) fn new(
        context: LlamaContext<'a>,
        means: Means,
        orders: Receiver<Order>,
        out: Sender<FromWorker>,
    ) -> Result<(Engine<'a>, Measured), WorkerError> {
        let (mut context, mut batch) = (context, LlamaBatch::new(STEP_TOKENS as usize, 1));
        let filler = Filler::new(means.filler);
        let (sequences, has_filler) = (means.room.sequences(), means.filler.is_some());
        let measured = match means.measured {
            Some(measured) if !means.builds_code => measured,
            _ => {
                let sign = || drop(out.send(FromWorker::Loading { percent: 100 }));
                warm_up::warm_up(&mut context, &mut batch, sequences, has_filler, means.builds_code, sign)?
            }
        };
        let engine = Engine {
            context,
            batch,
            vocabulary: means.vocabulary,
            scheduler: Scheduler::new(means.room),
            seats: Seats::new(means.seats, means.shares_prefixes, means.swap_bytes, means.beginnings),
            pace: Pace::new(&measured),
            filler,
            running: Vec::new(),
            chooser: Chooser::new(means.threads),
            orders,
            out,
            doing: means.doing,
            began: Instant::now(),
            wrote: Instant::now(),
        };
        Ok((engine, measured))
    }

    /// Works until the reader is gone.
    ///
    /// # Errors
    /// A step that llama.cpp could not compute: what the context holds is then unknown, and only a new process
    /// can go on.
    pub(super) fn run(mut self) -> Result<(), WorkerError> {
        while self.take_orders() {
            self.doing.computes.store(!self.has_nothing(), Ordering::Relaxed);
            self.grow();
            self.admit()?;
            if !self.running.is_empty() {
                self.step()?;
            }
            self.doing.computes.store(!self.has_nothing(), Ordering::Relaxed);
        }
        Ok(())
    }

    fn has_nothing(&self) -> bool {
        self.running.is_empty() && self.scheduler.is_empty()
    }

    /// Takes all orders that are there, and waits for one when there is nothing to do. `false` at the end.
    fn take_orders(&mut self) -> bool {
        if self.has_nothing() {
            match self.orders.recv() {
                Ok(order) => self.obey(order),
                Err(_) => return false,
            }
            // Those that come together are read together, in one step.
            while let Ok(order) = self.orders.recv_timeout(GATHERING) {
                self.obey(order);
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

    /// Starts the waiting jobs for which there is room, or can be.
    fn admit(&mut self) -> Result<(), WorkerError> {
        while let Some((key, job)) = self.scheduler.admit().or_else(|| self.make_way()) {
            match job {
                Waiting::New(job) => self.start(key, *job)?,
                Waiting::Paused(sequence) => self.seat(*sequence),
            }
        }
        Ok(())
    }

    fn start(&mut self, key: Key, mut job: Prepared) -> Result<(), WorkerError> {
        let generated = std::mem::take(&mut job.generated);
        let mut sequence = Sequence::new(job, key, self.vocabulary.clone());
        let (id, prompt_tokens) = (sequence.id, sequence.prompt_tokens);
        let over = replay(&mut sequence, generated);
        self.send(FromWorker::Started { id, prompt_tokens })?;
        let end = match over {
            Ok(None) => {
                self.seat(sequence);
                return Ok(());
            }
            Ok(finish) => {
                FromWorker::Step(vec![Progress { id, token: None, odds: None, said: Vec::new(), finish }])
            }
            Err(error) => FromWorker::Refused { id, error },
        };
        self.scheduler.release(sequence.lane, sequence.cells);
        self.send(end)
    }

    fn seat(&mut self, mut sequence: Sequence) {
        let free_cells = self.scheduler.free_cells();
        self.seats.seat(&mut self.context, &mut sequence, &self.running, free_cells);
        self.running.push(sequence);
    }

    /// Gives those more cells that have come to the end of theirs, before anybody new begins.
    fn grow(&mut self) {
        while let Some(growing) = self.running.iter_mut().find(|sequence| sequence.lacks_cells()) {
            if self.scheduler.extend(growing) {
                continue;
            }
            let growing = growing.held();
            let held: Vec<Held> = self.running.iter().map(Sequence::held).collect();
            // One that may pause no more has all that it can need.
            let pausing = Scheduler::gives_way_to(&growing, &held).unwrap_or(growing.id);
            self.pause(&[pausing]);
        }
        self.seats.make_room(&mut self.context, self.scheduler.free_cells());
    }

    fn pause(&mut self, ids: &[u64]) {
        for mut sequence in self.running.extract_if(.., |sequence| ids.contains(&sequence.id)) {
            self.seats.leave(&mut self.context, &sequence);
            sequence.stand_up();
            self.scheduler.pause(sequence.held().key, sequence, self.began.elapsed());
        }
    }

    /// Lets answers of lower lanes pause where an urgent one has no room.
    fn make_way(&mut self) -> Option<(Key, Waiting)> {
        if self.scheduler.is_empty() {
            return None;
        }
        let held: Vec<Held> = self.running.iter().map(Sequence::held).collect();
        let way = self.scheduler.make_way(&held)?;
        self.pause(&way.pausing);
        Some((way.first, self.scheduler.take(way.first)?))
    }

    /// One batch through the model, and one more token for every answer whose prompt has been read.
    fn step(&mut self) -> Result<(), WorkerError> {
        self.seats.settle(&mut self.context, &mut self.running, self.scheduler.free_cells());
        self.filler.may_use(self.seats.spare(self.scheduler.free_cells()));
        let step = fill::fill(&mut self.batch, &self.running, &self.pace, &self.filler, self.wrote)?;
        if step.writing > 0 {
            self.wrote = Instant::now();
        }
        self.seats.pass(&mut self.context, self.batch.n_tokens() as usize, &self.running);
        let begun = Instant::now();
        self.context.decode(&mut self.batch).map_err(|error| WorkerError::Engine(error.to_string()))?;
        if step.filled > 0 {
            self.filler.clear(&mut self.context);
        }
        let context = &self.context;
        let mut rows = Vec::with_capacity(step.rows);
        for (sequence, share) in self.running.iter_mut().zip(&step.shares) {
            sequence.take_in(share.tokens);
            if let Some(row) = share.row {
                rows.push((sequence, context.get_logits_ith(row)));
            }
        }
        if rows.is_empty() {
            // Else a GPU is still at work, and the next step would be taken to last longer.
            context.synchronize();
        }
        let outcomes = self.chooser.choose(rows);
        self.pace.took(begun.elapsed(), step.writing, step.read, step.only_long && step.read > 0);
        self.tell(outcomes)
    }

    fn tell(&mut self, outcomes: Vec<chooser::Outcome>) -> Result<(), WorkerError> {
        let (mut progress, mut failed) = (Vec::with_capacity(outcomes.len()), Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(step) => progress.push(step),
                Err(failure) => failed.push(failure),
            }
        }
        let mut ended: HashSet<u64> =
            progress.iter().filter(|step| step.finish.is_some()).map(|step| step.id).collect();
        let whole = self.running.iter().filter(|sequence| ended.contains(&sequence.id));
        for tokens in whole.filter_map(|sequence| sequence.length_beyond(LEAST_AHEAD)) {
            self.scheduler.ended(tokens);
        }
        ended.extend(failed.iter().map(|(id, _)| *id));
        self.retire(&ended);
        self.send(FromWorker::Step(progress))?;
        failed.into_iter().try_for_each(|(id, error)| self.send(FromWorker::Refused { id, error }))
    }

    /// Ends answers: their cells are free at once.
    fn retire(&mut self, ids: &HashSet<u64>) {
        for sequence in self.running.extract_if(.., |sequence| ids.contains(&sequence.id)) {
            self.seats.leave(&mut self.context, &sequence);
            self.scheduler.release(sequence.lane, sequence.cells);
        }
    }

    fn send(&self, frame: FromWorker) -> Result<(), WorkerError> {
        self.out.send(frame).map_err(|_| WorkerError::Socket(std::io::ErrorKind::BrokenPipe.into()))
    }
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

/// Takes in what an earlier worker said. It is said already, so its text goes nowhere; its end, where it has one, does.
fn replay(sequence: &mut Sequence, generated: Vec<i32>) -> Result<Option<Finish>, JobError> {
    for token in generated {
        if let Some(finish) = sequence.accept(token)?.finish {
            return Ok(Some(finish));
        }
    }
    Ok(None)
}

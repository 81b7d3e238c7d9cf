//! The loop of a worker that makes vectors: takes orders, and reads the next texts together.

use std::sync::mpsc::{Receiver, Sender, TryRecvError};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use tokio::time::Instant;

use super::super::WorkerError;
use super::schedule::{Pick, Schedule, Texts};
use crate::frames::FromWorker;
use crate::job::JobError;
use crate::kind::Pooling;
use crate::plan::STEP_TOKENS;

/// What the reader of the socket tells the engine.
pub(super) enum Order {
    Run(Texts),
    Cancel { id: u64 },
}

pub(super) struct Engine<'a> {
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    pooling: Pooling,
    /// Texts of one step at most.
    sequences: usize,
    schedule: Schedule,
    orders: Receiver<Order>,
    out: Sender<FromWorker>,
    began: Instant,
}

/// What a step has made of the texts of one job.
struct Made {
    id: u64,
    vectors: Result<Vec<Vec<f32>>, JobError>,
    tokens: u32,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        context: LlamaContext<'a>,
        pooling: Pooling,
        sequences: u32,
        orders: Receiver<Order>,
        out: Sender<FromWorker>,
    ) -> Engine<'a> {
        let batch = LlamaBatch::new(context.n_ubatch() as usize, 1);
        let (schedule, sequences) = (Schedule::default(), sequences as usize);
        Engine { context, batch, pooling, sequences, schedule, orders, out, began: Instant::now() }
    }

    /// Works until the reader is gone.
    ///
    /// # Errors
    /// A step that llama.cpp could not compute.
    pub(super) fn run(mut self) -> Result<(), WorkerError> {
        while self.take_orders() {
            let now = self.began.elapsed();
            let picks = self.schedule.next_step(self.sequences, STEP_TOKENS as usize, now);
            if !picks.is_empty() {
                self.step(&picks)?;
            }
        }
        Ok(())
    }

    /// Takes all orders that are there, and waits for one when there is nothing to do. `false` at the end.
    fn take_orders(&mut self) -> bool {
        if self.schedule.is_empty() {
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
            Order::Run(texts) => self.schedule.add(texts, self.began.elapsed()),
            Order::Cancel { id } => self.schedule.cancel(id),
        }
    }

    fn step(&mut self, picks: &[Pick]) -> Result<(), WorkerError> {
        for pick in picks.iter().filter(|pick| pick.is_first) {
            self.send(FromWorker::Started { id: pick.id, prompt_tokens: pick.tokens.len() as u32 })?;
        }
        let mut vectors = self.read(picks)?;
        let mut made: Vec<Made> = Vec::new();
        for (vector, pick) in vectors.iter_mut().zip(picks) {
            // What is no number in one text makes none of the others beside it either: each is read once more, alone.
            if vector.is_none() && picks.len() > 1 {
                *vector = self.read(std::slice::from_ref(pick))?.pop().flatten();
            }
            put(&mut made, pick, vector.take());
        }
        for Made { id, vectors, tokens } in made {
            match vectors {
                Ok(vectors) => self.send(FromWorker::Vectors { id, vectors, tokens })?,
                Err(error) => {
                    self.schedule.cancel(id);
                    self.send(FromWorker::Refused { id, error })?;
                }
            }
        }
        Ok(())
    }

    /// One vector for each text, in their order; `None` for one that has none.
    fn read(&mut self, picks: &[Pick]) -> Result<Vec<Option<Vec<f32>>>, WorkerError> {
        let engine = |error: &dyn std::fmt::Display| WorkerError::Engine(error.to_string());
        self.batch.clear();
        for (sequence, pick) in (0..).zip(picks) {
            for (position, token) in (0..).zip(&pick.tokens) {
                let added = self.batch.add(LlamaToken(*token), position, &[sequence], true);
                added.map_err(|error| engine(&error))?;
            }
        }
        // Models that read word by word leave the last step's texts behind.
        self.context.clear_kv_cache();
        self.context.decode(&mut self.batch).map_err(|error| engine(&error))?;
        let vector = |sequence: i32| {
            let row = self.context.embeddings_seq_ith(sequence).map_err(|error| engine(&error))?;
            Ok(match self.pooling {
                Pooling::Rank => finite(row.to_vec()),
                Pooling::Mean | Pooling::Cls | Pooling::Last => of_length_one(row),
            })
        };
        (0..picks.len() as i32).map(vector).collect()
    }

    fn send(&self, frame: FromWorker) -> Result<(), WorkerError> {
        self.out.send(frame).map_err(|_| WorkerError::Socket(std::io::ErrorKind::BrokenPipe.into()))
    }
}

/// The texts of a job stand side by side in a step.
fn put(made: &mut Vec<Made>, pick: &Pick, vector: Option<Vec<f32>>) {
    if made.last().is_none_or(|last| last.id != pick.id) {
        made.push(Made { id: pick.id, vectors: Ok(Vec::new()), tokens: 0 });
    }
    let Some(last) = made.last_mut() else { return };
    last.tokens += pick.tokens.len() as u32;
    match (vector, &mut last.vectors) {
        (Some(vector), Ok(vectors)) => vectors.push(vector),
        (None, vectors) => *vectors = Err(JobError::Internal),
        (Some(_), Err(_)) => {}
    }
}

/// The same direction at length 1; `None` for what has no direction.
fn of_length_one(row: &[f32]) -> Option<Vec<f32>> {
    let length = row.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return None;
    }
    finite(row.iter().map(|number| (f64::from(*number) / length) as f32).collect())
}

/// A number that is none would make every later comparison false without a word.
fn finite(vector: Vec<f32>) -> Option<Vec<f32>> {
    (!vector.is_empty() && vector.iter().all(|number| number.is_finite())).then_some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(id: u64, tokens: usize) -> Pick {
        Pick { id, tokens: vec![1; tokens], is_first: false }
    }

    #[test]
    fn vectors_get_the_length_one_and_what_has_no_direction_is_refused() {
        assert_eq!(of_length_one(&[3.0, -4.0]), Some(vec![0.6, -0.8]));
        assert_eq!(of_length_one(&[3e37, 4e37]), Some(vec![0.6, 0.8]), "squares that fit no float");
        for bad in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0], &[]] {
            assert_eq!(of_length_one(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn one_bad_vector_refuses_its_job_and_no_other() {
        let mut made = Vec::new();
        put(&mut made, &pick(1, 2), Some(vec![1.0]));
        put(&mut made, &pick(2, 3), Some(vec![1.0]));
        put(&mut made, &pick(2, 4), None);
        put(&mut made, &pick(2, 5), Some(vec![1.0]));
        put(&mut made, &pick(3, 6), Some(vec![2.0]));
        let told: Vec<_> =
            made.iter().map(|made| (made.id, made.vectors.clone().ok(), made.tokens)).collect();
        assert_eq!(told, [(1, Some(vec![vec![1.0]]), 2), (2, None, 12), (3, Some(vec![vec![2.0]]), 6)]);
    }
}

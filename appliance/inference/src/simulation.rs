//! Workers without a process: what they do is read from a script, in the runtime's time. Only for `tests/simulation`.
//!
//! The handle, the keeper and its journal are the product's own; the worker at the other end of the frames is not.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::job::{Job, JobError};
use crate::model::Facts;

/// What the workers of one simulated box do.
pub trait Script: Send + Sync {
    /// A worker of this model begins.
    fn begin(&self, model: &str) -> Life;

    /// A worker takes a job in: the texts of its tokens, beyond `answer_prefix`, or why there is no answer.
    fn answer(&self, model: &str, job: &Job) -> Result<Answer, JobError>;

    /// So many jobs run or wait in the worker of this model now; told at each change.
    fn holds(&self, model: &str, jobs: usize);

    /// How long the next step of the engine takes, in which every running answer gains one token.
    fn step(&self, model: &str) -> Duration;
}

/// One life of a worker.
#[derive(Debug, Clone)]
pub struct Life {
    pub loading: Duration,
    pub end: End,
    pub sequences: usize,
    pub facts: Facts,
}

/// How a worker's life ends, counted from when it was loaded.
#[derive(Debug, Clone)]
pub enum End {
    Never,
    /// Its process is gone.
    Dies(Duration),
    /// It still takes jobs in, and says nothing any more.
    Hangs(Duration),
    /// It never can load its file.
    Refuses(String),
}

/// The answer that a job will get.
#[derive(Debug, Clone)]
pub struct Answer {
    /// With those of the answer's beginning.
    pub prompt_tokens: u32,
    pub prefix_tokens: u32,
    pub tokens: Vec<String>,
}

thread_local! {
    static SCRIPT: RefCell<Option<Arc<dyn Script>>> = const { RefCell::new(None) };
}

/// Gives the workers that are started in this thread their script.
pub fn follow(script: Arc<dyn Script>) {
    SCRIPT.with_borrow_mut(|current| *current = Some(script));
}

/// # Panics
/// When [`follow`] was not called: a simulated worker can do nothing by itself.
pub(crate) fn script() -> Arc<dyn Script> {
    SCRIPT.with_borrow(|script| script.clone()).expect("a simulation gives its workers a script first")
}

//! The local engine: a worker process that owns llama.cpp, and the keeper in control that keeps it alive.
//!
//! Control never loads a model file. It holds a [`LocalModel`], a cheap handle; the [`Replicas`] behind it are one worker
//! process, or one for each GPU that holds the whole model. A keeper starts each, speaks [frames](crate::frames) with it
//! over a socket pair, and starts it again when it dies. Answers that were running go on from the tokens already sent.

pub mod digest;
mod frames;
pub mod gguf;
pub mod gpus;
mod job;
mod keeper;
pub mod kind;
pub mod library;
mod load_line;
mod model;
pub mod plan;
mod queue;
mod replicas;
mod selftest;
#[cfg(feature = "simulation")]
pub mod simulation;
mod spec;
pub mod worker;

pub use job::{
    Call, Event, FinishReason, Format, Job, JobError, Lane, LikelyToken, Message, Must, Penalties, Said,
    Sampling, Scope, TokenOdds, Tool, Tools, Usage, VectorFacts, VectorJob, Vectors,
};
pub use keeper::{Growth, Memory, Replacement};
pub use kind::{Kind, Pooling};
pub use load_line::LoadLine;
pub use model::{Computation, Facts, Generation, LocalModel, PROVEN_FOR, Status};
pub use queue::{Occupancy, Place};
pub use replicas::Replicas;
pub use selftest::{KnownAnswer, SelfTest, Wrong, selftest};
pub use spec::ModelSpec;
pub use worker::{Confinement, Placement};

//! The wire formats and what the box may know of them: pure functions from bytes to types and back.
//!
//! Architecture invariant: nothing here does I/O or reads a clock; times and identifiers are arguments.

pub mod openai;
pub mod rerank;
pub mod sse;

mod fault;
mod script;

pub use fault::{ApiError, Queue, read_upstream_error, status_inside};
pub use script::Script;

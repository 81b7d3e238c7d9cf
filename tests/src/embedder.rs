//! Files of models that make vectors: tiny ones of random weights, which the tests write for themselves, and a real one
//! from the Python package that carries it.

mod gguf;
mod minilm;
mod tiny;

use std::path::PathBuf;

pub use minilm::convert;
pub use tiny::{Tiny, tiny};

use crate::repository;

/// Where `tests/all` leaves the real model.
///
/// # Panics
/// When it is not there: a test that was not run has shown nothing.
pub fn minilm() -> PathBuf {
    let file = repository().join("target/minilm/minilm.gguf");
    assert!(file.exists(), "{} is missing: tests/all makes it, and tells how", file.display());
    file
}

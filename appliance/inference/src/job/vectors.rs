//! What a caller asks of a model that makes vectors or scores, and what comes back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Lane;

/// One request for a vector, or a score, of each text. Its texts never appear in `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct VectorJob {
    /// Texts to make vectors of, or documents to score.
    pub texts: Vec<String>,
    /// What the documents are scored for; `None` for vectors.
    pub query: Option<String>,
    pub lane: Lane,
}

/// The vectors of a whole request, in the order of its texts.
#[derive(Clone, Default, PartialEq)]
pub struct Vectors {
    /// Each of length 1; of a model that ranks, one score of any size for each text, in a vector of its own.
    pub list: Vec<Vec<f32>>,
    /// Tokens of all texts together, those that the model itself adds included.
    pub tokens: u64,
}

/// What a model that makes vectors is known to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorFacts {
    pub pooling: crate::kind::Pooling,
    /// Numbers in each vector.
    pub dimensions: u32,
}

impl VectorJob {
    /// The bytes of all its texts together.
    pub(crate) fn text_bytes(&self) -> u64 {
        let query = self.query.as_ref().map_or(0, String::len);
        (self.texts.iter().map(String::len).sum::<usize>() + query) as u64
    }
}

impl fmt::Debug for VectorJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorJob")
            .field("texts", &self.texts.len())
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

/// What a vector says of its text can be read out of it again, at least in part.
impl fmt::Debug for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vectors({} of them, {} tokens)", self.list.len(), self.tokens)
    }
}

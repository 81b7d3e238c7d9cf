//! How likely the tokens of an answer were.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A token, with the natural logarithm of its probability.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelyToken {
    /// Its text, which may be a part of a character.
    pub bytes: Vec<u8>,
    pub logprob: f32,
}

/// A token of an answer, and the likeliest ones in its place, the likeliest first. What the model itself gave them counts,
/// before bias, penalties, temperature and form.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TokenOdds {
    pub said: LikelyToken,
    pub top: Vec<LikelyToken>,
}

impl fmt::Debug for LikelyToken {
    /// Without the text of the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LikelyToken({} bytes, {})", self.bytes.len(), self.logprob)
    }
}

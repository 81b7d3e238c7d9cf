//! Evidence in, verdict out; and the words.

//! The box as a whole, against a cloud that fails.

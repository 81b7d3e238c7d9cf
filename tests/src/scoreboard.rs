//! The scoreboard: the 16 public faults, the losses that nobody publishes, and the verdict table, against real boxes.

mod answered;
mod faults;
mod judge;
mod options;
mod outage;
mod rows;
mod table;
mod words;

pub use options::{Mode, Options, USAGE};

/// Runs what the options ask for and prints it; false when anything failed.
pub async fn run(options: &Options) -> bool {
    rows::public(options).await
}

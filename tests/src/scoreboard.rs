//! The scoreboard: the 16 public faults, the losses that nobody publishes, and the verdict table, against real boxes.

mod answered;
mod building;
mod faults;
mod judge;
mod losses;
mod offline;
mod options;
mod outage;
mod rows;
mod table;
mod traffic;
mod words;

pub use options::{Mode, Options, USAGE};

/// Runs what the options ask for and prints it; false when anything failed.
pub async fn run(options: &Options) -> bool {
    let public = rows::public(options).await;
    let offline = offline::all(options).await;
    public && offline
}

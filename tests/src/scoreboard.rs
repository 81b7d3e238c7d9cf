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
mod verdicts;
mod words;

pub use options::{Mode, Options, USAGE};

/// Runs what the options ask for and prints it; false when anything failed.
pub async fn run(options: &Options) -> bool {
    let public = !options.public || rows::public(options).await;
    let offline = !options.offline || offline::all(options).await;
    let verdicts = !options.verdicts || verdicts::all(options).await;
    public && offline && verdicts
}

//! The scoreboard: the 16 public faults, the losses that nobody publishes, and the verdict table, against real boxes.

mod answered;
mod blind;
mod building;
mod faults;
mod inside;
mod judge;
mod losses;
mod offline;
mod options;
mod outage;
mod rehearsal;
mod rows;
mod table;
mod traffic;
mod verdicts;
mod words;

pub use options::{Mode, Options, USAGE};

/// Runs what the options ask for and prints it; false when anything failed.
///
/// First comes what measures latencies, beside S15, which mostly waits; then part by part, so that no part is measured
/// under the load of another.
pub async fn run(options: &Options) -> bool {
    let (mut public, mut offline) =
        tokio::join!(rows::public(options, rows::Part::Waiting), offline::all(options, offline::Part::Alone));
    let mut fine = true;
    if options.public {
        public.extend(rows::public(options, rows::Part::Busy).await);
        table::faults(&mut public, options);
        fine &= public.iter().all(rows::Row::is_fine);
    }
    if options.offline {
        offline.extend(offline::all(options, offline::Part::SideBySide).await);
        table::losses(&mut offline);
        fine &= offline.iter().all(offline::Tried::is_fine);
    }
    if options.verdicts {
        let verdicts = verdicts::all(options).await;
        table::verdicts(&verdicts);
        fine &= verdicts.is_fine();
    }
    if options.drill {
        fine &= rehearsal::drill(options).await;
    }
    fine
}

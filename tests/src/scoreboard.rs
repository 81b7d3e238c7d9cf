//! The scoreboard: the 16 public faults, the losses that nobody publishes, and the verdict table, against real boxes.

mod answered;
mod building;
mod faults;
mod inside;
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
///
/// First comes what measures latencies, beside S15, which mostly waits; then everything else at once.
pub async fn run(options: &Options) -> bool {
    let (mut public, mut offline) =
        tokio::join!(rows::public(options, rows::Part::Waiting), offline::all(options, offline::Part::Alone));
    let (busy, others, verdicts) = tokio::join!(
        rows::public(options, rows::Part::Busy),
        offline::all(options, offline::Part::SideBySide),
        verdicts::all(options)
    );
    public.extend(busy);
    offline.extend(others);
    let mut fine = true;
    if options.public {
        table::faults(&mut public, options);
        fine &= public.iter().all(rows::Row::is_fine);
    }
    if options.offline {
        table::losses(&mut offline);
        fine &= offline.iter().all(offline::Tried::is_fine);
    }
    if options.verdicts {
        table::verdicts(&verdicts);
        fine &= verdicts.is_fine();
    }
    fine
}

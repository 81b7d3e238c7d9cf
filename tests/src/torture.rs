//! The tests that hurt, by part. Each has a short form among the scenarios or below.

pub mod audit;
mod continuation;
mod disk;
mod faults;
pub mod guesses;
mod hostile;
mod isolation;
mod kill;
mod life;
mod paths;
mod platter;
mod power;
pub mod swaps;
pub(crate) mod whole;

use std::num::NonZeroUsize;

use tokio::task::spawn_blocking;

use crate::asvs;

const USAGE: &str = "tests/torture PART [--count N]

  asvs         the totals of tests/asvs.csv, and what is open with its reason
  audit        the log is changed, and left alone, and written in a hurry; 1000
  continuation every known answer, cut at every character; all answers
  guesses      passwords are guessed and sprayed; 10000
  swaps        the numbers of other people's things are asked for and acted on; 10000
  hostile      model files that are damaged on purpose; 5000
  isolation    a code in each conversation, never told to another; 10000
  kill         SIGKILL while all three files of the store are written; 1000
  box          SIGKILL of the whole box while programs and people ask it; 100
  power        power cuts in each phase of a store's life; 500
  faults       every Nth call of the disk fails, for every N, on every way to write";

/// Runs the part that the arguments name and prints what it found; false when something is not as promised.
///
/// # Errors
/// How it is used, when the arguments name no part.
pub async fn run(arguments: &[String]) -> Result<bool, &'static str> {
    let count = match arguments {
        [part, folder] if part == kill::CHILD => {
            let folder = folder.clone();
            return Ok(say(move || kill::write_until_killed(folder.as_ref())).await);
        }
        [_] => None,
        [_, option, count] if option == "--count" => Some(count.parse().map_err(|_| USAGE)?),
        _ => return Err(USAGE),
    };
    match arguments[0].as_str() {
        "asvs" => Ok(say(asvs::run).await),
        "audit" => Ok(audit::run(count.unwrap_or(1000)).await),
        "continuation" => {
            let most = count.and_then(NonZeroUsize::new);
            Ok(say(move || continuation::cuts(most).told()).await)
        }
        "guesses" => Ok(guesses::run(count.unwrap_or(10_000)).await),
        "swaps" => Ok(swaps::run(count.unwrap_or(10_000)).await),
        "hostile" => Ok(say(move || hostile::files(count.unwrap_or(5000), 1).told()).await),
        "isolation" => Ok(isolation::run(count.unwrap_or(10_000)).await),
        "kill" => Ok(say(move || kill::kills(count.unwrap_or(1000)).told()).await),
        "box" => {
            let kills = kill::whole::kills(count.unwrap_or(100)).await;
            let soon = kills.is_soon_ready();
            Ok(say(move || kills.told()).await && soon)
        }
        "power" => Ok(say(move || power::cuts(count.unwrap_or(500), 1).told()).await),
        "faults" => {
            let store = say(|| faults::of_the_store(1).told()).await;
            // Every so manieth call, to look quickly.
            let calls = count.unwrap_or(1) as u64;
            Ok(say(move || faults::of_programs(1, calls).told()).await && store)
        }
        _ => Err(USAGE),
    }
}

/// Runs a part on a thread of its own, where it may make runtimes, and prints its line.
#[allow(clippy::print_stdout, reason = "the figures are the product of this program")]
async fn say(part: impl FnOnce() -> (String, bool) + Send + 'static) -> bool {
    let (line, good) = spawn_blocking(part).await.unwrap();
    println!("{line}");
    good
}

/// The short forms of the parts that are no scenarios; those of `audit`, `guesses` and `swaps` stand beside them.
#[cfg(test)]
mod short {
    use super::*;

    #[test]
    fn kill_a_store_that_is_killed_under_load_loses_nothing_and_is_soon_back() {
        let (line, good) = kill::kills(15).told();
        assert!(good, "{line}");
    }

    #[tokio::test]
    async fn box_one_that_is_killed_under_load_loses_nothing_that_it_answered() {
        let (line, good) = kill::whole::kills(3).await.told();
        assert!(good, "{line}");
    }

    #[test]
    fn hostile_models_may_end_their_workers_and_never_the_box() {
        let (line, good) = hostile::files(60, 3).told();
        assert!(good, "{line}");
    }

    #[tokio::test]
    async fn isolation_no_answer_of_eight_sequences_holds_the_code_of_another_request() {
        let (line, good) = isolation::short(8).await;
        assert!(good, "{line}");
    }

    #[tokio::test]
    async fn isolation_no_answer_of_sixteen_sequences_holds_the_code_of_another_request() {
        let (line, good) = isolation::short(16).await;
        assert!(good, "{line}");
    }

    #[tokio::test]
    async fn isolation_an_answer_with_the_code_of_another_user_is_found_out() {
        let (lies, found) = isolation::lies().await;
        assert_eq!(found, lies, "the isolation proves nothing");
    }

    #[test]
    fn power_a_store_or_a_box_that_loses_it_in_any_phase_of_its_life_loses_nothing_that_was_promised() {
        let (line, good) = power::cuts(60, 7).told();
        assert!(good, "{line}");
    }

    #[test]
    fn power_a_disk_that_lies_about_its_syncs_is_found_out() {
        let (line, good) = power::cuts_of_a_liar(20, 7).told();
        assert!(!good, "the cuts prove nothing: {line}");
    }

    #[test]
    fn power_a_disk_that_lies_to_a_whole_box_is_found_out() {
        let (line, good) = power::cuts_of_boxes_on_a_liar(10, 7).told();
        assert!(!good, "the cuts prove nothing: {line}");
    }

    #[test]
    fn faults_of_the_disk_leave_every_change_of_the_store_whole_or_undone() {
        let (line, good) = faults::of_the_store(12).told();
        assert!(good, "{line}");
    }

    #[test]
    fn faults_of_the_disk_leave_what_a_program_changes_whole_or_undone() {
        let (line, good) = faults::of_programs(4, 40).told();
        assert!(good, "{line}");
    }
}

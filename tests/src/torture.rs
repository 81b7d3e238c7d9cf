//! The tests that hurt, by part. Each has a short form among the scenarios.

pub mod guesses;

const USAGE: &str = "tests/torture PART [--count N]\n\n  guesses   passwords are guessed and sprayed; 10000";

/// Runs the part that the arguments name and prints what it found; false when something is not as promised.
///
/// # Errors
/// How it is used, when the arguments name no part.
pub async fn run(arguments: &[String]) -> Result<bool, &'static str> {
    let count = match arguments {
        [_] => None,
        [_, option, count] if option == "--count" => Some(count.parse().map_err(|_| USAGE)?),
        _ => return Err(USAGE),
    };
    match arguments[0].as_str() {
        "guesses" => Ok(guesses::run(count.unwrap_or(10_000)).await),
        _ => Err(USAGE),
    }
}

//! When a breaker trips, how long it stays open, and what closes it again.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

/// The numbers of one upstream's breaker, checked.
///
/// A breaker trips at `max_missed_probes` in a row, at `max_hard_failures` in a row, at `max_failures` of any kind
/// in a row, at two with a good probe between them, at `max_key_rejections` with no success between them, or when fewer than `min_success_ratio` of at
/// least `min_requests` succeeded within `window`. The counts are low on purpose: at night a ward sends one request
/// a minute, and a ratio alone would never be reached.
///
/// It comes from [`Thresholds::default`] or from a [`ThresholdsConfig`], so its numbers are always usable.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Thresholds {
    pub max_missed_probes: u32,
    pub max_hard_failures: u32,
    pub max_failures: u32,
    pub max_key_rejections: u32,
    pub min_requests: u32,
    /// From 0 (the ratio never trips) to 1.
    pub min_success_ratio: f64,
    pub window: Duration,
    pub open_first: Duration,
    pub open_max: Duration,
    /// Share of the open time that is added at most, also to the longest one, so that many boxes don't probe in step. From 0 to 1.
    pub open_jitter: f64,
    pub consecutive_good_probes: u32,
    pub half_open_max_age: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            max_missed_probes: 2,
            max_hard_failures: 2,
            max_failures: 3,
            max_key_rejections: 2,
            min_requests: 5,
            min_success_ratio: 0.5,
            window: Duration::from_secs(30),
            open_first: Duration::from_secs(5),
            open_max: Duration::from_secs(10),
            open_jitter: 0.5,
            consecutive_good_probes: 3,
            half_open_max_age: Duration::from_secs(30),
        }
    }
}

/// The thresholds as a configuration file gives them: what is left out has its default. Times are milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThresholdsConfig {
    pub max_missed_probes: Option<u32>,
    pub max_hard_failures: Option<u32>,
    pub max_failures: Option<u32>,
    pub max_key_rejections: Option<u32>,
    pub min_requests: Option<u32>,
    pub min_success_ratio: Option<f64>,
    pub window_ms: Option<u64>,
    pub open_first_ms: Option<u64>,
    pub open_max_ms: Option<u64>,
    pub open_jitter: Option<f64>,
    pub consecutive_good_probes: Option<u32>,
    pub half_open_max_age_ms: Option<u64>,
}

/// Why a configured threshold is refused: one line that names the key, what it was given, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {given}: {why}")]
pub struct ThresholdsError {
    /// The key, as written in the configuration.
    pub field: &'static str,
    pub given: String,
    pub why: String,
}

/// A count of 0 would trip on nothing, and a huge one would quietly turn the protection off.
const COUNTS: RangeInclusive<u32> = 1..=100;
const REQUESTS: RangeInclusive<u32> = 1..=10_000;
const SHARES: RangeInclusive<f64> = 0.0..=1.0;
/// Up to an hour: a breaker that waits longer is an override, which is a person's to give.
const TIMES_MS: RangeInclusive<u64> = 10..=3_600_000;

impl TryFrom<ThresholdsConfig> for Thresholds {
    type Error = ThresholdsError;

    fn try_from(given: ThresholdsConfig) -> Result<Self, ThresholdsError> {
        let usual = Thresholds::default();
        let checked = Thresholds {
            max_missed_probes: count("max_missed_probes", given.max_missed_probes, usual.max_missed_probes)?,
            max_hard_failures: count("max_hard_failures", given.max_hard_failures, usual.max_hard_failures)?,
            max_failures: count("max_failures", given.max_failures, usual.max_failures)?,
            max_key_rejections: count(
                "max_key_rejections",
                given.max_key_rejections,
                usual.max_key_rejections,
            )?,
            min_requests: within("min_requests", given.min_requests, usual.min_requests, REQUESTS)?,
            min_success_ratio: share("min_success_ratio", given.min_success_ratio, usual.min_success_ratio)?,
            window: time("window_ms", given.window_ms, usual.window)?,
            open_first: time("open_first_ms", given.open_first_ms, usual.open_first)?,
            open_max: time("open_max_ms", given.open_max_ms, usual.open_max)?,
            open_jitter: share("open_jitter", given.open_jitter, usual.open_jitter)?,
            consecutive_good_probes: count(
                "consecutive_good_probes",
                given.consecutive_good_probes,
                usual.consecutive_good_probes,
            )?,
            half_open_max_age: time(
                "half_open_max_age_ms",
                given.half_open_max_age_ms,
                usual.half_open_max_age,
            )?,
        };
        checked.open_times_in_order(given.open_max_ms.is_some())
    }
}

impl Thresholds {
    /// Names the key that was really written: the other one has its default and can't be found in the file.
    fn open_times_in_order(self, open_max_is_given: bool) -> Result<Self, ThresholdsError> {
        let (first_ms, max_ms) = (self.open_first.as_millis(), self.open_max.as_millis());
        if first_ms <= max_ms {
            return Ok(self);
        }
        Err(if open_max_is_given {
            let why = format!("must not be shorter than open_first_ms, which is {first_ms}");
            ThresholdsError { field: "open_max_ms", given: max_ms.to_string(), why }
        } else {
            let why = format!("must not be longer than open_max_ms, which is {max_ms}");
            ThresholdsError { field: "open_first_ms", given: first_ms.to_string(), why }
        })
    }
}

fn count(field: &'static str, given: Option<u32>, usual: u32) -> Result<u32, ThresholdsError> {
    within(field, given, usual, COUNTS)
}

fn share(field: &'static str, given: Option<f64>, usual: f64) -> Result<f64, ThresholdsError> {
    within(field, given, usual, SHARES)
}

fn time(field: &'static str, given_ms: Option<u64>, usual: Duration) -> Result<Duration, ThresholdsError> {
    match given_ms {
        None => Ok(usual),
        Some(ms) => within(field, Some(ms), ms, TIMES_MS).map(Duration::from_millis),
    }
}

fn within<N>(
    field: &'static str,
    given: Option<N>,
    usual: N,
    range: RangeInclusive<N>,
) -> Result<N, ThresholdsError>
where
    N: PartialOrd + std::fmt::Display,
{
    let Some(number) = given else { return Ok(usual) };
    if range.contains(&number) {
        return Ok(number);
    }
    let why = format!("must be from {} to {}", range.start(), range.end());
    Err(ThresholdsError { field, given: number.to_string(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        let config: ThresholdsConfig = serde_json::from_str(json).unwrap();
        Thresholds::try_from(config).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_configuration_is_the_default() {
        assert_eq!(Thresholds::try_from(ThresholdsConfig::default()), Ok(Thresholds::default()));
    }

    #[test]
    fn what_is_given_replaces_the_default_and_nothing_else() {
        let json = r#"{"max_failures": 7, "open_first_ms": 200, "min_success_ratio": 0}"#;
        let given: ThresholdsConfig = serde_json::from_str(json).unwrap();
        let expected = Thresholds {
            max_failures: 7,
            open_first: Duration::from_millis(200),
            min_success_ratio: 0.0,
            ..Thresholds::default()
        };
        assert_eq!(Thresholds::try_from(given), Ok(expected));
    }

    #[test]
    fn a_refusal_names_the_key_the_value_and_the_range() {
        let table = [
            (r#"{"max_missed_probes": 0}"#, "max_missed_probes = 0: must be from 1 to 100"),
            (r#"{"max_hard_failures": 101}"#, "max_hard_failures = 101: must be from 1 to 100"),
            (r#"{"max_failures": 0}"#, "max_failures = 0: must be from 1 to 100"),
            (r#"{"max_key_rejections": 0}"#, "max_key_rejections = 0: must be from 1 to 100"),
            (r#"{"min_requests": 0}"#, "min_requests = 0: must be from 1 to 10000"),
            (r#"{"min_success_ratio": 1.5}"#, "min_success_ratio = 1.5: must be from 0 to 1"),
            (r#"{"open_jitter": -0.1}"#, "open_jitter = -0.1: must be from 0 to 1"),
            (r#"{"window_ms": 0}"#, "window_ms = 0: must be from 10 to 3600000"),
            (
                r#"{"half_open_max_age_ms": 3600001}"#,
                "half_open_max_age_ms = 3600001: must be from 10 to 3600000",
            ),
            (r#"{"consecutive_good_probes": 0}"#, "consecutive_good_probes = 0: must be from 1 to 100"),
            (
                r#"{"open_max_ms": 1000}"#,
                "open_max_ms = 1000: must not be shorter than open_first_ms, which is 5000",
            ),
            (
                r#"{"open_first_ms": 20000}"#,
                "open_first_ms = 20000: must not be longer than open_max_ms, which is 10000",
            ),
        ];
        for (json, expected) in table {
            assert_eq!(refusal(json), expected, "{json}");
        }
    }

    #[test]
    fn a_ratio_that_is_no_number_is_refused() {
        let config = ThresholdsConfig { min_success_ratio: Some(f64::NAN), ..ThresholdsConfig::default() };
        assert_eq!(Thresholds::try_from(config).unwrap_err().field, "min_success_ratio");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_str::<ThresholdsConfig>(r#"{"max_failure": 3}"#).is_err());
    }
}

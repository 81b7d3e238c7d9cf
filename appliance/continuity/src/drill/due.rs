//! How long ago the last valid drill was, and how that looks on a dashboard.

use serde::Serialize;

/// A month, and the days that a late drill is still forgiven.
const GREEN_DAYS: i64 = 31;
const AMBER_DAYS: i64 = 40;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    Green,
    Amber,
    Red,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Whole days since the last valid drill; none when there never was one.
    pub days: Option<i64>,
    pub urgency: Urgency,
}

impl Due {
    /// A clock that was set back counts as no time at all.
    pub fn of(last_ms: Option<i64>, now_ms: i64) -> Due {
        let days = last_ms.map(|last_ms| now_ms.saturating_sub(last_ms).max(0) / DAY_MS);
        let urgency = match days {
            Some(..=GREEN_DAYS) => Urgency::Green,
            Some(..=AMBER_DAYS) => Urgency::Amber,
            _ => Urgency::Red,
        };
        Due { days, urgency }
    }
}

impl Urgency {
    pub fn as_str(self) -> &'static str {
        match self {
            Urgency::Green => "green",
            Urgency::Amber => "amber",
            Urgency::Red => "red",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_is_fresh_for_a_month_and_overdue_after_forty_days() {
        let table = [
            (None, None, Urgency::Red),
            (Some(0), Some(0), Urgency::Green),
            (Some(31), Some(31), Urgency::Green),
            (Some(32), Some(32), Urgency::Amber),
            (Some(40), Some(40), Urgency::Amber),
            (Some(41), Some(41), Urgency::Red),
            (Some(-400), Some(0), Urgency::Green),
        ];
        let now_ms = 1_800_000_000_000;
        for (ago, days, urgency) in table {
            let due = Due::of(ago.map(|days: i64| now_ms - days * DAY_MS - 1), now_ms);
            assert_eq!((due.days, due.urgency), (days, urgency), "{ago:?}");
        }
    }
}

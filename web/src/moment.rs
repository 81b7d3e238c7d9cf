//! Times of day as people read them, in the box's own time zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Reads clock times off unix milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    zone: TimeZone,
}

impl Clock {
    pub(crate) fn of_the_box() -> Clock {
        Clock { zone: TimeZone::system() }
    }

    #[cfg(test)]
    pub(crate) fn utc() -> Clock {
        Clock { zone: TimeZone::UTC }
    }

    pub(crate) fn now_ms() -> i64 {
        Timestamp::now().as_millisecond()
    }

    /// "14:02" today, "2026-11-20 14:02" on any other day.
    pub(crate) fn short(&self, at_ms: i64) -> String {
        let now = Timestamp::now().to_zoned(self.zone.clone());
        let Ok(at) = Timestamp::from_millisecond(at_ms) else { return String::new() };
        let at = at.to_zoned(self.zone.clone());
        let pattern = if at.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        at.strftime(pattern).to_string()
    }

    /// "2026-11-20 14:02:37".
    pub(crate) fn full(&self, at_ms: i64) -> String {
        let at = Timestamp::from_millisecond(at_ms).map(|at| at.to_zoned(self.zone.clone()));
        at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_day_is_named_and_today_is_not() {
        let clock = Clock::utc();
        assert_eq!(clock.short(1_700_000_000_000), "2023-11-14 22:13");
        assert_eq!(clock.full(1_700_000_000_000), "2023-11-14 22:13:20");
        assert_eq!(clock.short(Clock::now_ms()).len(), 5);
        assert_eq!(clock.short(i64::MAX), "");
    }
}

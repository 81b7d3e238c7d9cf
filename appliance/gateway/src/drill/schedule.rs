//! When the monthly drill is due: a day of the month or a weekday of it, and a time of day where the building stands.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// `day 15 03:30`, `first tuesday 03:30`, `last sunday 04:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    day: Day,
    time: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// 1 to 28, which every month has.
    OfMonth(i8),
    /// 1 to 4, or -1 for the last.
    Nth(i8, Weekday),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no day of a month; write \"first tuesday 03:30\" (to fourth, or last) or \"day 15 03:30\" (1 to 28)"
)]
pub struct ScheduleError(String);

const NTH: [(&str, i8); 5] = [("first", 1), ("second", 2), ("third", 3), ("fourth", 4), ("last", -1)];

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ScheduleError> {
        parse(&text.to_lowercase()).ok_or_else(|| ScheduleError(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<Schedule> {
    let mut words = text.split_whitespace();
    let (which, what, time) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let (hour, minute) = time.split_once(':')?;
    let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    let day = if which == "day" {
        Day::OfMonth(what.parse().ok().filter(|day| (1..=28).contains(day))?)
    } else {
        let (_, nth) = NTH.iter().find(|(word, _)| *word == which)?;
        let (_, weekday) = WEEKDAYS.iter().find(|(word, _)| *word == what)?;
        Day::Nth(*nth, *weekday)
    };
    Some(Schedule { day, time })
}

impl Schedule {
    /// The first time after `now`; a time that a change of the clocks leaves out comes an hour later.
    pub fn next_after(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let this_month = now.to_zoned(zone.clone()).date().first_of_month();
        (0..=2).find_map(|months| {
            let date = self.date_in(this_month.checked_add(months.months()).ok()?)?;
            let at = date.to_datetime(self.time).to_zoned(zone.clone()).ok()?.timestamp();
            (at > now).then_some(at)
        })
    }

    pub(super) fn time(&self) -> Time {
        self.time
    }

    fn date_in(&self, first_of_month: Date) -> Option<Date> {
        match self.day {
            Day::OfMonth(day) => first_of_month.with().day(day).build().ok(),
            Day::Nth(nth, weekday) => first_of_month.nth_weekday_of_month(nth, weekday).ok(),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Day::OfMonth(day) => write!(f, "day {day}")?,
            Day::Nth(nth, weekday) => {
                let word =
                    |table: &[(&'static str, i8)]| table.iter().find(|(_, n)| *n == nth).map(|(w, _)| *w);
                let day = WEEKDAYS.iter().find(|(_, day)| *day == weekday).map_or("", |(word, _)| word);
                write!(f, "{} {day}", word(&NTH).unwrap_or_default())?;
            }
        }
        write!(f, " {:02}:{:02}", self.time.hour(), self.time.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, now: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let next = schedule.parse::<Schedule>().unwrap().next_after(now.parse().unwrap(), &zone);
        next.unwrap().to_string()
    }

    #[test]
    fn the_next_drill_is_on_its_day_at_its_local_time() {
        let table = [
            ("first tuesday 03:30", "2026-11-20T00:00:00Z", "UTC", "2026-12-01T03:30:00Z"),
            ("third friday 03:30", "2026-11-20T03:29:59Z", "UTC", "2026-11-20T03:30:00Z"),
            ("third friday 03:30", "2026-11-20T03:30:00Z", "UTC", "2026-12-18T03:30:00Z"),
            ("last sunday 04:00", "2026-11-29T05:00:00Z", "UTC", "2026-12-27T04:00:00Z"),
            ("day 28 00:00", "2027-01-30T00:00:00Z", "UTC", "2027-02-28T00:00:00Z"),
            ("day 15 03:30", "2026-12-31T23:59:59Z", "UTC", "2027-01-15T03:30:00Z"),
            // In Seoul it is already the first when Greenwich still has the last of the month.
            ("day 1 03:30", "2026-11-30T18:00:00Z", "Asia/Seoul", "2026-11-30T18:30:00Z"),
            ("day 1 03:30", "2026-11-30T18:31:00Z", "Asia/Seoul", "2026-12-31T18:30:00Z"),
            // 02:30 does not exist in Berlin on the last Sunday of March, and exists twice on that of October.
            ("last sunday 02:30", "2027-03-01T00:00:00Z", "Europe/Berlin", "2027-03-28T01:30:00Z"),
            ("last sunday 02:30", "2027-10-01T00:00:00Z", "Europe/Berlin", "2027-10-31T00:30:00Z"),
            ("first monday 00:00", "1970-01-01T00:00:00Z", "UTC", "1970-01-05T00:00:00Z"),
        ];
        for (schedule, now, zone, expected) in table {
            assert_eq!(next(schedule, now, zone), expected, "{schedule} after {now} in {zone}");
        }
    }

    #[test]
    fn what_is_no_monthly_day_is_refused() {
        for text in [
            "",
            "monthly",
            "first tuesday",
            "fifth tuesday 03:30",
            "day 29 03:30",
            "day 0 03:30",
            "day 1 24:00",
            "first caturday 03:30",
            "first tuesday 3.30",
            "day 1 03:30 extra",
            "day 1 03:60",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
        for text in ["first tuesday 03:30", "last sunday 00:00", "day 28 23:59"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
    }
}

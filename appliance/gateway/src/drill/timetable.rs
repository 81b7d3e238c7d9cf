//! When the schedule's next drill is due: a drill that could not begin at its time is tried again on the days after.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::Schedule;

/// A week, so that the next try is never far from the next month's own.
const MOST_TRIES_AGAIN: u8 = 6;

#[derive(Debug, Clone)]
pub(super) struct Timetable {
    schedule: Option<Schedule>,
    zone: TimeZone,
    next: Option<Timestamp>,
    tries_again: u8,
}

impl Timetable {
    pub(super) fn new(schedule: Option<Schedule>, zone: TimeZone, now: Timestamp) -> Self {
        let next = schedule.and_then(|schedule| schedule.next_after(now, &zone));
        Timetable { schedule, zone, next, tries_again: 0 }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// The time of the drill that is due by now. The one after it is a month away, unless this one cannot begin.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let due = self.next.filter(|next| now >= *next)?;
        self.next = self.schedule.and_then(|schedule| schedule.next_after(now, &self.zone));
        Some(due)
    }

    /// The drill of this schedule has begun.
    pub(super) fn begun(&mut self) {
        self.tries_again = 0;
    }

    /// It could not begin: it is due once more at the same time of the next day.
    pub(super) fn could_not_begin(&mut self, now: Timestamp) {
        if self.tries_again >= MOST_TRIES_AGAIN {
            self.tries_again = 0;
            return;
        }
        let Some(tomorrow) = self.schedule.and_then(|schedule| schedule.next_day_after(now, &self.zone))
        else {
            return;
        };
        self.tries_again += 1;
        self.next = Some(self.next.map_or(tomorrow, |next| next.min(tomorrow)));
    }
}

impl Schedule {
    /// Its time of day, on the first day after `now` that has it and is not today.
    fn next_day_after(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let tomorrow = now.to_zoned(zone.clone()).date().checked_add(1.day()).ok()?;
        Some(tomorrow.to_datetime(self.time()).to_zoned(zone.clone()).ok()?.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn timetable(now: &str) -> Timetable {
        Timetable::new("third friday 03:30".parse().ok(), TimeZone::UTC, at(now))
    }

    #[test]
    fn a_drill_that_begins_is_due_again_in_a_month() {
        let mut timetable = timetable("2026-11-20T00:00:00Z");
        assert_eq!(timetable.take_due(at("2026-11-20T03:29:59Z")), None);
        assert_eq!(timetable.take_due(at("2026-11-20T03:30:00Z")), Some(at("2026-11-20T03:30:00Z")));
        timetable.begun();
        assert_eq!(timetable.next(), Some(at("2026-12-18T03:30:00Z")));
    }

    #[test]
    fn a_drill_that_cannot_begin_is_tried_again_for_six_days() {
        let mut timetable = timetable("2026-11-20T00:00:00Z");
        for day in 20..=26 {
            let now = at(&format!("2026-11-{day}T03:30:00Z"));
            assert_eq!(timetable.take_due(now), Some(now));
            timetable.could_not_begin(now);
        }
        assert_eq!(timetable.next(), Some(at("2026-12-18T03:30:00Z")), "then it is the next month's turn");
        let now = at("2026-12-18T03:30:00Z");
        assert_eq!(timetable.take_due(now), Some(now));
        timetable.could_not_begin(now);
        assert_eq!(timetable.next(), Some(at("2026-12-19T03:30:00Z")), "which has six tries of its own");
    }

    #[test]
    fn without_a_schedule_nothing_is_due() {
        let mut timetable = Timetable::new(None, TimeZone::UTC, at("2026-11-20T00:00:00Z"));
        timetable.could_not_begin(at("2026-11-20T00:00:00Z"));
        assert_eq!(timetable.take_due(at("2027-11-20T00:00:00Z")), None);
    }
}

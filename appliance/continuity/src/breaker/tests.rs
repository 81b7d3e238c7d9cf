//! Tables for the breaker: an event at a time, and the state after it.

mod random;

use std::time::Duration;

use super::*;

const SUCCESS: Outcome = Outcome::Success;
const HARD: Outcome = Outcome::Failure(Failure::Hard);
const SOFT: Outcome = Outcome::Failure(Failure::Soft);
const THROTTLED: Outcome = Outcome::Throttled;
const CALLER: Outcome = Outcome::CallerFault;
const KEY: Outcome = Outcome::KeyRejected;
const CANCELLED: Outcome = Outcome::Cancelled;

/// The middle of the jitter would only make the times of the tables harder to read.
const NO_DRAW: f64 = 0.0;

#[derive(Debug, Clone, Copy)]
enum Event {
    Request(Outcome),
    /// A probe that begins and ends at once.
    Probe(Outcome),
    Begin,
    /// The end of a probe that began earlier, or of one that nobody admitted.
    Settle(Outcome),
    Trip(Trip),
    Tick,
    IsolateUntil(u64),
    Release,
}

use Event::{Begin, IsolateUntil, Probe, Release, Request, Settle, Tick};

/// A state with its times in seconds since the table's beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Closed,
    Open(f64),
    HalfOpen(f64, u32),
}

use At::{Closed, HalfOpen, Open};

#[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
fn origin() -> Instant {
    Instant::now()
}

struct Bench {
    origin: Instant,
    breaker: Breaker,
}

impl Bench {
    fn new() -> Self {
        Bench { origin: origin(), breaker: Breaker::new(Thresholds::default()) }
    }

    fn at(&self, second: f64) -> Instant {
        self.origin + Duration::from_secs_f64(second)
    }

    fn apply(&mut self, event: Event, second: f64) -> Option<Flip> {
        let now = self.at(second);
        match event {
            Request(outcome) => self.breaker.record(outcome, now, NO_DRAW),
            Probe(outcome) => {
                self.breaker.begin_probe(now);
                self.breaker.record_probe(outcome, now, NO_DRAW)
            }
            Begin => {
                self.breaker.begin_probe(now);
                None
            }
            Settle(outcome) => self.breaker.record_probe(outcome, now, NO_DRAW),
            Event::Trip(trip) => self.breaker.trip(trip, now, NO_DRAW),
            Tick => self.breaker.tick(now, NO_DRAW),
            IsolateUntil(second) => {
                self.breaker.isolate(self.at(second as f64));
                None
            }
            Release => {
                self.breaker.release();
                None
            }
        }
    }

    fn state(&self) -> At {
        let second = |at: Instant| at.duration_since(self.origin).as_secs_f64();
        match self.breaker.state() {
            State::Closed => Closed,
            State::Open { until } => Open(second(until)),
            State::HalfOpen { since, good_probes } => HalfOpen(second(since), good_probes),
        }
    }
}

/// Runs a table of (second, event, state after it).
fn check(name: &str, table: &[(f64, Event, At)]) -> Bench {
    let mut bench = Bench::new();
    for (row, &(second, event, expected)) in table.iter().enumerate() {
        bench.apply(event, second);
        assert_eq!(bench.state(), expected, "{name}, row {row}: {event:?} at {second} s");
    }
    bench
}

#[test]
fn two_hard_failures_in_a_row_trip() {
    check("two", &[(0.0, Request(HARD), Closed), (1.0, Request(HARD), Open(6.0))]);
    check(
        "a success between",
        &[(0.0, Request(HARD), Closed), (1.0, Request(SUCCESS), Closed), (2.0, Request(HARD), Closed)],
    );
}

#[test]
fn an_answer_with_500_between_hard_failures_shows_that_the_transport_works() {
    let mut bench = check("two", &[(0.0, Request(HARD), Closed), (1.0, Request(SOFT), Closed)]);
    let flip = bench.apply(Request(HARD), 2.0).unwrap();
    assert_eq!(flip.cause, Cause::Trip(Trip::Failures), "the third of any kind, not the second hard one");
}

#[test]
fn three_failures_of_any_kind_in_a_row_trip() {
    check(
        "soft",
        &[(0.0, Request(SOFT), Closed), (60.0, Request(SOFT), Closed), (120.0, Request(SOFT), Open(125.0))],
    );
    check(
        "what is no failure breaks no row",
        &[
            (0.0, Request(SOFT), Closed),
            (1.0, Request(CALLER), Closed),
            (2.0, Request(SOFT), Closed),
            (3.0, Request(CANCELLED), Closed),
            (4.0, Request(THROTTLED), Closed),
            (5.0, Request(SOFT), Open(10.0)),
        ],
    );
}

#[test]
fn less_than_half_of_five_within_thirty_seconds_trips() {
    check(
        "two of five",
        &[
            (0.0, Request(SUCCESS), Closed),
            (1.0, Request(SOFT), Closed),
            (2.0, Request(SOFT), Closed),
            (3.0, Request(SUCCESS), Closed),
            (4.0, Request(SOFT), Open(9.0)),
        ],
    );
    check(
        "half of six",
        &[
            (0.0, Request(SUCCESS), Closed),
            (1.0, Request(SUCCESS), Closed),
            (2.0, Request(SOFT), Closed),
            (3.0, Request(SOFT), Closed),
            (4.0, Request(SUCCESS), Closed),
            (5.0, Request(SOFT), Closed),
        ],
    );
    check(
        "a success never trips",
        &[
            (0.0, Request(SOFT), Closed),
            (1.0, Request(SOFT), Closed),
            (2.0, Request(SUCCESS), Closed),
            (3.0, Request(SOFT), Closed),
            (4.0, Request(SUCCESS), Closed),
            (5.0, Request(SOFT), Open(10.0)),
        ],
    );
    check(
        "old failures are forgotten",
        &[
            (0.0, Request(SOFT), Closed),
            (1.0, Request(SOFT), Closed),
            (2.0, Request(SUCCESS), Closed),
            (31.0, Request(SUCCESS), Closed),
            (32.0, Request(SOFT), Closed),
            (33.0, Request(SOFT), Closed),
        ],
    );
}

#[test]
fn two_missed_probes_in_a_row_trip() {
    check("two", &[(0.0, Probe(SOFT), Closed), (5.0, Probe(HARD), Open(10.0))]);
    for between in [Probe(SUCCESS), Request(SUCCESS)] {
        check(
            "something good between",
            &[(0.0, Probe(SOFT), Closed), (1.0, between, Closed), (5.0, Probe(SOFT), Closed)],
        );
    }
    for between in [Probe(THROTTLED), Probe(CANCELLED), Probe(CALLER), Request(THROTTLED)] {
        check(
            "neither good nor bad between",
            &[(0.0, Probe(SOFT), Closed), (1.0, between, Closed), (5.0, Probe(SOFT), Open(10.0))],
        );
    }
}

#[test]
fn a_key_rejected_twice_trips() {
    check("requests", &[(0.0, Request(KEY), Closed), (1.0, Request(KEY), Open(6.0))]);
    check("probes", &[(0.0, Probe(KEY), Closed), (1.0, Probe(KEY), Open(6.0))]);
    check("one of each", &[(0.0, Request(KEY), Closed), (1.0, Probe(KEY), Open(6.0))]);
    check(
        "a good probe hides no rejected requests: a list of models is free when the credit is gone",
        &[(0.0, Request(KEY), Closed), (1.0, Probe(SUCCESS), Closed), (2.0, Request(KEY), Open(7.0))],
    );
    check(
        "a request that succeeded shows a good key",
        &[(0.0, Probe(KEY), Closed), (1.0, Request(SUCCESS), Closed), (2.0, Request(KEY), Closed)],
    );
}

#[test]
fn what_is_no_failure_never_trips() {
    for outcome in [SUCCESS, THROTTLED, CALLER, CANCELLED] {
        let rows: Vec<_> = (0..1_000)
            .map(|row| {
                (f64::from(row) / 10.0, if row % 2 == 0 { Request(outcome) } else { Probe(outcome) }, Closed)
            })
            .collect();
        check("alone", &rows);
    }
}

#[test]
fn three_good_probes_in_a_row_reset() {
    check(
        "closed, open, half-open, closed",
        &[
            (0.0, Event::Trip(Trip::SharedFate), Open(5.0)),
            (4.9, Tick, Open(5.0)),
            (4.9, Probe(SUCCESS), Open(5.0)),
            (5.0, Tick, HalfOpen(5.0, 0)),
            (6.0, Probe(SUCCESS), HalfOpen(5.0, 1)),
            (7.0, Probe(SUCCESS), HalfOpen(5.0, 2)),
            (8.0, Probe(SUCCESS), Closed),
        ],
    );
}

#[test]
fn a_bad_probe_reopens_with_the_next_longer_backoff() {
    for bad in [SOFT, HARD, KEY] {
        check(
            "5 s, 10 s, 10 s, 10 s",
            &[
                (0.0, Event::Trip(Trip::ByHand), Open(5.0)),
                (5.0, Tick, HalfOpen(5.0, 0)),
                (6.0, Probe(SUCCESS), HalfOpen(5.0, 1)),
                (7.0, Probe(SUCCESS), HalfOpen(5.0, 2)),
                (8.0, Probe(bad), Open(18.0)),
                (18.0, Tick, HalfOpen(18.0, 0)),
                (19.0, Probe(bad), Open(29.0)),
                (29.0, Tick, HalfOpen(29.0, 0)),
                (30.0, Probe(bad), Open(40.0)),
            ],
        );
    }
}

#[test]
fn a_probe_that_is_neither_good_nor_bad_settles_and_decides_nothing() {
    for neither in [THROTTLED, CALLER, CANCELLED] {
        check(
            "half-open",
            &[
                (0.0, Event::Trip(Trip::ByHand), Open(5.0)),
                (5.0, Tick, HalfOpen(5.0, 0)),
                (6.0, Probe(SUCCESS), HalfOpen(5.0, 1)),
                (7.0, Probe(neither), HalfOpen(5.0, 1)),
                (8.0, Probe(SUCCESS), HalfOpen(5.0, 2)),
            ],
        );
    }
}

#[test]
fn half_open_with_a_probe_that_never_settles_reopens_when_too_old() {
    let bench = check(
        "never settled",
        &[
            (0.0, Event::Trip(Trip::ByHand), Open(5.0)),
            (5.0, Tick, HalfOpen(5.0, 0)),
            (6.0, Begin, HalfOpen(5.0, 0)),
            (34.9, Tick, HalfOpen(5.0, 0)),
            (35.0, Tick, Open(45.0)),
            (36.0, Settle(SUCCESS), Open(45.0)),
            (45.0, Tick, HalfOpen(45.0, 0)),
            (46.0, Settle(SUCCESS), HalfOpen(45.0, 0)),
        ],
    );
    assert!(bench.breaker.admits_probe(bench.at(47.0)), "the probe that never settled is forgotten");
}

#[test]
fn a_late_probe_outcome_does_what_the_tick_should_have_done() {
    check(
        "no tick for a long time",
        &[
            (0.0, Event::Trip(Trip::ByHand), Open(5.0)),
            (5.0, Tick, HalfOpen(5.0, 0)),
            (6.0, Begin, HalfOpen(5.0, 0)),
            (40.0, Settle(SUCCESS), Open(50.0)),
            (60.0, Settle(SUCCESS), HalfOpen(60.0, 0)),
        ],
    );
}

#[test]
fn half_open_admits_one_probe_at_a_time() {
    let mut bench =
        check("half-open", &[(0.0, Event::Trip(Trip::ByHand), Open(5.0)), (5.0, Tick, HalfOpen(5.0, 0))]);
    let now = bench.at(6.0);
    assert!(bench.breaker.begin_probe(now));
    assert!(!bench.breaker.begin_probe(now), "a second one while the first is on its way");
    bench.apply(Settle(SUCCESS), 7.0);
    assert!(bench.breaker.begin_probe(bench.at(8.0)));
}

#[test]
fn probes_are_admitted_while_closed_and_not_while_open() {
    let mut bench = Bench::new();
    let now = bench.at(0.0);
    assert!(bench.breaker.begin_probe(now) && bench.breaker.begin_probe(now));
    bench.apply(Event::Trip(Trip::ByHand), 0.0);
    assert!(!bench.breaker.begin_probe(bench.at(1.0)));
}

#[test]
fn requests_say_nothing_while_open_or_half_open() {
    for outcome in [SUCCESS, HARD, SOFT, KEY, THROTTLED] {
        check(
            "late outcomes",
            &[
                (0.0, Event::Trip(Trip::SharedFate), Open(5.0)),
                (1.0, Request(outcome), Open(5.0)),
                (1.0, Request(outcome), Open(5.0)),
                (1.0, Request(outcome), Open(5.0)),
                (5.0, Tick, HalfOpen(5.0, 0)),
                (6.0, Request(outcome), HalfOpen(5.0, 0)),
                (6.0, Request(outcome), HalfOpen(5.0, 0)),
                (6.0, Request(outcome), HalfOpen(5.0, 0)),
            ],
        );
    }
}

#[test]
fn the_backoff_starts_over_after_a_reset_that_held_for_the_window() {
    let until_reset = [
        (0.0, Event::Trip(Trip::ByHand), Open(5.0)),
        (5.0, Tick, HalfOpen(5.0, 0)),
        (6.0, Probe(SUCCESS), HalfOpen(5.0, 1)),
        (7.0, Probe(SUCCESS), HalfOpen(5.0, 2)),
        (8.0, Probe(SUCCESS), Closed),
    ];
    for (second, expected) in [(9.0, 19.0), (37.9, 47.9), (38.0, 43.0), (500.0, 505.0)] {
        let mut table = until_reset.to_vec();
        table.push((second, Event::Trip(Trip::ByHand), Open(expected)));
        check("second trip", &table);
        // A trial that fails is no new trip: from here the open time grows, however long ago the reset was.
        table.push((expected, Tick, HalfOpen(expected, 0)));
        table.push((expected, Probe(SOFT), Open(expected + 10.0)));
        check("a bad trial after the second trip", &table);
    }
}

#[test]
fn a_trip_of_an_open_breaker_changes_nothing_and_of_a_half_open_one_reopens() {
    check(
        "shared fate",
        &[
            (0.0, Event::Trip(Trip::ByHand), Open(5.0)),
            (1.0, Event::Trip(Trip::SharedFate), Open(5.0)),
            (5.0, Tick, HalfOpen(5.0, 0)),
            (6.0, Event::Trip(Trip::SharedFate), Open(16.0)),
        ],
    );
}

#[test]
fn a_reset_begins_with_a_clean_slate() {
    check(
        "one failure more is not the third",
        &[
            (0.0, Request(SOFT), Closed),
            (0.1, Request(SOFT), Closed),
            (0.2, Request(SOFT), Open(5.2)),
            (6.0, Tick, HalfOpen(6.0, 0)),
            (6.1, Probe(SUCCESS), HalfOpen(6.0, 1)),
            (6.2, Probe(SUCCESS), HalfOpen(6.0, 2)),
            (6.3, Probe(SUCCESS), Closed),
            (6.4, Request(SUCCESS), Closed),
            (6.5, Request(SOFT), Closed),
            (6.6, Request(SOFT), Closed),
        ],
    );
}

#[test]
fn an_isolation_refuses_requests_until_its_time_and_lets_the_state_go_on() {
    let mut bench = Bench::new();
    assert!(bench.breaker.admits_requests());
    let table = [
        (0.0, IsolateUntil(60), Closed, false),
        (1.0, Request(HARD), Closed, false),
        (2.0, Request(HARD), Open(7.0), false),
        (7.0, Tick, HalfOpen(7.0, 0), false),
        (8.0, Probe(SUCCESS), HalfOpen(7.0, 1), false),
        (9.0, Probe(SUCCESS), HalfOpen(7.0, 2), false),
        (10.0, Probe(SUCCESS), Closed, false),
        (59.9, Tick, Closed, false),
        (60.0, Tick, Closed, true),
        (61.0, IsolateUntil(120), Closed, false),
        (62.0, Release, Closed, true),
    ];
    for (second, event, state, admits) in table {
        bench.apply(event, second);
        assert_eq!(
            (bench.state(), bench.breaker.admits_requests()),
            (state, admits),
            "{event:?} at {second} s"
        );
    }
}

#[test]
fn every_change_is_told_once_in_a_plain_line() {
    let mut bench = Bench::new();
    let table = [
        (0.0, Request(HARD), None),
        (0.1, Request(HARD), Some("closed to open: requests that could not get through, in a row")),
        (1.0, Tick, None),
        (6.0, Tick, Some("open to half-open: time to probe")),
        (6.1, Probe(SOFT), Some("half-open to open: a probe failed")),
        (17.0, Tick, Some("open to half-open: time to probe")),
        (47.0, Tick, Some("half-open to open: the probes did not settle it in time")),
        (62.0, Tick, Some("open to half-open: time to probe")),
        (62.1, Probe(SUCCESS), None),
        (62.2, Probe(SUCCESS), None),
        (62.3, Probe(SUCCESS), Some("half-open to closed: enough good probes in a row")),
        (
            62.4,
            Event::Trip(Trip::SharedFate),
            Some("closed to open: other upstreams were lost in the same moment"),
        ),
        (62.5, Event::Trip(Trip::SharedFate), None),
    ];
    for (second, event, expected) in table {
        let line = bench.apply(event, second).map(|flip| flip.to_string());
        assert_eq!(line.as_deref(), expected, "{event:?} at {second} s");
    }
}

#[test]
fn the_words_are_the_same_in_json() {
    for kind in [StateKind::Closed, StateKind::Open, StateKind::HalfOpen] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let trips = [
        Trip::MissedProbes,
        Trip::HardFailures,
        Trip::Failures,
        Trip::SuccessRatio,
        Trip::KeyRejected,
        Trip::SharedFate,
        Trip::ByHand,
    ];
    for trip in trips {
        assert_eq!(serde_json::to_value(trip).unwrap(), trip.as_str());
    }
}

#[test]
fn after_a_reset_one_failure_is_enough_until_a_request_succeeds() {
    let reset = [
        (0.0, Request(HARD), Closed),
        (0.0, Request(HARD), Open(5.0)),
        (5.0, Tick, HalfOpen(5.0, 0)),
        (5.0, Probe(SUCCESS), HalfOpen(5.0, 1)),
        (5.0, Probe(SUCCESS), HalfOpen(5.0, 2)),
        (5.0, Probe(SUCCESS), Closed),
    ];
    let mut again = reset.to_vec();
    again.push((6.0, Request(SOFT), Open(16.0)));
    check("nothing answered since", &again);
    let mut proven = reset.to_vec();
    proven.extend([
        (6.0, Request(SUCCESS), Closed),
        (7.0, Request(SOFT), Closed),
        (8.0, Request(SOFT), Closed),
    ]);
    let bench = check("an answer since", &proven);
    assert_eq!(bench.breaker.failures_in_a_row(), 2);
}

#[test]
fn good_probes_hide_no_failing_requests() {
    check(
        "contradicted",
        &[(0.0, Request(SOFT), Closed), (0.1, Probe(SUCCESS), Closed), (4.0, Request(SOFT), Open(9.0))],
    );
    check(
        "a success in between",
        &[
            (0.0, Request(SOFT), Closed),
            (0.1, Probe(SUCCESS), Closed),
            (0.2, Request(SUCCESS), Closed),
            (4.0, Request(SOFT), Closed),
        ],
    );
    let mut bench = check("in question", &[(0.0, Request(SOFT), Closed)]);
    assert!(bench.breaker.is_in_question());
    bench.apply(Probe(SUCCESS), 0.1);
    assert!(!bench.breaker.is_in_question(), "the probe has said what it can");
}

#[test]
fn an_open_time_can_be_ended_early_and_nothing_else() {
    let mut bench = check("open", &[(0.0, Request(HARD), Closed), (0.0, Request(HARD), Open(5.0))]);
    assert!(bench.breaker.hasten(bench.at(1.0)).is_some());
    assert_eq!(bench.state(), HalfOpen(1.0, 0));
    assert!(bench.breaker.hasten(bench.at(2.0)).is_none());
    assert!(Breaker::new(Thresholds::default()).hasten(origin()).is_none());
}

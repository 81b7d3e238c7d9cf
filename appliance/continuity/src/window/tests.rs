//! Events on a time line, and what the window counts.

use super::*;

#[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
fn origin() -> Instant {
    Instant::now()
}

const SPAN: Duration = Duration::from_secs(30);

/// Seconds and whether it succeeded, in the order of recording.
fn window(origin: Instant, events: &[(u64, bool)]) -> Window {
    let mut window = Window::new(SPAN);
    for &(second, success) in events {
        let now = origin + Duration::from_secs(second);
        if success { window.record_success(now) } else { window.record_failure(now) }
    }
    window
}

#[test]
fn outcomes_expire_one_bucket_at_a_time() {
    let origin = origin();
    let events = [(0, true), (3, false), (29, true)];
    let table = [(29, 2, 1), (30, 1, 1), (32, 1, 1), (33, 1, 0), (56, 1, 0), (57, 0, 0), (4_000_000, 0, 0)];
    for (second, successes, failures) in table {
        let tally = window(origin, &events).tally(origin + Duration::from_secs(second));
        assert_eq!(tally, Tally { successes, failures }, "at {second} s");
    }
}

#[test]
fn a_bucket_that_is_used_again_has_forgotten() {
    let origin = origin();
    let window = window(origin, &[(0, false), (30, true)]);
    assert_eq!(window.tally(origin + SPAN), Tally { successes: 1, failures: 0 });
}

#[test]
fn an_outcome_that_comes_too_late_is_dropped() {
    let origin = origin();
    let window = window(origin, &[(0, true), (31, true), (1, false)]);
    assert_eq!(window.tally(origin + Duration::from_secs(31)), Tally { successes: 1, failures: 0 });
}

#[test]
fn clearing_forgets_everything() {
    let origin = origin();
    let mut window = window(origin, &[(0, false), (1, false)]);
    window.clear();
    assert_eq!(window.tally(origin + Duration::from_secs(1)), Tally::default());
}

#[test]
fn the_ratio_of_nothing_is_one() {
    assert_eq!(Tally::default().success_ratio(), 1.0);
    assert_eq!(Tally { successes: 1, failures: 3 }.success_ratio(), 0.25);
}

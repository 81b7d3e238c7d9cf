//! Time lines of one upstream: lost and back, and its share from then on.

use super::*;
use crate::xorshift::Xorshift;

#[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
fn origin() -> Instant {
    Instant::now()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[derive(Clone, Copy)]
enum Event {
    Lost,
    Back,
    /// Nothing happens; the share is this.
    Share(u8),
}

use Event::{Back, Lost, Share};

fn check(name: &str, table: &[(u64, Event)]) {
    let origin = origin();
    let mut failback = Failback::new(FailbackSteps::default());
    for &(second, event) in table {
        let now = origin + seconds(second);
        match event {
            Lost => failback.lost(LostBy::Others, now),
            Back => failback.back(now),
            Share(expected) => assert_eq!(failback.share_percent(now), expected, "{name}, at {second} s"),
        }
    }
}

#[test]
fn a_loss_on_purpose_holds_nothing_down() {
    let (start, second) = (origin(), seconds(1));
    let mut failback = Failback::new(FailbackSteps::default());
    failback.lost(LostBy::Others, start);
    failback.back(start + second);
    failback.lost(LostBy::Others, start + second * 10);
    failback.forgive(start + second * 10);
    failback.back(start + second * 11);
    assert!(matches!(failback.phase(start + second * 11), Phase::Ramp { percent: 10, .. }), "no hold-down");
    failback.lost(LostBy::Others, start + second * 12);
    failback.back(start + second * 13);
    assert!(
        matches!(failback.phase(start + second * 13), Phase::HoldDown { .. }),
        "a real flap still counts"
    );
}

#[test]
fn the_cloud_comes_back_in_three_steps() {
    check(
        "first trip",
        &[
            (0, Share(100)),
            (0, Lost),
            (0, Share(0)),
            (50, Share(0)),
            (60, Back),
            (60, Share(10)),
            (69, Share(10)),
            (70, Share(50)),
            (89, Share(50)),
            (90, Share(100)),
            (1_000_000, Share(100)),
        ],
    );
}

#[test]
fn an_upstream_that_flaps_is_held_down_first() {
    check(
        "second and third trip within the hour",
        &[
            (0, Lost),
            (10, Back),
            (20, Lost),
            (30, Back),
            (44, Share(0)),
            (45, Share(10)),
            (50, Lost),
            (60, Back),
            (89, Share(0)),
            (90, Share(10)),
            (100, Share(50)),
            (120, Share(100)),
        ],
    );
    check(
        "second trip after the hour",
        &[(0, Lost), (10, Back), (3_600, Lost), (3_610, Back), (3_610, Share(10))],
    );
    check(
        "lost again in the hold-down",
        &[(0, Lost), (1, Back), (2, Lost), (3, Back), (4, Lost), (5, Back), (34, Share(0)), (35, Share(10))],
    );
}

#[test]
fn being_lost_twice_is_one_flap_and_being_back_twice_one_ramp() {
    check("lost", &[(0, Lost), (5, Lost), (9, Lost), (10, Back), (10, Share(10))]);
    check("back", &[(0, Back), (0, Share(100)), (1, Lost), (2, Back), (11, Back), (12, Share(50))]);
}

fn lost_by_requests(at: Instant) -> Failback {
    let mut failback = Failback::new(FailbackSteps::default());
    failback.lost(LostBy::Requests, at);
    failback
}

#[test]
fn a_loss_that_probes_do_not_see_is_tried_no_sooner_than_half_a_minute_after() {
    let start = origin();
    let mut failback = lost_by_requests(start);
    failback.contradicted();
    failback.back(start + seconds(9));
    assert_eq!(failback.phase(start + seconds(9)), Phase::HoldDown { until: start + seconds(30) });

    let mut failback = lost_by_requests(start);
    failback.back(start + seconds(9));
    assert!(matches!(failback.phase(start + seconds(9)), Phase::Ramp { .. }), "the first time nobody knows");
    failback.lost(LostBy::Requests, start + seconds(10));
    failback.back(start + seconds(11));
    assert_eq!(failback.phase(start + seconds(11)), Phase::HoldDown { until: start + seconds(40) });

    let mut failback = lost_by_requests(start);
    failback.back(start + seconds(9));
    failback.lost(LostBy::Others, start + seconds(10));
    failback.back(start + seconds(11));
    assert_eq!(
        failback.phase(start + seconds(11)),
        Phase::HoldDown { until: start + seconds(26) },
        "probes saw that"
    );

    let mut failback = lost_by_requests(start);
    failback.contradicted();
    failback.back(start + seconds(40));
    failback.proven();
    failback.contradicted();
    failback.lost(LostBy::Requests, start + seconds(7_200));
    failback.back(start + seconds(7_201));
    assert!(matches!(failback.phase(start + seconds(7_201)), Phase::Ramp { .. }), "a loss of its own");
}

#[test]
fn one_request_at_a_time_tries_an_upstream_that_is_back() {
    let start = origin();
    let mut failback = lost_by_requests(start);
    assert!(Failback::new(FailbackSteps::default()).admits_trial(start), "never lost");
    failback.back(start);
    assert!(failback.admits_trial(start));
    assert!(!failback.admits_trial(start), "the first one is still on its way");
    assert!(!failback.admits_trial(start + seconds(4)));
    assert!(failback.admits_trial(start + seconds(5)), "it has been silent for long");
    failback.proven();
    assert!(failback.admits_trial(start + seconds(5)) && failback.admits_trial(start + seconds(5)));

    let mut failback = lost_by_requests(start);
    failback.back(start);
    let night = start + seconds(30);
    assert!(failback.admits_trial(night) && failback.admits_trial(night), "the ramp is over");
}

#[test]
fn the_hold_down_doubles_up_to_fifteen_minutes() {
    let mut now = origin();
    let mut failback = Failback::new(FailbackSteps::default());
    let mut hold_downs = Vec::new();
    for _ in 0..40 {
        now += seconds(1);
        failback.lost(LostBy::Others, now);
        failback.back(now);
        hold_downs.push(match failback.phase(now) {
            Phase::HoldDown { until } => until.duration_since(now).as_secs(),
            _ => 0,
        });
    }
    assert_eq!(hold_downs[..9], [0, 15, 30, 60, 120, 240, 480, 900, 900]);
    assert!(hold_downs[9..].iter().all(|&hold_down| hold_down == 900));
}

#[test]
fn the_phase_says_until_when() {
    let origin = origin();
    let mut failback = Failback::new(FailbackSteps::default());
    assert_eq!(failback.phase(origin), Phase::Full);
    failback.lost(LostBy::Others, origin);
    assert_eq!(failback.phase(origin), Phase::Lost);
    failback.back(origin);
    assert_eq!(failback.phase(origin), Phase::Ramp { percent: 10, until: origin + seconds(10) });
    failback.lost(LostBy::Others, origin + seconds(1));
    failback.back(origin + seconds(2));
    assert_eq!(failback.phase(origin + seconds(3)), Phase::HoldDown { until: origin + seconds(17) });
    assert_eq!(
        failback.phase(origin + seconds(27)),
        Phase::Ramp { percent: 50, until: origin + seconds(47) }
    );
    assert_eq!(failback.phase(origin + seconds(47)), Phase::Full);
}

#[test]
fn the_share_is_the_share_of_the_draws_that_are_admitted() {
    let origin = origin();
    let mut failback = Failback::new(FailbackSteps::default());
    failback.lost(LostBy::Others, origin);
    failback.back(origin);
    let mut random = Xorshift::new(1);
    let draws: Vec<u64> = (0..10_000).map(|_| random.draw()).collect();
    for (second, percent) in [(0, 10), (10, 50), (30, 100)] {
        let now = origin + seconds(second);
        let admitted = draws.iter().filter(|&&draw| failback.admits(now, draw)).count();
        assert!(admitted.abs_diff(percent * 100) < 200, "{admitted} of 10,000 at {percent} %");
    }
}

/// Random steps, even ones that shrink or pass 100 %.
#[test]
fn requests_without_a_conversation_are_dealt_out_in_turn() {
    let origin = origin();
    let mut failback = Failback::new(FailbackSteps::default());
    failback.lost(LostBy::Others, origin);
    assert!(!failback.admits_next(origin), "nothing goes to a lost upstream");
    failback.back(origin);
    let mut admitted = |second: u64, count: usize| -> Vec<bool> {
        (0..count).map(|_| failback.admits_next(origin + seconds(second))).collect()
    };
    let first_ten = admitted(0, 10);
    assert!(first_ten[0] && first_ten[1..].iter().all(|to_cloud| !to_cloud), "{first_ten:?}");
    assert_eq!(admitted(5, 90).iter().filter(|to_cloud| **to_cloud).count(), 9);
    assert!(admitted(10, 100).chunks(2).all(|pair| pair[0] != pair[1]), "every second one");
    assert!(admitted(30, 5).iter().all(|to_cloud| *to_cloud));
}

fn random_steps(random: &mut Xorshift) -> FailbackSteps {
    let ramp = (0..random.below(5))
        .map(|_| RampStep { percent: random.below(256) as u8, lasts: seconds(random.below(60)) })
        .collect();
    FailbackSteps { ramp, ..FailbackSteps::default() }
}

#[test]
fn no_random_time_line_breaks_an_invariant() {
    let origin = origin();
    for seed in 0..10_000 {
        let mut random = Xorshift::new(seed);
        let mut failback = Failback::new(random_steps(&mut random));
        let conversation = random.draw();
        let (mut now, mut share, mut is_admitted) = (origin, 100, true);
        for _ in 0..100 {
            let longest = [2, 30, 600][random.below(3) as usize];
            now += seconds(random.below(longest));
            match random.below(10) {
                0 => {
                    failback.lost(LostBy::Others, now);
                    (share, is_admitted) = (0, false);
                    assert_eq!(failback.share_percent(now), 0, "seed {seed}");
                }
                1 => failback.back(now),
                _ => {}
            }
            if let Phase::HoldDown { until } = failback.phase(now) {
                assert!(until.duration_since(now) <= seconds(15 * 60), "seed {seed}: held down for too long");
            }
            let newer = failback.share_percent(now);
            assert!(
                (share..=100).contains(&newer),
                "seed {seed}: from {share} % to {newer} % without a loss"
            );
            let is_still_admitted = failback.admits(now, conversation);
            assert!(is_still_admitted || !is_admitted, "seed {seed}: sent away again");
            (share, is_admitted) = (newer, is_still_admitted);
        }
    }
}

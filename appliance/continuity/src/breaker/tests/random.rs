//! Random sequences of events, and what holds in all of them.

use std::collections::HashMap;

use super::*;
use crate::xorshift::Xorshift;

const SEQUENCES: u64 = 10_000;
const EVENTS: u64 = 100;

/// Mostly good, so that the sequences go all the way round.
const OUTCOMES: [Outcome; 12] =
    [SUCCESS, SUCCESS, SUCCESS, SUCCESS, SUCCESS, SUCCESS, HARD, SOFT, THROTTLED, CALLER, KEY, CANCELLED];
const HARMLESS: [Outcome; 4] = [SUCCESS, THROTTLED, CALLER, CANCELLED];

/// A breaker on a random time line.
struct Run {
    random: Xorshift,
    thresholds: Thresholds,
    breaker: Breaker,
    now: Instant,
    outcomes: &'static [Outcome],
}

impl Run {
    fn new(seed: u64, outcomes: &'static [Outcome], now: Instant) -> Self {
        let mut random = Xorshift::new(seed);
        let thresholds = random_thresholds(&mut random);
        let breaker = Breaker::new(thresholds.clone());
        Run { random, thresholds, breaker, now, outcomes }
    }

    /// Lets a random while pass, sometimes a long one.
    fn wait(&mut self) {
        let longest_ms = [10, 1_000, 10_000, 60_000][self.random.below(4) as usize];
        self.now += Duration::from_millis(self.random.below(longest_ms));
    }

    fn outcome(&mut self) -> Outcome {
        self.outcomes[self.random.below(self.outcomes.len() as u64) as usize]
    }

    /// One random event other than a tick and other than a person's or another upstream's trip.
    fn event(&mut self) -> Option<Flip> {
        let (outcome, draw) = (self.outcome(), self.random.share());
        match self.random.below(5) {
            0 | 1 => self.breaker.record(outcome, self.now, draw),
            2 => self.breaker.record_probe(outcome, self.now, draw),
            3 => {
                self.breaker.begin_probe(self.now);
                self.breaker.record_probe(outcome, self.now, draw)
            }
            _ => {
                self.breaker.begin_probe(self.now);
                None
            }
        }
    }

    fn longest_open(&self) -> Duration {
        self.thresholds.open_max.mul_f64(1.0 + self.thresholds.open_jitter)
    }
}

fn random_thresholds(random: &mut Xorshift) -> Thresholds {
    let count = |random: &mut Xorshift| Some(1 + random.below(4) as u32);
    let open_first_ms = 10 + random.below(5_000);
    let config = crate::ThresholdsConfig {
        max_missed_probes: count(random),
        max_hard_failures: count(random),
        max_failures: count(random),
        max_key_rejections: count(random),
        min_requests: count(random),
        min_success_ratio: Some(random.share()),
        window_ms: Some(10 + random.below(60_000)),
        open_first_ms: Some(open_first_ms),
        open_max_ms: Some(open_first_ms + random.below(20_000)),
        open_jitter: Some(random.share()),
        consecutive_good_probes: count(random),
        half_open_max_age_ms: Some(10 + random.below(60_000)),
    };
    config.try_into().unwrap()
}

#[test]
fn no_sequence_of_events_breaks_an_invariant() {
    let origin = origin();
    let mut causes = HashMap::new();
    for seed in 0..SEQUENCES {
        let mut run = Run::new(seed, &OUTCOMES, origin);
        for _ in 0..EVENTS {
            run.wait();
            let draw = run.random.share();
            let before = run.breaker.state();
            let ticked = run.breaker.tick(run.now, draw);
            check_after_tick(&run, before, ticked, seed);

            let before = run.breaker.state();
            let flip = match run.random.below(20) {
                0 => run.breaker.trip(Trip::SharedFate, run.now, draw),
                _ => run.event(),
            };
            check_flip(&run, before, flip, seed);
            for flip in [ticked, flip].into_iter().flatten() {
                *causes.entry(flip.to_string()).or_insert(0) += 1;
            }
        }
    }
    // From closed by six trips; out of half-open by a bad probe, old age, a shared fate and good probes; and to it.
    assert_eq!(causes.len(), 11, "{causes:?}");
    assert!(causes.values().all(|&count| count > 100), "{causes:?}");
}

/// No state outlives its time, and requests pass only while closed.
fn check_after_tick(run: &Run, before: State, flip: Option<Flip>, seed: u64) {
    check_flip(run, before, flip, seed);
    match run.breaker.state() {
        State::Closed => {}
        State::Open { until } => {
            assert!(until > run.now, "seed {seed}: open past its time");
            assert!(until <= run.now + run.longest_open(), "seed {seed}: open for too long");
        }
        State::HalfOpen { since, .. } => {
            let age = run.now.duration_since(since);
            assert!(age < run.thresholds.half_open_max_age, "seed {seed}: half-open for {age:?}");
        }
    }
}

/// A flip is told if, and only if, the kind of state changed or a new open time began; and it tells what happened.
fn check_flip(run: &Run, before: State, flip: Option<Flip>, seed: u64) {
    let after = run.breaker.state();
    assert_eq!(run.breaker.admits_requests(), after == State::Closed, "seed {seed}");
    match flip {
        None => assert_eq!(before.kind(), after.kind(), "seed {seed}: a silent change"),
        Some(flip) => {
            assert_eq!((flip.from, flip.to), (before.kind(), after.kind()), "seed {seed}");
            assert_ne!(flip.from, flip.to, "seed {seed}");
            assert_ne!((flip.from, flip.to), (StateKind::Open, StateKind::Closed), "seed {seed}: no trial");
        }
    }
}

#[test]
fn no_sequence_without_failures_trips() {
    let origin = origin();
    for seed in 0..SEQUENCES {
        let mut run = Run::new(seed, &HARMLESS, origin);
        for _ in 0..EVENTS {
            run.wait();
            assert_eq!(run.event(), None, "seed {seed}");
            assert_eq!(run.breaker.tick(run.now, 0.5), None, "seed {seed}");
        }
    }
}

#[test]
fn left_alone_with_an_upstream_that_works_every_breaker_closes() {
    let origin = origin();
    for seed in 0..SEQUENCES / 10 {
        let mut run = Run::new(seed, &OUTCOMES, origin);
        run.thresholds = Thresholds::default();
        run.breaker = Breaker::new(Thresholds::default());
        for _ in 0..EVENTS {
            run.wait();
            run.event();
        }
        let patience = run.now + run.longest_open() + run.thresholds.half_open_max_age + run.longest_open();
        let deadline = patience + Duration::from_secs(15);
        while run.breaker.state() != State::Closed {
            assert!(run.now < deadline, "seed {seed}: still {:?}", run.breaker.state());
            run.now += Duration::from_secs(1);
            run.breaker.tick(run.now, 1.0);
            if run.breaker.begin_probe(run.now) {
                run.breaker.record_probe(SUCCESS, run.now, 1.0);
            }
        }
    }
}

//! A drill as a table: what is seen at which second, and what becomes of it.

use super::*;

fn plan() -> Plan {
    Plan {
        carry: Duration::from_secs(100),
        prepare: Duration::from_secs(5),
        restore: Duration::from_secs(60),
        promise: Duration::from_secs(10),
        load_percent: 30,
        max_refusals: 3,
        max_first_token_p95: Duration::from_secs(15),
    }
}

fn good() -> Sight {
    Sight {
        standby_is_proven: true,
        transfer: Some(Duration::from_secs(2)),
        first_token_p95: Some(Duration::from_secs(1)),
        real_load: 0.1,
        synthetic_load: 0.25,
        ..Sight::default()
    }
}

fn back() -> Sight {
    Sight { cloud_is_back: true, ..good() }
}

#[allow(clippy::disallowed_methods, reason = "one arbitrary origin; no test reads the clock again")]
fn origin() -> Instant {
    Instant::now()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Carries a drill through to its end, second by second; `see` says what is seen so many seconds after the cut.
fn run(plan: Plan, see: impl Fn(u64) -> Sight) -> (Drill, Vec<Act>) {
    let start = origin();
    let mut drill = Drill::begin(plan, start);
    let (mut acts, mut second, mut cut_at) = (Vec::new(), 0, 0);
    while drill.phase() != Phase::Over && second < 1000 {
        second += 1;
        let now = start + secs(second);
        let act = drill.tick(see(second.saturating_sub(cut_at.max(6))), now);
        if act == Some(Act::Cut) {
            cut_at = second;
            drill.cut_done(now);
        }
        acts.extend(act);
    }
    (drill, acts)
}

#[test]
fn a_drill_goes_through_its_phases_in_order() {
    let start = origin();
    let mut drill = Drill::begin(plan(), start);
    assert_eq!(drill.phase(), Phase::Preparing);
    assert_eq!(drill.tick(good(), start + secs(4)), None);
    assert_eq!(drill.tick(good(), start + secs(5)), Some(Act::Cut));
    assert_eq!(drill.phase(), Phase::Cutting);
    assert_eq!(drill.tick(good(), start + secs(6)), None);
    drill.cut_done(start + secs(6));
    assert_eq!(drill.phase(), Phase::CarryingLoad);
    assert_eq!(drill.tick(good(), start + secs(105)), None);
    assert_eq!(drill.tick(good(), start + secs(106)), Some(Act::Restore));
    assert_eq!(drill.phase(), Phase::Restoring);
    assert_eq!(drill.tick(good(), start + secs(120)), None);
    assert_eq!(drill.tick(back(), start + secs(121)), None);
    assert_eq!(drill.phase(), Phase::Over);
    assert_eq!(drill.carried(), secs(100));
    assert_eq!(drill.judge(&[]), Judgement { result: DrillResult::Passed, findings: Vec::new() });
}

#[test]
fn what_is_seen_decides_on_the_result() {
    type Change = fn(&mut Sight);
    let table: [(&str, Change, DrillResult, &[Finding]); 13] = [
        ("nothing", |_| {}, DrillResult::Passed, &[]),
        ("transfer at the promise", |s| s.transfer = Some(secs(10)), DrillResult::Passed, &[]),
        (
            "transfer after the promise",
            |s| s.transfer = Some(Duration::from_millis(10_001)),
            DrillResult::Failed,
            &[Finding::SlowTransfer { ms: 10_001, promise_ms: 10_000 }],
        ),
        ("no transfer", |s| s.transfer = None, DrillResult::Failed, &[Finding::NoTransfer]),
        ("one refusal", |s| s.refused = 1, DrillResult::Failed, &[Finding::LostRequests { requests: 1 }]),
        ("broken answers", |s| s.broken = 2, DrillResult::Failed, &[Finding::LostRequests { requests: 2 }]),
        (
            "too many refusals",
            |s| s.refused = 4,
            DrillResult::Aborted,
            &[Finding::TooManyRefusals { refused: 4, limit: 3 }],
        ),
        (
            "a cloud answers",
            |s| s.cloud_answers = 1,
            DrillResult::Failed,
            &[Finding::CloudAnswered { answers: 1 }],
        ),
        (
            "slow answers",
            |s| s.first_token_p95 = Some(secs(16)),
            DrillResult::Aborted,
            &[Finding::TooSlow { p95_ms: 16_000, limit_ms: 15_000 }],
        ),
        (
            "little load",
            |s| s.synthetic_load = 0.1,
            DrillResult::Invalid,
            &[Finding::TooLittleLoad { percent: 20, wanted: 30 }],
        ),
        ("synthetic load alone", |s| (s.real_load, s.synthetic_load) = (0.0, 0.3), DrillResult::Passed, &[]),
        ("real load alone", |s| (s.real_load, s.synthetic_load) = (0.3, 0.0), DrillResult::Passed, &[]),
        (
            "nonsense load",
            |s| s.real_load = -7.0,
            DrillResult::Invalid,
            &[Finding::TooLittleLoad { percent: 25, wanted: 30 }],
        ),
    ];
    for (what, change, result, found) in table {
        let (drill, acts) = run(plan(), |after| {
            let mut sight = good();
            change(&mut sight);
            sight.cloud_is_back = after > 0;
            sight
        });
        // Some limits break before the cut, and then there is nothing to restore.
        assert!(acts.is_empty() || acts == [Act::Cut, Act::Restore], "{what}: {acts:?}");
        let judgement = drill.judge(&[]);
        assert_eq!(judgement.result, result, "{what}: {judgement:?}");
        for finding in found {
            assert!(judgement.findings.contains(finding), "{what}: {judgement:?}");
        }
    }
}

#[test]
fn a_standby_that_fails_its_proof_ends_the_drill_at_once_in_every_phase() {
    for (fails_at, acts) in [(0, vec![]), (50, vec![Act::Cut, Act::Restore])] {
        let (drill, done) = run(plan(), |after| Sight {
            standby_is_proven: after < fails_at,
            cloud_is_back: after > fails_at,
            ..good()
        });
        assert_eq!(done, acts);
        let judgement = drill.judge(&[]);
        assert_eq!(
            (judgement.result, &judgement.findings[0]),
            (DrillResult::Aborted, &Finding::StandbyUnproven)
        );
        assert!(drill.carried() <= secs(fails_at + 1));
    }
}

#[test]
fn a_person_may_abort_in_every_phase_and_the_way_is_restored_exactly_once() {
    for abort_at in [1, 5, 6, 7, 50, 105, 106, 110] {
        let start = origin();
        let mut drill = Drill::begin(plan(), start);
        let mut acts = Vec::new();
        for second in 1..=200 {
            let now = start + secs(second);
            let sight = Sight { cloud_is_back: second > 110, ..good() };
            let act = drill.tick(sight, now);
            acts.extend(act);
            if second == abort_at {
                acts.extend(drill.abort(Finding::AbortedBy { who: "kim".into() }, now));
            }
            if act == Some(Act::Cut) {
                drill.cut_done(now);
            }
        }
        assert_eq!(drill.phase(), Phase::Over, "at {abort_at}");
        let (cuts, restores) = (
            acts.iter().filter(|a| **a == Act::Cut).count(),
            acts.iter().filter(|a| **a == Act::Restore).count(),
        );
        assert_eq!(cuts, restores, "at {abort_at}: {acts:?}");
        let expected = if abort_at < 105 { DrillResult::Aborted } else { DrillResult::Passed };
        assert_eq!(drill.judge(&[]).result, expected, "at {abort_at}");
    }
}

#[test]
fn a_cloud_that_stays_away_after_the_restore_is_a_real_outage() {
    let (drill, acts) = run(plan(), |_| good());
    assert_eq!(acts, [Act::Cut, Act::Restore]);
    let judgement = drill.judge(&[]);
    assert_eq!(
        (judgement.result, judgement.findings),
        (DrillResult::Aborted, vec![Finding::CloudStayedAway])
    );
}

#[test]
fn a_cut_that_does_not_come_aborts_the_drill() {
    let start = origin();
    let mut drill = Drill::begin(plan(), start);
    assert_eq!(drill.tick(good(), start + secs(5)), Some(Act::Cut));
    assert_eq!(drill.tick(good(), start + secs(20)), None);
    assert_eq!(drill.tick(good(), start + secs(21)), Some(Act::Restore));
    drill.cut_done(start + secs(22));
    assert_eq!(drill.phase(), Phase::Restoring, "a late cut changes nothing any more");
    drill.tick(back(), start + secs(23));
    assert_eq!(drill.judge(&[]).findings, [Finding::CutFailed]);
}

#[test]
fn without_a_local_answer_people_do_not_wait_for_the_end_of_the_drill() {
    let (drill, _) = run(plan(), |_| Sight { transfer: None, cloud_is_back: true, ..good() });
    assert!(drill.carried() <= secs(31), "{:?}", drill.carried());
    assert_eq!(drill.judge(&[]).result, DrillResult::Failed);
}

#[test]
fn a_warm_standby_makes_a_good_drill_invalid_and_excuses_no_broken_promise() {
    let warm = [Warmth::ForcedLocal, Warmth::WorkerStarted];
    let (good_drill, _) = run(plan(), |_| back());
    let judgement = good_drill.judge(&warm);
    assert_eq!((judgement.result, judgement.findings.len()), (DrillResult::Invalid, 2));
    let (slow, _) = run(plan(), |_| Sight { transfer: Some(secs(11)), ..back() });
    assert_eq!(slow.judge(&warm).result, DrillResult::Failed);
}

#[test]
fn the_load_is_a_mean_over_time_and_more_than_all_counts_as_all() {
    let start = origin();
    let mut drill = Drill::begin(plan(), start);
    drill.tick(good(), start + secs(5));
    drill.cut_done(start + secs(5));
    drill.tick(Sight { real_load: 0.0, synthetic_load: 0.0, ..good() }, start + secs(35));
    drill.tick(Sight { real_load: 9.0, synthetic_load: 0.4, ..good() }, start + secs(45));
    let load = drill.load();
    assert!((load.real - 0.25).abs() < 1e-9 && (load.synthetic - 0.1).abs() < 1e-9, "{load:?}");
}

#[test]
fn no_drill_begins_in_trouble_and_the_reason_is_told() {
    let fine =
        Readiness { standby_is_proven: true, cloud_is_there: true, order_stands: false, drill_runs: false };
    let table = [
        (fine, Ok(())),
        (Readiness { standby_is_proven: false, ..fine }, Err(NotNow::StandbyUnproven)),
        (Readiness { cloud_is_there: false, ..fine }, Err(NotNow::Outage)),
        (Readiness { order_stands: true, ..fine }, Err(NotNow::OrderStands)),
        (Readiness { drill_runs: true, order_stands: true, ..fine }, Err(NotNow::Running)),
        (Readiness::default(), Err(NotNow::Outage)),
    ];
    for (readiness, expected) in table {
        assert_eq!(readiness.check(), expected, "{readiness:?}");
    }
}

use std::time::Duration;

use continuity::{SiteState, State, Verdict};
use inference::Kind;

use super::*;
use crate::monitor::first_site;
use crate::settings::{OutsideSettings, Settings, UpstreamSettings};
use crate::upstream::Listed;

/// Upstreams `a` and `b`, each with the models `large` and `small`.
fn board() -> Board {
    let upstream = |name| {
        let models = ["large", "small"].map(|name| (name.to_owned(), Kind::Chat)).into();
        Upstream::build(UpstreamSettings::for_tests(name), models).unwrap()
    };
    Board::new(
        vec![upstream("a"), upstream("b")],
        Outside::new(&OutsideSettings::default()),
        Orders::standing(Vec::new()),
    )
    .0
}

const A_LARGE: RouteId = RouteId { upstream: 0, model: 0 };
const A_SMALL: RouteId = RouteId { upstream: 0, model: 1 };
const B_LARGE: RouteId = RouteId { upstream: 1, model: 0 };

fn listed(names: &[&str]) -> Result<Listed, Fault> {
    Ok(Some(names.iter().map(ToString::to_string).collect()))
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_takes_neither_its_upstream_nor_its_sister_with_it() {
    let board = board();
    for _ in 0..3 {
        assert_eq!(board.admits(A_LARGE), Ok(()));
        board.record(A_LARGE, Some(&Fault::Status(503)));
    }
    assert_eq!(board.admits(A_LARGE), Err(Reason::ModelOpen));
    assert_eq!((board.admits(A_SMALL), board.admits(B_LARGE)), (Ok(()), Ok(())));
    assert_eq!(board.site_state(), SiteState::Degraded);
    assert_eq!(board.route(0, "small"), A_SMALL);
}

#[tokio::test(start_paused = true)]
async fn the_way_and_the_account_are_the_upstream_s_alone() {
    for fault in [Fault::Refused, Fault::Quota(429), Fault::KeyRejected(401)] {
        let board = board();
        board.record(A_LARGE, Some(&fault));
        board.record(A_SMALL, Some(&fault));
        assert_eq!(board.admits(A_LARGE), Err(Reason::CircuitOpen), "{fault}");
        assert!(board.model(A_LARGE).unwrap().admits_requests(), "{fault}");
        assert_eq!(board.admits(B_LARGE), Ok(()), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_route_is_held_and_the_state_tells_only_a_long_hold() {
    let board = board();
    let throttled = |seconds| Fault::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
    board.record(A_LARGE, Some(&throttled(3)));
    assert_eq!((board.admits(A_LARGE), board.admits(A_SMALL)), (Err(Reason::Throttled), Ok(())));
    assert_eq!(board.site_state(), SiteState::Connected);
    board.record(A_LARGE, Some(&throttled(30)));
    assert_eq!(board.site_state(), SiteState::Degraded);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!((board.admits(A_LARGE), board.site_state()), (Ok(()), SiteState::Connected));
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_model_is_found_by_one_answer_or_by_the_list() {
    let board = board();
    board.record_probe(0, &listed(&["large", "small"]));
    board.record_probe(0, &listed(&["small"]));
    assert_eq!((board.admits(A_LARGE), board.admits(A_SMALL)), (Err(Reason::ModelOpen), Ok(())));
    board.record(A_SMALL, Some(&Fault::ModelWithdrawn));
    assert_eq!(board.admits(A_SMALL), Err(Reason::ModelOpen));
    assert_eq!(board.upstreams[0].circuit.reading(now()).state, State::Closed);
    board.record_probe(1, &listed(&["another"]));
    assert_eq!(board.admits(B_LARGE), Ok(()), "a list that never had it may not be complete");
}

#[tokio::test(start_paused = true)]
async fn all_models_out_are_all_routes_out() {
    let board = board();
    for route in board.routes().collect::<Vec<_>>() {
        board.record(route, Some(&Fault::ModelWithdrawn));
    }
    assert_eq!(board.site_state(), SiteState::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_synthetic_chat_closes_a_model_and_then_its_ramp_begins() {
    let board = board();
    board.record(A_LARGE, Some(&Fault::ModelWithdrawn));
    board.hasten_model(A_LARGE);
    for _ in 0..3 {
        assert_eq!(board.admits(A_LARGE), Err(Reason::ModelOpen));
        assert!(board.model(A_LARGE).unwrap().begin_probe(now()));
        board.record_model_probe(A_LARGE, None);
    }
    assert_eq!((board.admits(A_LARGE), board.site_state()), (Ok(()), SiteState::Recovering));
    assert!(board.admits_by_ramp(A_LARGE, Some(5)) && !board.admits_by_ramp(A_LARGE, Some(50)));
    assert!(board.admits_by_ramp(A_SMALL, Some(50)));
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_breaks_on_the_way_says_nothing_of_the_model() {
    let board = board();
    board.record(A_LARGE, Some(&Fault::ModelWithdrawn));
    board.hasten_model(A_LARGE);
    assert!(board.model(A_LARGE).unwrap().begin_probe(now()));
    board.record_model_probe(A_LARGE, Some(&Fault::Refused));
    assert!(matches!(board.model(A_LARGE).unwrap().reading(now()).state, State::HalfOpen { .. }));
}

#[tokio::test(start_paused = true)]
async fn two_accounts_at_one_host_share_no_fate_but_two_hosts_do() {
    let account = |name: &str| {
        let base_url = "https://api.example/v1".to_owned();
        Upstream::build(
            UpstreamSettings { base_url, ..UpstreamSettings::for_tests(name) },
            vec![("m".into(), Kind::Chat)],
        )
    };
    let accounts = vec![account("a").unwrap(), account("b").unwrap()];
    let (board, _flips) =
        Board::new(accounts, Outside::new(&OutsideSettings::default()), Orders::standing(Vec::new()));
    board.record(A_LARGE, Some(&Fault::Refused));
    board.record(B_LARGE, Some(&Fault::Refused));
    assert_eq!((board.admits(A_LARGE), board.admits(B_LARGE)), (Ok(()), Ok(())));
    let board = self::board();
    board.record(A_LARGE, Some(&Fault::Refused));
    board.record(B_LARGE, Some(&Fault::Refused));
    assert_eq!(board.site_state(), SiteState::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_takes_all_that_is_outside_with_it_and_its_return_tries_them_at_once() {
    let inside =
        UpstreamSettings { base_url: "http://10.0.0.5/v1".into(), ..UpstreamSettings::for_tests("c") };
    let outside = UpstreamSettings::for_tests("a");
    let build = |settings| Upstream::build(settings, vec![("m".to_owned(), Kind::Chat)]).unwrap();
    let nobody = Outside::new(&OutsideSettings::default());
    let (board, _flips) =
        Board::new(vec![build(outside), build(inside)], nobody, Orders::standing(Vec::new()));
    board.link_lost();
    assert_eq!((board.admits(A_LARGE), board.admits(B_LARGE)), (Err(Reason::CircuitOpen), Ok(())));
    assert!(board.has_trouble_on_the_way());
    board.way_is_back();
    assert!(matches!(board.upstreams[0].circuit.reading(now()).state, State::HalfOpen { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_a_shared_fate_opened_without_trouble_of_its_own_is_tried_at_once() {
    let upstream = |name| {
        Upstream::build(UpstreamSettings::for_tests(name), vec![("m".to_owned(), Kind::Chat)]).unwrap()
    };
    let three = vec![upstream("a"), upstream("b"), upstream("c")];
    let (board, _flips) =
        Board::new(three, Outside::new(&OutsideSettings::default()), Orders::standing(Vec::new()));
    board.record(A_LARGE, Some(&Fault::Refused));
    board.record(B_LARGE, Some(&Fault::Reset));
    let state = |index: usize| board.upstreams[index].circuit.reading(now()).state;
    assert!(matches!((state(0), state(1)), (State::Open { .. }, State::Open { .. })));
    assert!(matches!(state(2), State::HalfOpen { .. }));
}

/// One request every 4 s, each given up `after` so many seconds with this fault; how many were sent within a minute.
async fn sent_in_a_minute(after: u64, fault: &Fault) -> usize {
    let board = board();
    let mut waiting = futures_util::stream::FuturesUnordered::new();
    let mut sent = 0;
    for second in 0..60 {
        if second % 4 == 0 && board.admits(A_LARGE).is_ok() {
            sent += 1;
            waiting.push(async {
                let given_up = tokio::time::sleep(Duration::from_secs(after));
                tokio::select! {
                    () = given_up => board.record(A_LARGE, Some(fault)),
                    _ = board.lost(A_LARGE) => {}
                }
            });
        }
        while let Ok(Some(())) =
            tokio::time::timeout(Duration::ZERO, futures_util::StreamExt::next(&mut waiting)).await
        {}
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn a_dead_model_gets_three_requests_in_a_minute_however_late_each_of_them_is_given_up() {
    for (after, fault) in [
        (0, Fault::Status(503)),
        (1, Fault::Status(500)),
        (5, Fault::Slow(Duration::from_secs(5))),
        (7, Fault::Slow(Duration::from_secs(7))),
    ] {
        assert!(sent_in_a_minute(after, &fault).await <= 3, "{fault} after {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_is_told_for_as_long_as_it_holds() {
    let board = board();
    board.record(A_LARGE, Some(&Fault::Throttled { retry_after: Some(Duration::from_secs(30)) }));
    let told = || {
        let site = first_site(&Settings::for_tests(), &board, &[]);
        (site.state, site.upstreams[0].models[0].verdict)
    };
    assert_eq!(told(), (SiteState::Degraded, Some(Verdict::Throttled)));
    board.record(A_LARGE, Some(&Fault::Slow(Duration::from_secs(15))));
    assert_eq!(told(), (SiteState::Degraded, Some(Verdict::Throttled)), "one late answer trips nothing");
    assert!(board.model(A_LARGE).unwrap().begin_probe(now()));
    board.record_model_probe(A_LARGE, None);
    assert_eq!(told(), (SiteState::Degraded, Some(Verdict::Throttled)), "a trial says nothing of the quota");
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(told(), (SiteState::Connected, None));
}

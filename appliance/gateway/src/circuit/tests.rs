use std::time::Duration;

use continuity::{FailbackSteps, Thresholds};

use super::Circuit;
use crate::board::now;
use crate::fault::Fault;

const SUSPICION: Duration = Duration::from_secs(2);

fn circuit() -> Circuit {
    Circuit::new(Thresholds::default(), FailbackSteps::default(), 0)
}

fn probe(circuit: &Circuit, fault: Option<&Fault>) {
    assert!(circuit.begin_probe(now()));
    circuit.record_probe(fault, now(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_upstream_with_a_healthy_way_is_waited_for() {
    let circuit = circuit();
    let waiting = tokio::time::timeout(Duration::from_secs(60), circuit.lost(SUSPICION));
    tokio::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    tokio::time::advance(SUSPICION).await;
    assert!(futures_util::poll!(&mut waiting).is_pending());
    circuit.suspect.notified().await;
    probe(&circuit, None);
    assert!(waiting.await.is_err(), "only the caller's own deadline ends the wait");
}

#[tokio::test(start_paused = true)]
async fn silence_and_a_probe_missed_since_then_end_the_wait() {
    let circuit = circuit();
    let missed_before = Fault::Silent(SUSPICION);
    probe(&circuit, Some(&missed_before));
    let waiting = circuit.lost(SUSPICION);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    tokio::time::advance(SUSPICION).await;
    assert!(futures_util::poll!(&mut waiting).is_pending(), "a miss from before says nothing of this wait");
    probe(&circuit, None);
    probe(&circuit, Some(&Fault::Silent(SUSPICION)));
    assert!(matches!(waiting.await, Fault::Silent(_)));
}

#[tokio::test(start_paused = true)]
async fn a_trip_ends_every_wait_at_once() {
    let circuit = circuit();
    let waiting = circuit.lost(SUSPICION);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    circuit.record(Some(&Fault::Refused), now(), 0);
    circuit.record(Some(&Fault::Refused), now(), 0);
    assert!(matches!(waiting.await, Fault::Lost));
    assert!(!circuit.admits_requests());
}

#[tokio::test(start_paused = true)]
async fn what_the_request_itself_caused_never_counts() {
    let circuit = circuit();
    for _ in 0..20 {
        let refused = dialect::ApiError::invalid("content_filter", "messages", "no");
        circuit.record(Some(&Fault::Caller(Box::new(refused))), now(), 0);
        circuit.record(Some(&Fault::Throttled { retry_after: None }), now(), 0);
        circuit.record(Some(&Fault::Lost), now(), 0);
    }
    assert!(circuit.admits_requests());
}

#[tokio::test(start_paused = true)]
async fn a_throttle_holds_and_trips_nothing() {
    let circuit = circuit();
    circuit.record(Some(&Fault::Throttled { retry_after: Some(Duration::from_secs(7)) }), now(), 0);
    assert!(circuit.admits_requests() && circuit.is_throttled(now()));
    tokio::time::advance(Duration::from_secs(7)).await;
    assert!(!circuit.is_throttled(now()));
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_silent_ones_are_waited_for_before_more_are_sent() {
    let circuit = circuit();
    let (first, second) = (circuit.doubt(SUSPICION), circuit.doubt(SUSPICION));
    tokio::pin!(first, second);
    assert!(futures_util::poll!(&mut first).is_pending() && futures_util::poll!(&mut second).is_pending());
    circuit.record(Some(&Fault::Slow(SUSPICION)), now(), 0);
    assert!(!circuit.is_in_doubt(), "they have not been silent for long");
    tokio::time::advance(SUSPICION).await;
    assert!(futures_util::poll!(&mut first).is_pending() && futures_util::poll!(&mut second).is_pending());
    assert!(circuit.is_in_doubt(), "one has failed and two may");
    circuit.record(None, now(), 0);
    assert!(!circuit.is_in_doubt(), "an answer says that they may as well come");
}

//! An upstream that answers its probes and breaks every answer to a user.

use std::time::{Duration, Instant};

use super::building::Building;
use super::offline::{Loss, Outcome, over};

/// As S15: down for a minute, and a request every four seconds.
const DOWN: Duration = Duration::from_secs(60);
const APART: Duration = Duration::from_secs(4);
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Its streams are cut after two pieces of text, and probes find nothing.
pub(super) async fn answers_cut(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let (cut, from) = (Instant::now(), building.alpha.elapsed());
    building.alpha.cut_streams(2);
    let (mut samples, mut attempts, mut restored) = (Vec::new(), 0, None);
    for number in 0.. {
        let due = APART * number;
        tokio::time::sleep_until((cut + due).into()).await;
        if restored.is_none() && due >= DOWN {
            attempts = building.alpha.attempts_on("large").iter().filter(|at| **at > from).count();
            building.alpha.restore();
            restored = Some(Instant::now());
        }
        let since = building.alpha.chats().len();
        samples.push(building.ask().await);
        let is_back = restored.is_some() && building.alpha.chats().len() > since;
        if is_back || due > DOWN + BACK_WITHIN {
            break;
        }
    }
    let mut loss = Loss::of(&samples, cut).with_attempts(attempts);
    let back = samples.last().zip(restored).map(|(last, restored)| last.asked - restored);
    loss.failback = back;
    let in_time = back.is_some_and(|back| back <= BACK_WITHIN);
    let loss = loss.unless(in_time, format!("alpha is back after {back:?}"));
    over(building, loss.note("probes find nothing all the time".to_owned())).await
}

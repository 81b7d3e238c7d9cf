//! Witnesses: hosts that are no upstream, asked only whether they are there. They tell a lost upstream from a lost
//! internet; no function of the box depends on them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use continuity::Asked;
use futures_util::future::{join, join_all};
use tokio::net::{TcpStream, lookup_host};

use super::{Board, address, witnesses_said};
use crate::board::now;
use crate::settings::{WitnessHow, WitnessSettings};

const DEADLINE: Duration = Duration::from_millis(1500);

/// However many upstreams have trouble, witnesses are asked no more often.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// While an upstream has trouble the picture is kept fresh.
const IN_TROUBLE_EVERY: Duration = Duration::from_secs(5);

const IN_CALM_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Witness {
    settings: WitnessSettings,
    /// One that never answered proves nothing by its silence: a firewall may keep the box from it.
    has_ever_answered: AtomicBool,
}

impl Witness {
    pub(super) fn new(settings: WitnessSettings) -> Self {
        Witness { settings, has_ever_answered: AtomicBool::new(false) }
    }

    async fn ask(&self) -> bool {
        let answers = tokio::time::timeout(DEADLINE, async {
            match &self.settings.how {
                WitnessHow::Tcp(address) => TcpStream::connect(address).await.is_ok(),
                WitnessHow::Dns(name) => match lookup_host((name.as_str(), 443)).await {
                    Ok(mut addresses) => addresses.next().is_some(),
                    Err(_) => false,
                },
            }
        });
        let answers = answers.await.unwrap_or(false);
        if answers && !self.has_ever_answered.swap(true, Ordering::Relaxed) {
            tracing::debug!(witness = self.settings.name, "witness {} answers", self.settings.name);
        }
        answers
    }

    fn counts(&self) -> bool {
        self.has_ever_answered.load(Ordering::Relaxed)
    }

    fn is_by_name(&self) -> bool {
        matches!(self.settings.how, WitnessHow::Dns(_))
    }
}

/// Asks all witnesses now and then, and at once when an upstream has trouble.
pub(super) async fn keep_asking(board: &Board) {
    let outside = &board.outside;
    let mut known = address::worth_knowing(board);
    if outside.witnesses.is_empty() && known.is_empty() {
        return;
    }
    loop {
        let (begun, trouble) = (now(), board.has_trouble_on_the_way());
        let asking = join_all(outside.witnesses.iter().map(Witness::ask));
        let (answers, addresses) = match trouble {
            true => join(asking, address::try_all(&known, DEADLINE)).await,
            false => (join(asking, address::refresh(&mut known, DEADLINE)).await.0, Asked::default()),
        };
        let (hosts, names) = sums(&outside.witnesses, &answers);
        witnesses_said(board, begun, hosts, names, addresses);
        let pause = if trouble { IN_TROUBLE_EVERY } else { IN_CALM_EVERY };
        tokio::time::sleep_until((begun + AT_MOST_EVERY).into()).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = outside.trouble.notified() => {}
        }
    }
}

/// Those that count, by address and by name.
fn sums(witnesses: &[Witness], answers: &[bool]) -> (Asked, Asked) {
    let (mut hosts, mut names) = (Asked::default(), Asked::default());
    for (witness, answers) in witnesses.iter().zip(answers).filter(|(witness, _)| witness.counts()) {
        let sum = if witness.is_by_name() { &mut names } else { &mut hosts };
        sum.asked += 1;
        sum.failing += u32::from(!answers);
    }
    (hosts, names)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn witness(how: WitnessHow) -> Witness {
        Witness::new(WitnessSettings { name: "w".into(), how })
    }

    #[tokio::test]
    async fn a_witness_that_never_answered_is_not_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = witness(WitnessHow::Tcp(listener.local_addr().unwrap()));
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let never = witness(WitnessHow::Tcp(closed.local_addr().unwrap()));
        drop(closed);
        let named = witness(WitnessHow::Dns("localhost".into()));
        let all = [there, never, named];
        let ask = || async { join_all(all.iter().map(Witness::ask)).await };
        let answers = ask().await;
        assert_eq!(answers, [true, false, true]);
        let one = Asked { asked: 1, failing: 0 };
        assert_eq!(sums(&all, &answers), (one, one));
        drop(listener);
        assert_eq!(sums(&all, &ask().await), (Asked { asked: 1, failing: 1 }, one));
    }
}

//! The losses that nobody publishes, each made for real in a lab.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::building::Building;
use super::traffic::Sample;
use super::{Mode, Options, losses};
use crate::Lab;

/// What a loss did to the clients.
#[derive(Debug, Default)]
pub(super) struct Loss {
    pub(super) requests: usize,
    pub(super) failed: usize,
    pub(super) lost: usize,
    pub(super) doubled: usize,
    /// From the loss to the first local answer to a request that came after it.
    pub(super) transfer: Option<Duration>,
    /// The longest wait for a first text after the loss, of streams: in committed mode the text comes at once.
    pub(super) longest_wait: Duration,
    /// Users' requests that reached one dead upstream although it was known to be dead.
    pub(super) attempts: Option<usize>,
    /// From the return to the first answer of a cloud.
    pub(super) failback: Option<Duration>,
    /// Of the answers in the first five seconds after that, those of a cloud, in percent.
    pub(super) returned_percent: Option<usize>,
    /// What was measured besides.
    pub(super) note: String,
    /// Criteria that were missed; none is a pass.
    pub(super) missed: Vec<String>,
}

/// How a loss went, or why it was not tried.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(Loss),
    NotRun(String),
}

pub(super) type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// No answer takes longer, whole or not.
const ALL_END_WITHIN: Duration = Duration::from_secs(45);
/// The first promise.
const TRANSFER_WITHIN: Duration = Duration::from_secs(10);
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// In its first seconds the ramp lets one request after the other try the way, then a tenth of them; more is thundering.
const MOST_RETURNED_PERCENT: usize = 30;
/// Users' requests that may reach one dead upstream in a minute.
const MOST_ATTEMPTS: usize = 3;
const RAMP: Duration = Duration::from_secs(5);

/// Which of the losses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    /// Those that measure latencies, one after the other.
    Alone,
    SideBySide,
}

/// A loss and how it went.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) number: usize,
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
}

impl Tried {
    pub(super) fn is_fine(&self) -> bool {
        !matches!(&self.outcome, Outcome::Done(loss) if !loss.missed.is_empty())
    }
}

/// The losses of this part that are wanted.
pub(super) async fn all(options: &Options, part: Part) -> Vec<Tried> {
    let missing = Lab::missing();
    let places = Arc::new(Semaphore::new(if part == Part::Alone { 1 } else { options.labs }));
    let mut running = JoinSet::new();
    for (number, loss) in losses::ALL.iter().enumerate() {
        let losses::Kind { name, run, alone } = *loss;
        if !options.offline || !options.wants(name) || alone != (part == Part::Alone) {
            continue;
        }
        let (places, seed) = (places.clone(), options.seeds[0]);
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let outcome = match missing {
                Some(missing) => Outcome::NotRun(missing.to_owned()),
                None => tokio::spawn(run(seed)).await.unwrap_or_else(|error| broken(&error.to_string())),
            };
            Tried { number, name, outcome }
        });
    }
    running.join_all().await
}

fn broken(why: &str) -> Outcome {
    Outcome::Done(Loss { missed: vec![why.to_owned()], ..Loss::default() })
}

impl Loss {
    /// Counts what clients saw; `cut` is when the loss began.
    pub(super) fn of(samples: &[Sample], cut: Instant) -> Loss {
        let words = samples.iter().map(Sample::lost_and_doubled);
        let (lost, doubled) = words.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let wrong: Vec<_> = samples.iter().filter(|sample| !sample.is_right()).collect();
        let after = || samples.iter().filter(|sample| sample.asked >= cut);
        let local = after().filter(|sample| sample.is_local()).map(Sample::first_text).min();
        let hit = samples.iter().filter(|sample| sample.mode == Mode::Stream && sample.first_text() >= cut);
        let missed = wrong
            .first()
            .map(|first| format!("{} of {} requests: {}", wrong.len(), samples.len(), first.wrong()));
        let longest = samples.iter().map(Sample::took).max().unwrap_or_default();
        Loss {
            requests: samples.len(),
            failed: wrong.len(),
            lost,
            doubled,
            transfer: local.map(|first| first - cut),
            longest_wait: hit.map(Sample::waited).max().unwrap_or_default(),
            missed: missed.into_iter().collect(),
            ..Loss::default()
        }
        .unless(longest <= ALL_END_WITHIN, format!("an answer took {longest:?}"))
    }

    /// The first local answer came in time.
    pub(super) fn with_transfer(mut self) -> Loss {
        match self.transfer {
            Some(transfer) if transfer <= TRANSFER_WITHIN => {}
            other => self.missed.push(format!("transfer {other:?}, {TRANSFER_WITHIN:?} allowed")),
        }
        self
    }

    /// A criterion of its own.
    pub(super) fn unless(mut self, met: bool, why: String) -> Loss {
        if !met {
            self.missed.push(why);
        }
        self
    }

    /// Adds what came after the return at `restored`: how soon a cloud answered, and how many went back at once.
    pub(super) fn with_return(mut self, samples: &[Sample], restored: Instant) -> Loss {
        let back = samples
            .iter()
            .filter(|sample| sample.asked >= restored && sample.is_cloud())
            .map(|s| s.asked)
            .min();
        self.failback = back.map(|back| back - restored);
        match self.failback {
            Some(failback) if failback <= BACK_WITHIN => {}
            other => self.missed.push(format!("failback {other:?}, {BACK_WITHIN:?} allowed")),
        }
        if let Some(back) = back {
            let ramp: Vec<_> = samples.iter().filter(|s| s.asked >= back && s.asked < back + RAMP).collect();
            let percent = ramp.iter().filter(|sample| sample.is_cloud()).count() * 100 / ramp.len().max(1);
            self.returned_percent = Some(percent);
            // A few requests are no crowd.
            if ramp.len() >= 20 && percent > MOST_RETURNED_PERCENT {
                self.missed.push(format!("{percent} % of the answers at once back from the cloud"));
            }
        }
        self
    }

    /// A dead upstream is left in peace.
    pub(super) fn with_attempts(mut self, attempts: usize) -> Loss {
        self.attempts = Some(attempts);
        self.unless(attempts <= MOST_ATTEMPTS, format!("{attempts} users' requests reached a dead upstream"))
    }

    pub(super) fn note(mut self, note: String) -> Loss {
        self.note = note;
        self
    }
}

/// Ends a scenario: the box stops as it should.
pub(super) async fn over(mut building: Building, loss: Loss) -> Outcome {
    building.appliance.stop().await;
    Outcome::Done(loss)
}

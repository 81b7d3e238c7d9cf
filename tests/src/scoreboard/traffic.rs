//! Clients that ask again and again while the world changes around them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::answered::{self, Answered};
use super::{Mode, words};
use crate::Client;
use crate::test_appliance::Known;

/// One request of the load.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) asked: Instant,
    pub(super) mode: Mode,
    /// None where the request failed on the client's side: no answer at all.
    pub(super) answered: Result<Answered, String>,
    answer: Arc<str>,
}

/// Clients that run until they are told to stop.
pub(super) struct Traffic {
    over: Arc<AtomicBool>,
    samples: Arc<Mutex<Vec<Sample>>>,
    clients: JoinSet<()>,
}

impl Traffic {
    /// So many clients; every second one asks for a stream.
    pub(super) fn start(client: &Client, count: usize, alias: &'static str, known: &Known) -> Traffic {
        let (over, samples) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut clients = JoinSet::new();
        for number in 0..count {
            let mode = if number % 2 == 0 { Mode::Stream } else { Mode::Committed };
            let (client, over, known) = (client.clone(), over.clone(), known.clone());
            let samples = Arc::clone(&samples);
            clients.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let sample = one(&client, alias, &known, mode).await;
                    lock(&samples).push(sample);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
        Traffic { over, samples, clients }
    }

    /// Waits for the first answer that is such a one, and says when it was asked for.
    pub(super) async fn until(&self, patience: Duration, is_it: impl Fn(&Sample) -> bool) -> Option<Instant> {
        let started = Instant::now();
        while started.elapsed() < patience {
            if let Some(found) = lock(&self.samples).iter().find(|sample| is_it(sample)) {
                return Some(found.asked);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// Tells them to stop, waits for their last answers, and gives all in the order of the questions.
    pub(super) async fn stop(self) -> Vec<Sample> {
        self.over.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        let mut samples = std::mem::take(&mut *lock(&self.samples));
        samples.sort_by_key(|sample| sample.asked);
        samples
    }
}

fn lock(samples: &Mutex<Vec<Sample>>) -> MutexGuard<'_, Vec<Sample>> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request; a client that panics has met a box that breaks its contract.
pub(super) async fn one(client: &Client, alias: &'static str, known: &Known, mode: Mode) -> Sample {
    let (asked, answer) = (Instant::now(), Arc::from(known.answer.as_str()));
    let (client, known) = (client.clone(), known.clone());
    let asking =
        tokio::spawn(async move { answered::ask(&client, alias, &known.question, mode, false).await });
    Sample { asked, mode, answered: asking.await.map_err(|error| error.to_string()), answer }
}

impl Sample {
    /// Whole, and word for word what it must be.
    pub(super) fn is_right(&self) -> bool {
        self.answered.as_ref().is_ok_and(|answered| answered.whole && *answered.said == *self.answer)
    }

    pub(super) fn lost_and_doubled(&self) -> (usize, usize) {
        match &self.answered {
            Ok(answered) if answered.whole => words::lost_and_doubled(&self.answer, &answered.said),
            _ => (0, 0),
        }
    }

    /// The one who ended the answer is in the building.
    pub(super) fn is_local(&self) -> bool {
        self.answered.as_ref().is_ok_and(|a| a.served_by.last().is_some_and(|by| by.starts_with("local/")))
    }

    pub(super) fn is_cloud(&self) -> bool {
        self.answered
            .as_ref()
            .is_ok_and(|a| a.served_by.iter().all(|by| !by.starts_with("local/")) && a.whole)
    }

    /// One upstream alone made it, whole.
    pub(super) fn is_of(&self, upstream: &str) -> bool {
        self.is_cloud()
            && self.answered.as_ref().is_ok_and(|a| a.served_by.iter().all(|by| by.starts_with(upstream)))
    }

    /// When its first text was there.
    pub(super) fn first_text(&self) -> Instant {
        self.asked + self.waited()
    }

    pub(super) fn waited(&self) -> Duration {
        self.answered.as_ref().map_or(Duration::ZERO, |answered| answered.waited)
    }

    pub(super) fn took(&self) -> Duration {
        self.answered.as_ref().map_or(Duration::ZERO, |answered| answered.took)
    }

    /// What went wrong, in a few words.
    pub(super) fn wrong(&self) -> String {
        match &self.answered {
            Err(error) => error.clone(),
            Ok(Answered { status, whole, error, said, served_by, .. }) => {
                format!("{status} whole {whole} by {served_by:?} error {error:?} said {said:?}")
            }
        }
    }
}

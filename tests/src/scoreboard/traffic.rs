//! Clients that ask again and again while the world changes around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    clients: JoinSet<Vec<Sample>>,
}

impl Traffic {
    /// So many clients; every second one asks for a stream.
    pub(super) fn start(client: &Client, count: usize, alias: &'static str, known: &Known) -> Traffic {
        let over = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..count {
            let mode = if number % 2 == 0 { Mode::Stream } else { Mode::Committed };
            let (client, over, known) = (client.clone(), over.clone(), known.clone());
            clients.spawn(async move {
                let mut samples = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    samples.push(one(&client, alias, &known, mode).await);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                samples
            });
        }
        Traffic { over, clients }
    }

    /// Tells them to stop, waits for their last answers, and gives all in the order of the questions.
    pub(super) async fn stop(self) -> Vec<Sample> {
        self.over.store(true, Ordering::Relaxed);
        let mut samples = self.clients.join_all().await.concat();
        samples.sort_by_key(|sample| sample.asked);
        samples
    }
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

//! A lab with two clouds, a box as shipped and a question that all of them answer with the same words.

use std::time::{Duration, Instant};

use super::faults::question;
use super::traffic::{Sample, Traffic};
use super::{Mode, traffic};
use crate::lab::{Impostor, Lab, Site};
use crate::test_appliance::{Builder, Known};
use crate::{Client, Dice, FakeCloud, TestAppliance};

/// The world of one offline scenario.
pub(super) struct Building {
    pub(super) appliance: TestAppliance,
    pub(super) alpha: FakeCloud,
    pub(super) beta: FakeCloud,
    pub(super) known: Known,
    impostors: [(Impostor, FakeCloud); 3],
    pub(super) lab: Lab,
}

impl Building {
    /// Everything is well, and the box says so.
    pub(super) async fn well(seed: u64) -> Building {
        let building = Building::with(seed, |_| {}, |builder| builder).await;
        building.appliance.until_state("connected").await;
        building
    }

    /// The same, with something done to the lab and to the box before the box starts.
    pub(super) async fn with(
        seed: u64,
        before: impl FnOnce(&Lab),
        describe: impl FnOnce(Builder) -> Builder,
    ) -> Building {
        let lab = Lab::build();
        let known = question(&mut Dice::new(seed));
        let (alpha, beta) = (lab.cloud(Site::Alpha), lab.cloud(Site::Beta));
        for cloud in [&alpha, &beta] {
            cloud.say(&known.answer);
        }
        let builder = lab.appliance().upstream("alpha", &alpha).upstream("beta", &beta).as_shipped();
        before(&lab);
        let appliance = describe(builder).start().await;
        let kinds = [Impostor::Trusted, Impostor::OtherAuthority, Impostor::OtherName];
        let impostors = kinds.map(|kind| (kind, lab.impostor(kind)));
        Building { appliance, alpha, beta, known, impostors, lab }
    }

    /// Who answers in place of the clouds once the router leads there.
    pub(super) fn impostor(&self, kind: Impostor) -> &FakeCloud {
        let found = self.impostors.iter().find(|(known, _)| *known == kind);
        &found.expect("there is one of each kind").1
    }

    /// A client at a desk.
    pub(super) fn desk(&self) -> Client {
        self.lab.at_desk(&self.appliance)
    }

    pub(super) fn traffic(&self, clients: usize) -> Traffic {
        Traffic::start(&self.desk(), clients, "assistant", &self.known)
    }

    pub(super) async fn ask(&self) -> Sample {
        traffic::one(&self.desk(), "assistant", &self.known, Mode::Stream).await
    }

    /// Asks every quarter of a second until a cloud answers; the samples on the way, and how long it took. Gives up
    /// after a minute and a half.
    pub(super) async fn until_cloud_answers(&self) -> (Vec<Sample>, Option<Duration>) {
        let (started, mut samples) = (Instant::now(), Vec::new());
        while started.elapsed() < Duration::from_secs(90) {
            let sample = self.ask().await;
            let (back, asked) = (sample.is_cloud(), sample.asked);
            samples.push(sample);
            if back {
                return (samples, Some(asked - started));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        (samples, None)
    }

    /// Users' requests that reached one of the clouds since then, whichever got more.
    pub(super) fn attempts_since(&self, then: Duration) -> usize {
        let clouds = [&self.alpha, &self.beta].into_iter();
        let attempts = clouds.map(|cloud| cloud.attempts_on("large").iter().filter(|at| **at > then).count());
        attempts.max().unwrap_or_default()
    }

    /// Chats that both clouds have seen.
    pub(super) fn chats(&self) -> usize {
        self.alpha.chats().len() + self.beta.chats().len()
    }
}

//! Performs each fault with each seed in each mode, many boxes side by side.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::answered;
use super::faults::{FAULTS, Stage};
use super::judge::{self, Evidence, Grade, Judgement};
use super::{Mode, Options, outage};
use crate::{Chat, FakeCloud, TestAppliance};

/// One performance and what came of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) fault: &'static str,
    pub(super) mode: Mode,
    pub(super) seed: u64,
    pub(super) judgement: Judgement,
    /// Requests of users on the primary while it was in trouble.
    pub(super) attempts: usize,
    /// The longest that a client waited for its first text.
    pub(super) transfer: Duration,
    pub(super) failback: Option<Duration>,
}

/// Which of the faults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    /// S15, which mostly waits.
    Waiting,
    Busy,
}

/// The public faults of this part that are wanted.
pub(super) async fn public(options: &Options, part: Part) -> Vec<Row> {
    let wanted =
        |fault: &str| options.public && options.wants(fault) && (fault == "S15") == (part == Part::Waiting);
    let places = Arc::new(Semaphore::new(match part {
        Part::Waiting => options.side_by_side * 2,
        Part::Busy => options.side_by_side,
    }));
    let mut performances = JoinSet::new();
    for (fault, _) in FAULTS.iter().filter(|(fault, _)| wanted(fault)).rev() {
        for (seed, mode) in
            options.seeds.iter().flat_map(|seed| options.modes.iter().map(move |m| (*seed, *m)))
        {
            let (places, fault) = (places.clone(), *fault);
            performances.spawn(async move {
                let _place = places.acquire_owned().await;
                // A harness that panics has found a box that breaks its contract.
                let performance = tokio::spawn(perform(Stage::new(fault, mode, seed)));
                performance.await.unwrap_or_else(|error| Row::broken(fault, mode, seed, &error.to_string()))
            });
        }
    }
    performances.join_all().await
}

impl Row {
    pub(super) fn is_fine(&self) -> bool {
        self.judgement.grade == Grade::Pass
    }

    fn broken(fault: &'static str, mode: Mode, seed: u64, why: &str) -> Row {
        let why = why.to_owned();
        let judgement = Judgement { grade: Grade::Fail, why, lost: 0, doubled: 0 };
        Row { fault, mode, seed, judgement, attempts: 0, transfer: Duration::ZERO, failback: None }
    }
}

async fn perform(stage: Stage) -> Row {
    let (primary, fallback) = (FakeCloud::on(stage.wire, "primary"), FakeCloud::on(stage.wire, "fallback"));
    primary.model(stage.fault, stage.primary.clone());
    fallback.model(&stage.fallback_model(), stage.fallback.clone());
    let mut appliance = appliance(&stage, &primary, &fallback).await;
    let client = if stage.https { appliance.https_client() } else { appliance.client() };
    if stage.warmed {
        client.ask(&Chat::new("assistant", "Is anybody there?")).await;
    }
    let row = if stage.fault == "S15" {
        let minute = outage::spend(&stage, &client, &primary).await;
        Row {
            fault: stage.fault,
            mode: stage.mode,
            seed: stage.seed,
            judgement: minute.judgement,
            attempts: minute.attempts,
            transfer: minute.longest_wait,
            failback: minute.failback,
        }
    } else {
        let before = primary.elapsed();
        let answered =
            answered::ask(&client, stage.fault, &stage.known.question, stage.mode, stage.streamed_commit)
                .await;
        let primary = primary.attempts_on(stage.fault).into_iter().map(|at| at - before).collect();
        let alive =
            client.ask(&Chat::new("local-only", &stage.known.question)).await.said() == stage.known.answer;
        let evidence = Evidence {
            answered,
            primary,
            fallback: fallback.attempts_on(&stage.fallback_model()).len(),
            alive,
        };
        Row {
            fault: stage.fault,
            mode: stage.mode,
            seed: stage.seed,
            judgement: judge::judge(&stage, &evidence),
            attempts: evidence.primary.len(),
            transfer: evidence.answered.waited,
            failback: None,
        }
    };
    appliance.stop().await;
    row
}

/// A box as shipped, with two upstreams and the pilot light behind one alias per fault.
async fn appliance(stage: &Stage, primary: &FakeCloud, fallback: &FakeCloud) -> TestAppliance {
    let (fault, other) = (stage.fault, stage.fallback_model());
    let alias = format!(
        "\n[[alias]]\nname = \"{fault}\"\ncloud = [\"primary/{fault}\", \"fallback/{other}\"]\nstandby = [\"pilot-light\"]\n"
    );
    let builder = TestAppliance::builder().upstream("primary", primary).upstream("fallback", fallback);
    builder.as_shipped().https().extra(&alias).start().await
}

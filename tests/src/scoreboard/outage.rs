//! S15: the primary is down for a minute, and twenty requests come four seconds apart.

use std::time::{Duration, Instant};

use super::answered::{self, Answered};
use super::faults::{DOWN, Stage};
use super::judge::{Grade, Judgement};
use super::words;
use crate::{Client, FakeCloud};

const REQUESTS: u32 = 20;
const APART: Duration = Duration::from_secs(4);
/// The primary carries requests again within this after its return.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// Users' requests that may reach the dead primary.
const MOST_ATTEMPTS: usize = 3;

/// What a minute without the primary was like.
#[derive(Debug)]
pub(super) struct Minute {
    pub(super) judgement: Judgement,
    pub(super) attempts: usize,
    pub(super) longest_wait: Duration,
    pub(super) failback: Option<Duration>,
}

/// Goes through it, and on until the primary answers again or its time is over.
pub(super) async fn spend(stage: &Stage, client: &Client, primary: &FakeCloud) -> Minute {
    let (started, cloud_started) = (Instant::now(), primary.elapsed());
    let mut answers = Vec::new();
    let mut failback = None;
    for number in 0.. {
        let due = APART * number;
        if number >= REQUESTS && (failback.is_some() || due > DOWN + BACK_WITHIN) {
            break;
        }
        tokio::time::sleep_until((started + due).into()).await;
        let asked = started.elapsed();
        let answered =
            answered::ask(client, stage.fault, &stage.known.question, stage.mode, stage.streamed_commit)
                .await;
        if asked > DOWN && answered.served_by.iter().any(|by| by.starts_with("primary/")) {
            failback.get_or_insert(asked - DOWN);
        }
        answers.push(answered);
    }
    let attempts = primary.attempts_on(stage.fault);
    let dead = attempts.iter().filter(|at| **at < cloud_started + DOWN).count();
    let longest_wait = answers.iter().map(|answered| answered.waited).max().unwrap_or_default();
    Minute { judgement: judge(stage, &answers, dead, failback), attempts: dead, longest_wait, failback }
}

fn judge(stage: &Stage, answers: &[Answered], dead: usize, failback: Option<Duration>) -> Judgement {
    let texts = [&stage.primary.text, &stage.fallback.text, &stage.known.answer];
    let wrong: Vec<_> = answers.iter().filter(|a| a.whole && !texts.contains(&&a.said)).collect();
    let counts = wrong.iter().map(|answered| words::lost_and_doubled(&stage.fallback.text, &answered.said));
    let (lost, doubled) = counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let unserved = answers.iter().filter(|answered| !answered.whole).count();
    let unclear = answers.iter().filter(|answered| !answered.whole && answered.error.is_none()).count();
    let (grade, why) = match failback {
        _ if !wrong.is_empty() || unclear > 0 => {
            (Grade::Fail, format!("{} wrong, {unclear} unclear", wrong.len()))
        }
        _ if unserved > 0 => (Grade::Safe, format!("{unserved} of {} not served", answers.len())),
        None => (Grade::Partial, format!("not back after {} s", BACK_WITHIN.as_secs())),
        Some(after) if after > BACK_WITHIN => (Grade::Partial, format!("back after {after:.1?}")),
        _ if dead > MOST_ATTEMPTS => (Grade::Partial, format!("{dead} attempts on the dead upstream")),
        _ => (Grade::Pass, String::new()),
    };
    Judgement { grade, why, lost, doubled }
}

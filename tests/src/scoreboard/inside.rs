//! Losses on this side of the cloud: the LAN, the first start, the worker, the clock.

use std::time::Instant;

use super::building::Building;
use super::losses::seconds;
use super::offline::{Loss, Outcome, over};
use super::traffic::Traffic;
use super::{Mode, traffic};
use crate::lab::Answering;

/// Desks are cut off; who is on the box itself is served all the time, and the desks are back at once.
pub(super) async fn lan_down(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let inside = Traffic::start(&building.appliance.client(), 8, "assistant", &building.known);
    seconds(1.0).await;
    let cut = Instant::now();
    building.lab.pull_lan();
    seconds(4.0).await;
    building.lab.plug_lan();
    let restored = Instant::now();
    let desk = building.ask().await;
    let back = restored.elapsed();
    let mut samples = inside.stop().await;
    let right = desk.is_right();
    samples.push(desk);
    let loss = Loss::of(&samples, cut).unless(right, "the desk is not served afterwards".to_owned());
    over(building, loss.note(format!("the desk is served {:.1} s after", back.as_secs_f64()))).await
}

pub(super) async fn cold_start(seed: u64) -> Outcome {
    let started = Instant::now();
    let dark = |lab: &crate::Lab| {
        lab.pull_cable();
        lab.names(Answering::Nothing);
    };
    let building = Building::with(seed, dark, |builder| builder).await;
    let ready = started.elapsed();
    let mut samples = vec![building.ask().await];
    let first = started.elapsed();
    building.lab.names(Answering::Well);
    building.lab.plug_cable();
    let restored = Instant::now();
    let (back, _) = building.until_cloud_answers().await;
    samples.extend(back);
    let loss = Loss::of(&samples, started).with_return(&samples, restored);
    let note =
        format!("ready after {:.1} s, first answer after {:.1} s", ready.as_secs_f64(), first.as_secs_f64());
    over(building, loss.note(note)).await
}

pub(super) async fn worker_killed(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let load = building.traffic(8);
    seconds(1.0).await;
    let cut = Instant::now();
    building.lab.refuse_all();
    let mut killed = 0;
    for _ in 0..3 {
        seconds(4.0).await;
        killed += building.appliance.kill_worker();
    }
    seconds(4.0).await;
    let samples = load.stop().await;
    let loss =
        Loss::of(&samples, cut).with_transfer().unless(killed == 3, format!("{killed} workers were killed"));
    over(building, loss.note(format!("{killed} kills"))).await
}

/// `libfaketime` gives the box a wall clock that begins at the epoch; its steady clock is the machine's.
pub(super) async fn clock_at_1970(seed: u64) -> Outcome {
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    if !std::path::Path::new(library).exists() {
        return Outcome::NotRun("needs the package faketime".to_owned());
    }
    let started = Instant::now();
    let old = |builder: crate::test_appliance::Builder| {
        builder
            .environment("LD_PRELOAD", library)
            .environment("FAKETIME", "@1970-01-01 00:00:10")
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .environment("TZ", "UTC")
    };
    let building = Building::with(seed, |_| {}, old).await;
    let mut samples = Vec::new();
    for mode in [Mode::Stream, Mode::Committed, Mode::Stream] {
        samples.push(traffic::one(&building.appliance.client(), "assistant", &building.known, mode).await);
    }
    building.lab.refuse_all();
    let cut = Instant::now();
    for mode in [Mode::Stream, Mode::Committed, Mode::Stream] {
        samples.push(traffic::one(&building.appliance.client(), "assistant", &building.known, mode).await);
    }
    let by: Vec<_> = samples.iter().map(|sample| if sample.is_local() { "local" } else { "cloud" }).collect();
    let verified = building.appliance.cli(&["audit", "verify"]).status.success();
    let loss = Loss::of(&samples, cut)
        .with_transfer()
        .unless(verified, "the audit chain is broken".to_owned())
        .note(format!("{}; all within {:.1} s of the start", by.join(" "), started.elapsed().as_secs_f64()));
    over(building, loss).await
}

//! Each loss of the cloud, of the building or of a part of the box.

use std::time::{Duration, Instant};

use super::building::Building;
use super::offline::{Loss, Outcome, Running, over};
use super::traffic::{Sample, Traffic};
use super::{Mode, blind, inside, traffic};
use crate::lab::{Answering, Impostor, Site};

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) run: fn(u64) -> Running,
    /// It measures latencies, and nothing runs beside it.
    pub(super) alone: bool,
}

const fn kind(name: &'static str, run: fn(u64) -> Running) -> Kind {
    Kind { name, run, alone: false }
}

pub(super) const ALL: &[Kind] = &[
    Kind { name: "refused under traffic", run: |seed| Box::pin(refused(seed)), alone: true },
    Kind { name: "black hole under traffic", run: |seed| Box::pin(black_hole(seed)), alone: true },
    kind("cable pulled, idle", |seed| Box::pin(cable_idle(seed))),
    kind("cable pulled, 32 clients", |seed| Box::pin(under_load(seed, 32, pull, plug, true))),
    kind("cable pulled, 16 streams", |seed| Box::pin(cable_in_streams(seed))),
    kind("DNS dead", |seed| Box::pin(under_load(seed, 8, kill_names, revive_names, true))),
    kind("captive portal", |seed| Box::pin(intercepted(seed, Impostor::Trusted))),
    kind("TLS interception", |seed| Box::pin(intercepted(seed, Impostor::OtherAuthority))),
    kind("key revoked", |seed| Box::pin(under_load(seed, 8, revoke, restore, true))),
    kind("quota gone", |seed| Box::pin(under_load(seed, 8, exhaust, restore, true))),
    kind("model withdrawn", |seed| Box::pin(under_load(seed, 8, withdraw, restore, true))),
    kind("one of two upstreams down", |seed| Box::pin(one_of_two(seed))),
    kind("answers cut, probes well", |seed| Box::pin(blind::answers_cut(seed))),
    kind("flapping ten times", |seed| Box::pin(flapping(seed))),
    kind("slow degradation", |seed| Box::pin(degradation(seed))),
    kind("LAN down", |seed| Box::pin(inside::lan_down(seed))),
    kind("cold start, no network", |seed| Box::pin(inside::cold_start(seed))),
    kind("worker killed in the outage", |seed| Box::pin(inside::worker_killed(seed))),
    kind("clock at 1970", |seed| Box::pin(inside::clock_at_1970(seed))),
];

type Verb = fn(&Building);

fn pull(building: &Building) {
    building.lab.pull_cable();
}

fn plug(building: &Building) {
    building.lab.plug_cable();
}

/// Connections that are open need no names: they are lost at the same time.
fn kill_names(building: &Building) {
    building.lab.names(Answering::Nothing);
    building.alpha.hang_up();
    building.beta.hang_up();
}

fn revive_names(building: &Building) {
    building.lab.names(Answering::Well);
}

fn revoke(building: &Building) {
    building.alpha.reject_key();
    building.beta.reject_key();
}

fn exhaust(building: &Building) {
    building.alpha.exhaust_quota();
    building.beta.exhaust_quota();
}

fn withdraw(building: &Building) {
    building.alpha.withdraw_model();
    building.beta.withdraw_model();
}

fn restore(building: &Building) {
    building.alpha.restore();
    building.beta.restore();
}

pub(super) async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// Users' requests that reach a dead upstream later than this count: those that were on their way do not.
const FOUND_WITHIN: Duration = Duration::from_secs(1);

/// Something is broken under the load of some clients, and mended again.
async fn under_load(seed: u64, clients: usize, breaks: Verb, mends: Verb, returns: bool) -> Outcome {
    let building = Building::well(seed).await;
    let load = building.traffic(clients);
    seconds(2.0).await;
    let cut = Instant::now();
    breaks(&building);
    let found = building.alpha.elapsed() + FOUND_WITHIN;
    seconds(12.0).await;
    let attempts = building.attempts_since(found);
    mends(&building);
    let restored = Instant::now();
    if returns {
        building.until_cloud_answers().await;
        seconds(5.0).await;
    }
    let samples = load.stop().await;
    let loss = Loss::of(&samples, cut).with_transfer();
    let loss = if returns { loss.with_return(&samples, restored) } else { loss };
    over(building, loss.with_attempts(attempts)).await
}

/// Refused at once: what each request pays for that, against one that stays inside.
async fn refused(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    building.ask().await;
    building.lab.refuse_all();
    let cut = Instant::now();
    let mut samples = vec![building.ask().await];
    let mut inside = Vec::new();
    for _ in 0..60 {
        samples.push(building.ask().await);
        inside.push(traffic::one(&building.desk(), "local-only", &building.known, Mode::Stream).await);
    }
    let added = p99(&samples[1..]).saturating_sub(p99(&inside));
    building.lab.open_all();
    let restored = Instant::now();
    let (back, _) = building.until_cloud_answers().await;
    samples.extend(back);
    let loss = Loss::of(&samples, cut).with_transfer().with_return(&samples, restored);
    let loss = loss
        .unless(added < Duration::from_millis(50), format!("{added:?} added at p99"))
        .note(format!("added at p99 after the first: {} ms", added.as_millis()));
    over(building, loss).await
}

fn p99(samples: &[Sample]) -> Duration {
    let mut waits: Vec<_> = samples.iter().map(Sample::waited).collect();
    waits.sort();
    waits[(waits.len() * 99).div_ceil(100) - 1]
}

/// Packets vanish under traffic: nobody waits longer than the hedge and the local first text.
async fn black_hole(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let load = building.traffic(16);
    // The hedge's delay is learned from twenty first tokens.
    seconds(4.0).await;
    let cut = Instant::now();
    building.lab.swallow_all();
    let inside = Traffic::start(&building.desk(), 4, "local-only", &building.known);
    seconds(12.0).await;
    let inside = inside.stop().await;
    building.lab.open_all();
    let restored = Instant::now();
    building.until_cloud_answers().await;
    seconds(5.0).await;
    let samples = load.stop().await;
    let streams = inside.iter().filter(|sample| sample.mode == Mode::Stream);
    let local = streams.map(Sample::waited).max().unwrap_or_default();
    let allowed = HEDGE + local + SLACK;
    let loss = Loss::of(&samples, cut).with_transfer().with_return(&samples, restored);
    let longest = loss.longest_wait;
    let loss =
        loss.unless(longest <= allowed, format!("{longest:?} waited, {allowed:?} allowed")).note(format!(
            "allowed {:.1} s: hedge 2 s, local first text {:.1} s",
            allowed.as_secs_f64(),
            local.as_secs_f64()
        ));
    over(building, loss).await
}

/// What is allowed for being noticed and being counted, on a machine that does other things too.
const SLACK: Duration = Duration::from_secs(1);

/// The least delay of a hedge, which holds for a way that is usually quick.
const HEDGE: Duration = Duration::from_secs(2);

/// Nobody asks anything: probes alone must find it, and the next request is answered at once.
async fn cable_idle(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let cut = Instant::now();
    building.lab.pull_cable();
    let found = building.appliance.until_state("offline").await;
    let chats = building.chats();
    let mut samples = vec![building.ask().await];
    let sent = building.chats() - chats;
    building.lab.plug_cable();
    let restored = Instant::now();
    let (back, _) = building.until_cloud_answers().await;
    samples.extend(back);
    let loss = Loss::of(&samples, cut).with_transfer().with_return(&samples, restored);
    let loss = loss
        .unless(sent == 0, format!("{sent} chats left the building"))
        .note(format!("found after {:.1} s without traffic", found.as_secs_f64()));
    over(building, loss).await
}

async fn cable_in_streams(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    for cloud in [&building.alpha, &building.beta] {
        cloud.pace(Duration::from_millis(150));
    }
    let load: Vec<_> = (0..16)
        .map(|_| {
            let (client, known) = (building.desk(), building.known.clone());
            tokio::spawn(async move { traffic::one(&client, "assistant", &known, Mode::Stream).await })
        })
        .collect();
    seconds(1.5).await;
    let cut = Instant::now();
    building.lab.pull_cable();
    let mut samples = Vec::new();
    for stream in load {
        samples.push(stream.await.expect("a sample catches its panics"));
    }
    let seams = samples.iter().filter(|sample| sample.is_local()).count();
    samples.push(building.ask().await);
    building.lab.plug_cable();
    let restored = Instant::now();
    let (back, _) = building.until_cloud_answers().await;
    samples.extend(back);
    let loss = Loss::of(&samples, cut).with_transfer().with_return(&samples, restored);
    let loss = loss
        .unless(seams == 16, format!("{seams} of 16 went on locally"))
        .note(format!("{seams} streams went on locally"));
    over(building, loss).await
}

/// Something else answers in place of both clouds.
async fn intercepted(seed: u64, kind: Impostor) -> Outcome {
    let building = Building::well(seed).await;
    let impostor = building.impostor(kind);
    impostor.speak_html();
    let load = building.traffic(8);
    seconds(2.0).await;
    let cut = Instant::now();
    building.lab.redirect(Site::Alpha, kind);
    building.lab.redirect(Site::Beta, kind);
    seconds(12.0).await;
    building.lab.open_all();
    impostor.hang_up();
    let restored = Instant::now();
    building.until_cloud_answers().await;
    seconds(5.0).await;
    let samples = load.stop().await;
    let loss = Loss::of(&samples, cut).with_transfer().with_return(&samples, restored);
    over(building, loss).await
}

async fn one_of_two(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let load = building.traffic(8);
    seconds(2.0).await;
    let cut = Instant::now();
    building.lab.swallow(Site::Alpha);
    seconds(12.0).await;
    let by_beta = building.beta.chats().len();
    building.lab.open_all();
    let restored = Instant::now();
    let answered = |sample: &Sample| sample.asked >= restored && sample.is_of("alpha/");
    let back = load.until(Duration::from_secs(60), answered).await.map(|asked| asked - restored);
    let samples = load.stop().await;
    let mut loss = Loss::of(&samples, cut).unless(by_beta > 0, "the other cloud was not asked".to_owned());
    loss.failback = back;
    let in_time = back.is_some_and(|back| back <= Duration::from_secs(30));
    let loss = loss.unless(in_time, format!("alpha is back after {back:?}"));
    over(building, loss.note(format!("{by_beta} answers of the other cloud"))).await
}

async fn flapping(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let load = building.traffic(8);
    seconds(1.0).await;
    let cut = Instant::now();
    for round in 0..10 {
        if round % 2 == 0 {
            building.lab.refuse_all();
        } else {
            building.lab.swallow_all();
        }
        seconds(0.8).await;
        building.lab.open_all();
        seconds(0.7).await;
    }
    seconds(2.0).await;
    let samples = load.stop().await;
    over(building, Loss::of(&samples, cut)).await
}

/// More and more packets are lost on the way to the clouds.
async fn degradation(seed: u64) -> Outcome {
    let building = Building::well(seed).await;
    let load = building.traffic(8);
    seconds(2.0).await;
    let cut = Instant::now();
    for percent in [5, 15, 30, 50, 70] {
        building.lab.lose(percent);
        seconds(3.0).await;
    }
    building.lab.open_all();
    let samples = load.stop().await;
    over(building, Loss::of(&samples, cut).note("5 to 70 % of the packets lost".to_owned())).await
}

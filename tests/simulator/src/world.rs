//! One simulated world: the real gateway in one thread and in paused time, and everything around it from a seed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use gateway::settings::{
    AliasSettings, CloudRoute, Deadlines, Limits, ProbeSettings, Settings, UpstreamSettings,
};
use gateway::{Door, Gateway};
use inference::{LocalModel, ModelSpec};
use prometheus_client::registry::Registry;
use store::{Commit, KeyLane, Secret, Store};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::client::Seen;
use crate::cloud::Cloud;
use crate::dice::Dice;
use crate::network::Cables;
use crate::persons::Ordered;
use crate::plan::{CALM_AT, KEYS, MODELS, Plan, UPSTREAMS};
use crate::sabotage::Sabotage;
use crate::standby::Standby;
use crate::weather::Weather;
use crate::{kernel, spawn};

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) book: Book,
    pub(crate) store: Store,
    pub(crate) gateway: Gateway,
    pub(crate) door: Router,
    pub(crate) keys: Vec<Secret>,
    pub(crate) sabotage: Option<Sabotage>,
    dir: PathBuf,
    cancel: CancellationToken,
}

/// All that is left of a world when it is over.
pub(crate) struct Remains {
    pub(crate) plan: Plan,
    pub(crate) book: Book,
    pub(crate) seen: Vec<Seen>,
    pub(crate) audit: Vec<store::Entry>,
    /// From before the order to after it was known to be carried out.
    pub(crate) revoked: Option<(Duration, Duration)>,
    pub(crate) orders: Vec<Ordered>,
    /// When every breaker had to be closed again.
    pub(crate) settled: Duration,
    /// The requests that were sent to see whether the cloud is used again.
    pub(crate) trials: Vec<Seen>,
}

/// How long the checks of recovery watch the status page after the last fault.
pub(crate) const WATCHED: Duration = Duration::from_secs(31);

impl World {
    pub(crate) async fn build(seed: u64, dir: &Path, sabotage: Option<Sabotage>) -> World {
        let plan = Plan::draw(seed);
        let book = Book::begin();
        for line in plan.lines() {
            book.tell(line);
        }
        let weather = Arc::new(Weather::new(plan.episodes.clone()));
        let cloud = Arc::new(Cloud {
            weather: weather.clone(),
            book: book.clone(),
            dice: Mutex::new(Dice::new(seed, "cloud")),
            sabotage,
        });
        gateway::simulation::join(Arc::new(Cables { weather, cloud, book: book.clone() }));
        inference::simulation::follow(Arc::new(Standby::new(plan.locals.clone(), book.clone())));
        let (store, disk) = Store::open_simulated(dir).expect("a new folder takes a store");
        spawn(disk.run(fate(&plan, &book)));
        let mut keys = Vec::new();
        for name in KEYS {
            keys.push(store.core.create_key(name, KeyLane::Clinical).await.expect("a new store takes a key"));
        }
        let cancel = CancellationToken::new();
        let (locals, keepers): (Vec<_>, Vec<_>) = plan
            .locals
            .iter()
            .map(|local| {
                let spec = ModelSpec::new(local.name, "none", "none");
                LocalModel::new(ModelSpec { sequences: local.sequences as u32, ..spec })
            })
            .unzip();
        for keeper in keepers {
            spawn(keeper.run(cancel.clone()));
        }
        let mut registry = Registry::with_prefix("genset");
        let (gateway, monitor) = Gateway::build(settings(&plan), locals, store.clone(), &mut registry)
            .expect("the settings are usable");
        spawn(monitor.run(cancel.clone()));
        let door = Door::new(gateway.clone(), Arc::new(registry)).router();
        World { plan, book, store, gateway, door, keys, sabotage, dir: dir.to_owned(), cancel }
    }

    /// Lives the plan to its end.
    pub(crate) async fn live(self) -> Remains {
        let world = Arc::new(self);
        let watching = CancellationToken::new();
        let watcher = {
            let (world, watching) = (world.clone(), watching.clone());
            spawn(async move {
                watching.run_until_cancelled(world.watch()).await;
            })
        };
        for (at, by_ms) in world.plan.clock_jumps.clone() {
            let book = world.book.clone();
            spawn(async move {
                sleep(at).await;
                book.tell(format!("somebody sets the wall clock by {by_ms} ms"));
                kernel::move_wall_clock(by_ms);
            });
        }
        let revoking = {
            let world = world.clone();
            spawn(async move { world.revoke().await })
        };
        let mut ordering = JoinSet::new();
        for order in world.plan.orders.clone() {
            let world = world.clone();
            ordering.spawn(async move { world.order(order).await });
        }
        let seen = world.clients(world.plan.requests.clone()).await;
        let orders = ordering.join_all().await.into_iter().flatten().collect();
        let revoked = revoking.await.ok().flatten();
        let settled = CALM_AT.max(world.book.now()) + WATCHED;
        let trials = world.come_back(settled).await;
        watching.cancel();
        // The watcher ends by the order above; a panic in it would have ended the process.
        let _ = watcher.await;
        sleep(Duration::from_secs(5)).await;
        let in_flight = world.look().await.map_or(0, |look| look.in_flight);
        if in_flight > 0 {
            world.book.wrong("1 ends-once", format!("{in_flight} local answers run for nobody"));
        }
        world.cancel.cancel();
        let audit = world.store.audit.recent(100_000).unwrap_or_default();
        world.store.close().await;
        if let Err(error) = store::verify_file(&world.dir.join("audit.db")) {
            world.book.wrong("10 audit-first", format!("the audit log does not verify: {error}"));
        }
        Remains {
            plan: world.plan.clone(),
            book: world.book.clone(),
            seen,
            audit,
            revoked,
            orders,
            settled,
            trials,
        }
    }

    async fn clients(self: &Arc<Self>, requests: Vec<crate::plan::RequestPlan>) -> Vec<Seen> {
        let mut clients = JoinSet::new();
        for plan in requests {
            let world = self.clone();
            clients.spawn(async move {
                sleep(plan.at.saturating_sub(world.book.now())).await;
                world.client(plan).await
            });
        }
        let mut seen = clients.join_all().await;
        seen.sort_by_key(|seen| seen.plan.id);
        seen
    }

    /// Waits until the cloud must be back, and asks it something.
    async fn come_back(self: &Arc<Self>, settled: Duration) -> Vec<Seen> {
        sleep(settled.saturating_sub(self.book.now())).await;
        let hold = hold_down(most_trips(&self.book.pages().trace));
        self.book.tell(format!("the cloud must be back {} s from now", hold.as_secs() + 32));
        sleep(hold + Duration::from_secs(32)).await;
        let first = self.plan.requests.len() as u32 + 1;
        let at = self.book.now();
        let trials =
            (0..2 * self.plan.upstreams as u32).map(|n| crate::plan::RequestPlan::trial(first + n, at));
        let key = (0..KEYS.len()).find(|key| self.plan.revoked.is_none_or(|revoked| revoked.key != *key));
        let trials = trials.map(|trial| trial.with_key(key.unwrap_or_default())).collect();
        self.clients(trials).await
    }
}

/// From a loss that probes do not see to the next request that tries.
const BLIND: Duration = Duration::from_secs(30);

/// The longest time for which an upstream that tripped so often is held down, which probes may have been blind to.
fn hold_down(trips: usize) -> Duration {
    let doublings = trips.saturating_sub(2).min(10) as u32;
    match trips {
        0 => Duration::ZERO,
        _ => (Duration::from_secs(15) * 2_u32.pow(doublings)).clamp(BLIND, Duration::from_secs(15 * 60)),
    }
}

/// How often the breaker that tripped most did, by the box's own log: the audit log may be read-only meanwhile.
fn most_trips(trace: &[String]) -> usize {
    let mut trips = BTreeMap::new();
    for line in trace {
        if let Some((_, told)) = line.split_once("box: WARN upstream ")
            && let Some((upstream, _)) = told.split_once(": breaker closed to open")
        {
            *trips.entry(upstream).or_default() += 1;
        }
    }
    trips.into_values().max().unwrap_or_default()
}

/// What the disk does with each commit.
fn fate(plan: &Plan, book: &Book) -> impl FnMut() -> Commit + use<> {
    let (episodes, book) = (plan.disk.clone(), book.clone());
    move || {
        let now = book.now();
        let episode = episodes.iter().find(|episode| (episode.from..episode.to).contains(&now));
        Commit {
            takes: episode.map_or(Duration::from_millis(2), |episode| episode.takes),
            audit_is_read_only: episode.is_some_and(|episode| episode.audit_is_read_only),
        }
    }
}

/// Simulated workers say words, and nothing that has another form.
fn says_words() -> gateway::settings::RouteFacts {
    gateway::settings::RouteFacts { json: Some(false), ..Default::default() }
}

fn settings(plan: &Plan) -> Settings {
    let upstreams = UPSTREAMS[..plan.upstreams].iter().map(|name| UpstreamSettings {
        name: (*name).to_owned(),
        base_url: format!("https://{name}.example/v1"),
        api_key: Some(gateway::settings::Secret::new(format!("key-of-{name}"))),
        extra_roots_pem: None,
        deadlines: Deadlines::default(),
        hedge: gateway::settings::HedgeSettings::default(),
        probe: ProbeSettings::default(),
        thresholds: continuity::Thresholds::default(),
        failback: continuity::FailbackSteps::default(),
        demo: false,
    });
    let route = |(upstream, model): &(usize, usize)| CloudRoute {
        upstream: *upstream,
        model: MODELS[*model].to_owned(),
        label: format!("{}/{}", UPSTREAMS[*upstream], MODELS[*model]),
        facts: gateway::settings::RouteFacts::default(),
    };
    let aliases = plan.aliases.iter().map(|alias| AliasSettings {
        name: alias.name.to_owned(),
        kind: gateway::settings::Kind::Chat,
        cloud: alias.cloud.iter().map(route).collect(),
        standby: alias.standby.iter().map(|name| (*name).to_owned()).collect(),
        shorten: None,
        restricted: false,
        warm_share_percent: 0,
    });
    Settings {
        site_name: "Harbor Hospital".into(),
        upstreams: upstreams.collect(),
        aliases: aliases.collect(),
        limits: Limits::default(),
        drill: gateway::settings::DrillSettings::default(),
        standby_facts: plan.locals.iter().map(|local| (local.name.to_owned(), says_words())).collect(),
        brown_out: gateway::settings::BrownOutSettings::default(),
        demo_control: None,
        outside: gateway::settings::OutsideSettings::default(),
    }
}

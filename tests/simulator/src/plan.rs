//! What will happen in one simulated world, drawn from its seed before anything runs.

use std::time::Duration;

use inference::Lane;
use store::OrderKind;

use crate::dice::Dice;
use crate::weather::{Episode, Fault, Target};

/// After this nothing new goes wrong, and the checks of recovery begin.
pub(crate) const CALM_AT: Duration = Duration::from_secs(240);

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) upstreams: usize,
    pub(crate) locals: Vec<LocalPlan>,
    pub(crate) aliases: Vec<AliasPlan>,
    pub(crate) episodes: Vec<Episode>,
    pub(crate) requests: Vec<RequestPlan>,
    pub(crate) disk: Vec<DiskEpisode>,
    /// When the key of one ward is revoked.
    pub(crate) revoked: Option<Revocation>,
    pub(crate) orders: Vec<OrderPlan>,
    /// When somebody sets the wall clock, and by how many milliseconds.
    pub(crate) clock_jumps: Vec<(Duration, i64)>,
}

#[derive(Debug, Clone)]
pub(crate) struct LocalPlan {
    pub(crate) name: &'static str,
    pub(crate) mark: char,
    pub(crate) loading: Duration,
    pub(crate) step: Duration,
    pub(crate) sequences: usize,
    /// Prompt tokens that it can hold.
    pub(crate) context: u32,
    /// How long each of its lives lasts, and whether it ends by silence rather than by death.
    pub(crate) lives: Vec<(Duration, bool)>,
}

#[derive(Debug, Clone)]
pub(crate) struct AliasPlan {
    pub(crate) name: &'static str,
    /// Upstream and the number of its model.
    pub(crate) cloud: Vec<(usize, usize)>,
    pub(crate) standby: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub(crate) struct RequestPlan {
    pub(crate) id: u32,
    pub(crate) at: Duration,
    pub(crate) alias: usize,
    pub(crate) key: usize,
    pub(crate) stream: bool,
    pub(crate) committed: bool,
    pub(crate) include_usage: bool,
    pub(crate) local_only: bool,
    pub(crate) lane: Lane,
    pub(crate) conversation: Option<u64>,
    pub(crate) words: usize,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) need: Need,
    pub(crate) reader: Reader,
}

/// What a request needs beyond prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Prose,
    Json,
    Tool,
    /// More text than any local model holds.
    LongContext,
    /// The upstream's content filter refuses it.
    Filtered,
    UnknownAlias,
    BadBody,
}

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Eager,
    /// Stops for so long after some pieces.
    Pauses {
        after: usize,
        pause: Duration,
    },
    /// Goes away after some pieces.
    LeavesAfter(usize),
    /// Goes away after some time, whatever has come.
    LeavesAt(Duration),
}

#[derive(Debug, Clone)]
pub(crate) struct DiskEpisode {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) takes: Duration,
    pub(crate) audit_is_read_only: bool,
}

/// What a person in charge orders; it ends by itself, or is lifted.
#[derive(Debug, Clone)]
pub(crate) struct OrderPlan {
    pub(crate) at: Duration,
    pub(crate) kind: OrderKind,
    pub(crate) lasts: Duration,
    pub(crate) lifted_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Revocation {
    pub(crate) key: usize,
    pub(crate) at: Duration,
}

pub(crate) const KEYS: [&str; 3] = ["ward-a", "ward-b", "accounting"];
pub(crate) const UPSTREAMS: [&str; 3] = ["alpha", "beta", "gamma"];
pub(crate) const MODELS: [&str; 2] = ["swift", "grand"];

/// The mark of a model of an upstream.
pub(crate) fn cloud_mark(upstream: usize, model: &str) -> char {
    let model = usize::from(model == MODELS[1]);
    char::from(b'a' + (2 * upstream + model) as u8)
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Plan {
        let mut dice = Dice::new(seed, "plan");
        let upstreams = dice.pick(&[1, 2, 2, 2, 3]);
        let locals = locals(&mut dice);
        let aliases = aliases(&mut dice, upstreams, &locals);
        let revoked = dice
            .percent(40)
            .then(|| Revocation { key: dice.index(KEYS.len()), at: dice.ms(20_000, 200_000) });
        let episodes = episodes(&mut dice, upstreams);
        let requests = requests(&mut dice, aliases.len(), &episodes);
        let clock_jumps = match dice.percent(20) {
            true => vec![(dice.ms(5_000, 200_000), dice.pick(&[-1_772_000_000_000, -3_600_000, 86_400_000]))],
            false => Vec::new(),
        };
        Plan {
            orders: orders(&mut dice, upstreams, &locals),
            disk: disk(&mut dice),
            upstreams,
            locals,
            aliases,
            episodes,
            requests,
            revoked,
            clock_jumps,
        }
    }

    /// Whether the audit log could be written all the time.
    pub(crate) fn audit_is_well(&self) -> bool {
        !self.disk.iter().any(|episode| episode.audit_is_read_only)
    }
}

fn locals(dice: &mut Dice) -> Vec<LocalPlan> {
    let mut local = |name, mark, loading, step: (u64, u64), context| LocalPlan {
        name,
        mark,
        loading,
        step: dice.ms(step.0, step.1),
        sequences: dice.from(2, 8) as usize,
        context,
        lives: lives(dice),
    };
    let large = local("large", 'X', Duration::from_secs(20), (30, 250), 4000);
    let pilot = local("pilot", 'Y', Duration::from_secs(2), (10, 60), 2500);
    match dice.from(0, 19) {
        0 => Vec::new(),
        1..=4 => vec![pilot],
        _ => vec![large, pilot],
    }
}

fn lives(dice: &mut Dice) -> Vec<(Duration, bool)> {
    let count = if dice.percent(35) { dice.from(1, 3) } else { 0 };
    (0..count).map(|_| (dice.ms(3_000, 120_000), dice.percent(30))).collect()
}

fn aliases(dice: &mut Dice, upstreams: usize, locals: &[LocalPlan]) -> Vec<AliasPlan> {
    let all: Vec<&'static str> = locals.iter().map(|local| local.name).collect();
    let every = |model: usize| (0..upstreams).map(|upstream| (upstream, model)).collect::<Vec<_>>();
    let last = all.last().copied().into_iter().collect();
    let one = vec![(dice.index(upstreams), 1)];
    vec![
        AliasPlan { name: "assistant", cloud: every(0), standby: all.clone() },
        AliasPlan { name: "writer", cloud: one, standby: last },
        AliasPlan { name: "cloud-only", cloud: every(1), standby: Vec::new() },
        AliasPlan { name: "inside", cloud: Vec::new(), standby: all },
    ]
}

fn requests(dice: &mut Dice, aliases: usize, episodes: &[Episode]) -> Vec<RequestPlan> {
    let count = dice.from(15, 45) as u32;
    let mut requests: Vec<RequestPlan> = (0..count).map(|_| request(dice, aliases)).collect();
    // A crowd of long answers just before something breaks: those in flight are the ones that count.
    if dice.percent(50) {
        let at = match episodes.first() {
            Some(first) => first.from.saturating_sub(Duration::from_secs(2)),
            None => dice.ms(10_000, 150_000),
        };
        for request in requests.iter_mut().take(count as usize / 2) {
            request.at = at + dice.ms(0, 2_000);
            request.words = request.words.max(40);
        }
    }
    requests.sort_by_key(|request| request.at);
    for (id, request) in requests.iter_mut().enumerate() {
        request.id = id as u32 + 1;
    }
    requests
}

fn request(dice: &mut Dice, aliases: usize) -> RequestPlan {
    let stream = dice.percent(70);
    let words = dice.pick(&[1, 3, 8, 20, 40, 90]);
    let reader = match dice.from(0, 19) {
        0 => Reader::LeavesAfter(dice.from(1, 12) as usize),
        1 => Reader::LeavesAt(dice.ms(0, 15_000)),
        2 => Reader::Pauses { after: dice.from(1, 10) as usize, pause: dice.ms(500, 40_000) },
        _ => Reader::Eager,
    };
    let need = match dice.from(0, 39) {
        0 | 1 => Need::Json,
        2 | 3 => Need::Tool,
        4 => Need::LongContext,
        5 => Need::Filtered,
        6 => Need::UnknownAlias,
        7 => Need::BadBody,
        _ => Need::Prose,
    };
    RequestPlan {
        id: 0,
        at: dice.ms(1_000, 230_000),
        alias: [0, 0, 0, 0, 1, 1, 2, 3][dice.index(8)].min(aliases - 1),
        key: dice.index(KEYS.len()),
        stream,
        committed: stream && dice.percent(30),
        include_usage: dice.percent(50),
        local_only: dice.percent(12),
        lane: dice.pick(&[Lane::Clinical, Lane::Interactive, Lane::Interactive, Lane::Batch]),
        conversation: dice.percent(40).then(|| dice.from(1, 6)),
        words,
        max_tokens: dice.percent(10).then(|| dice.from(1, 40) as u32),
        need,
        reader,
    }
}

fn episodes(dice: &mut Dice, upstreams: usize) -> Vec<Episode> {
    let count = dice.pick(&[0, 1, 1, 2, 2, 3, 4, 6]);
    let mut episodes: Vec<Episode> = (0..count).map(|_| episode(dice, upstreams)).collect();
    // A way out that comes and goes.
    if dice.percent(10) {
        let fault = dice.pick(&[Fault::Refused, Fault::BlackHole, Fault::Dns]);
        let mut at = dice.ms(5_000, 60_000);
        for _ in 0..dice.from(3, 10) {
            let lasts = dice.ms(500, 8_000);
            let to = (at + lasts).min(CALM_AT);
            episodes.push(Episode { target: Target::Site, fault: fault.clone(), from: at, to, percent: 100 });
            at += lasts + dice.ms(500, 8_000);
        }
    }
    episodes.retain(|episode| episode.from < episode.to);
    episodes
}

fn episode(dice: &mut Dice, upstreams: usize) -> Episode {
    let from = dice.ms(2_000, 200_000);
    let lasts = dice.pick(&[(500, 3_000), (3_000, 20_000), (20_000, 90_000)]);
    let to = (from + dice.ms(lasts.0, lasts.1)).min(CALM_AT);
    let target = match dice.percent(40) {
        true => Target::Site,
        false => Target::Upstream(dice.index(upstreams)),
    };
    let fault = Fault::draw(dice);
    let percent = if fault.is_of_the_way() { 100 } else { dice.pick(&[30, 60, 100]) };
    Episode { target, fault, from, to, percent }
}

fn orders(dice: &mut Dice, upstreams: usize, locals: &[LocalPlan]) -> Vec<OrderPlan> {
    let count = if dice.percent(30) { dice.from(1, 2) } else { 0 };
    let order = |dice: &mut Dice| {
        let isolated = OrderKind::Isolate(UPSTREAMS[dice.index(upstreams)].to_owned());
        let unloaded = match locals.len() {
            0 => OrderKind::ForceLocal,
            some => OrderKind::Unload(locals[dice.index(some)].name.to_owned()),
        };
        OrderPlan {
            at: dice.ms(5_000, 140_000),
            kind: dice.pick(&[OrderKind::ForceLocal, OrderKind::ForceCloud, isolated, unloaded]),
            lasts: dice.ms(60_000, 90_000),
            lifted_after: dice.percent(60).then(|| dice.ms(2_000, 50_000)),
        }
    };
    (0..count).map(|_| order(dice)).collect()
}

fn disk(dice: &mut Dice) -> Vec<DiskEpisode> {
    let episode = |dice: &mut Dice, audit_is_read_only| {
        let from = dice.ms(5_000, 200_000);
        let takes = if audit_is_read_only { dice.ms(1, 5) } else { dice.ms(100, 4_000) };
        DiskEpisode { from, to: from + dice.ms(500, 20_000), takes, audit_is_read_only }
    };
    let mut episodes = Vec::new();
    if dice.percent(15) {
        episodes.push(episode(dice, false));
    }
    if dice.percent(12) {
        episodes.push(episode(dice, true));
    }
    episodes
}

impl RequestPlan {
    /// An easy question, to see who answers it.
    pub(crate) fn trial(id: u32, at: Duration) -> RequestPlan {
        RequestPlan {
            id,
            at,
            alias: 0,
            key: 0,
            stream: true,
            committed: false,
            include_usage: false,
            local_only: false,
            lane: Lane::Interactive,
            conversation: None,
            words: 5,
            max_tokens: None,
            need: Need::Prose,
            reader: Reader::Eager,
        }
    }

    pub(crate) fn with_key(self, key: usize) -> RequestPlan {
        RequestPlan { key, ..self }
    }
}

impl Plan {
    /// The plan for a person who reads a trace.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("plan: {} upstreams, {} requests", self.upstreams, self.requests.len())];
        lines.extend(self.locals.iter().map(|local| format!("plan: {local:?}")));
        lines.extend(self.aliases.iter().map(|alias| format!("plan: {alias:?}")));
        lines.extend(self.episodes.iter().map(|episode| {
            let Episode { target, fault, from, to, percent } = episode;
            let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
            format!("plan: from {from:.1} s to {to:.1} s {target:?} has {fault:?}, {percent} %")
        }));
        lines.extend(self.disk.iter().map(|disk| format!("plan: {disk:?}")));
        lines.extend(self.orders.iter().map(|order| format!("plan: {order:?}")));
        lines.extend(self.revoked.iter().map(|revoked| format!("plan: {revoked:?}")));
        lines
    }
}

//! What the box knows of itself and of the way to the cloud, as one snapshot that everybody may read.

use continuity::{SiteState, Verdict};
use inference::gpus::{GpuReading, IdleGpu, Worry};
use inference::{Kind, Memory};
use serde::Serialize;
use store::{Condition, OutageCounts};

use crate::announcer::Announcement;
use crate::drill::DrillView;

/// The newest facts of the site: the band, the status page and `/api/status` show nothing else.
#[derive(Debug, Clone, Serialize)]
pub struct Site {
    pub name: String,
    pub state: SiteState,
    /// Since when the state holds, in unix milliseconds.
    pub since_ms: i64,
    pub started_ms: i64,
    pub upstreams: Vec<UpstreamView>,
    pub locals: Vec<LocalView>,
    pub aliases: Vec<AliasView>,
    pub outage: Option<OutageView>,
    /// Losses of single upstreams while others answer.
    pub partial_outages: Vec<OutageView>,
    /// Answers that local models gave in the last 24 hours, as far back as the box runs.
    pub local_answers_24h: u64,
    /// The step of the ladder of scarcity, 0 for none.
    pub brown_out_step: u8,
    /// What persons in charge have ordered.
    pub orders: Vec<OrderView>,
    /// The drill that goes on, the last ones and the next.
    pub drill: DrillView,
    /// The newest, the oldest of them first; [`Announcement::current`] picks those that people should read now.
    pub announcements: Vec<Announcement>,
    /// The files of the store and their disk.
    pub store: Condition,
    pub machine: MachineView,
}

/// The GPUs of this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MachineView {
    /// As NVIDIA's library tells of them; empty where there is none.
    pub gpus: Vec<GpuState>,
    /// The version of NVIDIA's driver.
    pub driver: Option<String>,
    /// NVIDIA's library is there and does not work: what it says.
    pub trouble: Option<String>,
    /// False while the driver does not answer.
    pub is_fresh: bool,
    /// GPUs that the machine has and the engine does not use.
    pub idle: Vec<IdleGpu>,
}

/// One GPU, and what a person should look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GpuState {
    #[serde(flatten)]
    pub reading: GpuReading,
    /// The worst first.
    pub worries: Vec<Worry>,
}

/// One upstream as the box sees it.
#[derive(Debug, Clone, Serialize)]
pub struct UpstreamView {
    pub name: String,
    /// `closed`, `open` or `half-open`: its own, or that of its models where none of them is closed.
    pub breaker: &'static str,
    pub verdict: Option<Verdict>,
    /// What the newest evidence says, in words; without secrets and without text of requests.
    pub evidence: String,
    /// The same in Korean.
    pub evidence_ko: String,
    /// Share of new conversations that it gets, 0 to 100 percent.
    pub share_percent: u8,
    pub last_probe_ms: Option<i64>,
    /// Since when the breaker that is shown stands so, in unix milliseconds.
    pub since_ms: i64,
    /// A labelled stand-in for evaluation, not a real cloud.
    pub demo: bool,
    /// The models of it that routes use.
    pub models: Vec<ModelView>,
}

/// One model of an upstream.
#[derive(Debug, Clone, Serialize)]
pub struct ModelView {
    pub name: String,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Since when, in unix milliseconds.
    pub since_ms: i64,
    /// Only while its breaker is not closed, or while a throttle holds it back.
    pub verdict: Option<Verdict>,
    /// Share of new conversations that it gets while its upstream is there, 0 to 100 percent.
    pub share_percent: u8,
}

/// One local model.
#[derive(Debug, Clone, Serialize)]
pub struct LocalView {
    pub name: String,
    /// `chat`, `embedding` or `rerank`.
    pub kind: &'static str,
    /// `starting`, `loading`, `ready`, `failed`, `unloading` or `unloaded`.
    pub status: &'static str,
    /// It is loaded unless an order says otherwise; else only by an order.
    pub resident: bool,
    /// Progress of loading.
    pub percent: Option<u8>,
    /// One plain line: what it is, or why it failed and how to mend it.
    pub detail: String,
    /// Seconds since it last generated a token, or a vector.
    pub proven_age_s: Option<u64>,
    /// A token, or a vector, within the last minute.
    pub proven: bool,
    pub in_flight: u32,
    /// Of each replica that is ready, such as `CUDA0, CUDA1`.
    pub device: Option<String>,
    /// False where the kernel does not keep its process from other files or from the network. None until it is ready.
    pub confined: Option<bool>,
    /// What the file says of it, once it was read.
    pub facts: Option<FileFacts>,
    /// Where its layers are, once it is loaded.
    pub layers: Option<Layers>,
    /// What its process has; none while there is none.
    pub memory: Option<Memory>,
}

/// Where the layers of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Layers {
    /// All of them, the output counted as one; 0 where the engine did not tell.
    pub all: u32,
    pub on_gpu: u32,
    /// Some should be on a GPU and are not.
    pub is_short: bool,
}

/// What a model's file says of the model, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    pub sha256: String,
    pub size_bytes: u64,
    pub layers: u32,
    /// Tokens that it was trained on at once.
    pub context_train: u32,
    /// Memory that each token of a conversation takes while it runs.
    pub kv_bytes_per_token: u64,
    /// Numbers in each vector, and how it is made of a text; none of a model that answers in words.
    pub vectors: Option<VectorView>,
}

/// The vectors of a model that makes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VectorView {
    pub dimensions: u32,
    /// `mean`, `cls`, `last` or `rank`.
    pub pooling: &'static str,
}

impl LocalView {
    /// It answers in words: it can stand by for a cloud.
    pub fn speaks(&self) -> bool {
        self.kind == Kind::Chat.name()
    }
}

impl Site {
    /// The local models that stand by for an alias.
    pub fn standby_of<'a>(&'a self, alias: &'a AliasView) -> impl Iterator<Item = &'a LocalView> {
        self.locals.iter().filter(|local| alias.standby.contains(&local.name))
    }
}

/// How one alias is served.
#[derive(Debug, Clone, Serialize)]
pub struct AliasView {
    pub name: String,
    /// `chat`, `embedding` or `rerank`.
    pub kind: &'static str,
    pub cloud: Vec<String>,
    pub standby: Vec<String>,
}

/// The outage that is going on.
#[derive(Debug, Clone, Serialize)]
pub struct OutageView {
    pub id: String,
    /// `site` or `upstream`.
    pub scope: &'static str,
    /// The names of the upstreams that are lost.
    pub upstreams: String,
    /// The first failure that led to it.
    pub started_ms: i64,
    pub verdict: Option<Verdict>,
    pub evidence: String,
    /// The same in Korean.
    pub evidence_ko: String,
    /// When the breaker tripped.
    pub detected_ms: Option<i64>,
    /// From the first failure to the first local answer.
    pub transfer_ms: Option<i64>,
    /// Answers that local models gave since it began.
    pub served_local: u64,
    /// By lane and by who served; refusals, failovers, seams and hedges.
    pub counts: OutageCounts,
}

/// An order that stands.
#[derive(Debug, Clone, Serialize)]
pub struct OrderView {
    pub id: i64,
    /// `force-local`, `force-cloud`, `isolate`, `load` or `unload`.
    pub kind: &'static str,
    /// The upstream that is isolated.
    pub upstream: Option<String>,
    /// The local model that is loaded or unloaded.
    pub model: Option<String>,
    pub who: String,
    pub reason: String,
    pub given_ms: i64,
    pub until_ms: i64,
}

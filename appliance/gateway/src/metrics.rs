//! The gateway's own numbers, in the form that Prometheus reads.

mod gpus;

use std::sync::Arc;
use std::time::Duration;

use continuity::TurnedAway;
use inference::{LocalModel, Memory, Placement, Status};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::admission::Admission;
use crate::answer::{Refusal, Served};
use crate::board::{Board, now};
use crate::reason::Reason;

pub(crate) use gpus::register as register_gpus;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServedLabels {
    served_by: String,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusedLabels {
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FailoverLabels {
    upstream: String,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SeamLabels {
    reason: &'static str,
}

/// Counters and histograms; a clone counts into the same ones.
#[derive(Clone)]
pub(crate) struct Metrics {
    answers: Family<ServedLabels, Counter>,
    refusals: Family<RefusedLabels, Counter>,
    turned_away: Family<LimitLabels, Counter>,
    failovers: Family<FailoverLabels, Counter>,
    seams: Family<SeamLabels, Counter>,
    hedges: Counter,
    first_token: Family<RouteLabels, Histogram>,
    whole_answer: Family<RouteLabels, Histogram>,
}

/// From 1 ms to about 2 minutes.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 18))
}

impl Metrics {
    pub(crate) fn register(
        registry: &mut Registry,
        board: &Arc<Board>,
        locals: &[LocalModel],
        admission: &Arc<Admission>,
    ) -> Self {
        let metrics = Metrics {
            answers: Family::default(),
            refusals: Family::default(),
            turned_away: Family::default(),
            failovers: Family::default(),
            seams: Family::default(),
            hedges: Counter::default(),
            first_token: Family::new_with_constructor(seconds),
            whole_answer: Family::new_with_constructor(seconds),
        };
        registry.register("answers", "Whole answers, by the model that made them", metrics.answers.clone());
        registry.register("refusals", "Requests that got an error, by status", metrics.refusals.clone());
        registry.register(
            "turned_away",
            "Requests over a limit: of their caller at once or per minute, or of the whole box (full)",
            metrics.turned_away.clone(),
        );
        registry.register("failovers", "Attempts at an upstream that failed", metrics.failovers.clone());
        registry.register("seams", "Answers that a local model took over", metrics.seams.clone());
        registry.register(
            "hedges",
            "Local starts beside a cloud attempt that was late",
            metrics.hedges.clone(),
        );
        registry.register("first_token_seconds", "Time to the first token", metrics.first_token.clone());
        registry.register("answer_seconds", "Time to the whole answer", metrics.whole_answer.clone());
        registry.register(
            "deadlines_exceeded",
            "Deadlines of cloud answers that ran out: connect, headers, first-token, between-tokens, whole",
            board.deadlines_exceeded.clone(),
        );
        let readings =
            Readings { board: board.clone(), locals: locals.to_vec(), admission: admission.clone() };
        registry.register_collector(Box::new(readings));
        metrics
    }

    /// The first token of an answer is there.
    pub(crate) fn began(&self, served: &Served, after: Duration) {
        let labels = RouteLabels { route: served.route.as_str() };
        self.first_token.get_or_create(&labels).observe(after.as_secs_f64());
    }

    pub(crate) fn finished(&self, served: &Served, after: Duration) {
        let labels = RouteLabels { route: served.route.as_str() };
        self.whole_answer.get_or_create(&labels).observe(after.as_secs_f64());
        self.answers
            .get_or_create(&ServedLabels { served_by: served.by.clone(), reason: served.reason.as_str() })
            .inc();
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        self.refusals.get_or_create(&RefusedLabels { status: refusal.status }).inc();
    }

    pub(crate) fn turned_away(&self, turned_away: TurnedAway, refusal: &Refusal) {
        let limit = match turned_away {
            TurnedAway::AtOnce { .. } => "at-once",
            TurnedAway::PerMinute { .. } => "per-minute",
            TurnedAway::Full { .. } => "full",
        };
        self.turned_away.get_or_create(&LimitLabels { limit }).inc();
        self.refused(refusal);
    }

    pub(crate) fn failed_over(&self, upstream: &str, reason: Reason) {
        self.failovers
            .get_or_create(&FailoverLabels { upstream: upstream.to_owned(), reason: reason.as_str() })
            .inc();
    }

    pub(crate) fn seam(&self, reason: Reason) {
        self.seams.get_or_create(&SeamLabels { reason: reason.as_str() }).inc();
    }

    pub(crate) fn hedged(&self) {
        self.hedges.inc();
    }
}

/// What is read at the moment of asking rather than counted.
#[derive(Clone)]
struct Readings {
    board: Arc<Board>,
    locals: Vec<LocalModel>,
    admission: Arc<Admission>,
}

impl std::fmt::Debug for Readings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readings")
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(last_ms) = self.board.drills.view().last_passed_ms {
            let help = "When the whole site last passed a drill, unix seconds";
            let metric = ConstGauge::new(last_ms as f64 / 1000.0);
            let encoder = encoder.encode_descriptor(
                "drill_last_success_timestamp_seconds",
                help,
                None,
                metric.metric_type(),
            )?;
            metric.encode(encoder)?;
        }
        let mut gauge = |name: &str, help: &str, values: Vec<(&'static str, String, f64)>| {
            let gauge = ConstGauge::new(0.0);
            let mut metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            for (label, value, number) in values {
                let labels = [(label, value)];
                ConstGauge::new(number).encode(metric.encode_family(&labels)?)?;
            }
            Ok(())
        };
        let state = self.board.site_state().as_str().to_owned();
        gauge("site_state", "1 for the state that the site is in", vec![("state", state, 1.0)])?;
        let upstreams = self.board.upstreams.iter().map(|upstream| {
            let reading = upstream.circuit.reading(now());
            ("upstream", upstream.settings.name.clone(), f64::from(u8::from(reading.admits)))
        });
        gauge("upstream_admits", "1 while the breaker of the upstream is closed", upstreams.collect())?;
        let step = f64::from(self.admission.step());
        gauge(
            "brown_out_step",
            "The step of the ladder of scarcity, 0 for none",
            vec![("scope", "site".into(), step)],
        )?;
        let of_locals = |number: fn(&LocalModel) -> f64| {
            self.locals.iter().map(|m| ("model", m.name().to_owned(), number(m))).collect::<Vec<_>>()
        };
        gauge(
            "local_ready",
            "1 while the local model is ready, and has generated a token within the last minute",
            of_locals(|m| f64::from(u8::from(m.status().borrow().is_proven()))),
        )?;
        let waiting = self.locals.iter().flat_map(|model| {
            let waiting = model.occupancy().waiting;
            inference::Lane::ALL.into_iter().zip(waiting).map(|(lane, count)| (model.name(), lane, count))
        });
        let mut by_lane = std::collections::BTreeMap::new();
        waiting.for_each(|(_, lane, count)| *by_lane.entry(lane.as_str()).or_insert(0) += count);
        let by_lane = by_lane.into_iter().map(|(lane, count)| ("lane", lane.to_owned(), f64::from(count)));
        gauge("local_waiting", "Requests that wait for a local model, by lane", by_lane.collect())?;
        let wall_s = crate::clock::unix_ms() as f64 / 1000.0;
        let last_token = self.locals.iter().filter_map(|model| match &*model.status().borrow() {
            Status::Ready { proven_at, .. } => {
                Some(("model", model.name().to_owned(), wall_s - proven_at.elapsed().as_secs_f64()))
            }
            _ => None,
        });
        gauge(
            "local_last_good_token_timestamp_seconds",
            "When the local model last generated a token, unix time",
            last_token.collect(),
        )?;
        gauge(
            "local_layers",
            "Layers of the local model, its output counted as one",
            with_placement(&self.locals, |placement| placement.layers),
        )?;
        gauge(
            "local_layers_on_gpu",
            "Those of them that a GPU computes",
            with_placement(&self.locals, |placement| placement.layers_on_gpu),
        )?;
        gauge(
            "local_resident_bytes",
            "Memory of the local model's process, mapped weights included",
            with_memory(&self.locals, |memory| Some(memory.resident_bytes)),
        )?;
        gauge(
            "local_own_bytes",
            "Memory that is the process's own, which a worker is replaced for when it grows",
            with_memory(&self.locals, |memory| Some(memory.own_bytes)),
        )?;
        gauge(
            "local_warm_bytes",
            "What was the process's own when it was warm: growth is measured against it",
            with_memory(&self.locals, |memory| memory.warm_bytes),
        )?;
        gauge(
            "local_gpu_bytes",
            "Memory of the process on all GPUs, where NVML tells it",
            with_memory(&self.locals, |memory| memory.gpu_bytes),
        )?;
        gauge(
            "local_replacements",
            "Workers that were replaced because they had grown",
            of_locals(|m| m.replaced().borrow().map_or(0.0, |replaced| replaced.count as f64)),
        )?;
        gauge("local_in_flight", "Requests waiting or running", of_locals(|m| f64::from(m.in_flight())))?;
        gauge("local_restarts", "Times its worker was started again", of_locals(|m| m.restarts() as f64))?;
        gauge("local_tokens_generated", "Tokens since the start", of_locals(|m| m.tokens_generated() as f64))
    }
}

/// Of the models that are loaded.
fn with_placement(locals: &[LocalModel], number: fn(&Placement) -> u32) -> Vec<(&'static str, String, f64)> {
    let of_one = |model: &LocalModel| match &*model.status().borrow() {
        Status::Ready { facts, .. } => {
            Some(("model", model.name().to_owned(), number(&facts.placement).into()))
        }
        _ => None,
    };
    locals.iter().filter_map(of_one).collect()
}

fn with_memory(
    locals: &[LocalModel],
    number: fn(&Memory) -> Option<u64>,
) -> Vec<(&'static str, String, f64)> {
    let of_one = |model: &LocalModel| {
        let bytes = number(&model.memory()?)?;
        Some(("model", model.name().to_owned(), bytes as f64))
    };
    locals.iter().filter_map(of_one).collect()
}

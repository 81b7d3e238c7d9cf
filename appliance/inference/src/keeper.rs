//! Keeps one worker process alive, and the answers that it was giving.

#[cfg_attr(feature = "simulation", path = "simulation/child.rs")]
mod child;
mod file;
mod growing;
mod journal;
mod memory;
mod pairing;
mod resting;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::frames::{FromWorker, MAX_PREPARING_SECONDS, Progress, ToWorker};
use crate::gpus::GpuView;
use crate::job::{Job, JobError, Lane, Message, VectorJob};
use crate::kind::Kind;
use crate::load_line::LoadPlace;
use crate::model::{Counters, Ends, Facts, Order, OwnStatus, Status};
use crate::spec::ModelSpec;
use crate::worker::Measured;
use child::Child;
use file::Print;
use journal::Journal;
use memory::{Grown, Scale};

pub use memory::{Growth, Memory, Replacement};

/// A worker that says nothing at all for this many seconds is frozen, and is killed: it owes a sign of life each second.
const MAX_SILENT_TICKS: u32 = 7;

/// A worker that owes tokens and has taken no step for this many seconds is stuck in its engine, and is killed. No step is
/// made to take longer than one.
const MAX_IDLE_TICKS: u32 = 9;

/// The same of one that makes vectors: it reads a whole text in one step, and cuts all of a request's texts into tokens
/// before the first. A second more for so many tokens that a text may have.
const MAX_IDLE_TICKS_OF_VECTORS: u32 = 60;
const TOKENS_OF_A_TICK: u32 = 32;

/// The same while nothing but a form or a long text is being prepared, which no sign of work tells of. The worker ends
/// itself before, and says why.
const MAX_PREPARING_TICKS: u32 = MAX_PREPARING_SECONDS + 2;

/// Large weights on slow disks, and GPU code that is built at the first load, take their time between two signs.
const MAX_LOADING_TICKS: u32 = 300;

/// So long a worker that has no room is tried again in silence: what the dead one had may not be free yet.
const MAX_RETURN: Duration = Duration::from_secs(30);

/// A worker that has worked, and lived for this long, has not died of what killed the one before.
const LONG_LIFE: Duration = Duration::from_secs(30);

/// When a worker dies without a token after this many early deaths, the model is not ready, and callers are told so.
const MAX_EARLY_DEATHS: u32 = 3;

/// Runs the worker process of one replica of a [`LocalModel`](crate::LocalModel).
pub(crate) struct Keeper {
    spec: ModelSpec,
    status: OwnStatus,
    orders: mpsc::UnboundedReceiver<Order>,
    counters: Arc<Counters>,
    /// Whether there should be a worker at all.
    wanted: watch::Receiver<bool>,
    replaced: watch::Sender<Option<Replacement>>,
    /// Who knows what processes have on GPUs.
    gpus: GpuView,
    /// When it may load beside the other models of the box.
    place: Arc<LoadPlace>,
    /// A worker was loaded since the model is wanted: the next one takes its room.
    has_room: bool,
    journal: Journal,
    /// Workers that have died early, one after another.
    early_deaths: u32,
    /// The job that proves readiness, while it is on its way.
    proof: Option<u64>,
    /// What the last worker found out about the machine.
    measured: Option<Measured>,
    /// Until when a worker that finds no room is tried again before anybody is told.
    returns_by: Option<Instant>,
    /// Another replica serves already.
    is_further: bool,
    /// Why the model was not ready when that was last told.
    told: Option<String>,
}

/// How the life of one worker process ended.
enum Outcome {
    Stopped,
    /// It had grown by too much, or its file was written into: it makes room for another one, and no job is to blame.
    Replaced,
    /// It is not wanted any more.
    Unloaded,
    /// It could not do its work from the start, and another one could not either.
    Unusable(String),
    /// There is no room for it now.
    NoRoom(String),
    Died(String),
}

impl Keeper {
    pub(crate) fn new(spec: ModelSpec, ends: Ends, gpus: GpuView, place: LoadPlace) -> Keeper {
        let Ends { orders, counters, status, wanted, replaced } = ends;
        Keeper {
            spec,
            status,
            orders,
            counters,
            wanted,
            replaced,
            gpus,
            place: Arc::new(place),
            has_room: false,
            journal: Journal::default(),
            early_deaths: 0,
            proof: None,
            measured: None,
            returns_by: None,
            is_further: false,
            told: None,
        }
    }

    /// Of a replica besides the first.
    pub(crate) fn further(self) -> Keeper {
        Keeper { is_further: true, ..self }
    }

    /// Keeps the worker until `cancel`; then no worker process is left.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            if !self.is_wanted() {
                self.rest(&cancel).await;
                continue;
            }
            // Why it failed stands there until it is really tried again.
            if !self.status.look(|status| matches!(status, Status::Failed { .. })) {
                self.status.set(Status::Starting);
            }
            if !self.comes_to_load(&cancel).await {
                continue;
            }
            self.status.set(Status::Starting);
            let outcome = self.one_life(&cancel).await;
            self.place.leave();
            self.counters.pid.store(0, Ordering::Relaxed);
            self.counters.memory.send_replace(None);
            let pause = match outcome {
                Outcome::Stopped => break,
                Outcome::Unloaded => continue,
                Outcome::Replaced => Duration::ZERO,
                Outcome::Unusable(reason) => self.give_up(reason),
                Outcome::NoRoom(reason) => self.wait_for_room(reason),
                Outcome::Died(how) => self.mourn(&how),
            };
            self.wait(sleep(pause), &cancel).await;
            self.counters.restarts.fetch_add(1, Ordering::Relaxed);
        }
        self.journal.refuse_all(&JobError::Unready("the box is stopping".into()));
    }

    /// Starts a worker and serves with it until it ends.
    async fn one_life(&mut self, cancel: &CancellationToken) -> Outcome {
        // Where its name leads now: it may lead elsewhere by the time that it is loaded.
        let file = self.spec.file.canonicalize().unwrap_or_else(|_| self.spec.file.clone());
        let spec = ModelSpec { file: file.clone(), ..self.spec.clone() };
        let print = Print::of(&file);
        let mapped_bytes = self.place.mapped_by_others(&file);
        let child = match Child::start(&spec, self.measured.clone(), mapped_bytes) {
            Ok(child) => child,
            Err(error) => {
                let program = self.spec.program.display();
                return Outcome::Unusable(format!("the worker program {program} can't be started: {error}"));
            }
        };
        self.counters.pid.store(child.pid().unwrap_or(0), Ordering::Relaxed);
        self.journal.worker_comes();
        let mut life = Life {
            child,
            print,
            file,
            facts: None,
            has_worked: false,
            refusal: None,
            is_unfit: false,
            begun: Instant::now(),
            silent_ticks: 0,
            quiet_ticks: 0,
            idle_ticks: 0,
            only_prepares: false,
            scale: Scale::new(self.spec.growth),
            grown: None,
            leaves_by: None,
        };
        let mut look = interval(self.spec.growth.every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => {
                    life.child.stop().await;
                    return Outcome::Stopped;
                }
                Some(order) = self.orders.recv() => self.obey(order, Some(&mut life)),
                _ = self.wanted.changed() => self.follow_order(&mut life),
                frame = life.child.next() => match frame {
                    Some(frame) => {
                        self.hear(frame, &mut life);
                        if life.refusal.is_some() || life.is_unfit {
                            break;
                        }
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    life.silent_ticks += 1;
                    life.quiet_ticks += 1;
                    life.idle_ticks = if self.journal.is_empty() { 0 } else { life.idle_ticks + 1 };
                    if self.is_stuck(&life) {
                        tracing::warn!(model = self.spec.name, "the worker is silent and is killed");
                        break;
                    }
                    self.prove(&mut life);
                }
                _ = look.tick(), if life.child.pid().is_some() => {
                    if life.is_overwritten() {
                        let file = life.file.display();
                        tracing::warn!(model = self.spec.name, "{file} was written into: its worker is killed");
                        self.forget_proof();
                        life.child.bury().await;
                        return Outcome::Replaced;
                    }
                    self.weigh(&mut life);
                }
            }
            self.give_what_is_due(&life);
            if self.may_leave(&life) {
                return self.leave(life).await;
            }
            if let Some(grown) = self.outgrown(&life) {
                return self.replace(life, grown).await;
            }
        }
        self.autopsy(life).await
    }

    async fn autopsy(&mut self, life: Life) -> Outcome {
        let (was_loaded, has_worked) = (life.facts.is_some(), life.has_worked);
        let lived_well = has_worked && life.begun.elapsed() > LONG_LIFE;
        let end = life.child.bury().await;
        if let Some(Refusal { reason, is_for_now }) = life.refusal {
            return if is_for_now { Outcome::NoRoom(reason) } else { Outcome::Unusable(reason) };
        }
        self.early_deaths = if lived_well { 1 } else { self.early_deaths + 1 };
        if !has_worked && self.early_deaths > MAX_EARLY_DEATHS {
            let file = self.spec.file.display();
            let when = if was_loaded { "before its first token of" } else { "while loading" };
            let mend = if end.was_killed() { "make room in memory, or choose" } else { "choose" };
            return Outcome::Unusable(format!(
                "the worker dies {when} {file}: it {end}; {mend} another model"
            ));
        }
        Outcome::Died(end.to_string())
    }

    /// The model can't be served: all who wait are told, and it is tried again after a while.
    fn give_up(&mut self, reason: String) -> Duration {
        let pause = doubled(Duration::from_secs(5), self.early_deaths, Duration::from_secs(60));
        self.early_deaths += 1;
        (self.has_room, self.returns_by) = (false, None);
        // Whoever tries again each minute has nothing new to say.
        if self.told.as_deref().map(gist) != Some(gist(&reason)) {
            let what = if self.is_further { "a further replica of the model" } else { "the model" };
            tracing::warn!(model = self.spec.name, reason, "{what} {} is not ready", self.spec.name);
            self.told = Some(reason.clone());
        }
        self.journal.refuse_all(&JobError::Unready(reason.clone()));
        self.status.set(Status::Failed { reason, retry_at: Instant::now() + pause });
        pause
    }

    /// The answers of a worker that had room wait a while for that room.
    fn wait_for_room(&mut self, reason: String) -> Duration {
        let now = Instant::now();
        if self.has_room && now < *self.returns_by.get_or_insert(now + MAX_RETURN) {
            tracing::info!(model = self.spec.name, reason, "there is no room yet for the next worker");
            return Duration::from_secs(1);
        }
        self.give_up(reason)
    }

    /// The worker died: its answers wait for the next one, which comes at once unless it died early too.
    fn mourn(&mut self, how: &str) -> Duration {
        self.forget_proof();
        self.journal.worker_died();
        let answers = self.journal.len();
        tracing::warn!(
            model = self.spec.name,
            answers,
            "the worker of {} {how}; it is started again",
            self.spec.name
        );
        match self.early_deaths {
            0 | 1 => Duration::ZERO,
            deaths => doubled(Duration::from_millis(200), deaths - 2, Duration::from_secs(5)),
        }
    }

    fn forget_proof(&mut self) {
        if let Some(proof) = self.proof.take() {
            self.journal.forget_proof(proof);
        }
    }

    /// Waits for its turn to load, unless it has room. `false` where there is nothing to load any more.
    async fn comes_to_load(&mut self, cancel: &CancellationToken) -> bool {
        if self.has_room {
            return true;
        }
        let place = self.place.clone();
        self.wait(place.turn(), cancel).await
    }

    /// Waits for `it`, still taking orders; `false` where that was cut short, since the box stops or there is a new order
    /// to have the model or not.
    async fn wait(&mut self, it: impl Future<Output = ()>, cancel: &CancellationToken) -> bool {
        tokio::pin!(it);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return false,
                () = &mut it => return true,
                _ = self.wanted.changed() => return false,
                Some(order) = self.orders.recv() => self.obey(order, None),
            }
        }
    }

    fn obey(&mut self, order: Order, life: Option<&mut Life>) {
        match order {
            Order::Submit { id, job, ticket, events } => {
                if let Some(reason) = self.status.look(Status::refusal) {
                    let _ = events.send(Err(JobError::Unready(reason)));
                    return;
                }
                self.journal.add(id, *job, Some(ticket), Some(events));
            }
            Order::Compute { id, job, ticket, whole } => {
                if let Some(reason) = self.status.look(Status::refusal) {
                    let _ = whole.send(Err(JobError::Unready(reason)));
                    return;
                }
                self.journal.add_vectors(id, *job, Some(ticket), Some(whole));
            }
            Order::Cancel { id } => {
                if let (true, Some(life)) = (self.journal.cancel(id), life) {
                    life.child.send(&ToWorker::Cancel { id });
                }
            }
        }
    }

    /// Gives a worker that is ready the jobs that are due. Before one that may kill it, it must have shown that it can work.
    fn give_what_is_due(&mut self, life: &Life) {
        let may_die_of_it = self.journal.is_wary() || self.early_deaths > 1;
        if life.facts.is_none() || (may_die_of_it && !life.has_worked) {
            return;
        }
        for id in self.journal.due() {
            self.give(id, life);
        }
    }

    fn give(&mut self, id: u64, life: &Life) {
        if let Some(order) = self.journal.give(id) {
            life.child.send(&order);
        }
    }

    fn hear(&mut self, frame: FromWorker, life: &mut Life) {
        life.silent_ticks = 0;
        if !matches!(frame, FromWorker::Alive { .. }) {
            (life.quiet_ticks, life.idle_ticks, life.only_prepares) = (0, 0, false);
        }
        match frame {
            FromWorker::Alive { only_prepares } => life.only_prepares = only_prepares,
            FromWorker::Loading { percent } => self.status.set(Status::Loading { percent }),
            FromWorker::LoadFailed { reason, is_for_now } => {
                life.refusal = Some(Refusal { reason, is_for_now });
            }
            FromWorker::Ready { facts, measured } => {
                if facts.placement.is_short() {
                    let (model, placement) = (&self.spec.name, &facts.placement);
                    let (on_gpu, layers) = (placement.layers_on_gpu, placement.layers);
                    tracing::warn!(
                        model,
                        "only {on_gpu} of {layers} layers of {model} are on the GPU: it will be slow; make room there, \
                         or choose a smaller model"
                    );
                }
                // The next worker of this model must find the same file.
                self.spec.sha256.get_or_insert_with(|| facts.sha256.clone());
                self.measured = measured;
                life.scale.allow(facts.swap_bytes.saturating_add(facts.later_bytes));
                life.facts = Some(Arc::from(facts));
                let memory = self.first_memory(life);
                self.spec.file.clone_from(&life.file);
                life.child.has_loaded();
                self.place.loaded(&self.spec.file, memory.map_or(0, Memory::mapped_bytes));
                (self.has_room, self.returns_by) = (true, None);
                self.proof = None;
                // Before all that is due.
                self.prove(life);
            }
            FromWorker::Started { id, prompt_tokens } => self.journal.started(id, prompt_tokens),
            FromWorker::Refused { id, error } => {
                if self.proof == Some(id) {
                    self.proof_refused(&error, life);
                }
                self.journal.refuse(id, error);
            }
            FromWorker::Step(steps) => self.advance(steps, life),
            FromWorker::Vectors { id, vectors, tokens } => {
                self.has_worked(life);
                let is_proof = self.proof == Some(id);
                if self.journal.vectors(id, vectors, tokens) && !is_proof {
                    self.counters.tokens.fetch_add(tokens.into(), Ordering::Relaxed);
                }
            }
        }
    }

    fn advance(&mut self, steps: Vec<Progress>, life: &mut Life) {
        if steps.is_empty() {
            return;
        }
        self.has_worked(life);
        for step in steps {
            let (id, is_token) = (step.id, step.token.is_some() && self.proof != Some(step.id));
            if self.journal.progress(step) && is_token {
                self.counters.tokens.fetch_add(1, Ordering::Relaxed);
            }
            if self.journal.has_too_much_of(id) {
                tracing::warn!(
                    model = self.spec.name,
                    "the worker says more than it was asked for and is killed"
                );
                life.is_unfit = true;
            }
        }
    }

    /// A real token or vector has come.
    fn has_worked(&mut self, life: &mut Life) {
        life.has_worked = true;
        self.told = None;
        life.scale.has_worked(Instant::now());
        self.proven(life);
    }

    /// It is proven once more. Watchers are woken only when the model becomes ready, not by every token.
    fn proven(&self, life: &Life) {
        let Some(facts) = &life.facts else { return };
        if self.status.proven(facts) {
            self.counters.was_ready.store(true, Ordering::Relaxed);
        }
    }

    /// Asks for one real token, or vector, on the way that all requests take, when the last one is too old.
    fn prove(&mut self, life: &mut Life) {
        if life.facts.is_none()
            || life.leaves_by.is_some()
            || self.proof.is_some_and(|id| self.journal.has(id))
        {
            return;
        }
        let proof_interval = self.spec.proof_interval;
        let is_fresh = |status: &Status| match status {
            Status::Ready { proven_at, .. } => proven_at.elapsed() < proof_interval,
            _ => false,
        };
        if self.status.look(is_fresh) {
            return;
        }
        let id = self.counters.next_id.fetch_add(1, Ordering::Relaxed);
        match vector_proof(self.spec.kind) {
            Some(job) => self.journal.add_vectors(id, job, None, None),
            None => self.journal.add(id, proof(), None, None),
        }
        self.proof = Some(id);
        self.give(id, life);
    }

    /// What it can't make of one word it will make of none. One that could before is not what it was.
    fn proof_refused(&self, error: &JobError, life: &mut Life) {
        let file = self.spec.file.display();
        if life.has_worked {
            tracing::warn!(model = self.spec.name, %error, "the worker fails its proof and is killed");
            life.is_unfit = true;
        } else {
            let what = if self.spec.kind == Kind::Chat { "answers" } else { "vectors" };
            let reason = format!("{file} gives no {what}: {error}; choose another model");
            life.refusal = Some(Refusal { reason, is_for_now: false });
        }
    }

    fn is_stuck(&self, life: &Life) -> bool {
        // Ticks, not time: while the box itself was held up, the worker's signs are still to be read.
        let Some(facts) = &life.facts else {
            return life.silent_ticks > MAX_SILENT_TICKS || life.quiet_ticks > MAX_LOADING_TICKS;
        };
        let most_idle = match self.spec.kind {
            Kind::Chat if life.only_prepares => MAX_PREPARING_TICKS,
            Kind::Chat => MAX_IDLE_TICKS,
            Kind::Embedding | Kind::Rerank => {
                MAX_IDLE_TICKS_OF_VECTORS + facts.context_limit / TOKENS_OF_A_TICK
            }
        };
        life.silent_ticks > MAX_SILENT_TICKS || life.idle_ticks > most_idle
    }
}

/// One worker process while it serves.
struct Life {
    child: Child,
    /// The file that it was started with, and how that was.
    file: PathBuf,
    print: Option<Print>,
    /// What it said of its model, once it was ready for jobs.
    facts: Option<Arc<Facts>>,
    /// It has given at least one token.
    has_worked: bool,
    /// Why it can't load its model.
    refusal: Option<Refusal>,
    /// It can't do any more what it could.
    is_unfit: bool,
    begun: Instant,
    /// Seconds since its last sign of life.
    silent_ticks: u32,
    /// Seconds since it sent anything but a sign of life.
    quiet_ticks: u32,
    /// Seconds that it has owed something and done nothing.
    idle_ticks: u32,
    /// By its last sign of life it prepares a job, and its engine has none.
    only_prepares: bool,
    /// What it has, and what it had.
    scale: Scale,
    /// By how much it has grown, and since when that is known.
    grown: Option<(Grown, Instant)>,
    /// The model is not wanted any more: when the worker goes at the latest.
    leaves_by: Option<Instant>,
}

struct Refusal {
    reason: String,
    /// Only because of what is free at the moment.
    is_for_now: bool,
}

fn proof() -> Job {
    Job::plain(vec![Message::new("user", "Are you ready?")], 1, Lane::Interactive)
}

/// `None` where the model is asked for words.
fn vector_proof(kind: Kind) -> Option<VectorJob> {
    let text = || "Are you ready?".to_owned();
    let query = match kind {
        Kind::Chat => return None,
        Kind::Embedding => None,
        Kind::Rerank => Some(text()),
    };
    Some(VectorJob { texts: vec![text()], query, lane: Lane::Interactive })
}

/// A reason without its numbers: how much is free changes all the time.
fn gist(reason: &str) -> String {
    reason.chars().filter(|char| !char.is_ascii_digit() && *char != '.').collect()
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(most)
}

#[cfg(all(test, not(feature = "simulation")))]
mod tests;

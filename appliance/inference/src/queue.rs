//! Who waits for a local model, in the order of service, and how long that takes by what was measured.
//!
//! Within a lane the callers take turns: each further job of one caller stands as much later as the model takes for one,
//! so whoever comes with a hundred waits for those behind them and not the other way round. And one caller never holds
//! more than the model runs at once and half of the places behind that.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::job::Lane;
use crate::spec::ModelSpec;

/// What an answer is taken to last before one was measured.
const FIRST_GUESS: Duration = Duration::from_secs(2);

/// A caller's job is put back by no more than this, so that a lane's own order and its ageing still hold.
const MOST_PUT_BACK: Duration = Duration::from_secs(25);

/// Whom a worker has room for, it takes up by the end of its step: who waits for longer waits for a place.
const TAKEN_UP_IN: Duration = Duration::from_secs(2);

/// Fewer answers than this to be waited for are none: how many fit is a mean, and seldom a whole number.
const HARDLY_ANY: f64 = 0.5;

/// How much a new measurement counts, once there are enough of them.
const NEWEST_COUNTS: f64 = 0.1;

/// A place in the queue, and what it means in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// 1 for the next one to be served.
    pub position: u32,
    /// From measured service times and the jobs before it; zero when it is served at once.
    pub expected: Duration,
}

/// How busy a local model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    pub running: u32,
    /// By lane: clinical, interactive, batch.
    pub waiting: [u32; 3],
    pub sequences: u32,
    pub queue_limit: u32,
    /// The place of a job of each lane that came now.
    pub next: [Place; 3],
}

impl Occupancy {
    /// Of one model that runs in several replicas: a job goes to the one that serves it first.
    pub(crate) fn of_all(replicas: &[Occupancy]) -> Occupancy {
        let sum = |number: fn(&Occupancy) -> u32| replicas.iter().map(number).sum();
        let soonest = |lane: Lane| {
            let places = replicas.iter().map(|replica| replica.next[lane as usize]);
            let at_once = Place { position: 1, expected: Duration::ZERO };
            places.min_by_key(|place| (place.expected, place.position)).unwrap_or(at_once)
        };
        Occupancy {
            running: sum(|replica| replica.running),
            waiting: Lane::ALL
                .map(|lane| replicas.iter().map(|replica| replica.waiting[lane as usize]).sum()),
            sequences: sum(|replica| replica.sequences),
            queue_limit: sum(|replica| replica.queue_limit),
            next: Lane::ALL.map(soonest),
        }
    }
}

/// The jobs of one replica of a model that wait or run, as control knows them.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    sequences: u32,
    reserve: u32,
    queue_limit: u32,
    began: Instant,
}

#[derive(Default)]
struct Inner {
    arrivals: u64,
    waiting: BTreeMap<Key, Waiter>,
    /// Those who have a job here.
    callers: HashMap<CallerId, Own>,
    running_common: u32,
    running_clinical: u32,
    service_s: Mean,
    /// Nothing ended since the last job began, so what runs now is what fits.
    is_at_peak: bool,
    /// Answers that really run side by side while others wait: long ones fill the context before its sequences. In the
    /// common room, of any lane, and in all.
    abreast_common: Mean,
    abreast: Mean,
}

#[derive(Clone, Copy)]
struct Waiter {
    lane: Lane,
    since: Instant,
}

/// The order of service: the arrival with the lane's handicap, then the number of the arrival.
type Key = (Duration, u64);

/// Whose a job is, as far as turns are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CallerId(Arc<str>);

impl CallerId {
    pub(crate) fn of(name: &str) -> CallerId {
        CallerId(name.into())
    }
}

/// What one caller has here.
#[derive(Default)]
struct Own {
    /// Jobs that wait or run.
    jobs: u32,
    /// Before this moment it is the others' turn, by lane.
    turn: [Duration; 3],
}

/// A mean in which what is old fades.
#[derive(Default)]
struct Mean {
    value: f64,
    samples: u32,
}

/// One job's place; dropping it leaves the queue.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    key: Key,
    lane: Lane,
    caller: CallerId,
    started: Option<Instant>,
}

impl Queue {
    pub(crate) fn new(spec: &ModelSpec) -> Arc<Queue> {
        Arc::new(Queue {
            inner: Mutex::default(),
            sequences: spec.sequences,
            reserve: spec.reserve(),
            queue_limit: spec.queue_limit,
            began: Instant::now(),
        })
    }

    /// Takes a job in; refused with the place that it would have had when the queue is full for its lane.
    /// And so is a job of somebody who has a full share of it.
    pub(crate) fn join(self: &Arc<Self>, lane: Lane, caller: &CallerId) -> Result<Ticket, Place> {
        let mut inner = self.lock();
        let now = self.began.elapsed();
        let turn = inner.callers.get(caller).map_or(now, |own| own.turn[lane as usize]);
        let turn = turn.clamp(now, now + MOST_PUT_BACK);
        let key = inner.next_key(turn + lane.handicap());
        let jobs = inner.callers.get(caller).map_or(0, |own| own.jobs);
        if self.is_full(&inner, lane) || jobs >= self.share(lane) {
            return Err(self.wait(&inner, key, lane));
        }
        let behind = self.one_takes(&inner, lane);
        let own = inner.callers.entry(caller.clone()).or_default();
        own.jobs += 1;
        own.turn[lane as usize] = turn + behind;
        inner.waiting.insert(key, Waiter { lane, since: Instant::now() });
        Ok(Ticket { queue: self.clone(), key, lane, caller: caller.clone(), started: None })
    }

    /// The place of a job that still waits.
    pub(crate) fn place(&self, key: Key, lane: Lane) -> Option<Place> {
        let inner = self.lock();
        inner.waiting.contains_key(&key).then(|| self.wait(&inner, key, lane))
    }

    pub(crate) fn occupancy(&self) -> Occupancy {
        let mut inner = self.lock();
        let mut waiting = [0; 3];
        inner.waiting.values().for_each(|waiter| waiting[waiter.lane as usize] += 1);
        let next = Lane::ALL.map(|lane| {
            let key = inner.next_key(self.began.elapsed() + lane.handicap());
            self.wait(&inner, key, lane)
        });
        let running = inner.running_common + inner.running_clinical;
        Occupancy { running, waiting, sequences: self.sequences, queue_limit: self.queue_limit, next }
    }

    /// A share of the waiting places is the clinical lane's alone, as of the sequences.
    fn is_full(&self, inner: &Inner, lane: Lane) -> bool {
        let clinical_waiting = inner.waiting.values().filter(|waiter| waiter.is_clinical()).count() as u32;
        let waiting = inner.waiting.len() as u32;
        let common = inner.running_common + waiting - clinical_waiting;
        let all = common + inner.running_clinical + clinical_waiting;
        let (room, places) = self.room(Lane::Interactive);
        all >= self.sequences + self.queue_limit || (lane != Lane::Clinical && common >= room + places)
    }

    /// Sequences that a lane may have, and places behind them.
    fn room(&self, lane: Lane) -> (u32, u32) {
        let kept_places = self.queue_limit * self.reserve / self.sequences;
        match lane {
            Lane::Clinical => (self.sequences, self.queue_limit),
            Lane::Interactive | Lane::Batch => {
                (self.sequences - self.reserve, self.queue_limit - kept_places)
            }
        }
    }

    /// The jobs that one caller may have here.
    fn share(&self, lane: Lane) -> u32 {
        let (room, places) = self.room(lane);
        room + places.div_ceil(2)
    }

    /// How much later one job lets the next begin.
    fn one_takes(&self, inner: &Inner, lane: Lane) -> Duration {
        let (room, _) = self.room(lane);
        let service_s = inner.service_s.or(FIRST_GUESS.as_secs_f64());
        Duration::from_secs_f64((service_s / f64::from(room.max(1))).clamp(0.0, MOST_PUT_BACK.as_secs_f64()))
    }

    fn wait(&self, inner: &Inner, key: Key, lane: Lane) -> Place {
        let is_clinical = lane == Lane::Clinical;
        // What waits for the common room does not hold up a clinical job while the reserve has room.
        let goes_before = |other: &Waiter| !is_clinical || self.reserve == 0 || other.is_clinical();
        let before = inner.waiting.range(..key).filter(|(_, other)| goes_before(other)).count() as u32;
        let position = before + 1;
        if is_clinical && inner.running_clinical + before < self.reserve {
            return Place { position, expected: Duration::ZERO };
        }
        let (running, room, abreast) = if is_clinical {
            (inner.running_common + inner.running_clinical, self.sequences, &inner.abreast)
        } else {
            (self.in_common_room(inner), self.sequences - self.reserve, &inner.abreast_common)
        };
        let fit = abreast.or(f64::from(room)).clamp(1.0, f64::from(room));
        let to_end = f64::from(running + position) - fit;
        if to_end < HARDLY_ANY {
            return Place { position, expected: Duration::ZERO };
        }
        let service_s = inner.service_s.or(FIRST_GUESS.as_secs_f64());
        Place { position, expected: Duration::from_secs_f64(to_end / fit * service_s) }
    }

    /// The clinical lane takes of the common room what its reserve does not hold.
    fn in_common_room(&self, inner: &Inner) -> u32 {
        inner.running_common + inner.running_clinical.saturating_sub(self.reserve)
    }

    /// A panic while the lock was held leaves plain numbers behind, which are still good to use.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn next_key(&mut self, due: Duration) -> Key {
        self.arrivals += 1;
        (due, self.arrivals)
    }

    fn leaves(&mut self, caller: &CallerId) {
        if let Some(own) = self.callers.get_mut(caller) {
            own.jobs -= 1;
            if own.jobs == 0 {
                self.callers.remove(caller);
            }
        }
    }

    fn running(&mut self, lane: Lane) -> &mut u32 {
        if lane == Lane::Clinical { &mut self.running_clinical } else { &mut self.running_common }
    }
}

impl Waiter {
    fn is_clinical(&self) -> bool {
        self.lane == Lane::Clinical
    }
}

impl Ticket {
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// How long the job has waited since its turn, in milliseconds; below zero before it.
    pub(crate) fn waited_ms(&self) -> i64 {
        let now = self.queue.began.elapsed() + self.lane.handicap();
        now.as_millis() as i64 - self.key.0.as_millis() as i64
    }

    /// The job has got its sequence.
    pub(crate) fn start(&mut self) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
            let mut inner = self.queue.lock();
            inner.waiting.remove(&self.key);
            inner.is_at_peak = true;
            *inner.running(self.lane) += 1;
        }
    }

    /// The answer is whole: what it took is what the next ones will take.
    pub(crate) fn finish(self) {
        let Some(started) = self.started else { return };
        let mut inner = self.queue.lock();
        inner.service_s.take(started.elapsed().as_secs_f64());
        if !inner.is_at_peak {
            return;
        }
        let common = f64::from(self.queue.in_common_room(&inner));
        let all = f64::from(inner.running_common + inner.running_clinical);
        let no_room = || inner.waiting.values().filter(|waiter| waiter.since.elapsed() >= TAKEN_UP_IN);
        let (for_any, for_common) =
            (no_room().next().is_some(), no_room().any(|waiter| !waiter.is_clinical()));
        if for_common {
            inner.abreast_common.take(common);
        }
        if for_any {
            inner.abreast.take(all);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.queue.lock();
        inner.leaves(&self.caller);
        match self.started {
            Some(_) => {
                inner.is_at_peak = false;
                *inner.running(self.lane) -= 1;
            }
            None => drop(inner.waiting.remove(&self.key)),
        }
    }
}

impl Mean {
    fn take(&mut self, sample: f64) {
        self.samples = self.samples.saturating_add(1);
        self.value += (sample - self.value) * NEWEST_COUNTS.max(1.0 / f64::from(self.samples));
    }

    fn or(&self, guess: f64) -> f64 {
        if self.samples == 0 { guess } else { self.value }
    }
}

#[cfg(test)]
mod tests;

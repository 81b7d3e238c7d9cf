//! Who waits for a local model, in the order of service, and how long that takes by what was measured.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::job::Lane;
use crate::spec::ModelSpec;

/// What an answer is taken to last before one was measured.
const FIRST_GUESS: Duration = Duration::from_secs(2);

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

/// The jobs of one model that wait or run, as control knows them.
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
    waiting: BTreeMap<Key, Lane>,
    running_common: u32,
    running_clinical: u32,
    service_s: Mean,
    /// Answers that really run side by side while others wait: long ones fill the context before its sequences.
    abreast_common: Mean,
    abreast: Mean,
}

/// The order of service: the arrival with the lane's handicap, then the number of the arrival.
type Key = (Duration, u64);

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
    pub(crate) fn join(self: &Arc<Self>, lane: Lane) -> Result<Ticket, Place> {
        let mut inner = self.lock();
        let key = self.next_key(&mut inner, lane);
        if self.is_full(&inner, lane) {
            return Err(self.wait(&inner, key, lane));
        }
        inner.waiting.insert(key, lane);
        Ok(Ticket { queue: self.clone(), key, lane, started: None })
    }

    /// The place of a job that still waits.
    pub(crate) fn place(&self, key: Key, lane: Lane) -> Option<Place> {
        let inner = self.lock();
        inner.waiting.contains_key(&key).then(|| self.wait(&inner, key, lane))
    }

    pub(crate) fn occupancy(&self) -> Occupancy {
        let mut inner = self.lock();
        let mut waiting = [0; 3];
        inner.waiting.values().for_each(|lane| waiting[*lane as usize] += 1);
        let next = Lane::ALL.map(|lane| {
            let key = self.next_key(&mut inner, lane);
            self.wait(&inner, key, lane)
        });
        let running = inner.running_common + inner.running_clinical;
        Occupancy { running, waiting, sequences: self.sequences, queue_limit: self.queue_limit, next }
    }

    fn next_key(&self, inner: &mut Inner, lane: Lane) -> Key {
        inner.arrivals += 1;
        (self.began.elapsed() + lane.handicap(), inner.arrivals)
    }

    /// A share of the waiting places is the clinical lane's alone, as of the sequences.
    fn is_full(&self, inner: &Inner, lane: Lane) -> bool {
        let clinical_waiting = inner.waiting.values().filter(|lane| **lane == Lane::Clinical).count() as u32;
        let waiting = inner.waiting.len() as u32;
        let common = inner.running_common + waiting - clinical_waiting;
        let all = common + inner.running_clinical + clinical_waiting;
        let kept_places = self.queue_limit * self.reserve / self.sequences;
        let common_places = self.sequences - self.reserve + self.queue_limit - kept_places;
        all >= self.sequences + self.queue_limit || (lane != Lane::Clinical && common >= common_places)
    }

    fn wait(&self, inner: &Inner, key: Key, lane: Lane) -> Place {
        let is_clinical = lane == Lane::Clinical;
        // What waits for the common room does not hold up a clinical job while the reserve has room.
        let goes_before = |other: &Lane| !is_clinical || self.reserve == 0 || *other == Lane::Clinical;
        let before = inner.waiting.range(..key).filter(|(_, other)| goes_before(other)).count() as u32;
        let position = before + 1;
        if is_clinical && inner.running_clinical + before < self.reserve {
            return Place { position, expected: Duration::ZERO };
        }
        let (running, room, abreast) = if is_clinical {
            (inner.running_common + inner.running_clinical, self.sequences, &inner.abreast)
        } else {
            (inner.running_common, self.sequences - self.reserve, &inner.abreast_common)
        };
        let fit = abreast.or(f64::from(room)).clamp(1.0, f64::from(room));
        let to_end = f64::from(running + position) - fit;
        let service_s = inner.service_s.or(FIRST_GUESS.as_secs_f64());
        Place { position, expected: Duration::from_secs_f64((to_end / fit * service_s).max(0.0)) }
    }

    /// A panic while the lock was held leaves plain numbers behind, which are still good to use.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn running(&mut self, lane: Lane) -> &mut u32 {
        if lane == Lane::Clinical { &mut self.running_clinical } else { &mut self.running_common }
    }
}

impl Ticket {
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// How long ago the job came.
    pub(crate) fn waited(&self) -> Duration {
        (self.queue.began.elapsed() + self.lane.handicap()).saturating_sub(self.key.0)
    }

    /// The job has got its sequence.
    pub(crate) fn start(&mut self) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
            let mut inner = self.queue.lock();
            inner.waiting.remove(&self.key);
            *inner.running(self.lane) += 1;
        }
    }

    /// The answer is whole: what it took is what the next ones will take.
    pub(crate) fn finish(self) {
        let Some(started) = self.started else { return };
        let mut inner = self.queue.lock();
        inner.service_s.take(started.elapsed().as_secs_f64());
        let common = f64::from(inner.running_common);
        let all = common + f64::from(inner.running_clinical);
        if inner.waiting.values().any(|lane| *lane != Lane::Clinical) {
            inner.abreast_common.take(common);
        }
        if !inner.waiting.is_empty() {
            inner.abreast.take(all);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.queue.lock();
        match self.started {
            Some(_) => *inner.running(self.lane) -= 1,
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

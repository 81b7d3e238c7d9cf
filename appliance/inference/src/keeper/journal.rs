//! The answers that a worker owes: each job with the tokens already sent, so that another worker can go on.

use std::collections::BTreeMap;

use tokio::sync::mpsc::UnboundedSender;

use crate::frames::{Progress, Submission};
use crate::job::{Event, Job, JobError};
use crate::queue::Ticket;

/// Where an answer's events go.
pub(super) type Events = UnboundedSender<Result<Event, JobError>>;

/// A job that was running when this many workers died is given up: it may be what kills them.
const MAX_DEATHS: u32 = 3;

/// The jobs that are waiting or running, in the order of their numbers.
#[derive(Default)]
pub(super) struct Journal {
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    submission: Submission,
    /// `None` for a proof of readiness, which nobody reads.
    events: Option<Events>,
    /// The job's place among those that wait for the model; a proof of readiness has none.
    ticket: Option<Ticket>,
    started: bool,
    deaths: u32,
}

impl Journal {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has(&self, id: u64) -> bool {
        self.entries.contains_key(&id)
    }

    /// Takes a job in, and fixes the seed of its draws for all the workers that it may meet.
    pub(super) fn add(&mut self, id: u64, job: Job, ticket: Option<Ticket>, events: Option<Events>) {
        let seed = job.sampling.seed.unwrap_or_else(|| getrandom::u64().unwrap_or(id));
        let submission = Submission { id, job, seed, waited_ms: 0, tokens: Vec::new() };
        self.entries.insert(id, Entry { submission, events, ticket, started: false, deaths: 0 });
    }

    /// What a worker is to be told of one job.
    pub(super) fn submission(&self, id: u64) -> Option<Submission> {
        let entry = self.entries.get(&id)?;
        let waited_ms = entry.ticket.as_ref().map_or(0, |ticket| ticket.waited().as_millis() as u64);
        Some(Submission { waited_ms, ..entry.submission.clone() })
    }

    /// All jobs, the oldest first.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.entries.keys().copied().collect()
    }

    /// Forgets a job whose caller has gone.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        self.entries.remove(&id).is_some()
    }

    pub(super) fn started(&mut self, id: u64, prompt_tokens: u32) {
        // A job that is taken up again by another worker has told its caller already.
        if let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.started) {
            entry.started = true;
            if let Some(ticket) = &mut entry.ticket {
                ticket.start();
            }
            entry.tell(Ok(Event::Started { prompt_tokens }));
        }
    }

    /// Writes down one step of an answer and passes it on. `false` for a job that is not known any more.
    pub(super) fn progress(&mut self, step: Progress) -> bool {
        let Some(entry) = self.entries.get_mut(&step.id) else { return false };
        entry.submission.tokens.extend(step.token);
        for said in step.said {
            entry.tell(Ok(said.into()));
        }
        if let Some(finish) = step.finish {
            entry.tell(Ok(Event::Finished { reason: finish.reason, usage: finish.usage }));
            if let Some(ticket) = self.entries.remove(&step.id).and_then(|entry| entry.ticket) {
                ticket.finish();
            }
        }
        true
    }

    pub(super) fn refuse(&mut self, id: u64, error: JobError) {
        if let Some(entry) = self.entries.remove(&id) {
            entry.tell(Err(error));
        }
    }

    /// Notes that the worker of all these jobs has died; gives up those that have seen too many die.
    pub(super) fn worker_died(&mut self) {
        for entry in self.entries.values_mut() {
            entry.deaths += 1;
        }
        for (_, entry) in self.entries.extract_if(.., |_, entry| entry.deaths >= MAX_DEATHS) {
            entry.tell(Err(JobError::WorkerLost));
        }
    }

    pub(super) fn refuse_all(&mut self, error: &JobError) {
        for entry in std::mem::take(&mut self.entries).into_values() {
            entry.tell(Err(error.clone()));
        }
    }
}

impl Entry {
    /// A caller that has gone says so by a cancel of its own.
    fn tell(&self, event: Result<Event, JobError>) {
        if let Some(events) = &self.events {
            let _ = events.send(event);
        }
    }
}

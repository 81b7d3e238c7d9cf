//! What a worker owes: each job with the tokens or vectors already sent, so that another worker can go on.

use std::collections::BTreeMap;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::pairing::Pairing;
use crate::frames::{Progress, Submission, ToWorker, VectorSubmission};
use crate::job::{Event, Job, JobError, Said, VectorJob, Vectors};
use crate::queue::Ticket;

/// Where an answer's events go.
pub(super) type Events = UnboundedSender<Result<Event, JobError>>;

/// Where the vectors of a job go, once they are whole.
pub(super) type WholeVectors = oneshot::Sender<Result<Vectors, JobError>>;

/// A job that was running when this many workers died is given up: it may be what kills them.
const MAX_DEATHS: u32 = 3;

/// The jobs that are waiting or running, in the order of their numbers.
#[derive(Default)]
pub(super) struct Journal {
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    work: Work,
    /// The job's place among those that wait for the model; a proof of readiness has none.
    ticket: Option<Ticket>,
    /// Pairs tokens with text; none where nobody wants to know how likely they were.
    pairing: Option<Pairing>,
    started: bool,
    deaths: u32,
}

/// What is to be done, what of it is done, and who is to be told; nobody reads a proof of readiness.
enum Work {
    Answer { submission: Box<Submission>, events: Option<Events> },
    Vectors { job: VectorJob, done: Vectors, whole: Option<WholeVectors> },
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
        let pairing = job.sampling.logprobs.map(|_| Pairing::default());
        let submission = Submission { id, job, seed, waited_ms: 0, tokens: Vec::new() };
        let work = Work::Answer { submission: Box::new(submission), events };
        self.entries.insert(id, Entry { work, ticket, pairing, started: false, deaths: 0 });
    }

    /// Takes in a job of vectors.
    pub(super) fn add_vectors(
        &mut self,
        id: u64,
        job: VectorJob,
        ticket: Option<Ticket>,
        whole: Option<WholeVectors>,
    ) {
        let work = Work::Vectors { job, done: Vectors::default(), whole };
        self.entries.insert(id, Entry { work, ticket, pairing: None, started: false, deaths: 0 });
    }

    /// What a worker is to be told of one job: all that is not done yet.
    pub(super) fn order(&self, id: u64) -> Option<ToWorker> {
        let entry = self.entries.get(&id)?;
        let waited_ms = entry.ticket.as_ref().map_or(0, Ticket::waited_ms);
        Some(match &entry.work {
            Work::Answer { submission, .. } => {
                ToWorker::Submit(Box::new(Submission { waited_ms, ..(**submission).clone() }))
            }
            Work::Vectors { job: VectorJob { texts, query, lane }, done, .. } => {
                let texts = texts.iter().skip(done.list.len()).cloned().collect();
                let job = VectorJob { texts, query: query.clone(), lane: *lane };
                ToWorker::Compute(Box::new(VectorSubmission { id, job, waited_ms }))
            }
        })
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
        let Work::Answer { submission, .. } = &mut entry.work else { return false };
        submission.tokens.extend(step.token);
        if let (Some(pairing), Some(odds)) = (&mut entry.pairing, step.odds) {
            pairing.add(odds);
        }
        for said in step.said {
            entry.tell_odds(&said);
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

    /// Writes down the vectors of the next texts of a job, and gives all of them when they are whole. `false` for a
    /// job that is not known any more.
    pub(super) fn vectors(&mut self, id: u64, vectors: Vec<Vec<f32>>, tokens: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let Work::Vectors { job, done, whole } = &mut entry.work else { return false };
        done.list.extend(vectors);
        done.tokens += u64::from(tokens);
        if done.list.len() < job.texts.len() {
            return true;
        }
        let (whole, done) = (whole.take(), std::mem::take(done));
        let ticket = self.entries.remove(&id).and_then(|entry| entry.ticket);
        // The place is free before the caller can ask for more.
        if let Some(ticket) = ticket {
            ticket.finish();
        }
        if let Some(whole) = whole {
            let _ = whole.send(Ok(done));
        }
        true
    }

    pub(super) fn refuse(&mut self, id: u64, error: JobError) {
        if let Some(mut entry) = self.entries.remove(&id) {
            entry.fail(error);
        }
    }

    /// Notes that the worker of all these jobs has died; gives up those that have seen too many die.
    pub(super) fn worker_died(&mut self) {
        for entry in self.entries.values_mut() {
            entry.deaths += 1;
        }
        for (_, mut entry) in self.entries.extract_if(.., |_, entry| entry.deaths >= MAX_DEATHS) {
            entry.fail(JobError::WorkerLost);
        }
    }

    pub(super) fn refuse_all(&mut self, error: &JobError) {
        for mut entry in std::mem::take(&mut self.entries).into_values() {
            entry.fail(error.clone());
        }
    }
}

impl Entry {
    /// Tells how likely the tokens of a text were before it is told; those of anything else are of no text.
    fn tell_odds(&mut self, said: &Said) {
        let Some(pairing) = &mut self.pairing else { return };
        match said {
            Said::Text(text) => {
                let odds = pairing.take(text);
                if !odds.is_empty() {
                    self.tell(Ok(Event::Odds(odds)));
                }
            }
            Said::Reasoning(text) => drop(pairing.take(text)),
            Said::Call(_) | Said::Arguments(_) | Said::CallEnded => pairing.forget(),
        }
    }

    /// A caller that has gone says so by a cancel of its own.
    fn tell(&self, event: Result<Event, JobError>) {
        if let Work::Answer { events: Some(events), .. } = &self.work {
            let _ = events.send(event);
        }
    }

    fn fail(&mut self, error: JobError) {
        match &mut self.work {
            Work::Answer { .. } => self.tell(Err(error)),
            Work::Vectors { whole, .. } => {
                if let Some(whole) = whole.take() {
                    let _ = whole.send(Err(error));
                }
            }
        }
    }
}

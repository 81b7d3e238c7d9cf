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

/// A job that so many workers had when they died is given up: it may be what kills them.
const MAX_DEATHS: u32 = 3;

/// Jobs that so many workers had are given to the next one by one, so that what kills it takes no other along.
const SUSPECT_DEATHS: u32 = MAX_DEATHS - 1;

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
    /// Workers that died while they had it.
    deaths: u32,
    standing: Standing,
}

/// How a job stands with the worker that there is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The worker does not have it yet.
    Due,
    Given,
    /// It has given something of it: more than the workers before, if any had it.
    Worked,
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
        let standing = Standing::Due;
        self.entries.insert(id, Entry { work, ticket, pairing, started: false, deaths: 0, standing });
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
        let standing = Standing::Due;
        self.entries.insert(id, Entry { work, ticket, pairing: None, started: false, deaths: 0, standing });
    }

    /// The jobs that the worker can be given now, the oldest first. Of those that may be what kills workers it gets the next
    /// when it has got on with the one before.
    pub(super) fn due(&self) -> Vec<u64> {
        let mut tries_one = self.tries_one();
        let mut may_be_given =
            |entry: &Entry| !entry.is_suspect() || !std::mem::replace(&mut tries_one, true);
        let due = self.entries.iter().filter(|(_, entry)| entry.standing == Standing::Due);
        due.filter(|(_, entry)| may_be_given(entry)).map(|(id, _)| *id).collect()
    }

    /// It has one that may be what kills workers, and has not got on with it yet.
    fn tries_one(&self) -> bool {
        self.entries.values().any(|entry| entry.is_suspect() && entry.standing == Standing::Given)
    }

    /// What the worker is to be told of a job that it is given: all that is not done yet.
    pub(super) fn give(&mut self, id: u64) -> Option<ToWorker> {
        let entry = self.entries.get_mut(&id)?;
        entry.standing = Standing::Given;
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
        entry.standing = Standing::Worked;
        let Work::Answer { submission, .. } = &mut entry.work else { return false };
        submission.tokens.extend(step.token);
        if let (Some(pairing), Some(odds)) = (&mut entry.pairing, step.odds) {
            pairing.add(odds);
        }
        for said in step.said {
            entry.tell_odds(&said);
            entry.tell(Ok(said.into()));
        }
        if let Some(finish) = step.finish
            && let Some(mut entry) = self.entries.remove(&step.id)
        {
            // The place is free before the caller can ask for more.
            if let Some(ticket) = entry.ticket.take() {
                ticket.finish();
            }
            entry.tell(Ok(Event::Finished { reason: finish.reason, usage: finish.usage }));
        }
        true
    }

    /// Writes down the vectors of the next texts of a job, and gives all of them when they are whole. `false` for a
    /// job that is not known any more.
    pub(super) fn vectors(&mut self, id: u64, vectors: Vec<Vec<f32>>, tokens: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.standing = Standing::Worked;
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

    /// Notes that the worker has died, and what it had; gives up what has seen too many die. Where it died of one that was
    /// tried, those that had passed are none the worse for it.
    pub(super) fn worker_died(&mut self) {
        let tried_one = self.tries_one();
        for entry in self.entries.values_mut() {
            let has_passed = tried_one && entry.is_suspect() && entry.standing == Standing::Worked;
            entry.deaths += u32::from(entry.standing != Standing::Due && !has_passed);
        }
        for (_, mut entry) in self.entries.extract_if(.., |_, entry| entry.deaths >= MAX_DEATHS) {
            entry.fail(JobError::WorkerLost);
        }
    }

    /// Another worker comes, which has none of the jobs yet.
    pub(super) fn worker_comes(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.standing = Standing::Due);
    }

    pub(super) fn refuse_all(&mut self, error: &JobError) {
        for mut entry in std::mem::take(&mut self.entries).into_values() {
            entry.fail(error.clone());
        }
    }
}

impl Entry {
    fn is_suspect(&self) -> bool {
        self.deaths >= SUSPECT_DEATHS
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Lane, Message};

    fn journal(jobs: u64) -> Journal {
        let mut journal = Journal::default();
        for id in 0..jobs {
            journal.add(id, Job::plain(vec![Message::new("user", "")], 1, Lane::Batch), None, None);
        }
        journal
    }

    fn get_on(journal: &mut Journal, id: u64) {
        journal.progress(Progress { id, token: Some(1), odds: None, said: Vec::new(), finish: None });
    }

    #[test]
    fn what_kills_each_worker_takes_nobody_along() {
        let mut journal = journal(8);
        for _ in 0..SUSPECT_DEATHS {
            journal.worker_comes();
            assert_eq!(journal.due().len(), 8);
            (0..8).for_each(|id| assert!(journal.give(id).is_some()));
            journal.worker_died();
        }
        let killer = 3;
        let one_life = |journal: &mut Journal| {
            journal.worker_comes();
            let mut tried = Vec::new();
            while let [id] = journal.due()[..] {
                assert!(journal.give(id).is_some());
                assert!(journal.due().is_empty(), "one at a time");
                tried.push(id);
                if id == killer {
                    journal.worker_died();
                    break;
                }
                get_on(journal, id);
            }
            tried
        };
        assert_eq!(one_life(&mut journal), [0, 1, 2, 3]);
        assert_eq!(one_life(&mut journal), [0, 1, 2, 4, 5, 6, 7]);
        journal.add(8, Job::plain(vec![Message::new("user", "")], 1, Lane::Batch), None, None);
        assert_eq!(journal.due(), [8], "who comes is given at once");
    }

    #[test]
    fn a_death_counts_for_what_the_worker_had() {
        let mut journal = journal(1);
        for _ in 0..MAX_DEATHS {
            journal.worker_comes();
            journal.worker_died();
        }
        assert_eq!(journal.due(), [0], "they died before they had it");
        for _ in 0..MAX_DEATHS {
            journal.worker_comes();
            assert!(journal.give(0).is_some());
            get_on(&mut journal, 0);
            journal.worker_died();
        }
        assert!(journal.is_empty());
    }
}

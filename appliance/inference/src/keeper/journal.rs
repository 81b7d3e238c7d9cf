//! What a worker owes: each job with the tokens or vectors already sent, so that another worker can go on.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::pairing::Pairing;
use crate::frames::{Progress, Submission, ToWorker, VectorSubmission};
use crate::job::{Event, Job, JobError, Lane, Said, VectorJob, Vectors};
use crate::queue::Ticket;

/// Where an answer's events go.
pub(super) type Events = UnboundedSender<Result<Event, JobError>>;

/// Where the vectors of a job go, once they are whole.
pub(super) type WholeVectors = oneshot::Sender<Result<Vectors, JobError>>;

/// A job that so many workers had when they died is given up, once one has died that had nothing else.
const MAX_DEATHS: u32 = 3;

/// A job that so many workers had when they died may be what kills them.
const SUSPECT_DEATHS: u32 = MAX_DEATHS - 1;

/// What an answer may have beyond its most tokens, for those that end it, and the text that a token may have.
const SPARE_TOKENS: u64 = 64;
const MAX_TOKEN_BYTES: u64 = 1024;

/// The jobs that are waiting or running, in the order of their numbers.
///
/// What kills its worker is found without the others being lost: once two workers have died with the same jobs, the next
/// gets them one by one, each when it has got on with the one before. If it dies all the same, the one after it has one job
/// at a time, from its beginning to its end. Whichever dies that way is given up, and the others are free of suspicion.
#[derive(Default)]
pub(super) struct Journal {
    entries: BTreeMap<u64, Entry>,
    /// A worker has died that had its jobs one by one.
    one_at_a_time: bool,
    /// A caller has gone whose job the worker had, and nothing has come of the worker since: it may be that job that it
    /// dies of.
    left: bool,
}

struct Entry {
    work: Work,
    /// The job's place among those that wait for the model; a proof of readiness has none.
    ticket: Option<Ticket>,
    /// Pairs tokens with text; none where nobody wants to know how likely they were.
    pairing: Option<Pairing>,
    /// The text that has come of it.
    said_bytes: u64,
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
        let entry = Entry { work, ticket, pairing, said_bytes: 0, started: false, deaths: 0, standing };
        self.entries.insert(id, entry);
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
        let entry = Entry { work, ticket, pairing: None, said_bytes: 0, started: false, deaths: 0, standing };
        self.entries.insert(id, entry);
    }

    /// One of the jobs may be what kills workers.
    pub(super) fn is_wary(&self) -> bool {
        self.entries.values().any(|entry| entry.deaths >= SUSPECT_DEATHS)
    }

    /// The jobs that the worker can be given now, the oldest first; of suspects at most one, the one with the most deaths
    /// first.
    pub(super) fn due(&self) -> Vec<u64> {
        let due = self.entries.iter().filter(|(_, entry)| entry.standing == Standing::Due);
        if !self.is_wary() {
            return due.map(|(id, _)| *id).collect();
        }
        let waits_for = |entry: &Entry| match entry.standing {
            Standing::Due => false,
            Standing::Given => true,
            Standing::Worked => self.one_at_a_time,
        };
        if self.entries.values().any(waits_for) {
            return Vec::new();
        }
        let next = due.min_by_key(|(id, entry)| (Reverse(entry.deaths), entry.lane(), **id));
        next.map(|(id, _)| *id).into_iter().collect()
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

    /// Forgets a job whose caller has gone. `false` for one that is not known any more.
    pub(super) fn cancel(&mut self, id: u64) -> bool {
        let Some(entry) = self.entries.remove(&id) else { return false };
        self.left |= entry.standing != Standing::Due;
        true
    }

    /// Forgets a proof of readiness, of which no worker dies.
    pub(super) fn forget_proof(&mut self, id: u64) {
        self.entries.remove(&id);
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
        self.left = false;
        let Work::Answer { submission, .. } = &mut entry.work else { return false };
        submission.tokens.extend(step.token);
        if let (Some(pairing), Some(odds)) = (&mut entry.pairing, step.odds) {
            pairing.add(odds);
        }
        for said in step.said {
            entry.said_bytes += said.bytes();
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

    /// More has come of an answer than was asked for: this is no sound worker, whatever made it so.
    pub(super) fn has_too_much_of(&self, id: u64) -> bool {
        let Some(Entry { work: Work::Answer { submission, .. }, said_bytes, .. }) = self.entries.get(&id)
        else {
            return false;
        };
        let tokens = submission.tokens.len() as u64;
        // What heals the seam is written anew, and not counted.
        let anew = submission.job.answer_prefix.len() as u64;
        tokens > u64::from(submission.job.max_tokens) + anew + SPARE_TOKENS
            || *said_bytes > (tokens + SPARE_TOKENS) * MAX_TOKEN_BYTES
    }

    /// Writes down the vectors of the next texts of a job, and gives all of them when they are whole. `false` for a
    /// job that is not known any more.
    pub(super) fn vectors(&mut self, id: u64, vectors: Vec<Vec<f32>>, tokens: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.standing = Standing::Worked;
        self.left = false;
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

    /// Notes that the worker has died, and what it had; gives up the job that it died of, once that is known.
    pub(super) fn worker_died(&mut self) {
        let was_wary = self.is_wary();
        let had: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.standing != Standing::Due)
            .map(|(id, _)| *id)
            .collect();
        let suspects = had.len() + usize::from(self.left);
        for id in &had {
            let Some(entry) = self.entries.get_mut(id) else { continue };
            // Where they were given one by one, those with which it had got on are the less suspect.
            let is_suspect = !was_wary || suspects == 1 || entry.standing == Standing::Given;
            entry.deaths += u32::from(is_suspect);
        }
        self.one_at_a_time = was_wary && (self.one_at_a_time || suspects > 1);
        if let [alone] = had[..]
            && suspects == 1
            && self.entries.get(&alone).is_some_and(|entry| entry.deaths >= MAX_DEATHS)
        {
            self.refuse(alone, JobError::WorkerLost);
            self.entries.values_mut().for_each(|entry| entry.deaths = 0);
            self.one_at_a_time = false;
        }
    }

    /// Another worker comes, which has none of the jobs yet.
    pub(super) fn worker_comes(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.standing = Standing::Due);
        self.left = false;
    }

    pub(super) fn refuse_all(&mut self, error: &JobError) {
        for mut entry in std::mem::take(&mut self.entries).into_values() {
            entry.fail(error.clone());
        }
    }
}

impl Entry {
    fn lane(&self) -> Lane {
        match &self.work {
            Work::Answer { submission, .. } => submission.job.lane,
            Work::Vectors { job, .. } => job.lane,
        }
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
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::frames::Finish;
    use crate::job::{FinishReason, Message, Usage};

    fn journal(jobs: u64) -> Journal {
        journal_with_callers(jobs).0
    }

    fn journal_with_callers(jobs: u64) -> (Journal, Vec<UnboundedReceiver<Result<Event, JobError>>>) {
        let mut journal = Journal::default();
        let callers = (0..jobs).map(|id| {
            let (events, caller) = unbounded_channel();
            let job = Job::plain(vec![Message::new("user", "")], 1, Lane::Batch);
            journal.add(id, job, None, Some(events));
            caller
        });
        let callers = callers.collect();
        (journal, callers)
    }

    fn get_on(journal: &mut Journal, id: u64) {
        journal.progress(Progress { id, token: Some(1), odds: None, said: Vec::new(), finish: None });
    }

    fn end(journal: &mut Journal, id: u64) {
        let finish = Some(Finish { reason: FinishReason::Stop, usage: Usage::default() });
        journal.progress(Progress { id, token: None, odds: None, said: Vec::new(), finish });
    }

    fn standing(journal: &Journal, id: u64) -> Option<Standing> {
        journal.entries.get(&id).map(|entry| entry.standing)
    }

    /// Whether the worker dies, by how the killer stands, whether it has just been given another, and whether nothing more
    /// is due.
    type Kills = fn(killer: Standing, another: bool, all: bool) -> bool;

    /// The life of a worker that takes all that is due, gets on with it and ends it, unless it dies before.
    fn dies(journal: &mut Journal, killer: u64, kills: Kills) -> bool {
        journal.worker_comes();
        while !journal.is_empty() {
            let due = journal.due();
            due.iter().for_each(|id| assert!(journal.give(*id).is_some()));
            for is_at_work in [false, true] {
                if is_at_work {
                    due.iter().for_each(|id| get_on(journal, *id));
                }
                let another = !is_at_work && due.iter().any(|id| *id != killer);
                let all = is_at_work && journal.due().is_empty();
                if standing(journal, killer).is_some_and(|standing| kills(standing, another, all)) {
                    journal.worker_died();
                    return true;
                }
            }
            if journal.due().is_empty() {
                let worked =
                    journal.ids().into_iter().filter(|id| standing(journal, *id) == Some(Standing::Worked));
                worked.collect::<Vec<_>>().into_iter().for_each(|id| end(journal, id));
            }
        }
        false
    }

    #[test]
    fn what_kills_each_worker_is_found_and_takes_nobody_along() {
        let killers: [(&str, Kills, u32, &[u64]); 3] = [
            ("before its first token", |killer, _, _| killer == Standing::Given, 4, &[3]),
            ("in the middle of its answer", |killer, _, all| killer == Standing::Worked && all, 4, &[3]),
            // It never does it alone, so that it is never found, and has its answer in the end.
            ("when another begins", |killer, another, _| killer == Standing::Worked && another, 3, &[]),
        ];
        for (when, kills, most, found) in killers {
            let (mut journal, callers) = journal_with_callers(8);
            let killer = 3;
            let mut deaths = 0;
            while dies(&mut journal, killer, kills) {
                deaths += 1;
                assert!(deaths <= most, "{when}: {deaths} workers died");
            }
            let mut lost = Vec::new();
            for (id, mut caller) in (0..).zip(callers) {
                if std::iter::from_fn(|| caller.try_recv().ok()).any(|event| event.is_err()) {
                    lost.push(id);
                }
            }
            assert_eq!(lost, found, "{when}");
        }
    }

    #[test]
    fn who_comes_while_a_killer_is_looked_for_waits_for_its_turn() {
        let mut journal = journal(2);
        for _ in 0..SUSPECT_DEATHS {
            dies(&mut journal, 0, |killer, _, _| killer == Standing::Given);
        }
        journal.worker_comes();
        journal.add(2, Job::plain(vec![Message::new("user", "")], 1, Lane::Clinical), None, None);
        assert_eq!(journal.due(), [0], "suspects first");
        assert!(journal.give(0).is_some());
        assert!(journal.due().is_empty(), "one by one");
        get_on(&mut journal, 0);
        assert_eq!(journal.due(), [1]);
        (0..2).for_each(|id| end(&mut journal, id));
        assert_eq!(journal.due(), [2], "nobody is suspect any more");
    }

    #[test]
    fn a_worker_that_says_more_than_it_was_asked_for_is_seen() {
        let mut journal = journal(2);
        for _ in 0..=SPARE_TOKENS {
            get_on(&mut journal, 0);
            assert!(!journal.has_too_much_of(0));
        }
        get_on(&mut journal, 0);
        assert!(journal.has_too_much_of(0), "one token was asked for");
        let said = |bytes: u64| vec![Said::Text("x".repeat(bytes as usize))];
        for (bytes, is_too_much) in [(SPARE_TOKENS * MAX_TOKEN_BYTES, false), (1, true)] {
            let said = said(bytes);
            journal.progress(Progress { id: 1, token: None, odds: None, said, finish: None });
            assert_eq!(journal.has_too_much_of(1), is_too_much);
        }
    }

    #[test]
    fn nobody_is_given_up_for_a_death_that_may_be_of_one_who_has_left() {
        let mut journal = journal(1);
        let dies_after = |journal: &mut Journal, what: fn(&mut Journal)| {
            journal.worker_comes();
            assert!(journal.give(0).is_some());
            what(journal);
            journal.worker_died();
        };
        let leaves = |journal: &mut Journal| {
            journal.add(1, Job::plain(vec![Message::new("user", "")], 1, Lane::Batch), None, None);
            assert!(journal.give(1).is_some() && journal.cancel(1));
        };
        for _ in 0..=MAX_DEATHS {
            dies_after(&mut journal, leaves);
        }
        assert!(journal.has(0), "the other one may have killed them all");
        dies_after(&mut journal, |journal| {
            journal.add(1, Job::plain(vec![Message::new("user", "")], 1, Lane::Batch), None, None);
            assert!(journal.cancel(1) && !journal.cancel(1));
        });
        assert!(!journal.has(0), "no worker had that one");
    }

    #[test]
    fn what_comes_after_a_caller_has_left_clears_the_job_that_it_left() {
        let mut journal = journal(1);
        for _ in 0..MAX_DEATHS {
            journal.worker_comes();
            journal.add(1, Job::plain(vec![Message::new("user", "")], 1, Lane::Batch), None, None);
            (0..2).for_each(|id| assert!(journal.give(id).is_some()));
            assert!(journal.cancel(1));
            get_on(&mut journal, 1);
            assert!(journal.left, "that was on its way already");
            get_on(&mut journal, 0);
            journal.worker_died();
        }
        assert!(journal.is_empty());
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

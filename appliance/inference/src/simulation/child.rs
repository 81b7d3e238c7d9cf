//! One simulated worker, from its start to its end: the same verbs as the real one's, and no process.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::frames::{ALIVE_EVERY, Finish, FromWorker, Progress, Submission, ToWorker};
use crate::job::{FinishReason, JobError, Said, Usage};
use crate::simulation::{Answer, End as LifeEnd, Life, Script, script};
use crate::spec::ModelSpec;
use crate::worker::Measured;

pub(super) struct Child {
    model: String,
    script: Arc<dyn Script>,
    life: Life,
    loaded_at: Instant,
    loaded: bool,
    /// When it gives a sign of life, if it has nothing else to say until then.
    alive_at: Instant,
    /// When the step that runs now is done.
    step_ends: Option<Instant>,
    inbox: Mutex<VecDeque<ToWorker>>,
    mail: Notify,
    outbox: VecDeque<FromWorker>,
    running: Vec<Running>,
    waiting: Vec<Running>,
    /// The jobs that the script was told of.
    told: usize,
}

struct Running {
    submission: Submission,
    answer: Answer,
    next: usize,
    started: bool,
}

/// How a worker ended; shown as the part of a sentence.
pub(super) struct End;

impl Child {
    #[expect(clippy::unnecessary_wraps, reason = "a real worker's process may fail to start")]
    pub(super) fn start(spec: &ModelSpec, _: Option<Measured>, _: u64) -> io::Result<Child> {
        let script = script();
        let life = script.begin(&spec.name);
        Ok(Child {
            model: spec.name.clone(),
            loaded_at: Instant::now() + life.loading,
            loaded: false,
            alive_at: Instant::now() + ALIVE_EVERY,
            step_ends: None,
            inbox: Mutex::default(),
            mail: Notify::new(),
            outbox: VecDeque::new(),
            running: Vec::new(),
            waiting: Vec::new(),
            told: 0,
            script,
            life,
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        None
    }

    pub(super) fn has_loaded(&mut self) {}

    pub(super) fn send(&self, frame: &ToWorker) {
        let frame = match frame {
            ToWorker::Submit(submission) => ToWorker::Submit(submission.clone()),
            ToWorker::Compute(submission) => ToWorker::Compute(submission.clone()),
            ToWorker::Cancel { id } => ToWorker::Cancel { id: *id },
            ToWorker::Stop => ToWorker::Stop,
        };
        self.inbox().push_back(frame);
        self.mail.notify_one();
    }

    /// The next frame; `None` when the worker has gone. May be dropped while waiting.
    pub(super) async fn next(&mut self) -> Option<FromWorker> {
        loop {
            let now = Instant::now();
            if let Some(frame) = self.outbox.pop_front() {
                self.alive_at = now + ALIVE_EVERY;
                return Some(frame);
            }
            if !self.loaded && now < self.loaded_at {
                sleep_until(self.loaded_at.min(self.alive_at)).await;
                self.give_a_sign();
                continue;
            }
            if !self.loaded {
                self.loaded = true;
                self.outbox.push_back(match &self.life.end {
                    LifeEnd::Refuses(reason) => {
                        FromWorker::LoadFailed { reason: reason.clone(), is_for_now: false }
                    }
                    _ => FromWorker::Ready { facts: Box::new(self.life.facts.clone()), measured: None },
                });
                continue;
            }
            let ends_at = match self.life.end {
                LifeEnd::Refuses(_) => return None,
                LifeEnd::Dies(after) if now >= self.loaded_at + after => return None,
                LifeEnd::Hangs(after) if now >= self.loaded_at + after => std::future::pending().await,
                LifeEnd::Dies(after) | LifeEnd::Hangs(after) => Some(self.loaded_at + after),
                LifeEnd::Never => None,
            };
            if self.read_mail() {
                return None;
            }
            self.tell();
            self.schedule(now);
            if self.step_ends.is_some_and(|ends| now >= ends) {
                self.step_ends = None;
                self.step();
                self.tell();
                continue;
            }
            let wake = [self.step_ends, ends_at].into_iter().flatten().fold(self.alive_at, Instant::min);
            tokio::select! {
                biased;
                () = self.mail.notified() => {}
                () = sleep_until(wake) => self.give_a_sign(),
            }
        }
    }

    /// As the real worker does in every second in which it has nothing else to say.
    fn give_a_sign(&mut self) {
        if Instant::now() >= self.alive_at {
            self.outbox.push_back(FromWorker::Alive { only_prepares: false });
        }
    }

    fn tell(&mut self) {
        let jobs = self.running.len() + self.waiting.len();
        if std::mem::replace(&mut self.told, jobs) != jobs {
            self.script.holds(&self.model, jobs);
        }
    }

    pub(super) async fn stop(self) {}

    pub(super) async fn bury(self) -> End {
        End
    }

    /// True when it is told to stop.
    fn read_mail(&mut self) -> bool {
        let mail = std::mem::take(&mut *self.inbox());
        for frame in mail {
            match frame {
                ToWorker::Submit(submission) => self.submit(*submission),
                // No simulated box has a model that makes vectors.
                ToWorker::Compute(submission) => {
                    let error = JobError::WrongKind;
                    self.outbox.push_back(FromWorker::Refused { id: submission.id, error });
                }
                ToWorker::Cancel { id } => {
                    self.running.retain(|job| job.submission.id != id);
                    self.waiting.retain(|job| job.submission.id != id);
                }
                ToWorker::Stop => return true,
            }
        }
        false
    }

    fn submit(&mut self, submission: Submission) {
        match self.script.answer(&self.model, &submission.job) {
            Ok(answer) => {
                // What an earlier worker generated is not said again.
                let next = submission.tokens.len().min(answer.tokens.len());
                self.waiting.push(Running { submission, answer, next, started: false });
            }
            Err(error) => self.outbox.push_back(FromWorker::Refused { id: submission.id, error }),
        }
    }

    /// The clinical lane first, and within a lane who came first.
    fn schedule(&mut self, now: Instant) {
        self.waiting.sort_by_key(|job| (job.submission.job.lane, job.submission.id));
        while self.running.len() < self.life.sequences && !self.waiting.is_empty() {
            self.running.push(self.waiting.remove(0));
        }
        if self.step_ends.is_none() && !self.running.is_empty() {
            self.step_ends = Some(now + self.script.step(&self.model));
        }
    }

    fn step(&mut self) {
        let mut steps = Vec::new();
        for job in &mut self.running {
            if !std::mem::replace(&mut job.started, true) {
                let frame =
                    FromWorker::Started { id: job.submission.id, prompt_tokens: job.answer.prompt_tokens };
                self.outbox.push_back(frame);
            }
            steps.push(job.advance());
        }
        let over: Vec<u64> = steps.iter().filter(|step| step.finish.is_some()).map(|step| step.id).collect();
        self.running.retain(|job| !over.contains(&job.submission.id));
        self.outbox.push_back(FromWorker::Step(steps));
    }

    fn inbox(&self) -> MutexGuard<'_, VecDeque<ToWorker>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn advance(&mut self) -> Progress {
        let id = self.submission.id;
        let limit = self.submission.job.max_tokens as usize;
        let text = self.answer.tokens.get(self.next).cloned();
        let Some(text) = text.filter(|_| self.next < limit) else {
            let reason =
                if self.next < self.answer.tokens.len() { FinishReason::Length } else { FinishReason::Stop };
            let finish = Some(self.finish(reason));
            return Progress { id, token: None, odds: None, said: Vec::new(), finish };
        };
        self.next += 1;
        let cut_here = self.next == limit && self.next < self.answer.tokens.len();
        let finish = cut_here.then(|| self.finish(FinishReason::Length));
        Progress { id, token: Some(self.next as i32), odds: None, said: vec![Said::Text(text)], finish }
    }

    fn finish(&self, reason: FinishReason) -> Finish {
        let usage = Usage {
            prompt_tokens: self.answer.prompt_tokens,
            prefix_tokens: self.answer.prefix_tokens,
            reused_tokens: 0,
            completion_tokens: self.next as u32,
        };
        Finish { reason, usage }
    }
}

impl End {
    #[expect(clippy::unused_self, reason = "a real worker's end tells its signal")]
    pub(super) fn was_killed(&self) -> bool {
        true
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended by signal 9")
    }
}

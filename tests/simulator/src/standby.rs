//! The simulated box's own models: they say the same numbered words, and go on in the middle of a word.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use inference::simulation::{Answer, End, Life, Script};
use inference::{Confinement, Facts, Job, JobError, Placement};

use crate::book::{Book, Load, LocalJob};
use crate::plan::LocalPlan;
use crate::words::{self, Order};

pub(crate) struct Standby {
    locals: Vec<LocalPlan>,
    book: Book,
    begun: Mutex<HashMap<String, usize>>,
}

impl Standby {
    pub(crate) fn new(locals: Vec<LocalPlan>, book: Book) -> Standby {
        Standby { locals, book, begun: Mutex::default() }
    }

    fn plan(&self, model: &str) -> &LocalPlan {
        self.locals.iter().find(|local| local.name == model).expect("only planned models are started")
    }
}

impl Script for Standby {
    fn begin(&self, model: &str) -> Life {
        let plan = self.plan(model);
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let number = begun.entry(model.to_owned()).or_default();
        let end = match plan.lives.get(*number) {
            Some((lasts, true)) => End::Hangs(*lasts),
            Some((lasts, false)) => End::Dies(*lasts),
            None => End::Never,
        };
        *number += 1;
        self.book.tell(format!("local/{model}: worker {number} begins, {end:?}"));
        Life { loading: plan.loading, end, sequences: plan.sequences, facts: facts(plan) }
    }

    fn answer(&self, model: &str, job: &Job) -> Result<Answer, JobError> {
        let plan = self.plan(model);
        let prompt: usize = job.messages.iter().map(|message| message.content.len()).sum();
        let prompt_tokens = ((prompt + job.answer_prefix.len()) / 4) as u32;
        if prompt_tokens > plan.context {
            return Err(JobError::ContextTooLong { tokens: prompt_tokens, limit: plan.context });
        }
        let order = job.messages.last().and_then(|message| Order::read(&message.content));
        // The proof of readiness asks for nothing in particular.
        let Some(order) = order else {
            return Ok(Answer { prompt_tokens, prefix_tokens: 0, tokens: vec!["ready".into()] });
        };
        let rest = words::rest(&order, plan.mark, &job.answer_prefix);
        // What is no beginning of the answer has no rest: the word for that is no word of any answer.
        let tokens = rest.unwrap_or_else(|| vec![" ⚠".into()]);
        let prefix_tokens = job.answer_prefix.len() as u32 / 4;
        let mut pages = self.book.pages();
        let prompt_tokens = 500_000 + 11 * pages.jobs.len() as u64;
        pages.jobs.push(LocalJob {
            request: order.request,
            prompt_tokens,
            prefix_tokens: u64::from(prefix_tokens),
            tokens: tokens.len().min(job.max_tokens as usize) as u64,
        });
        drop(pages);
        let begun = job.answer_prefix.chars().count();
        self.book.tell(format!("local/{model}: takes request {} on after {begun} characters", order.request));
        Ok(Answer { prompt_tokens: prompt_tokens as u32 + prefix_tokens, prefix_tokens, tokens })
    }

    fn holds(&self, model: &str, jobs: usize) {
        let model = self.plan(model).name;
        let mut pages = self.book.pages();
        let at = pages.now();
        pages.loads.push(Load { at, model, jobs });
    }

    fn step(&self, model: &str) -> Duration {
        self.plan(model).step
    }
}

fn facts(plan: &LocalPlan) -> Facts {
    Facts {
        architecture: "simulated".into(),
        quantisation: "none".into(),
        parameters: 1_000_000,
        size_bytes: 1_000_000,
        layers: 1,
        kv_bytes_per_token: 1,
        context_train: plan.context,
        context_limit: plan.context,
        device: "none".into(),
        tools: false,
        vectors: None,
        sha256: String::new(),
        swap_bytes: 0,
        later_bytes: 0,
        confinement: Confinement::WHOLE,
        placement: Placement::default(),
    }
}

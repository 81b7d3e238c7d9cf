//! From a job's messages to the tokens that the engine takes in.

use std::sync::Arc;
use std::time::Duration;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::format::{Formats, Guide};
use super::seam;
use super::template::Template;
use super::vocabulary::Vocabulary;
use crate::frames::Submission;
use crate::job::{JobError, Lane, Message, Sampling};

/// A job that the engine can run.
pub(super) struct Prepared {
    pub(super) id: u64,
    pub(super) lane: Lane,
    pub(super) waited: Duration,
    /// The prompt, with what stays of the answer's prefix.
    pub(super) tokens: Vec<i32>,
    /// The prompt and the whole prefix, as they are counted.
    pub(super) prompt_tokens: u32,
    /// The prefix alone.
    pub(super) prefix_tokens: u32,
    /// The end of the prefix, which the model writes anew.
    pub(super) rest: Vec<u8>,
    /// What an earlier worker has generated.
    pub(super) generated: Vec<i32>,
    /// The most tokens to generate.
    pub(super) budget: u32,
    /// The most cells of the context that the job can need.
    pub(super) cells: u32,
    pub(super) sampling: Sampling,
    pub(super) seed: u64,
    pub(super) stop: Vec<String>,
    pub(super) guide: Option<Guide>,
    /// The prefix as text: a stop string may have begun in it.
    pub(super) begun: String,
}

/// Prepares jobs for one model.
pub(super) struct Prompter {
    pub(super) model: Arc<LlamaModel>,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) template: Template,
    pub(super) formats: Formats,
    /// The texts of control tokens, which a message must not be able to speak.
    pub(super) controls: Vec<String>,
    /// Tokens that one conversation may have, its answer included.
    pub(super) limit: u32,
}

/// Marks the beginning and the end of a message's content in a rendered prompt: two characters of private use.
const CONTENT: [char; 2] = ['\u{f8f0}', '\u{f8f1}'];

impl Prompter {
    /// # Errors
    /// A prompt that is too long, or that the template refuses; a form that can't be compiled, or that the answer's
    /// prefix does not have.
    pub(super) fn prepare(&self, submission: Submission) -> Result<Prepared, JobError> {
        let Submission { id, job, seed, waited_ms, tokens: generated } = submission;
        if !generated.iter().all(|token| self.vocabulary.has(*token)) {
            return Err(JobError::Internal);
        }
        let (mut tokens, prefix) = self.tokens(&job.messages, &job.answer_prefix)?;
        let prompt_tokens = (tokens.len() + prefix.len()) as u32;
        if prompt_tokens >= self.limit {
            return Err(JobError::ContextTooLong { tokens: prompt_tokens, limit: self.limit });
        }
        let budget = job.max_tokens.clamp(1, self.limit - prompt_tokens);
        let (kept, rest) = seam::split(&prefix, &self.vocabulary);
        let mut guide = job.format.as_ref().map(|format| self.formats.guide(format)).transpose()?;
        if let Some(guide) = &mut guide {
            prefix[..kept]
                .iter()
                .try_for_each(|token| guide.accept(*token, self.vocabulary.bytes(*token)))?;
        }
        tokens.extend_from_slice(&prefix[..kept]);
        let cells = (tokens.len() + rest.len()) as u32 + budget;
        Ok(Prepared {
            id,
            lane: job.lane,
            waited: Duration::from_millis(waited_ms),
            tokens,
            prompt_tokens,
            prefix_tokens: prefix.len() as u32,
            rest,
            generated,
            budget,
            cells: cells.min(self.limit),
            sampling: job.sampling,
            seed,
            stop: job.stop,
            guide,
            begun: job.answer_prefix,
        })
    }

    /// The tokens of the prompt, and those of the answer's prefix.
    fn tokens(&self, messages: &[Message], prefix: &str) -> Result<(Vec<i32>, Vec<i32>), JobError> {
        let mut prompt = if messages.iter().any(|message| self.speaks_control(&message.content)) {
            self.guarded(messages)?
        } else {
            self.tokenize(&self.template.render(messages)?, true)
        };
        let vocab = self.model.vocab();
        if vocab.should_add_bos() && prompt.first() != Some(&vocab.bos().0) {
            prompt.insert(0, vocab.bos().0);
        }
        let prefix = if prefix.is_empty() { Vec::new() } else { self.tokenize(prefix, false) };
        Ok((prompt, prefix))
    }

    fn speaks_control(&self, content: &str) -> bool {
        self.controls.iter().any(|control| content.contains(control.as_str()))
    }

    /// Tokenises a conversation in which a message spells out a control token: contents as plain text, so that
    /// nobody can speak in another's role, and the template around them as it is.
    fn guarded(&self, messages: &[Message]) -> Result<Vec<i32>, JobError> {
        let [open, close] = CONTENT;
        let mark = |message: &Message| Message {
            role: message.role.clone(),
            content: format!("{open}{}{close}", message.content.replace(CONTENT, "")),
        };
        let rendered = self.template.render(&messages.iter().map(mark).collect::<Vec<_>>())?;
        let mut tokens = Vec::new();
        for part in rendered.split(close) {
            let (template, content) = part.split_once(open).unwrap_or((part, ""));
            tokens.extend(self.tokenize(template, true));
            tokens.extend(self.tokenize(content, false));
        }
        Ok(tokens)
    }

    fn tokenize(&self, text: &str, parse_special: bool) -> Vec<i32> {
        if text.is_empty() {
            return Vec::new();
        }
        let tokens = self.model.vocab().tokenize(text.as_bytes(), false, parse_special);
        tokens.into_iter().map(|LlamaToken(token)| token).collect()
    }
}

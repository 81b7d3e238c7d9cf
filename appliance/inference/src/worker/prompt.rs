//! From a job's messages to the tokens that the engine takes in.

use std::sync::Arc;

use llama_cpp_2::model::LlamaModel;
use tokio::time::Instant;

use super::conversation::Conversation;
use super::format::{Asked, Calling, Formats, Guide};
use super::guard::{CUT, Guard};
use super::manner::{Family, Manner};
use super::parser::Parser;
use super::prefixes::{WORTH_SHARING, common};
use super::seam;
use super::speech::{Rules, Speech};
use super::template::Template;
use super::text::Stops;
use super::tokenizer::{LONGEST_TOKEN_BYTES, Tokenizer};
use super::vocabulary::Vocabulary;
use crate::frames::Submission;
use crate::job::{Job, JobError, Lane, Message, Must, Sampling, Scope};

/// So much text is prepared in a few milliseconds.
const QUICK_BYTES: u64 = 64 << 10;

/// And so many messages: what they are wrapped in is looked for in all of the text.
const QUICK_MESSAGES: usize = 256;

/// Words of which no two begin alike, also where what precedes them takes their beginning into its own last token.
const DIFFERENT: [&str; 3] = ["a", "\nb", "가"];

/// A job that the engine can run.
pub(super) struct Prepared {
    pub(super) id: u64,
    /// When it came to this worker.
    pub(super) came: Instant,
    pub(super) lane: Lane,
    pub(super) scope: Option<Scope>,
    pub(super) waited_ms: i64,
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
    /// Those that are reserved for it when it begins.
    pub(super) reserved: u32,
    pub(super) sampling: Sampling,
    pub(super) seed: u64,
    pub(super) speech: Speech,
    pub(super) guide: Option<Guide>,
}

/// Prepares jobs for one model.
pub(super) struct Prompter {
    pub(super) model: Arc<LlamaModel>,
    pub(super) tokenizer: Tokenizer,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) template: Template,
    pub(super) manner: Manner,
    pub(super) formats: Formats,
    pub(super) guard: Guard,
    /// Tokens that one conversation may have, its answer included.
    pub(super) limit: u32,
}

/// The tokens that an answer begins from.
struct Start {
    prompt: Vec<i32>,
    prefix: Vec<i32>,
    /// The template has begun to think already.
    inside: bool,
}

impl Prompter {
    /// A form is compiled in a moment or in seconds, and so is a text as long as a book cut into tokens.
    pub(super) fn is_slow_for(job: &Job) -> bool {
        job.format.is_some()
            || job.tools.is_some()
            || job.text_bytes() > QUICK_BYTES
            || job.messages.len() > QUICK_MESSAGES
    }

    /// # Errors
    /// A prompt that is too long, or that the template refuses; a form that can't be compiled, or that the answer's
    /// prefix does not have.
    pub(super) fn prepare(&self, submission: Submission) -> Result<Prepared, JobError> {
        let Submission { id, job, seed, waited_ms, tokens: generated } = submission;
        if !generated.iter().all(|token| self.vocabulary.has(*token)) {
            return Err(JobError::Internal);
        }
        let unknown = job.sampling.logit_bias.iter().find(|(token, _)| !self.vocabulary.has(*token));
        if let Some((token, _)) = unknown {
            return Err(JobError::NoSuchToken {
                token: *token,
                tokens: self.vocabulary.tokens().count() as u32,
            });
        }
        // What is far too long is not even cut into tokens, which takes long in some vocabularies.
        let (bytes, most) = (job.said_bytes(), u64::from(self.limit) * LONGEST_TOKEN_BYTES as u64);
        if bytes > most {
            return Err(JobError::TooLarge { bytes, limit: most });
        }
        let Start { prompt: mut tokens, prefix, inside } = self.start(&job)?;
        let prompt_tokens = (tokens.len() + prefix.len()) as u32;
        if prompt_tokens >= self.limit {
            return Err(JobError::ContextTooLong { tokens: prompt_tokens, limit: self.limit });
        }
        let budget = job.max_tokens.clamp(1, self.limit - prompt_tokens);
        let (kept, rest) = seam::split(&prefix, &self.vocabulary);
        let (mut guide, speech) = self.speech(&job, inside)?;
        if let Some(guide) = &mut guide {
            prefix[..kept]
                .iter()
                .try_for_each(|token| guide.accept(*token, self.vocabulary.bytes(*token)))?;
        }
        tokens.extend_from_slice(&prefix[..kept]);
        let cells = self.limit.min((tokens.len() + rest.len()) as u32 + budget);
        Ok(Prepared {
            came: Instant::now(),
            id,
            lane: job.lane,
            scope: job.scope,
            waited_ms,
            tokens,
            prompt_tokens,
            prefix_tokens: prefix.len() as u32,
            rest,
            generated,
            budget,
            cells,
            reserved: cells,
            sampling: job.sampling,
            seed,
            speech,
            guide,
        })
    }

    /// What prompts begin with whoever asks: the template's own words, up to a system message or to the first question.
    pub(super) fn beginnings(&self) -> Vec<Vec<i32>> {
        let with_system = |text: &str| vec![Message::new("system", text), Message::new("user", text)];
        let without = |text: &str| vec![Message::new("user", text)];
        let mut beginnings: Vec<Vec<i32>> = Vec::new();
        for tokens in [self.common(without), self.common(with_system)].into_iter().flatten() {
            let is_known = beginnings.iter().any(|longer| longer.starts_with(&tokens));
            if tokens.len() >= WORTH_SHARING && !is_known {
                beginnings.push(tokens);
            }
        }
        beginnings
    }

    /// What the prompts of conversations begin with that begin with different words. `None` where the template refuses
    /// one of them.
    fn common(&self, conversation: impl Fn(&str) -> Vec<Message>) -> Option<Vec<i32>> {
        let prompts = DIFFERENT.map(|words| {
            let job = Job::plain(conversation(words), 1, Lane::Batch);
            self.start(&job).ok().map(|start| start.prompt)
        });
        let [Some(mut tokens), rest @ ..] = prompts else { return None };
        for other in rest {
            tokens.truncate(common(&tokens, &other?));
        }
        Some(tokens)
    }

    fn start(&self, job: &Job) -> Result<Start, JobError> {
        let (conversation, guarded) = Conversation::of(job, &self.manner, &self.guard)?;
        let mut rendered = self.template.render(&conversation)?;
        let thinking = self.manner.thinking;
        let opened = thinking.filter(|thinking| rendered.trim_end().ends_with(thinking.open.trim_end()));
        let inside = opened.is_some() && job.answer_prefix.is_empty() && job.format.is_none();
        if let Some(thinking) = opened.filter(|_| !inside) {
            // What is given, or has a form, is the answer and no thought.
            rendered.push_str(&format!("\n{}\n\n", thinking.close));
        }
        let mut prompt = if guarded {
            rendered.split(CUT).flat_map(|piece| self.tokenizer.of_prompt(piece, &self.guard)).collect()
        } else {
            self.tokenizer.of_prompt(&rendered, &self.guard)
        };
        let vocab = self.model.vocab();
        if vocab.should_add_bos() && prompt.first() != Some(&vocab.bos().0) {
            prompt.insert(0, vocab.bos().0);
        }
        let prefix = self.tokenizer.of_words(&job.answer_prefix);
        Ok(Start { prompt, prefix, inside })
    }

    /// What holds the answer to its form, and what takes it apart.
    fn speech(&self, job: &Job, inside: bool) -> Result<(Option<Guide>, Speech), JobError> {
        let amid_words = !job.answer_prefix.is_empty();
        let Manner { family, thinking, .. } = self.manner;
        // An answer that has a form, or goes on, does not begin to think.
        let thinking = thinking.filter(|_| job.format.is_none() && !amid_words);
        let calling = family.zip(job.tools.as_ref());
        let (format, tools) = (job.format.as_ref(), calling.map(|(_, tools)| tools));
        let asked = Asked { scope: job.scope, format, tools, inside, amid_words };
        let form = match (calling, format) {
            (Some((family, tools)), words) => {
                let calling = Calling { family, tools, words, thinking, inside, amid_words };
                Some(self.formats.kept.form(&asked, || self.formats.calling(&calling))?)
            }
            (None, Some(format)) => {
                let plain = || Ok((self.formats.guide(format)?, Rules::new()));
                Some(self.formats.kept.form(&asked, plain)?)
            }
            (None, None) => None,
        };
        let (guide, rules) = form.map_or_else(Default::default, |(guide, rules)| (Some(guide), rules));
        let calls = calling.is_some_and(|(_, tools)| tools.must != Must::Not);
        let manner = Manner { thinking, ..self.manner };
        let mut parser = Parser::new(&manner, calls, inside);
        if amid_words || (job.format.is_some() && family == Some(Family::Llama)) {
            parser = parser.amid_words();
        }
        let words = (calls && job.format.is_some()).then(|| job.answer_prefix.clone());
        // A stop string may have begun in the prefix.
        let stops = Stops::new(job.stop.clone(), &job.answer_prefix);
        Ok((guide, Speech::new(parser, stops, rules, words)))
    }
}

//! The form that an answer must have: compiled before any work, asked before each token, proven at the end.
//!
//! Architecture invariant: a form fails closed. What cannot be compiled is refused, what goes wrong while the answer is
//! written ends it with an error, and JSON that is complete is checked once more by a validator that shares no code with
//! the compiler.

mod calling;
mod judge;
mod kept;

use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};

use kept::Kept;

use super::vocabulary::Vocabulary;
use crate::job::{Format, JobError};

pub(super) use calling::Calling;
pub(super) use judge::Judge;
pub(super) use kept::Asked;

/// Between two parts of JSON stands nothing, a space, or a new line with its indentation, as people write it. Without a
/// bound small models fall into endless space.
const SPACE: &str = r" |\n( {0,12}|\t{0,6})";

/// What is wrong with a form is told in so many characters.
const MAX_REASON: usize = 300;

/// What the compiler may hold for each token, in bytes: twice what a worker with 262,000 tokens had more after its first form.
const BYTES_PER_TOKEN: u64 = 1024;

/// What this process comes to hold with the first form.
pub(super) fn bytes_for(vocabulary: &Vocabulary) -> u64 {
    BYTES_PER_TOKEN * vocabulary.tokens().count() as u64
}

/// Compiles forms for one model.
pub(super) struct Formats {
    vocabulary: Arc<Vocabulary>,
    /// Made with the first request that wants a form: it takes a moment, and most never do.
    factory: OnceLock<Result<ParserFactory, String>>,
    pub(super) kept: Kept,
}

/// What one answer may still become.
pub(super) struct Guide {
    matcher: Matcher,
    proof: Proof,
    said: Vec<u8>,
}

/// How a complete answer is checked.
#[derive(Clone)]
enum Proof {
    Json(Arc<Judge>),
    /// The matcher is the only judge of a regular expression, and of what is around calls.
    Matcher,
    /// The words of an answer that calls nothing are JSON.
    JsonOrCalls(Arc<Judge>),
    /// It calls something.
    Calls,
}

impl Formats {
    pub(super) fn new(vocabulary: Arc<Vocabulary>) -> Formats {
        Formats { vocabulary, factory: OnceLock::new(), kept: Kept::default() }
    }

    /// # Errors
    /// What cannot be compiled: not JSON Schema, a part of it that is not supported, or too large.
    pub(super) fn guide(&self, format: &Format) -> Result<Guide, JobError> {
        let (grammar, proof) = match format {
            Format::JsonObject => json(json!({"type": "object"}))?,
            Format::JsonSchema(schema) => {
                json(serde_json::from_str(schema).map_err(|error| refused(&error))?)?
            }
            Format::Regex(pattern) => (TopLevelGrammar::from_regex(pattern), Proof::Matcher),
        };
        Ok(Guide { matcher: self.matcher(grammar)?, proof, said: Vec::new() })
    }

    fn matcher(&self, grammar: TopLevelGrammar) -> Result<Matcher, JobError> {
        let factory = self.factory.get_or_init(|| factory(&self.vocabulary));
        let factory = factory.as_ref().map_err(|_| JobError::Internal)?;
        let matcher = Matcher::new(factory.create_parser(grammar));
        if let Some(error) = matcher.get_error() {
            return Err(refused(&error));
        }
        can_begin(&matcher)?;
        Ok(matcher)
    }
}

/// Also what nothing can have is compiled, such as a form that is made of itself alone.
fn can_begin(matcher: &Matcher) -> Result<(), JobError> {
    // An error would stay in the matcher, so that a copy is asked.
    match matcher.deep_clone().compute_mask_or_eos() {
        Ok(mask) if !mask.is_zero() => Ok(()),
        Err(error) if is_too_complex(&error.to_string()) => Err(refused(&error)),
        _ => Err(refused(&"nothing can have this form")),
    }
}

/// The matcher has met a bound of its own. That stands in its words alone.
fn is_too_complex(error: &str) -> bool {
    ["lexer error", "parser error"].iter().any(|words| error.starts_with(words))
}

fn json(schema: Value) -> Result<(TopLevelGrammar, Proof), JobError> {
    let judge = Judge::new(&schema)?;
    Ok((TopLevelGrammar::from_json_schema(compilable(schema)?), Proof::Json(Arc::new(judge))))
}

/// The schema with what the compiler is to heed beside it.
fn compilable(mut schema: Value) -> Result<Value, JobError> {
    let Some(root) = schema.as_object_mut() else {
        return Err(refused(&"a schema is a JSON object"));
    };
    // These switches are ours: a request could say there that nothing needs to hold.
    root.remove("x-guidance");
    let options = JsonCompileOptions {
        whitespace_pattern: Some(SPACE.to_owned()),
        // One or more of several instead of just one of them; the validator then counts.
        coerce_one_of: true,
        ..JsonCompileOptions::default()
    };
    options.apply_to(&mut schema);
    Ok(schema)
}

fn refused(error: &impl ToString) -> JobError {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    JobError::BadFormat(line.chars().take(MAX_REASON).collect())
}

fn factory(vocabulary: &Vocabulary) -> Result<ParserFactory, String> {
    // A hidden token is no text; the compiler knows it by its number.
    let word = |token| match vocabulary.mark(token) {
        Some(mark) => [&[TokTrie::SPECIAL_TOKEN_MARKER], mark.as_bytes()].concat(),
        None => vocabulary.bytes(token).to_vec(),
    };
    let words: Vec<Vec<u8>> = vocabulary.tokens().map(word).collect();
    let ends: Vec<u32> =
        vocabulary.tokens().filter(|token| vocabulary.ends_turn(*token)).map(i32::cast_unsigned).collect();
    let end = ends.first().copied().unwrap_or_default();
    let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words).with_eos_tokens(&ends);
    let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&tokens, InferenceCapabilities::default(), &slices)
        .map_err(|error| error.to_string())?;
    // What it says otherwise quotes the request.
    factory.quiet().limits_mut().verbose_errors = false;
    Ok(factory)
}

impl Guide {
    /// One of its own, which stands where this one stands.
    fn copy(&self) -> Guide {
        Guide { matcher: self.matcher.deep_clone(), proof: self.proof.clone(), said: self.said.clone() }
    }

    /// Whether this token may come next.
    ///
    /// # Errors
    /// The matcher has failed: the answer cannot go on.
    pub(super) fn admits(&mut self, token: i32) -> Result<bool, JobError> {
        let admitted = self.matcher.validate_tokens(&[token.cast_unsigned()]);
        admitted.map(|count| count == 1).map_err(|_| JobError::Internal)
    }

    /// Whether the answer may end here.
    ///
    /// # Errors
    /// As [`Guide::admits`].
    pub(super) fn may_end(&mut self) -> Result<bool, JobError> {
        self.matcher.is_accepting().map_err(|_| JobError::Internal)
    }

    /// All tokens that may come next, those that end the turn where it may end.
    ///
    /// # Errors
    /// As [`Guide::admits`].
    pub(super) fn mask(&mut self) -> Result<SimpleVob, JobError> {
        self.matcher.compute_mask_or_eos().map_err(|_| JobError::Internal)
    }

    /// Takes a token with its bytes into the answer.
    ///
    /// # Errors
    /// One that must not be there.
    pub(super) fn accept(&mut self, token: i32, bytes: &[u8]) -> Result<(), JobError> {
        self.said.extend_from_slice(bytes);
        self.matcher.consume_token(token.cast_unsigned()).map_err(|_| JobError::FormatMissed)
    }

    /// Nothing can follow.
    pub(super) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// It is no answer before it has called something.
    pub(super) fn owes_calls(&self) -> bool {
        matches!(self.proof, Proof::Calls)
    }

    /// `words` are those beside its calls, where they have a form of their own, and `calls` how many are whole.
    ///
    /// # Errors
    /// The answer, which its writer calls complete, is not what was asked for.
    pub(super) fn prove(&mut self, words: Option<&str>, calls: usize) -> Result<(), JobError> {
        let is_json = |judge: &Judge, text: &[u8]| {
            serde_json::from_slice(text).is_ok_and(|answer: Value| judge.accepts(&answer))
        };
        let holds = match &self.proof {
            Proof::Json(judge) => is_json(judge, &self.said),
            Proof::JsonOrCalls(judge) => calls > 0 || is_json(judge, words.unwrap_or_default().as_bytes()),
            Proof::Calls => calls > 0,
            Proof::Matcher => self.may_end()? || self.is_complete(),
        };
        if holds { Ok(()) } else { Err(JobError::FormatMissed) }
    }
}

#[cfg(test)]
mod tests;

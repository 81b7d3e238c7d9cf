//! What came of it all, and whether that is as promised.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Plan;
use super::judge::{Judge, Verdict};
use super::talk::Request;

/// What one request came to.
#[derive(Debug)]
pub(super) enum Answer {
    Whole {
        said: String,
        prompt_tokens: u64,
        reused_tokens: Option<u64>,
    },
    /// What had come when the client went away.
    Dropped(String),
    /// Why there is none.
    Failed(String),
}

impl Answer {
    /// `usage` as the API tells it; null where it tells none.
    pub(super) fn whole(said: String, usage: &Value) -> Answer {
        Answer::Whole {
            said,
            prompt_tokens: usage["prompt_tokens"].as_u64().unwrap_or(0),
            reused_tokens: usage["prompt_tokens_details"]["cached_tokens"].as_u64(),
        }
    }
}

/// The figures of one box.
#[derive(Debug, Default)]
pub(super) struct Found {
    sequences: usize,
    cells: usize,
    programs: usize,
    people: usize,
    codes: usize,
    asked: usize,
    /// Whole answers, and beginnings that a client had when it went away.
    own: usize,
    dropped: usize,
    pub(super) foreign: usize,
    pub(super) of_another_user: usize,
    mistakes: usize,
    failed: BTreeMap<String, usize>,
    prompt_tokens: u64,
    /// None where the box does not tell.
    reused_tokens: Option<u64>,
    /// First askings, of users who can have nothing in the cache; and how many of them found something there.
    first_askings: usize,
    found_something: usize,
    pub(super) killed: usize,
    pub(super) left_the_building: usize,
    /// The first ones that were not as they should be.
    wrong: Vec<String>,
}

impl Found {
    pub(super) fn new(plan: &Plan, programs: usize, people: usize, codes: usize) -> Found {
        let Plan { sequences, cells, .. } = *plan;
        Found { sequences, cells, programs, people, codes, ..Found::default() }
    }

    /// Takes note of what somebody's very first question found in the cache: nothing, where the asker is new to the box.
    pub(super) fn note_first(&mut self, answer: &Answer, is_new: bool) {
        if let (Answer::Whole { reused_tokens, .. }, true) = (answer, is_new) {
            self.first_askings += 1;
            self.found_something += usize::from(reused_tokens.is_some_and(|tokens| tokens > 0));
        }
    }

    pub(super) fn take(&mut self, judge: &Judge, request: &Request, answer: &Answer) {
        self.asked += 1;
        let (said, is_whole) = match answer {
            Answer::Failed(why) => {
                *self.failed.entry(why.clone()).or_default() += 1;
                return;
            }
            Answer::Whole { said, prompt_tokens, reused_tokens } => {
                self.prompt_tokens += prompt_tokens;
                if let Some(tokens) = reused_tokens {
                    *self.reused_tokens.get_or_insert(0) += tokens;
                }
                (said, true)
            }
            Answer::Dropped(said) => {
                self.dropped += 1;
                (said, false)
            }
        };
        let verdict = judge.judge(request.case, said, is_whole);
        match verdict {
            Verdict::Own => {
                self.own += 1;
                return;
            }
            Verdict::Mistake => self.mistakes += 1,
            Verdict::Foreign { of_another_user } => {
                self.foreign += 1;
                self.of_another_user += usize::from(of_another_user);
            }
        }
        if self.wrong.len() < 10 {
            self.wrong.push(format!("{verdict:?}: {said:?} was said, {request:?}"));
        }
    }

    pub(super) fn told(&self) -> (String, bool) {
        let failed: usize = self.failed.values().sum();
        let reused = match self.reused_tokens {
            Some(tokens) => format!("{tokens} of {} prompt tokens reused", self.prompt_tokens),
            None => format!("{} prompt tokens, none told as reused", self.prompt_tokens),
        };
        let mut line = format!(
            "isolation: {} sequences, {} cells: {} requests of {} keys and {} persons with {} codes, {} own ({} of them \
             dropped half-way), {} mistakes, {} foreign ({} of another user), {failed} failed, the workers killed {} \
             times; {reused}; {} of {} first askings found something in the cache",
            self.sequences,
            self.cells,
            self.asked,
            self.programs,
            self.people,
            self.codes,
            self.own,
            self.dropped,
            self.mistakes,
            self.foreign,
            self.of_another_user,
            self.killed,
            self.found_something,
            self.first_askings,
        );
        let ends = self.failed.iter().map(|(why, count)| format!("\n  {count:>5} {why}"));
        let wrong = self.wrong.iter().map(|wrong| format!("\n  WRONG: {wrong}"));
        line.extend(ends.chain(wrong));
        (line, self.is_as_promised(failed))
    }

    /// The model itself is never wrong, so a mistake is a leak that was not recognised. Whoever asks while a worker dies
    /// for the third time may be refused.
    fn is_as_promised(&self, failed: usize) -> bool {
        self.foreign + self.mistakes + self.found_something + self.left_the_building == 0
            && failed * 100 <= self.asked
            && self.own > 0
            && self.first_askings > 0
    }
}

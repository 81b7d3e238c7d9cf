//! What a local model says, as the steps of an answer.

use dialect::openai::{LikelyToken, TokenOdds, Usage};
use inference::{Event, FinishReason, JobError};

use super::answers::Heard;
use super::{Relay, Step};
use crate::answer::{AnswerEvent, Refusal};
use crate::fault::Fault;

impl Relay {
    /// `are_several`: the step is one of several answers, and told as such.
    pub(super) fn hear(&mut self, heard: Result<Heard, JobError>, are_several: bool) -> Result<Step, Fault> {
        let (choice, event) = match heard {
            Ok(Heard::Of { choice, event }) => (choice, self.say(choice, event, are_several)),
            Ok(Heard::Ended { choice, reason }) => {
                (choice, Some(AnswerEvent::Ended { reason: word(reason).to_owned() }))
            }
            Ok(Heard::Finished { reason, usage }) => {
                self.usage = Some(whole(usage));
                self.finish_reason = Some(word(reason).to_owned());
                return Ok(Step::Whole(None));
            }
            Err(JobError::FormatMissed) => return Err(Fault::Malformed),
            // Another model would come to the same end.
            Err(JobError::CallCut) => return Ok(Step::Event(self.fail(call_cut()))),
            Err(_) => return Err(Fault::Cut),
        };
        Ok(match event {
            None => Step::Nothing,
            Some(event) if are_several => {
                // No other model can go on with several at once.
                self.is_bound = true;
                Step::Event(AnswerEvent::Of { choice, event: Box::new(event) })
            }
            Some(event) => Step::Event(event),
        })
    }

    /// None for what nobody is told.
    fn say(&mut self, choice: u32, event: Event, are_several: bool) -> Option<AnswerEvent> {
        Some(match event {
            Event::Started { .. } | Event::CallEnded | Event::Finished { .. } => return None,
            Event::Odds(odds) => AnswerEvent::Odds(odds.into_iter().map(told).collect()),
            Event::Text(text) if are_several => {
                self.ledger.chars_out += text.chars().count() as u64;
                AnswerEvent::Delta { text, raw: None, closing: false }
            }
            Event::Text(text) => {
                self.tokens_seen += 1;
                self.take_text(text, None, false)
            }
            Event::Reasoning(text) => AnswerEvent::Reasoning(text),
            Event::Call(name) => self.begin_call(choice, name),
            Event::Arguments(text) => {
                AnswerEvent::Arguments { index: self.calls_of(choice).saturating_sub(1), text }
            }
        })
    }

    /// From here on no other model can go on.
    fn begin_call(&mut self, choice: u32, name: String) -> AnswerEvent {
        let calls = self.calls_of(choice);
        let index = *calls;
        *calls += 1;
        self.is_bound = true;
        let of_choice = if choice == 0 { String::new() } else { format!("{choice}_") };
        AnswerEvent::Call { index, id: format!("call_{}_{of_choice}{index}", self.request_id), name }
    }

    fn calls_of(&mut self, choice: u32) -> &mut u32 {
        let choice = choice as usize;
        if self.calls.len() <= choice {
            self.calls.resize(choice + 1, 0);
        }
        &mut self.calls[choice]
    }
}

fn told(odds: inference::TokenOdds) -> TokenOdds {
    let likely = |token: inference::LikelyToken| LikelyToken { bytes: token.bytes, logprob: token.logprob };
    TokenOdds { said: likely(odds.said), top: odds.top.into_iter().map(likely).collect() }
}

/// What was taken over is a part of the answer, so its tokens are the answer's.
fn whole(usage: inference::Usage) -> Usage {
    let prompt_tokens = usage.prompt_tokens.saturating_sub(usage.prefix_tokens);
    Usage {
        prompt_tokens: u64::from(prompt_tokens),
        completion_tokens: u64::from(usage.prefix_tokens.saturating_add(usage.completion_tokens)),
        cached_tokens: u64::from(usage.reused_tokens.min(prompt_tokens)),
    }
}

/// How an answer ended, in the dialect's word.
fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Calls => "tool_calls",
        FinishReason::Length => "length",
    }
}

/// Half a call is no answer: whoever asked can only ask for more room.
pub(super) fn call_cut() -> Refusal {
    let message = "The answer came to its most tokens before its tool call was whole, and half a call is worth \
        nothing. Raise \"max_tokens\".";
    Refusal::invalid("tool_call_cut", "max_tokens", message)
}

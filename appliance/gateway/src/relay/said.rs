//! What a local model says, as the steps of an answer.

use dialect::openai::Usage;
use inference::{Event, FinishReason, JobError};

use super::{Relay, Step};
use crate::answer::{AnswerEvent, Refusal};
use crate::fault::Fault;

impl Relay {
    pub(super) fn hear(&mut self, event: Result<Event, JobError>) -> Result<Step, Fault> {
        let event = match event {
            Ok(Event::Started { .. } | Event::CallEnded) => return Ok(Step::Nothing),
            Ok(Event::Text(text)) => {
                self.tokens_seen += 1;
                self.take_text(text, None, false)
            }
            Ok(Event::Reasoning(text)) => AnswerEvent::Reasoning(text),
            Ok(Event::Call(name)) => self.begin_call(name),
            Ok(Event::Arguments(text)) => {
                AnswerEvent::Arguments { index: self.calls.saturating_sub(1), text }
            }
            Ok(Event::Finished { reason, usage }) => {
                self.usage = Some(whole(usage));
                self.finish_reason = Some(word(reason).to_owned());
                return Ok(Step::Whole(None));
            }
            // Another model would come to the same end.
            Err(JobError::CallCut) => self.fail(call_cut()),
            Err(_) => return Err(Fault::Cut),
        };
        Ok(Step::Event(event))
    }

    /// From here on no other model can go on.
    fn begin_call(&mut self, name: String) -> AnswerEvent {
        let index = self.calls;
        self.calls += 1;
        self.is_bound = true;
        AnswerEvent::Call { index, id: format!("call_{}_{index}", self.request_id), name }
    }
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

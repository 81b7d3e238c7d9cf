//! One question on its way: its answer as it comes, and its record, whatever becomes of it.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use gateway::{
    AnswerEvent, Ask, Caller, CallerKind, ChatRequest, Events, Lane, Message as ChatMessage, Mode, Refusal,
    Route, Served,
};
use store::{Message, NewMessage};

use crate::Portal;
use crate::error_page::log;
use crate::visit::Person;

/// Turns of the conversation that a model is shown, the newest; and their characters in all.
const MAX_TURNS: usize = 12;
const MAX_HISTORY_CHARS: usize = 12_000;

/// Between the models of one answer in the store's `served_by`, first to last.
pub(crate) const NEXT_MODEL: &str = ", ";

/// A question with what is needed to ask it.
pub(crate) struct Question {
    pub(crate) person: Arc<Person>,
    pub(crate) conversation: String,
    pub(crate) alias: String,
    pub(crate) mode: Mode,
}

/// A step of an answer, for showing it as it comes.
pub(crate) enum Step {
    Begun(Served),
    /// Nothing has come yet: the place in the queue, and the seconds until it is served.
    Waiting(u32, u32),
    Text(String),
    /// The model before, and the one that goes on.
    Seam(Served, Served),
    Finished,
    /// Why, and whether something of the answer is shown.
    Failed(Refusal, bool),
}

/// An answer that is being written down. If it is dropped before its end, because the person went away or stopped it,
/// what came so far is kept and marked as cut.
pub(crate) struct Asking {
    portal: Portal,
    question: Question,
    events: Option<Events>,
    served: Vec<Served>,
    text: String,
    seam: Option<u64>,
    is_stored: bool,
}

impl Asking {
    pub(crate) fn new(portal: &Portal, question: Question) -> Asking {
        Asking {
            portal: portal.clone(),
            question,
            events: None,
            served: Vec::new(),
            text: String::new(),
            seam: None,
            is_stored: false,
        }
    }

    /// The next step. `Finished` and `Failed` come when the answer is stored, and end it.
    pub(crate) async fn next(&mut self) -> Option<Step> {
        if self.is_stored {
            return None;
        }
        let Some(events) = &mut self.events else { return Some(self.begin().await) };
        let step = match events.next().await {
            Some(AnswerEvent::Delta { text, .. }) => {
                self.text.push_str(&text);
                Step::Text(text)
            }
            Some(AnswerEvent::Waiting { position, expected_wait_s }) => {
                Step::Waiting(position, expected_wait_s)
            }
            // A page shows the answer alone.
            Some(
                AnswerEvent::Reasoning(_)
                | AnswerEvent::Call { .. }
                | AnswerEvent::Arguments { .. }
                | AnswerEvent::Odds(_)
                | AnswerEvent::Of { .. }
                | AnswerEvent::Ended { .. },
            ) => Step::Text(String::new()),
            Some(AnswerEvent::Seam { served, chars }) => self.pass_seam(served, chars),
            Some(AnswerEvent::Finished { .. }) => {
                self.store(true, None).await;
                Step::Finished
            }
            Some(AnswerEvent::Failed(refusal)) => self.fail(refusal).await,
            // The gateway ends every answer with one of the two above; without one it is not whole.
            None => self.fail(Refusal::unavailable("cut", "The answer ended without its end.")).await,
        };
        Some(step)
    }

    async fn begin(&mut self) -> Step {
        let Question { person, conversation, alias, mode } = &self.question;
        let stored = self.portal.store().work.messages(person.account.id, conversation);
        let messages = match stored {
            Ok(stored) => history(&stored),
            Err(error) => {
                log(&error);
                return self.fail(Refusal::unavailable("store", "The conversation could not be read.")).await;
            }
        };
        let is_stream = *mode == Mode::Stream;
        let ask = Ask {
            caller: Caller { who: person.account.name.clone(), kind: CallerKind::Person },
            request: ChatRequest::from_messages(alias, messages, is_stream),
            lane: Lane::Interactive,
            mode: *mode,
            local_only: false,
            conversation: Some(conversation.clone()),
        };
        let (gateway, subject) = (self.portal.gateway(), person.subject());
        let asked = async {
            let place = gateway.enter(&subject, ask.lane).await?;
            gateway.ask_as(&subject, ask, place).await
        };
        match asked.await {
            Ok(answer) => {
                self.events = Some(answer.events);
                self.served.push(answer.served.clone());
                Step::Begun(answer.served)
            }
            Err(refusal) => self.fail(refusal).await,
        }
    }

    /// Another model goes on with what is shown. Where nothing is, it begins, and the one before has written nothing.
    fn pass_seam(&mut self, served: Served, chars: u64) -> Step {
        if self.text.is_empty() {
            self.served = vec![served.clone()];
            return Step::Begun(served);
        }
        let before = self.served.last().cloned().unwrap_or_else(|| served.clone());
        self.served.push(served.clone());
        self.seam = Some(chars);
        Step::Seam(before, served)
    }

    async fn fail(&mut self, refusal: Refusal) -> Step {
        self.store(false, Some(refusal.code.as_ref())).await;
        Step::Failed(refusal, !self.text.is_empty())
    }

    async fn store(&mut self, complete: bool, code: Option<&str>) {
        self.is_stored = true;
        let message = self.message(complete, code);
        let Question { person, conversation, .. } = &self.question;
        let work = &self.portal.store().work;
        if let Err(error) = work.add_message(person.account.id, conversation, message).await {
            log(&error);
        }
    }

    /// The answer so far. `code` says why nothing more came.
    fn message(&self, complete: bool, code: Option<&str>) -> NewMessage {
        let models: Vec<&str> = self.served.iter().map(|served| served.by.as_str()).collect();
        let last = self.served.last();
        NewMessage {
            role: "assistant".to_owned(),
            text: self.text.clone(),
            complete,
            served_by: last.map(|_| models.join(NEXT_MODEL)),
            route: Some(last.map_or("none", |served| served.route.as_str()).to_owned()),
            reason: code.or(last.map(|served| served.reason.as_str())).map(str::to_owned),
            seam: self.seam,
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.is_stored {
            return;
        }
        let Question { person, conversation, .. } = &self.question;
        let message = self.message(false, Some("cut"));
        // The first poll puts the row into the writer's queue, which carries it out without anybody waiting.
        let _ = self.portal.store().work.add_message(person.account.id, conversation, message).now_or_never();
    }
}

/// What the model is shown of a conversation: its newest turns, each question with its last answer that has text,
/// and the question to be answered. Questions without an answer are left out, so that the two alternate.
fn history(stored: &[Message]) -> Vec<ChatMessage> {
    let mut turns: Vec<(&str, Option<&str>)> = Vec::new();
    for NewMessage { role, text, .. } in stored.iter().map(|message| &message.content) {
        match (role.as_str(), turns.last_mut()) {
            ("user", _) => turns.push((text, None)),
            ("assistant", Some(turn)) if !text.is_empty() => turn.1 = Some(text),
            _ => {}
        }
    }
    let Some((asked, _)) = turns.pop() else { return Vec::new() };
    let mut room = MAX_HISTORY_CHARS.saturating_sub(asked.chars().count());
    let answered = turns.iter().rev().filter_map(|(question, answer)| Some((*question, (*answer)?)));
    let fitting = answered.take(MAX_TURNS).take_while(|(question, answer)| {
        let chars = question.chars().count() + answer.chars().count();
        let fits = chars <= room;
        room = room.saturating_sub(chars);
        fits
    });
    let mut newest_first: Vec<ChatMessage> = vec![message("user", asked)];
    for (question, answer) in fitting {
        newest_first.extend([message("assistant", answer), message("user", question)]);
    }
    newest_first.reverse();
    newest_first
}

fn message(role: &str, text: &str) -> ChatMessage {
    ChatMessage::new(role, text)
}

/// Whether the model is one of the building's own.
pub(crate) fn is_local(served: &Served) -> bool {
    served.route == Route::Local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(rows: &[(&str, &str)]) -> Vec<Message> {
        let content = |(role, text): &(&str, &str)| NewMessage {
            role: (*role).to_owned(),
            text: (*text).to_owned(),
            ..NewMessage::default()
        };
        rows.iter().map(|row| Message { id: 0, at_ms: 0, content: content(row) }).collect()
    }

    fn shown(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        history(&stored(rows)).into_iter().map(|m| (m.role, m.text)).collect()
    }

    fn pair(role: &str, text: &str) -> (String, String) {
        (role.to_owned(), text.to_owned())
    }

    #[test]
    fn a_question_without_an_answer_is_left_out_and_an_answer_that_was_asked_again_counts_once() {
        let rows = [
            ("user", "one"),
            ("assistant", ""),
            ("assistant", "1"),
            ("user", "two"),
            ("assistant", ""),
            ("user", "three"),
        ];
        let expected = [pair("user", "one"), pair("assistant", "1"), pair("user", "three")];
        assert_eq!(shown(&rows), expected);
    }

    #[test]
    fn asking_again_shows_the_same_question_once() {
        assert_eq!(shown(&[("user", "one"), ("assistant", "half an ans")]), [pair("user", "one")]);
    }

    #[test]
    fn old_turns_are_left_out_when_the_conversation_is_long() {
        let long = "x".repeat(7_000);
        let rows = [
            ("user", "old"),
            ("assistant", long.as_str()),
            ("user", "mid"),
            ("assistant", &long),
            ("user", "q"),
        ];
        let expected = [pair("user", "mid"), pair("assistant", &long), pair("user", "q")];
        assert_eq!(shown(&rows), expected);
    }
}

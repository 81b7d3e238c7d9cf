//! Asking: as a stream for the page's script, or whole, after which the browser is led to the conversation.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::stream::{self, StreamExt};
use gateway::{Mode, Served};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{NewMessage, StoreError};

use crate::answers::{Narrator, refusal};
use crate::asking::{Asking, Question, Step, is_local};
use crate::error_page::{Failed, Fault};
use crate::moment::Clock;
use crate::pages::chat::{self, Draft};
use crate::posted::Posted;
use crate::visit::{Form, Person, Signed, Visit};

const MAX_QUESTION_CHARS: usize = 16_000;
const TITLE_CHARS: usize = 70;

#[derive(Deserialize)]
pub(crate) struct AskForm {
    /// Empty for a new conversation.
    #[serde(default)]
    conversation: String,
    alias: String,
    #[serde(default)]
    question: String,
    /// Present when the last question is asked once more.
    #[serde(default)]
    again: String,
}

/// `POST /ask`.
pub(crate) async fn ask(
    Signed(visit, person): Signed,
    Posted(form): Posted<AskForm>,
) -> Result<Response, Failed> {
    let text = form.question.replace("\r\n", "\n").trim().to_owned();
    let is_again = !form.again.is_empty() && !form.conversation.is_empty();
    if let Some(problem) = problem_with(&visit, &text).filter(|_| !is_again) {
        let draft = Draft { text, alias: form.alias, problem: Some(problem) };
        return chat::with_problem(&visit, &person, &form.conversation, draft).await;
    }
    let conversation = open(&visit, &person, &form, &text).await?;
    if !is_again {
        add_question(&visit, &person, &conversation, text).await?;
    }
    let is_stream = visit.form == Form::Stream;
    let question = Question {
        person: person.clone(),
        conversation: conversation.clone(),
        alias: form.alias.clone(),
        mode: if is_stream { Mode::Stream } else { Mode::Committed },
    };
    let asking = Asking::new(&visit.portal, question);
    if is_stream {
        Ok(streamed(visit, asking, &conversation))
    } else {
        Ok(whole(asking, &conversation, &form.alias).await)
    }
}

fn problem_with(visit: &Visit, question: &str) -> Option<&'static str> {
    let text = &visit.text().chat;
    if question.is_empty() {
        Some(text.empty_question)
    } else if question.chars().count() > MAX_QUESTION_CHARS {
        Some(text.long_question)
    } else {
        None
    }
}

/// The conversation of the form, which must be the person's own, or a new one.
async fn open(visit: &Visit, person: &Person, form: &AskForm, question: &str) -> Result<String, Failed> {
    let (work, account) = (&visit.portal.store().work, person.account.id);
    let failed = |error: StoreError| visit.internal(&error);
    if form.conversation.is_empty() {
        let title: String = question.lines().next().unwrap_or_default().chars().take(TITLE_CHARS).collect();
        return Ok(work.create_conversation(account, &title).await.map_err(failed)?.id);
    }
    let found = work.conversation(account, &form.conversation).map_err(failed)?;
    found.map(|conversation| conversation.id).ok_or_else(|| visit.fail(Fault::NotFound))
}

async fn add_question(
    visit: &Visit,
    person: &Person,
    conversation: &str,
    text: String,
) -> Result<(), Failed> {
    let message = NewMessage { role: "user".to_owned(), text, complete: true, ..NewMessage::default() };
    let added = visit.portal.store().work.add_message(person.account.id, conversation, message).await;
    added.map(drop).map_err(|error| visit.internal(&error))
}

/// Waits for the whole answer; a reload of where it leads asks nothing again.
async fn whole(mut asking: Asking, conversation: &str, alias: &str) -> Response {
    while asking.next().await.is_some() {}
    let alias: String = alias.bytes().filter(u8::is_ascii_graphic).map(percent_encoded).collect();
    Redirect::to(&format!("/c/{conversation}?alias={alias}#end")).into_response()
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// One line of JSON for each step. Dropping the body, when the browser goes away, drops the asking.
fn streamed(visit: Visit, asking: Asking, conversation: &str) -> Response {
    let first = line(&json!({"kind": "asked", "conversation": conversation}));
    let steps = stream::unfold((visit, asking, Vec::new()), |(visit, mut asking, mut models)| async move {
        let step = asking.next().await?;
        let line = line(&told(&visit, step, &mut models));
        Some((line, (visit, asking, models)))
    });
    let lines = stream::once(std::future::ready(first)).chain(steps).map(Ok::<Bytes, Infallible>);
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

/// A step in the words of the page.
fn told(visit: &Visit, step: Step, models: &mut Vec<String>) -> Value {
    let portal = &visit.portal;
    let site = portal.site();
    let narrator = Narrator::now(visit.text(), portal.clock(), &site);
    let note = |served: &Served, models: &[String]| {
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        let note = narrator.note(&models, served.route.as_str(), served.reason.as_str(), Clock::now_ms());
        match narrator.shortened(served.shortened) {
            Some(shortened) => format!("{note} {shortened}"),
            None => note,
        }
    };
    match step {
        Step::Begun(served) => {
            *models = vec![served.by.clone()];
            json!({"kind": "begun", "note": note(&served, models), "route": served.route.as_str()})
        }
        Step::Waiting(position, wait_s) => {
            let sentence = (visit.text().chat.waiting)(position, wait_s);
            json!({"kind": "waiting", "sentence": sentence})
        }
        Step::Text(text) => json!({"kind": "text", "text": text}),
        Step::Seam(before, served) => {
            models.push(served.by.clone());
            let route = if is_local(&served) { "local" } else { "cloud" };
            let sentence = narrator.seam(&[&before.by, &served.by], route);
            json!({"kind": "seam", "sentence": sentence, "note": note(&served, models), "route": route})
        }
        Step::Finished => json!({"kind": "finished"}),
        Step::Failed(refused, is_cut) => {
            let text = visit.text();
            let ended = if is_cut { text.answer.cut } else { text.answer.failed };
            json!({"kind": "failed", "sentence": format!("{ended} {}", refusal(&text.chat, &refused.code))})
        }
    }
}

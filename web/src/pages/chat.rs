//! The chat page: a person's conversations, one of them open, and the form to ask.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use store::{Conversation, Message, StoreError};

use crate::answers::{Narrator, Out, TurnView};
use crate::error_page::{Failed, Fault};
use crate::frame::{Frame, Place};
use crate::moment::Clock;
use crate::pages::demo::DemoView;
use crate::posted::{Path, Query};
use crate::visit::{Form, Person, Signed, Visit};

const CONVERSATIONS_SHOWN: u32 = 40;
/// Outages that are looked through for why an answer came from inside.
const OUTAGES_KNOWN: u32 = 50;

#[derive(Template)]
#[template(path = "pages/chat.html")]
pub(crate) struct ChatPage {
    pub(crate) frame: Frame,
    pub(crate) csrf: String,
    pub(crate) title: String,
    pub(crate) conversations: Vec<ConversationView>,
    /// Empty for a new one.
    pub(crate) conversation: String,
    pub(crate) turns: Vec<TurnView>,
    /// The last question has no whole answer and can be asked again.
    pub(crate) may_ask_again: bool,
    pub(crate) aliases: Vec<AliasChoice>,
    pub(crate) alias: String,
    pub(crate) draft: String,
    pub(crate) problem: Option<&'static str>,
    pub(crate) demo: Option<DemoView>,
}

pub(crate) struct ConversationView {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) when: String,
    pub(crate) current: bool,
}

pub(crate) struct AliasChoice {
    pub(crate) name: String,
    pub(crate) chosen: bool,
}

/// What stands in the form: nothing, or what could not be sent.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) alias: String,
    pub(crate) problem: Option<&'static str>,
}

#[derive(Deserialize)]
pub(crate) struct Chosen {
    #[serde(default)]
    alias: String,
}

/// A conversation as it is stored.
struct Opened {
    conversation: Conversation,
    messages: Vec<Message>,
}

/// `GET /`: a new conversation.
pub(crate) async fn begin(
    Signed(visit, person): Signed,
    Query(chosen): Query<Chosen>,
) -> Result<Response, Failed> {
    let draft = Draft { alias: chosen.alias, ..Draft::default() };
    let page = build(&visit, &person, None, draft).await.map_err(|error| visit.internal(&error))?;
    visit.show(&page)
}

/// `GET /c/{conversation}`.
pub(crate) async fn show(
    Signed(visit, person): Signed,
    Path(id): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Result<Response, Failed> {
    let opened = open(&visit, &person, &id).map_err(|error| visit.internal(&error))?;
    let opened = opened.ok_or_else(|| visit.fail(Fault::NotFound))?;
    let draft = Draft { alias: chosen.alias, ..Draft::default() };
    let page = build(&visit, &person, Some(opened), draft).await.map_err(|error| visit.internal(&error))?;
    visit.show(&page)
}

/// The page with a question that could not be sent; for the page's script, only why.
pub(crate) async fn with_problem(
    visit: &Visit,
    person: &Person,
    conversation: &str,
    draft: Draft,
) -> Result<Response, Failed> {
    if visit.form == Form::Stream {
        let line = serde_json::json!({"kind": "failed", "sentence": draft.problem});
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, axum::Json(line)).into_response());
    }
    let opened = open(visit, person, conversation).map_err(|error| visit.internal(&error))?;
    let page = build(visit, person, opened, draft).await.map_err(|error| visit.internal(&error))?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, visit.show(&page)?).into_response())
}

fn open(visit: &Visit, person: &Person, id: &str) -> Result<Option<Opened>, StoreError> {
    let (work, account) = (&visit.portal.store().work, person.account.id);
    let Some(conversation) = work.conversation(account, id)? else { return Ok(None) };
    let messages = work.messages(account, id)?;
    Ok(Some(Opened { conversation, messages }))
}

async fn build(
    visit: &Visit,
    person: &Person,
    opened: Option<Opened>,
    draft: Draft,
) -> Result<ChatPage, StoreError> {
    let current = opened.as_ref().map(|opened| opened.conversation.id.clone()).unwrap_or_default();
    let messages = opened.as_ref().map(|opened| opened.messages.as_slice()).unwrap_or_default();
    let subject = person.subject();
    let usable: Vec<&str> = visit.portal.gateway().chats_for(&subject).collect();
    let (aliases, alias) = choices(&usable, &draft.alias);
    let title = opened.as_ref().map(|opened| opened.conversation.title.clone());
    Ok(ChatPage {
        frame: Frame::of(visit, Place::Chat),
        csrf: person.csrf.clone(),
        title: title.unwrap_or_else(|| visit.text().chat.title.to_owned()),
        conversations: conversations(visit, person, &current)?,
        turns: turns(visit, messages)?,
        may_ask_again: may_ask_again(messages),
        conversation: current,
        aliases,
        alias,
        draft: draft.text,
        problem: draft.problem,
        demo: DemoView::of(visit).await,
    })
}

fn turns(visit: &Visit, messages: &[Message]) -> Result<Vec<TurnView>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let (portal, site) = (&visit.portal, visit.portal.site());
    let recorded = portal.store().work.outages(OUTAGES_KNOWN)?;
    let outages = Out::all(&recorded, site.outage.as_ref());
    let narrator = Narrator { text: visit.text(), clock: portal.clock(), outages };
    Ok(narrator.turns(messages, Clock::now_ms()))
}

fn may_ask_again(messages: &[Message]) -> bool {
    messages.last().is_some_and(|message| message.content.role == "assistant" && !message.content.complete)
}

fn conversations(visit: &Visit, person: &Person, current: &str) -> Result<Vec<ConversationView>, StoreError> {
    let stored = visit.portal.store().work.conversations(person.account.id, CONVERSATIONS_SHOWN)?;
    let view = |c: Conversation| ConversationView {
        current: c.id == current,
        when: visit.portal.clock().short(c.active_ms),
        id: c.id,
        title: c.title,
    };
    Ok(stored.into_iter().map(view).collect())
}

/// The aliases that the person may use, with one of them chosen: the wished one where it exists, else the first.
fn choices(names: &[&str], wished: &str) -> (Vec<AliasChoice>, String) {
    let chosen = names.iter().find(|name| **name == wished).or_else(|| names.first());
    let chosen = chosen.copied().unwrap_or_default().to_owned();
    let choice = |name: &&str| AliasChoice { name: (*name).to_owned(), chosen: *name == chosen };
    (names.iter().map(choice).collect(), chosen)
}

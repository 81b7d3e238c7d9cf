//! `/v1/chat/completions`: from the body to an ask, and from the answer's events back to the OpenAI dialect.

mod whole;

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use dialect::openai::{
    ChatRequest, ChunkFacts, ChunkHead, DONE, Extension, TokenOdds, Usage, adopt_chunk, arguments_chunk,
    call_chunk, error_chunk, finish_chunk, of_choice, reasoning_chunk, stamp_chunk, text_chunk, usage_chunk,
};
use dialect::sse;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::identity::KeyHolder;
use super::refusal::Refused;
use crate::answer::{Answer, AnswerEvent, Ask, Lane, Mode, Refusal, Served};
use crate::clock;
use crate::gateway::Gateway;

/// A client that trickles its request holds a connection for so long at most.
const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// Each stop text is looked for at every token of a local answer.
const LONGEST_STOP_BYTES: usize = 1024;

pub(super) async fn completions(
    State(gateway): State<Gateway>,
    holder: KeyHolder,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    check_kind(&headers)?;
    let wish = Wish::read(&headers)?;
    let lane = wish.lane_within(holder.highest_lane());
    let place = gateway.enter(&holder.subject(), lane).await?;
    let body = read_body(body, gateway.settings().limits.max_body_bytes).await?;
    let request = ChatRequest::parse(&body)?;
    check_stop(&request)?;
    let streamed = request.stream;
    let shape = Shape {
        include_usage: request.include_usage,
        logprobs: request.logprobs.is_some(),
        choices: request.choices,
    };
    let mode = if streamed { wish.mode } else { Mode::Committed };
    let ask = Ask {
        caller: holder.caller(),
        request,
        lane,
        mode,
        local_only: wish.local_only,
        conversation: wish.conversation,
    };
    let answer = gateway.ask_as(&holder.subject(), ask, place).await?;
    let served = answer.served.clone();
    let mut response =
        if streamed { stream_response(answer, shape) } else { whole::response(answer, shape).await? };
    name_who_served(&mut response, &served);
    response.headers_mut().insert("x-genset-lane", HeaderValue::from_static(lane.as_str()));
    Ok(response)
}

/// What the request wants to find in the answer.
#[derive(Debug, Clone, Copy)]
struct Shape {
    include_usage: bool,
    logprobs: bool,
    choices: u32,
}

/// What the request's headers ask for.
pub(super) struct Wish {
    mode: Mode,
    pub(super) local_only: bool,
    lane: Option<Lane>,
    conversation: Option<String>,
}

impl Wish {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let wrong = |name: &str, expected: &str| {
            Refusal::invalid("invalid_header", name, format!("The header {name} must be {expected}."))
        };
        let mode = match text("x-genset-mode") {
            None | Some("stream") => Mode::Stream,
            Some("committed") => Mode::Committed,
            Some(_) => return Err(wrong("x-genset-mode", "\"committed\" or \"stream\"")),
        };
        let local_only = match text("x-genset-policy") {
            None => false,
            Some("local-only") => true,
            Some(_) => return Err(wrong("x-genset-policy", "\"local-only\"")),
        };
        let lane = match text("x-genset-lane") {
            None => None,
            Some("clinical") => Some(Lane::Clinical),
            Some("interactive") => Some(Lane::Interactive),
            Some("batch") => Some(Lane::Batch),
            Some(_) => return Err(wrong("x-genset-lane", "\"clinical\", \"interactive\" or \"batch\"")),
        };
        let conversation = text("x-genset-conversation").map(|id| id.chars().take(128).collect());
        Ok(Wish { mode, local_only, lane, conversation })
    }

    /// The lane that is wished for, but none above the highest that the key may use.
    pub(super) fn lane_within(&self, highest: Lane) -> Lane {
        self.lane.map_or(highest, |wished| wished.max(highest))
    }
}

/// A body that says what it is says JSON; browsers send nothing else across sites without asking first.
pub(super) fn check_kind(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message =
        "This path takes JSON alone. Send the header \"Content-Type: application/json\" with the body.";
    Err(Refusal::new(415, "invalid_request_error", "unsupported_media_type", message))
}

fn check_stop(request: &ChatRequest) -> Result<(), Refusal> {
    if request.stop.iter().all(|stop| stop.len() <= LONGEST_STOP_BYTES) {
        return Ok(());
    }
    let message = format!("\"stop\" must have no text of more than {LONGEST_STOP_BYTES} bytes.");
    Err(Refusal::invalid("invalid_value", "stop", message))
}

pub(super) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let collected = tokio::time::timeout(BODY_PATIENCE, Limited::new(body, limit).collect());
    let Ok(collected) = collected.await else {
        let message =
            format!("The body did not come within {} s. Send it in one go.", BODY_PATIENCE.as_secs());
        return Err(Refusal::new(408, "invalid_request_error", "body_too_slow", message));
    };
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message =
                format!("The body is longer than the {limit} bytes that this box takes. Send less at once.");
            Refusal::new(413, "invalid_request_error", "body_too_large", message)
        } else {
            Refusal::invalid("body_incomplete", "", "The body ended before it was whole.")
        }
    })
}

pub(super) fn name_who_served(response: &mut Response, served: &Served) {
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-genset-served-by", &served.by);
    set("x-genset-route", served.route.as_str());
    set("x-genset-reason", served.reason.as_str());
    set("x-genset-site-state", served.site_state.as_str());
    if let Some(left_out) = served.shortened {
        set("x-genset-shortened", &left_out.to_string());
    }
    if served.brown_out > 0 {
        set("x-genset-brown-out", &served.brown_out.to_string());
    }
}

fn stream_response(answer: Answer, shape: Shape) -> Response {
    let wire = Wire::new(&answer, shape);
    let chunks = stream::unfold((answer.events, wire), |(mut events, mut wire)| async move {
        let event = events.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(wire.encode(event)), (events, wire)))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    // Proxies that buffer would hold the tokens back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Turns events into the chunks of one OpenAI stream; upstream chunks in its middle pass through untouched.
struct Wire {
    head: ChunkHead,
    served: Served,
    seam: Option<u64>,
    first: bool,
    /// The upstream's own chunk has told the finish reason already.
    closed: bool,
    shape: Shape,
    /// The upstream's own usage chunk has passed through.
    usage_sent: bool,
    /// What is known of each answer.
    voices: Vec<Voice>,
}

/// One of the answers that a local model gives side by side.
#[derive(Default)]
struct Voice {
    has_begun: bool,
    /// How likely the tokens of its next text were.
    odds: Vec<TokenOdds>,
}

impl Wire {
    fn new(answer: &Answer, shape: Shape) -> Self {
        let head = ChunkHead {
            id: format!("chatcmpl-{}", answer.request_id),
            created_s: clock::unix_ms() / 1000,
            model: answer.served.model().to_owned(),
        };
        let served = answer.served.clone();
        let voices = (0..shape.choices.max(1)).map(|_| Voice::default()).collect();
        Wire { head, served, seam: None, first: true, closed: false, shape, usage_sent: false, voices }
    }

    fn encode(&mut self, event: AnswerEvent) -> Bytes {
        let mut out = Vec::new();
        self.put(0, event, &mut out);
        out.into()
    }

    fn put(&mut self, choice: u32, event: AnswerEvent, out: &mut Vec<u8>) {
        match event {
            AnswerEvent::Of { choice, event } => self.put(choice, *event, out),
            AnswerEvent::Delta { text, raw: None, .. } => self.text(choice, &text, out),
            AnswerEvent::Delta { raw: Some(raw), closing, .. } => self.upstreams(&raw, closing, out),
            AnswerEvent::Odds(odds) => {
                if let Some(voice) = self.voices.get_mut(choice as usize) {
                    voice.odds.extend(odds);
                }
            }
            AnswerEvent::Reasoning(text) => {
                self.own(choice, None, out, |head, extension| reasoning_chunk(head, &text, extension));
            }
            AnswerEvent::Call { index, id, name } => {
                self.own(choice, None, out, |head, extension| call_chunk(head, index, &id, &name, extension));
            }
            AnswerEvent::Arguments { index, text } => {
                self.own(choice, None, out, |head, extension| arguments_chunk(head, index, &text, extension));
            }
            AnswerEvent::Seam { served, chars } => self.seam(served, chars, out),
            // A comment, which clients ignore.
            AnswerEvent::Waiting { position, expected_wait_s } => {
                let line = format!(": waiting, position {position}, about {expected_wait_s} s\n\n");
                out.extend_from_slice(line.as_bytes());
            }
            AnswerEvent::Ended { reason } => {
                self.closed = true;
                let chunk = finish_chunk(&self.head, &reason, &self.served.extension(self.seam));
                put(out, of_choice(chunk, choice, None).to_string().as_bytes());
            }
            AnswerEvent::Finished { reason, usage, usage_is_estimated, .. } => {
                self.finish(&reason, usage, usage_is_estimated, out);
            }
            AnswerEvent::Failed(refusal) => {
                let extension = self.served.extension(self.seam);
                put(out, error_chunk(&refusal, &extension).to_string().as_bytes());
            }
        }
    }

    /// Text of a local model. The first piece of an answer is told also when it is empty.
    fn text(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        let voice = self.voices.get_mut(choice as usize);
        let odds = voice.map(|voice| std::mem::take(&mut voice.odds)).unwrap_or_default();
        if !text.is_empty() || !odds.is_empty() || self.begins(choice) {
            let odds = self.shape.logprobs.then_some(odds);
            self.own(choice, odds.as_deref(), out, |head, extension| text_chunk(head, text, extension));
        }
    }

    fn begins(&self, choice: u32) -> bool {
        match choice {
            0 => self.first,
            _ => self.voices.get(choice as usize).is_some_and(|voice| !voice.has_begun),
        }
    }

    /// A chunk of the box itself; the first one of an answer carries the extension.
    fn own(
        &mut self,
        choice: u32,
        odds: Option<&[TokenOdds]>,
        out: &mut Vec<u8>,
        chunk: impl FnOnce(&ChunkHead, Option<&Extension>) -> serde_json::Value,
    ) {
        let extension = self.begins(choice).then(|| self.served.extension(self.seam));
        self.first &= choice != 0;
        if let Some(voice) = self.voices.get_mut(choice as usize) {
            voice.has_begun = true;
        }
        let chunk = of_choice(chunk(&self.head, extension.as_ref()), choice, odds);
        put(out, chunk.to_string().as_bytes());
    }

    /// An upstream's chunk.
    fn upstreams(&mut self, raw: &[u8], closing: bool, out: &mut Vec<u8>) {
        let first = std::mem::take(&mut self.first);
        self.usage_sent |= self.closed && self.shape.include_usage && tells_usage(raw);
        let stamp = first || closing || self.closed;
        self.closed |= closing;
        if first {
            self.adopt_identity(raw);
        }
        if self.seam.is_some() {
            put(out, &adopt_chunk(raw, &self.head, &self.served.extension(self.seam)));
        } else if stamp {
            put(out, &stamp_chunk(raw, &self.served.extension(self.seam)));
        } else {
            put(out, raw);
        }
    }

    /// The stream keeps one identity from its first chunk to its last, whoever goes on with it.
    fn adopt_identity(&mut self, raw: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<serde_json::Value>(raw) else { return };
        if let Some(id) = chunk["id"].as_str() {
            id.clone_into(&mut self.head.id);
        }
        if let Some(created) = chunk["created"].as_i64() {
            self.head.created_s = created;
        }
    }

    fn seam(&mut self, served: Served, chars: u64, out: &mut Vec<u8>) {
        served.model().clone_into(&mut self.head.model);
        self.served = served;
        self.seam = Some(chars);
        let extension = self.served.extension(self.seam);
        let names_role = std::mem::take(&mut self.first);
        let mut chunk = text_chunk(&self.head, "", names_role.then_some(&extension));
        chunk["genset"] = serde_json::json!(extension);
        put(out, chunk.to_string().as_bytes());
    }

    fn finish(&mut self, reason: &str, usage: Usage, is_estimated: bool, out: &mut Vec<u8>) {
        let extension = self.served.extension(self.seam).with_usage(is_estimated);
        if !self.closed {
            put(out, finish_chunk(&self.head, reason, &extension).to_string().as_bytes());
        }
        if self.shape.include_usage && !self.usage_sent {
            put(out, usage_chunk(&self.head, usage, &extension).to_string().as_bytes());
        }
        put(out, DONE);
    }
}

/// The chunk that follows the closing one of an upstream, where it has what the client asked for.
fn tells_usage(raw: &[u8]) -> bool {
    ChunkFacts::read(raw).is_some_and(|facts| facts.is_usage_alone)
}

fn put(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(&sse::encode(data));
}

#[cfg(test)]
mod tests;

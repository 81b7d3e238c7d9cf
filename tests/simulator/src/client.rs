//! The clients: each sends its request through the door's router, and keeps every byte that comes, with its time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use gateway::Lane;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::ServiceExt;

use crate::plan::{Need, Plan, Reader, RequestPlan};
use crate::sabotage::Sabotage;
use crate::words::{Form, Order};
use crate::world::World;

/// All that one client saw.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) plan: RequestPlan,
    pub(crate) began: Duration,
    /// Status and headers; `None` when the client left before they came.
    pub(crate) head: Option<(u16, HeaderMap)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: Option<Duration>,
    /// The client went away itself.
    pub(crate) left: bool,
    /// How long it kept the box waiting.
    pub(crate) paused: Duration,
    /// When its last byte came, its request stood in the audit log.
    pub(crate) audited: Option<bool>,
}

impl RequestPlan {
    pub(crate) fn order(&self) -> Order {
        let form = match self.need {
            Need::Json => Form::Json,
            Need::Tool => Form::Tool,
            Need::Filtered => Form::Filtered,
            _ => Form::Prose,
        };
        Order { request: self.id, words: self.words, form }
    }

    /// Every request is as long as no other is, so that its row in the audit log is known by its size.
    pub(crate) fn prompt_bytes(&self) -> usize {
        let base = if self.need == Need::LongContext { 40_000 } else { 1_000 };
        base + self.id as usize
    }

    fn body(&self, plan: &Plan) -> Vec<u8> {
        if self.need == Need::BadBody {
            return b"{\"model\": \"assistant\", \"messages\": 7}".to_vec();
        }
        let alias = if self.need == Need::UnknownAlias { "nobody" } else { plan.aliases[self.alias].name };
        let prompt = self.order().prompt(self.prompt_bytes());
        let mut body = json!({"model": alias, "messages": [{"role": "user", "content": prompt}]});
        if self.stream {
            body["stream"] = json!(true);
            if self.include_usage {
                body["stream_options"] = json!({"include_usage": true});
            }
        }
        if let Some(limit) = self.max_tokens {
            body["max_tokens"] = json!(limit);
        }
        match self.need {
            Need::Json => body["response_format"] = json!({"type": "json_object"}),
            Need::Tool => {
                body["tools"] =
                    json!([{"type": "function", "function": {"name": "look_up", "parameters": {}}}]);
            }
            _ => {}
        }
        body.to_string().into_bytes()
    }
}

impl World {
    /// One client, from its request to the end of its answer or to its own going away.
    pub(crate) async fn client(&self, plan: RequestPlan) -> Seen {
        let began = self.book.now();
        let mut seen = Seen {
            began,
            head: None,
            body: Vec::new(),
            ended: None,
            left: false,
            paused: Duration::ZERO,
            audited: None,
            plan: plan.clone(),
        };
        self.book.tell(format!("client {}: asks {}", plan.id, self.sketch(&plan)));
        let patience = match plan.reader {
            Reader::LeavesAt(after) => after,
            _ => Duration::from_secs(3600),
        };
        if tokio::time::timeout(patience, self.talk(&plan, &mut seen)).await.is_err() {
            seen.left = true;
        }
        if seen.left {
            self.book.tell(format!("client {}: goes away", plan.id));
        } else {
            let ended = self.book.now();
            seen.ended = Some(ended);
            let status = seen.head.as_ref().map_or(0, |(status, _)| *status);
            self.book.tell(format!(
                "client {}: has its end, status {status}, {} bytes, after {} ms",
                plan.id,
                seen.body.len(),
                (ended - began).as_millis()
            ));
        }
        seen
    }

    async fn talk(&self, plan: &RequestPlan, seen: &mut Seen) {
        let request = self.request(plan);
        let Ok(response) = self.door.clone().oneshot(request).await;
        let (head, mut body) = response.into_parts();
        let mut headers = head.headers;
        if self.sabotage == Some(Sabotage::FalseName) && headers.contains_key("x-genset-served-by") {
            headers.insert("x-genset-served-by", http::HeaderValue::from_static("alpha/nobody"));
        }
        let by = headers.get("x-genset-served-by").and_then(|by| by.to_str().ok()).unwrap_or("-");
        let why = headers.get("x-genset-reason").and_then(|why| why.to_str().ok()).unwrap_or("-");
        self.book.tell(format!("client {}: status {} by {by}, {why}", plan.id, head.status.as_u16()));
        if self.sabotage == Some(Sabotage::StuckLadder) && plan.lane == Lane::Batch {
            headers.remove("content-type");
            seen.head = Some((503, headers));
            seen.body = json!({"error": {"code": "standby_busy"}}).to_string().into_bytes();
            return;
        }
        seen.head = Some((head.status.as_u16(), headers));
        let mut pieces = 0;
        loop {
            match plan.reader {
                Reader::LeavesAfter(after) if pieces == after => {
                    seen.left = true;
                    return;
                }
                Reader::Pauses { after, pause } if pieces == after => {
                    sleep(pause).await;
                    seen.paused += pause;
                }
                _ => {}
            }
            let Some(Ok(frame)) = body.frame().await else { break };
            let Ok(data) = frame.into_data() else { continue };
            self.take(plan, &data, seen).await;
            pieces += 1;
        }
    }

    async fn take(&self, plan: &RequestPlan, data: &Bytes, seen: &mut Seen) {
        let is_end = !plan.stream || contains(data, b"data: [DONE]");
        let is_error = contains(data, b"{\"error\":");
        if is_end && !is_error && seen.head.as_ref().is_some_and(|(status, _)| *status == 200) {
            seen.audited = Some(self.is_audited(plan));
            if self.sabotage == Some(Sabotage::LateEnd) {
                sleep(Sabotage::LATE).await;
            }
        }
        let text = String::from_utf8_lossy(data);
        match self.sabotage {
            Some(Sabotage::DoubledEnd) if is_end => seen.body.extend_from_slice(data),
            Some(Sabotage::DoubledUsage) if text.contains("completion_tokens\":") => {
                seen.body.extend_from_slice(
                    text.replace("completion_tokens\":", "completion_tokens\":9").as_bytes(),
                );
                return;
            }
            _ => {}
        }
        seen.body.extend_from_slice(data);
    }

    fn request(&self, plan: &RequestPlan) -> Request<Body> {
        let mut request = Request::post("/v1/chat/completions")
            .header("authorization", format!("Bearer {}", self.keys[plan.key].expose()))
            .header("content-type", "application/json");
        if plan.committed {
            request = request.header("x-genset-mode", "committed");
        }
        if plan.local_only && self.sabotage != Some(Sabotage::ForgottenPolicy) {
            request = request.header("x-genset-policy", "local-only");
        }
        let lane = match plan.lane {
            Lane::Clinical => "clinical",
            Lane::Interactive => "interactive",
            Lane::Batch => "batch",
        };
        request = request.header("x-genset-lane", lane);
        if let Some(conversation) = plan.conversation {
            request = request.header("x-genset-conversation", format!("conversation-{conversation}"));
        }
        request.body(Body::from(plan.body(&self.plan))).expect("a request of known parts")
    }

    /// Whether the audit log, read as anybody may read it at this moment, has the request's row.
    fn is_audited(&self, plan: &RequestPlan) -> bool {
        if self.sabotage == Some(Sabotage::NoAudit) {
            return false;
        }
        let size = plan.prompt_bytes() as u64;
        let rows = self.store.audit.recent(400).unwrap_or_default();
        rows.iter().any(|entry| matches!(&entry.record, store::Record::Request(row) if row.bytes_in == size))
    }
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}

impl World {
    fn sketch(&self, plan: &RequestPlan) -> String {
        let alias = self.plan.aliases[plan.alias].name;
        format!("{alias} for {}, {:?} lane", sketch(plan), plan.lane)
    }
}

fn sketch(plan: &RequestPlan) -> String {
    let mut words = vec![format!("{} words", plan.words), format!("{:?}", plan.need)];
    words.push(if plan.stream { "stream".into() } else { "whole".into() });
    if plan.committed {
        words.push("committed".into());
    }
    if plan.local_only {
        words.push("local-only".into());
    }
    if let Some(limit) = plan.max_tokens {
        words.push(format!("at most {limit} tokens"));
    }
    if let Some(conversation) = plan.conversation {
        words.push(format!("conversation {conversation}"));
    }
    if plan.reader != Reader::Eager {
        words.push(format!("{:?}", plan.reader));
    }
    words.join(", ")
}

/// An answer as a client reads it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) arguments: String,
    pub(crate) finishes: Vec<String>,
    pub(crate) dones: usize,
    pub(crate) errors: Vec<String>,
    /// Something came after the end.
    pub(crate) after_end: bool,
    pub(crate) usage: Option<(u64, u64)>,
    /// The usage is told as the box's own estimate.
    pub(crate) estimated: bool,
    /// Characters before each seam, and who went on.
    pub(crate) seams: Vec<(usize, u64, String)>,
    pub(crate) first_by: Option<String>,
    pub(crate) last_by: Option<String>,
    pub(crate) last_model: Option<String>,
    pub(crate) nonsense: Vec<String>,
}

impl Told {
    pub(crate) fn read(seen: &Seen) -> Told {
        let mut told = Told::default();
        let text = String::from_utf8_lossy(&seen.body);
        let streamed = seen.head.as_ref().is_some_and(|(_, headers)| {
            headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
        });
        if streamed {
            let whole = text.ends_with("\n\n") || text.is_empty();
            for event in text.split("\n\n").filter(|event| !event.is_empty()) {
                told.event(event);
            }
            if !whole {
                told.nonsense.push("the last event has no end".into());
            }
        } else {
            told.whole(&text);
        }
        told
    }

    fn event(&mut self, event: &str) {
        if event.lines().all(|line| line.starts_with(':')) {
            return;
        }
        self.after_end |= self.dones > 0 || !self.errors.is_empty();
        let data: String = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        if data == "[DONE]" {
            self.dones += 1;
            return;
        }
        let Ok(chunk) = serde_json::from_str::<Value>(&data) else {
            self.nonsense.push(data.chars().take(60).collect());
            return;
        };
        if let Some(error) = chunk.get("error") {
            self.errors.push(error["code"].as_str().unwrap_or("?").to_owned());
            return;
        }
        self.name(&chunk);
        let seam = chunk["genset"]["seam"].as_u64();
        if let Some(chars) = seam.filter(|chars| self.seams.last().is_none_or(|(_, told, _)| told != chars)) {
            let by = chunk["genset"]["served_by"].as_str().unwrap_or_default().to_owned();
            self.seams.push((self.text.chars().count(), chars, by));
        }
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        self.text.push_str(delta["content"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.arguments.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            self.finishes.push(finish.to_owned());
        }
        self.take_usage(&chunk);
    }

    fn whole(&mut self, text: &str) {
        let Ok(answer) = serde_json::from_str::<Value>(text) else {
            self.nonsense.push(text.chars().take(60).collect());
            return;
        };
        if let Some(error) = answer.get("error") {
            self.errors.push(error["code"].as_str().unwrap_or("?").to_owned());
            return;
        }
        self.name(&answer);
        let choice = &answer["choices"][0];
        self.text.push_str(choice["message"]["content"].as_str().unwrap_or_default());
        for call in choice["message"]["tool_calls"].as_array().into_iter().flatten() {
            self.arguments.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
        }
        self.finishes.extend(choice["finish_reason"].as_str().map(str::to_owned));
        self.dones += 1;
        self.take_usage(&answer);
    }

    fn name(&mut self, chunk: &Value) {
        if let Some(by) = chunk["genset"]["served_by"].as_str() {
            self.first_by.get_or_insert_with(|| by.to_owned());
            self.last_by = Some(by.to_owned());
        }
        if let Some(model) = chunk["model"].as_str() {
            self.last_model = Some(model.to_owned());
        }
    }

    fn take_usage(&mut self, value: &Value) {
        let usage = &value["usage"];
        if let (Some(prompt), Some(completion)) =
            (usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64())
        {
            self.usage = Some((prompt, completion));
            self.estimated = value["genset"]["usage"] == "estimated";
        }
    }

    /// The words of the answer, wherever they stand.
    pub(crate) fn said(&self) -> &str {
        if self.arguments.is_empty() { &self.text } else { &self.arguments }
    }
}

//! A chat request: parsed once at the door, and from then on known to be well-formed.

mod fields;
mod tools;
mod turns;

use serde_json::{Map, Value};

use crate::{ApiError, Script};
pub(crate) use fields::{Fields, out_of_range};
use tools::Tools;
pub use tools::{Must, Tool, ToolCall, ToolChoice};

/// One message of a chat, with its text parts joined.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub role: String,
    pub text: String,
    /// What an assistant thought before its answer.
    pub reasoning: Option<String>,
    /// The calls that an assistant made.
    pub calls: Vec<ToolCall>,
    /// The call whose result a tool gives.
    pub call_id: Option<String>,
    /// Who speaks, or which tool.
    pub name: Option<String>,
}

impl Message {
    pub fn new(role: &str, text: &str) -> Self {
        Message { role: role.to_owned(), text: text.to_owned(), ..Message::default() }
    }

    /// Bytes of all its text, that of its calls included.
    fn bytes(&self) -> u64 {
        let calls = self.calls.iter().map(|call| call.name.len() + call.arguments.len());
        (self.text.len() + calls.sum::<usize>()) as u64
    }
}

/// What an answer needs beyond plain text from whatever serves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Functions to call, or calls and results of them.
    pub tools: bool,
    /// Tools that are no functions, or functions of the kind before tools.
    pub other_tools: bool,
    pub images: bool,
    /// An answer that is heard.
    pub sound: bool,
    /// A search of the web before the answer.
    pub web_search: bool,
    /// JSON, or another form than plain text.
    pub json: bool,
    /// A form that only clouds may know.
    pub other_format: bool,
    pub logprobs: bool,
    /// Numbers of tokens, which mean something to one tokenizer alone.
    pub token_numbers: bool,
}

/// The form that an answer must have.
#[derive(Clone, PartialEq)]
pub enum ResponseFormat {
    /// One JSON object, whatever is in it.
    JsonObject,
    /// JSON that this schema admits.
    JsonSchema(Value),
    /// Text that a regular expression matches as a whole. No cloud knows it; servers of local models do.
    Regex(String),
    /// One that this version does not know: only whoever serves it can say what it means.
    Other,
}

/// How an upstream is asked to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As the caller asked, in one piece.
    Whole,
    /// As a stream without options.
    Stream,
    /// As a stream whose last chunk tells the usage.
    StreamWithUsage,
}

/// A request for a chat completion. The body as it came is kept, so that nothing of it is lost on its way.
#[derive(Clone)]
pub struct ChatRequest {
    pub model: String,
    pub messages: Vec<Message>,
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    pub max_tokens: Option<u32>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub top_k: Option<u32>,
    pub min_p: Option<f32>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    /// No cloud of this dialect knows it; servers of local models do.
    pub repetition_penalty: Option<f32>,
    /// Numbers of tokens, each with what is added to its weight, -100 to 100.
    pub logit_bias: Vec<(u32, f32)>,
    /// The probability of each token is wanted, and beside it those of so many of the likeliest.
    pub logprobs: Option<u8>,
    pub seed: Option<u64>,
    pub stop: Vec<String>,
    /// `None` for plain text.
    pub response_format: Option<ResponseFormat>,
    /// The functions that may be called.
    pub tools: Vec<Tool>,
    pub tool_choice: ToolChoice,
    /// One answer may make several calls.
    pub parallel_tool_calls: bool,
    /// What the chat template of a local model is told beyond the conversation, such as `enable_thinking`.
    pub template_arguments: Option<Map<String, Value>>,
    /// How many answers are asked for at once: `n`.
    pub choices: u32,
    pub needs: Needs,
    body: Map<String, Value>,
}

impl std::fmt::Debug for ChatRequest {
    /// Without the messages: a request may end in a log line, its text may not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatRequest")
            .field("model", &self.model)
            .field("messages", &self.messages.len())
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

impl ChatRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// Status 400 in the OpenAI error shape, naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let body: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| not_an_object(&error, "\"model\" and \"messages\""))?;
        let fields = Fields(&body);
        let (messages, mut needs) = parse_messages(fields.0.get("messages"))?;
        let tools = Tools::read(&fields)?;
        needs.tools |= !tools.list.is_empty() && tools.choice.must != Must::Not;
        needs.other_tools |= tools.others;
        needs.sound = fields.wants_sound();
        needs.web_search = fields.given("web_search_options").is_some();
        let response_format = fields.response_format()?;
        needs.json = response_format.is_some();
        needs.other_format = matches!(response_format, Some(ResponseFormat::Other));
        let (logprobs, logit_bias) = (fields.logprobs()?, fields.logit_bias()?);
        (needs.logprobs, needs.token_numbers) = (logprobs.is_some(), !logit_bias.is_empty());
        let choices = fields.integer("n", 1, 128)?.unwrap_or(1) as u32;
        let max_tokens = match fields.integer("max_completion_tokens", 1, u64::from(u32::MAX))? {
            Some(limit) => Some(limit),
            None => fields.integer("max_tokens", 1, u64::from(u32::MAX))?,
        };
        Ok(ChatRequest {
            model: fields.model()?,
            messages,
            stream: fields.boolean_or("stream", false)?,
            include_usage: fields.include_usage()?,
            max_tokens: max_tokens.map(|n| n as u32),
            temperature: fields.number("temperature", 0.0, 2.0)?,
            top_p: fields.number("top_p", 0.0, 1.0)?,
            top_k: fields.integer("top_k", 0, 1_000_000)?.map(|n| n as u32),
            min_p: fields.number("min_p", 0.0, 1.0)?,
            presence_penalty: fields.number("presence_penalty", -2.0, 2.0)?,
            frequency_penalty: fields.number("frequency_penalty", -2.0, 2.0)?,
            repetition_penalty: fields.number("repetition_penalty", 0.01, 2.0)?,
            logit_bias,
            logprobs,
            seed: fields.seed()?,
            stop: fields.stop()?,
            response_format,
            tools: tools.list,
            tool_choice: tools.choice,
            parallel_tool_calls: fields.boolean_or("parallel_tool_calls", true)?,
            template_arguments: fields.template_arguments()?,
            choices,
            needs,
            body,
        })
    }

    /// A plain question from the portal, which speaks no JSON.
    pub fn from_messages(model: &str, messages: Vec<Message>, stream: bool) -> Self {
        let wire: Vec<Value> =
            messages.iter().map(|m| serde_json::json!({"role": m.role, "content": m.text})).collect();
        let mut body = Map::new();
        body.insert("model".into(), model.into());
        body.insert("messages".into(), wire.into());
        if stream {
            body.insert("stream".into(), true.into());
        }
        ChatRequest {
            model: model.to_owned(),
            messages,
            stream,
            include_usage: false,
            max_tokens: None,
            temperature: None,
            top_p: None,
            top_k: None,
            min_p: None,
            presence_penalty: None,
            frequency_penalty: None,
            repetition_penalty: None,
            logit_bias: Vec::new(),
            logprobs: None,
            seed: None,
            stop: Vec::new(),
            response_format: None,
            tools: Vec::new(),
            tool_choice: ToolChoice::default(),
            parallel_tool_calls: true,
            template_arguments: None,
            choices: 1,
            needs: Needs::default(),
            body,
        }
    }

    /// The body for an upstream: as it came, with the upstream's own name of the model in its place, and with what
    /// the delivery asks for.
    pub fn body_for(&self, upstream_model: &str, delivery: Delivery) -> Vec<u8> {
        let mut body = self.body.clone();
        body.insert("model".into(), upstream_model.into());
        match delivery {
            Delivery::Whole => {}
            Delivery::Stream => {
                body.insert("stream".into(), true.into());
                body.remove("stream_options");
            }
            Delivery::StreamWithUsage => {
                body.insert("stream".into(), true.into());
                let options = body.entry("stream_options").or_insert(Value::Null);
                match options {
                    Value::Object(options) => drop(options.insert("include_usage".into(), true.into())),
                    options => *options = serde_json::json!({"include_usage": true}),
                }
            }
        }
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The answer can be put together again from its chunks; sound cannot.
    pub fn can_be_streamed(&self) -> bool {
        !self.needs.sound
    }

    /// The script of the question that is to be answered, where it says something of the language.
    pub fn script(&self) -> Option<Script> {
        let question = self.messages.iter().rfind(|message| message.role == "user")?;
        Script::of(&question.text)
    }

    /// So many tokens the conversation has at least, by whatever tokenizer: a token seldom holds more than eight bytes,
    /// but for those of one character over and over, such as a line of dashes.
    pub fn least_tokens(&self) -> u64 {
        let tools = self.tools.iter().map(|tool| tool.entry.to_string().len() as u64);
        let repeated = self.messages.iter().map(|message| repeated_bytes(&message.text)).sum::<u64>();
        // Where a message begins and ends is a token at least, however little is in it.
        self.messages.len() as u64 + (self.text_bytes() - repeated + tools.sum::<u64>()) / 8
    }

    /// Bytes of text in all messages, for the audit's sizes.
    pub fn text_bytes(&self) -> u64 {
        self.messages.iter().map(Message::bytes).sum()
    }
}

/// Bytes that only repeat the one before.
fn repeated_bytes(text: &str) -> u64 {
    text.as_bytes().windows(2).filter(|pair| pair[0] == pair[1]).count() as u64
}

/// A body that is no JSON object, where one with these `fields` is wanted.
pub(crate) fn not_an_object(error: &serde_json::Error, fields: &str) -> ApiError {
    let place = format!("line {}, column {}", error.line(), error.column());
    // It has no category of its own.
    let is_too_deep = error.to_string().starts_with("recursion limit exceeded");
    let what = match error.classify() {
        _ if is_too_deep => "The body is JSON, but nested more than 127 levels deep",
        serde_json::error::Category::Eof => "The body ends in the middle of its JSON",
        serde_json::error::Category::Data => "The body is JSON, but not an object",
        _ => "The body is not JSON",
    };
    let message = format!("{what} ({place}). Send a JSON object with {fields}.");
    ApiError { param: None, ..ApiError::invalid("invalid_json", "", message) }
}

fn parse_messages(value: Option<&Value>) -> Result<(Vec<Message>, Needs), ApiError> {
    let wrong = |param: &str, message: String| ApiError::invalid("invalid_messages", param, message);
    let Some(Value::Array(list)) = value else {
        return Err(wrong("messages", "\"messages\" must be a list of messages.".into()));
    };
    if list.is_empty() {
        return Err(wrong("messages", "\"messages\" is empty: give one message at least.".into()));
    }
    let mut needs = Needs::default();
    let messages = list.iter().enumerate().map(|(i, message)| {
        let at = format!("messages[{i}]");
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !ROLES.contains(&role) {
            let message = format!("{at}.role must be one of {}.", ROLES.join(", "));
            return Err(wrong(&format!("{at}.role"), message));
        }
        let text = text_of(message.get("content"), &mut needs).ok_or_else(|| {
            let param = format!("{at}.content");
            wrong(&param, format!("{param} must be text, or a list of parts with a \"type\" each."))
        })?;
        let said = |name| message.get(name).and_then(Value::as_str).map(str::to_owned);
        let message = Message {
            role: role.to_owned(),
            text,
            reasoning: said("reasoning_content").or_else(|| said("reasoning")),
            calls: tools::calls(&at, message.get("tool_calls"), &mut needs.other_tools)?,
            call_id: said("tool_call_id"),
            name: said("name"),
        };
        if role == "tool" && message.call_id.is_none() {
            let param = format!("{at}.tool_call_id");
            return Err(wrong(&param, format!("{param} must name the call that this is the result of.")));
        }
        needs.tools |= role == "tool" || !message.calls.is_empty();
        needs.other_tools |= role == "function";
        Ok(message)
    });
    let messages = messages.collect::<Result<_, _>>()?;
    Ok((messages, needs))
}

fn text_of(content: Option<&Value>, needs: &mut Needs) -> Option<String> {
    match content {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(parts)) => {
            let mut text = String::new();
            for part in parts {
                match part.get("type").and_then(Value::as_str)? {
                    "text" => text.push_str(part.get("text").and_then(Value::as_str)?),
                    "refusal" => {}
                    _ => needs.images = true,
                }
            }
            Some(text)
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;

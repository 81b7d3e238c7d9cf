//! A chat request: parsed once at the door, and from then on known to be well-formed.

mod turns;

use serde_json::{Map, Value};

use crate::{ApiError, Script};

/// One message of a chat, with its text parts joined.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub role: String,
    pub text: String,
}

/// What an answer needs beyond plain text from whatever serves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    pub tools: bool,
    pub images: bool,
    /// JSON, or another form than plain text.
    pub json: bool,
    /// A form that only clouds may know.
    pub other_format: bool,
    pub logprobs: bool,
    pub several_choices: bool,
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
    pub seed: Option<u64>,
    pub stop: Vec<String>,
    /// `None` for plain text.
    pub response_format: Option<ResponseFormat>,
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
        let body: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| not_an_object(&error))?;
        let fields = Fields(&body);
        let (messages, mut needs) = parse_messages(fields.0.get("messages"))?;
        needs.tools |= fields.filled("tools") || fields.filled("functions");
        let response_format = fields.response_format()?;
        needs.json = response_format.is_some();
        needs.other_format = matches!(response_format, Some(ResponseFormat::Other));
        needs.logprobs = fields.0.get("logprobs") == Some(&Value::Bool(true));
        let choices = fields.integer("n", 1, 128)?.unwrap_or(1) as u32;
        needs.several_choices = choices > 1;
        let max_tokens = match fields.integer("max_completion_tokens", 1, u64::from(u32::MAX))? {
            Some(limit) => Some(limit),
            None => fields.integer("max_tokens", 1, u64::from(u32::MAX))?,
        };
        let options = body.get("stream_options");
        Ok(ChatRequest {
            model: fields.model()?,
            messages,
            stream: fields.boolean("stream")?,
            include_usage: options.and_then(|o| o.get("include_usage")) == Some(&Value::Bool(true)),
            max_tokens: max_tokens.map(|n| n as u32),
            temperature: fields.number("temperature", 0.0, 2.0)?,
            top_p: fields.number("top_p", 0.0, 1.0)?,
            top_k: fields.integer("top_k", 0, 1_000_000)?.map(|n| n as u32),
            min_p: fields.number("min_p", 0.0, 1.0)?,
            presence_penalty: fields.number("presence_penalty", -2.0, 2.0)?,
            frequency_penalty: fields.number("frequency_penalty", -2.0, 2.0)?,
            seed: fields.seed()?,
            stop: fields.stop()?,
            response_format,
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
            seed: None,
            stop: Vec::new(),
            response_format: None,
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
        let wants_sound = |modality: &Value| modality == "audio";
        let modalities = self.body.get("modalities").and_then(Value::as_array);
        !self.body.contains_key("audio") && !modalities.is_some_and(|list| list.iter().any(wants_sound))
    }

    /// The script of the question that is to be answered, where it says something of the language.
    pub fn script(&self) -> Option<Script> {
        let question = self.messages.iter().rfind(|message| message.role == "user")?;
        Script::of(&question.text)
    }

    /// So many tokens the conversation has at least, by whatever tokenizer: a token seldom holds more than eight bytes.
    pub fn least_tokens(&self) -> u64 {
        self.text_bytes() / 8
    }

    /// Bytes of text in all messages, for the audit's sizes.
    pub fn text_bytes(&self) -> u64 {
        self.messages.iter().map(|m| m.text.len() as u64).sum()
    }
}

fn not_an_object(error: &serde_json::Error) -> ApiError {
    let place = format!("line {}, column {}", error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Eof => "The body ends in the middle of its JSON",
        serde_json::error::Category::Data => "The body is JSON, but not an object",
        _ => "The body is not JSON",
    };
    let message = format!("{what} ({place}). Send a JSON object with \"model\" and \"messages\".");
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
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !ROLES.contains(&role) {
            let message = format!("messages[{i}].role must be one of {}.", ROLES.join(", "));
            return Err(wrong(&format!("messages[{i}].role"), message));
        }
        needs.tools |= role == "tool" || role == "function" || message.get("tool_calls").is_some();
        let text = text_of(message.get("content"), &mut needs).ok_or_else(|| {
            let param = format!("messages[{i}].content");
            wrong(&param, format!("{param} must be text, or a list of parts with a \"type\" each."))
        })?;
        Ok(Message { role: role.to_owned(), text })
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

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    fn filled(&self, name: &str) -> bool {
        self.given(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    }

    fn model(&self) -> Result<String, ApiError> {
        match self.given("model").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(ApiError::invalid(
                "model_missing",
                "model",
                "\"model\" must name one of the box's aliases.",
            )),
        }
    }

    fn boolean(&self, name: &str) -> Result<bool, ApiError> {
        match self.given(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| out_of_range(name, "true or false")),
        }
    }

    fn number(&self, name: &str, min: f64, max: f64) -> Result<Option<f32>, ApiError> {
        let Some(value) = self.given(name) else { return Ok(None) };
        match value.as_f64() {
            Some(n) if (min..=max).contains(&n) => Ok(Some(n as f32)),
            _ => Err(out_of_range(name, &format!("a number from {min} to {max}"))),
        }
    }

    fn integer(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.given(name) else { return Ok(None) };
        match value.as_u64() {
            Some(n) if (min..=max).contains(&n) => Ok(Some(n)),
            _ => Err(out_of_range(name, &format!("a whole number from {min} to {max}"))),
        }
    }

    fn seed(&self) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.given("seed") else { return Ok(None) };
        let seed = value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned));
        seed.map(Some).ok_or_else(|| out_of_range("seed", "a whole number"))
    }

    fn response_format(&self) -> Result<Option<ResponseFormat>, ApiError> {
        let Some(format) = self.given("response_format") else { return Ok(None) };
        let kind = format.get("type").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| out_of_range("response_format", "an object with a \"type\""))?;
        Ok(match kind {
            "text" => None,
            "json_object" => Some(ResponseFormat::JsonObject),
            "json_schema" => Some(schema_of(format.get("json_schema"))?),
            "regex" => match format.get("value").and_then(Value::as_str) {
                Some(pattern) => Some(ResponseFormat::Regex(pattern.to_owned())),
                None => return Err(out_of_range("response_format.value", "a regular expression")),
            },
            _ => Some(ResponseFormat::Other),
        })
    }

    fn stop(&self) -> Result<Vec<String>, ApiError> {
        let wrong = || out_of_range("stop", "a text, or a list of at most 4 texts that are not empty");
        let list = match self.given("stop") {
            None => return Ok(Vec::new()),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(list)) => list
                .iter()
                .map(|v| v.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(wrong()),
        };
        if list.len() > 4 || list.iter().any(String::is_empty) { Err(wrong()) } else { Ok(list) }
    }
}

fn schema_of(wrapper: Option<&Value>) -> Result<ResponseFormat, ApiError> {
    let Some(Value::Object(wrapper)) = wrapper else {
        let name = "response_format.json_schema";
        return Err(out_of_range(name, "an object with a \"name\" and a \"schema\""));
    };
    match wrapper.get("schema") {
        None | Some(Value::Null) => Ok(ResponseFormat::JsonObject),
        Some(schema @ Value::Object(_)) => Ok(ResponseFormat::JsonSchema(schema.clone())),
        Some(_) => {
            Err(out_of_range("response_format.json_schema.schema", "a JSON Schema, which is an object"))
        }
    }
}

fn out_of_range(name: &str, expected: &str) -> ApiError {
    ApiError::invalid("invalid_value", name, format!("\"{name}\" must be {expected}."))
}

#[cfg(test)]
mod tests;

//! The fields of a request's body, each read into what it must be or refused by its name.

use serde_json::{Map, Value};

use super::ResponseFormat;
use crate::ApiError;

/// As many likely tokens as may be told beside each one.
const MOST_ALTERNATIVES: u64 = 20;
/// Tokens that one request may favour or rule out.
const MOST_BIASED: usize = 1024;

/// The top of a request's body.
pub(crate) struct Fields<'a>(pub(crate) &'a Map<String, Value>);

impl Fields<'_> {
    pub(crate) fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    pub(crate) fn filled(&self, name: &str) -> bool {
        self.given(name).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    }

    pub(crate) fn model(&self) -> Result<String, ApiError> {
        match self.given("model").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(ApiError::invalid(
                "model_missing",
                "model",
                "\"model\" must name one of the box's aliases.",
            )),
        }
    }

    pub(crate) fn boolean_or(&self, name: &str, otherwise: bool) -> Result<bool, ApiError> {
        match self.given(name) {
            None => Ok(otherwise),
            Some(value) => value.as_bool().ok_or_else(|| out_of_range(name, "true or false")),
        }
    }

    pub(crate) fn number(&self, name: &str, min: f64, max: f64) -> Result<Option<f32>, ApiError> {
        let Some(value) = self.given(name) else { return Ok(None) };
        match value.as_f64() {
            Some(n) if (min..=max).contains(&n) => Ok(Some(n as f32)),
            _ => Err(out_of_range(name, &format!("a number from {min} to {max}"))),
        }
    }

    pub(crate) fn integer(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.given(name) else { return Ok(None) };
        match value.as_u64() {
            Some(n) if (min..=max).contains(&n) => Ok(Some(n)),
            _ => Err(out_of_range(name, &format!("a whole number from {min} to {max}"))),
        }
    }

    pub(crate) fn seed(&self) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.given("seed") else { return Ok(None) };
        let seed = value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned));
        seed.map(Some).ok_or_else(|| out_of_range("seed", "a whole number"))
    }

    /// `stream_options.include_usage`.
    pub(super) fn include_usage(&self) -> Result<bool, ApiError> {
        match self.given("stream_options") {
            None => Ok(false),
            Some(Value::Object(options)) => Ok(options.get("include_usage") == Some(&Value::Bool(true))),
            Some(_) => Err(out_of_range("stream_options", "an object")),
        }
    }

    /// The answer is to be heard, besides or in place of being read.
    pub(super) fn wants_sound(&self) -> bool {
        let is_sound = |modality: &Value| modality == "audio";
        let modalities = self.given("modalities").and_then(Value::as_array);
        self.given("audio").is_some() || modalities.is_some_and(|list| list.iter().any(is_sound))
    }

    pub(super) fn logprobs(&self) -> Result<Option<u8>, ApiError> {
        let is_wanted = self.boolean_or("logprobs", false)?;
        match self.integer("top_logprobs", 0, MOST_ALTERNATIVES)? {
            Some(_) if !is_wanted => {
                let message = "\"top_logprobs\" needs \"logprobs\": true beside it.";
                Err(ApiError::invalid("invalid_value", "top_logprobs", message))
            }
            alternatives => Ok(is_wanted.then_some(alternatives.unwrap_or(0) as u8)),
        }
    }

    pub(super) fn logit_bias(&self) -> Result<Vec<(u32, f32)>, ApiError> {
        let wrong = || {
            let expected = format!(
                "an object of at most {MOST_BIASED} entries, each the number of a token with a number from -100 to 100"
            );
            out_of_range("logit_bias", &expected)
        };
        let map = match self.given("logit_bias") {
            None => return Ok(Vec::new()),
            Some(Value::Object(map)) if map.len() <= MOST_BIASED => map,
            Some(_) => return Err(wrong()),
        };
        let entry = |(token, bias): (&String, &Value)| {
            // `01` and `+1` would be a second entry for one token.
            let number = token.parse::<u32>().ok().filter(|number| number.to_string() == *token);
            let bias = bias.as_f64().filter(|bias| (-100.0..=100.0).contains(bias));
            Some((number?, bias? as f32))
        };
        map.iter().map(|pair| entry(pair).ok_or_else(wrong)).collect()
    }

    pub(crate) fn response_format(&self) -> Result<Option<ResponseFormat>, ApiError> {
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

    pub(crate) fn template_arguments(&self) -> Result<Option<Map<String, Value>>, ApiError> {
        match self.given("chat_template_kwargs") {
            None => Ok(None),
            Some(Value::Object(arguments)) => Ok(Some(arguments.clone())),
            Some(_) => Err(out_of_range("chat_template_kwargs", "an object")),
        }
    }

    pub(crate) fn stop(&self) -> Result<Vec<String>, ApiError> {
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

pub(crate) fn out_of_range(name: &str, expected: &str) -> ApiError {
    ApiError::invalid("invalid_value", name, format!("\"{name}\" must be {expected}."))
}

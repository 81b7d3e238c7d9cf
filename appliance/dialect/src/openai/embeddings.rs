//! `/v1/embeddings`: texts in, one vector for each of them out.
//!
//! Source of the shapes: the public OpenAPI description of the OpenAI API.

use data_encoding::BASE64;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::request::{Fields, not_an_object, out_of_range};
use super::{Extension, Usage};
use crate::ApiError;

/// Texts of one request.
pub const MAX_TEXTS: usize = 2048;

/// A request for vectors. The body as it came is kept, so that nothing of it is lost on its way.
#[derive(Clone)]
pub struct EmbeddingRequest {
    pub model: String,
    /// `None` where tokens were sent in place of texts: whoever made them knows whose tokens they are.
    pub texts: Option<Vec<String>>,
    /// How many vectors are asked for.
    pub count: usize,
    pub encoding: VectorEncoding,
    /// Shorter vectors than the model's own.
    pub dimensions: Option<u32>,
    body: Map<String, Value>,
}

/// How a vector is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VectorEncoding {
    /// A list of numbers.
    #[default]
    Float,
    /// 32-bit floats, the least significant byte first, in base64.
    Base64,
}

impl std::fmt::Debug for EmbeddingRequest {
    /// Without the texts: a request may end in a log line, its texts may not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddingRequest")
            .field("model", &self.model)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl EmbeddingRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// Status 400 in the OpenAI error shape, naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let body: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| not_an_object(&error, "\"model\" and \"input\""))?;
        let fields = Fields(&body);
        let (texts, count) = input(fields.given("input"))?;
        let encoding = match fields.given("encoding_format").map(Value::as_str) {
            None | Some(Some("float")) => VectorEncoding::Float,
            Some(Some("base64")) => VectorEncoding::Base64,
            Some(_) => return Err(out_of_range("encoding_format", "\"float\" or \"base64\"")),
        };
        let dimensions = fields.integer("dimensions", 1, 65_536)?.map(|n| n as u32);
        Ok(EmbeddingRequest { model: fields.model()?, texts, count, encoding, dimensions, body })
    }

    /// The body for an upstream: as it came, with the upstream's own name of the model in its place.
    pub fn body_for(&self, upstream_model: &str) -> Vec<u8> {
        let mut body = self.body.clone();
        body.insert("model".into(), upstream_model.into());
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Bytes of all texts, for the audit's sizes.
    pub fn text_bytes(&self) -> u64 {
        match &self.texts {
            Some(texts) => texts.iter().map(|text| text.len() as u64).sum(),
            None => self.body.get("input").map_or(0, |tokens| tokens.to_string().len() as u64),
        }
    }
}

/// The texts, and how many there are; or how many lists of tokens.
fn input(value: Option<&Value>) -> Result<(Option<Vec<String>>, usize), ApiError> {
    let wrong =
        |param: &str, what: &str| ApiError::invalid("invalid_input", param, format!("\"{param}\" {what}"));
    let list = match value {
        Some(Value::String(text)) if !text.is_empty() => return Ok((Some(vec![text.clone()]), 1)),
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::String(_) | Value::Array(_)) => {
            return Err(wrong("input", "is empty: give one text at least."));
        }
        _ => return Err(wrong("input", "must be a text, or a list of texts.")),
    };
    let are_tokens = |value: &Value| {
        value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_u64))
    };
    if list.iter().all(Value::is_u64) {
        return Ok((None, 1));
    }
    if list.len() > MAX_TEXTS {
        let what = format!("has {} texts, more than the {MAX_TEXTS} of one request.", list.len());
        return Err(wrong("input", &what));
    }
    if list.iter().all(are_tokens) {
        return Ok((None, list.len()));
    }
    let texts = list.iter().enumerate().map(|(index, text)| match text.as_str() {
        Some("") => Err(wrong(&format!("input[{index}]"), "is empty: leave it out, or give it a text.")),
        Some(text) => Ok(text.to_owned()),
        None => Err(wrong(&format!("input[{index}]"), "must be a text.")),
    });
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
    Ok((Some(texts), list.len()))
}

/// Tokens that were sent in place of texts, to a model that has another vocabulary.
pub fn no_tokens_here(model: &str) -> ApiError {
    let message = format!(
        "\"input\" has tokens, and only whoever cut them knows of which vocabulary: the local model {model} takes \
         texts. Send the texts themselves (some clients cut them by default and have a switch for it)."
    );
    ApiError::invalid("tokens_not_supported", "input", message)
}

/// The answer to a request for vectors, made by the box itself.
pub fn embeddings(
    model: &str,
    vectors: &[Vec<f32>],
    encoding: VectorEncoding,
    usage: Usage,
    extension: &Extension,
) -> Vec<u8> {
    let written = |vector: &'_ [f32]| match encoding {
        VectorEncoding::Float => Written::Numbers(vector.to_vec()),
        VectorEncoding::Base64 => Written::Text(base64(vector)),
    };
    let entry = |(index, vector): (usize, &Vec<f32>)| Entry {
        object: "embedding",
        index,
        embedding: written(vector),
    };
    let answer = Answer {
        object: "list",
        data: vectors.iter().enumerate().map(entry).collect(),
        model,
        usage: Read { prompt_tokens: usage.prompt_tokens, total_tokens: usage.prompt_tokens },
        genset: extension,
    };
    serde_json::to_vec(&answer).unwrap_or_default()
}

fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    BASE64.encode(&bytes)
}

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Entry>,
    model: &'a str,
    usage: Read,
    genset: &'a Extension,
}

#[derive(Serialize)]
struct Entry {
    object: &'static str,
    index: usize,
    embedding: Written,
}

/// Numbers are written as 32-bit floats: as short as they can be, and read back the same.
#[derive(Serialize)]
#[serde(untagged)]
enum Written {
    Numbers(Vec<f32>),
    Text(String),
}

/// Tokens that were read; none were written.
#[derive(Serialize)]
struct Read {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// An upstream's answer with vectors: its fields as they came, none of its numbers read.
pub struct EmbeddingAnswer {
    fields: Map<String, Value>,
    data: Box<RawValue>,
    pub usage: Option<u64>,
}

impl EmbeddingAnswer {
    /// Reads a body; `None` when it does not have `count` vectors.
    pub fn read(body: &[u8], count: usize) -> Option<Self> {
        #[derive(Deserialize)]
        struct Whole {
            data: Box<RawValue>,
            #[serde(flatten)]
            fields: Map<String, Value>,
        }
        #[derive(Deserialize)]
        struct Vector {
            #[serde(rename = "embedding")]
            _embedding: IgnoredAny,
        }
        let Whole { data, fields } = serde_json::from_slice(body).ok()?;
        let vectors: Vec<Vector> = serde_json::from_str(data.get()).ok()?;
        let usage = fields.get("usage").and_then(|usage| usage.get("prompt_tokens")).and_then(Value::as_u64);
        (vectors.len() == count).then_some(EmbeddingAnswer { fields, data, usage })
    }

    /// The body as it came, with the extension added.
    pub fn stamped(self, extension: &Extension) -> Vec<u8> {
        #[derive(Serialize)]
        struct Stamped<'a> {
            data: &'a RawValue,
            #[serde(flatten)]
            fields: &'a Map<String, Value>,
        }
        let mut fields = self.fields;
        fields.insert("genset".into(), serde_json::json!(extension));
        serde_json::to_vec(&Stamped { data: &self.data, fields: &fields }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

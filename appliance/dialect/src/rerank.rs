//! `/v1/rerank`: a query and documents in, the documents by how well they answer it out.
//!
//! OpenAI has no such path. The shape is the one that Jina and Cohere share, as their public references tell it.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::ApiError;
use crate::openai::{Extension, Fields, MAX_TEXTS, not_an_object, out_of_range};

/// A request for an order of documents.
#[derive(Clone)]
pub struct RerankRequest {
    pub model: String,
    pub query: String,
    pub documents: Vec<String>,
    /// How many are told of, the best first; all where nothing is said.
    pub top_n: usize,
    /// Their texts come back with them.
    pub return_documents: bool,
}

impl std::fmt::Debug for RerankRequest {
    /// Without the texts: a request may end in a log line, its texts may not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RerankRequest")
            .field("model", &self.model)
            .field("documents", &self.documents.len())
            .finish_non_exhaustive()
    }
}

impl RerankRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// Status 400 in the OpenAI error shape, naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let body: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| not_an_object(&error, "\"model\", \"query\" and \"documents\""))?;
        let fields = Fields(&body);
        let query = match fields.given("query").and_then(Value::as_str) {
            Some(query) if !query.is_empty() => query.to_owned(),
            _ => return Err(out_of_range("query", "a text that is not empty")),
        };
        let documents = documents(fields.given("documents"))?;
        let top_n = fields.integer("top_n", 1, u64::from(u32::MAX))?;
        Ok(RerankRequest {
            model: fields.model()?,
            query,
            top_n: top_n.map_or(documents.len(), |n| documents.len().min(n as usize)),
            return_documents: fields.boolean_or("return_documents", false)?,
            documents,
        })
    }

    /// Bytes of all texts, for the audit's sizes.
    pub fn text_bytes(&self) -> u64 {
        (self.query.len() + self.documents.iter().map(String::len).sum::<usize>()) as u64
    }

    /// The answer, from what the model made of each document: numbers of any size, which become 0 to 1 on their way out.
    pub fn answer(
        &self,
        id: &str,
        model: &str,
        scores: &[f32],
        tokens: u64,
        extension: &Extension,
    ) -> Vec<u8> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        // Of equal ones the earlier stays first.
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let document =
            |index: usize| self.return_documents.then(|| Document { text: &self.documents[index] });
        let result =
            |index: usize| Scored { index, relevance_score: share(scores[index]), document: document(index) };
        let answer = Answer {
            id,
            object: "list",
            model,
            usage: Read { prompt_tokens: tokens, total_tokens: tokens },
            results: order.into_iter().take(self.top_n).map(result).collect(),
            genset: extension,
        };
        serde_json::to_vec(&answer).unwrap_or_default()
    }
}

/// The logistic function: the probability that rerankers are trained to give.
fn share(score: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(score)).exp())
}

fn documents(value: Option<&Value>) -> Result<Vec<String>, ApiError> {
    let Some(Value::Array(list)) = value.filter(|list| list.as_array().is_none_or(|list| !list.is_empty()))
    else {
        return Err(out_of_range("documents", "a list of one document at least"));
    };
    if list.len() > MAX_TEXTS {
        return Err(out_of_range("documents", &format!("a list of at most {MAX_TEXTS} documents")));
    }
    let documents = list.iter().enumerate().map(|(index, document)| {
        let text = document.as_str().or_else(|| document.get("text")?.as_str());
        match text {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => {
                let place = format!("documents[{index}]");
                Err(out_of_range(&place, "a text that is not empty, or an object with a \"text\""))
            }
        }
    });
    documents.collect()
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    object: &'static str,
    model: &'a str,
    usage: Read,
    results: Vec<Scored<'a>>,
    genset: &'a Extension,
}

/// Tokens that were read; none were written.
#[derive(Serialize)]
struct Read {
    prompt_tokens: u64,
    total_tokens: u64,
}

#[derive(Serialize)]
struct Scored<'a> {
    index: usize,
    relevance_score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document<'a>>,
}

#[derive(Serialize)]
struct Document<'a> {
    text: &'a str,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<RerankRequest, ApiError> {
        RerankRequest::parse(body.to_string().as_bytes())
    }

    fn extension() -> Extension {
        Extension {
            served_by: "local/judge".into(),
            route: "local",
            reason: "first-route",
            site_state: "connected",
            seam: None,
            usage: None,
            shortened: None,
            brown_out: None,
        }
    }

    #[test]
    fn the_best_documents_come_first_and_their_texts_only_where_they_are_asked_for() {
        let mut body = json!({"model": "judge", "query": "What stops the bleeding?",
            "documents": ["Lunch is at noon.", {"text": "압박하십시오."}, "Press on it."], "top_n": 2});
        let answer = |body: &Value| -> Value {
            let request = parse(body).expect("good");
            let told = request.answer("rerank-1", "judge", &[-2.0, 0.0, 1.5], 30, &extension());
            serde_json::from_slice(&told).expect("JSON")
        };
        let expected = json!({
            "id": "rerank-1",
            "object": "list",
            "model": "judge",
            "usage": {"prompt_tokens": 30, "total_tokens": 30},
            "results": [
                {"index": 2, "relevance_score": 0.817_574_476_193_643_7},
                {"index": 1, "relevance_score": 0.5},
            ],
            "genset": {"served_by": "local/judge", "route": "local", "reason": "first-route",
                "site_state": "connected"},
        });
        assert_eq!(answer(&body), expected);
        body["return_documents"] = json!(true);
        body["top_n"] = json!(99);
        let told = answer(&body);
        assert_eq!(told["results"].as_array().map(Vec::len), Some(3));
        assert_eq!(told["results"][1]["document"], json!({"text": "압박하십시오."}));
    }

    #[test]
    fn each_bad_field_is_refused_by_its_name() {
        let good = json!({"model": "judge", "query": "q", "documents": ["a"]});
        assert!(parse(&good).is_ok());
        let long: Vec<&str> = vec!["a"; MAX_TEXTS + 1];
        for (field, value, param) in [
            ("query", json!(""), "query"),
            ("query", json!(["q"]), "query"),
            ("documents", json!([]), "documents"),
            ("documents", json!("a"), "documents"),
            ("documents", json!(long), "documents"),
            ("documents", json!(["a", ""]), "documents[1]"),
            ("documents", json!(["a", {"title": "b"}]), "documents[1]"),
            ("top_n", json!(0), "top_n"),
            ("return_documents", json!("yes"), "return_documents"),
            ("model", json!(7), "model"),
        ] {
            let mut body = good.clone();
            body[field] = value;
            let error = parse(&body).expect_err("must be refused");
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        }
        assert_eq!(RerankRequest::parse(b"[]").expect_err("no object").code, "invalid_json");
    }

    #[test]
    fn no_text_of_a_request_is_in_the_debug_output() {
        let request = parse(&json!({"model": "a", "query": "secret words", "documents": ["secret too"]}));
        assert!(!format!("{request:?}").contains("secret"));
    }
}

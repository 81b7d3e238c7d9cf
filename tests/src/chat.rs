//! A chat request, built by a test.

use serde_json::{Value, json};

/// The body of a chat completion request.
#[derive(Debug, Clone)]
pub struct Chat {
    body: Value,
    headers: Vec<(&'static str, String)>,
}

impl Chat {
    /// One user message to `alias`, at temperature 0.
    pub fn new(alias: &str, question: &str) -> Chat {
        let messages = json!([{ "role": "user", "content": question }]);
        Chat { body: json!({ "model": alias, "temperature": 0, "messages": messages }), headers: Vec::new() }
    }

    /// A field of the request.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Chat {
        self.body[field] = value.into();
        self
    }

    /// A header of the request.
    pub fn header(mut self, name: &'static str, value: &str) -> Chat {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The request as sent.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The headers as sent.
    pub(crate) fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    /// The texts of all messages.
    pub(crate) fn texts(&self) -> Vec<String> {
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().filter_map(|message| message["content"].as_str().map(str::to_owned)).collect()
    }
}

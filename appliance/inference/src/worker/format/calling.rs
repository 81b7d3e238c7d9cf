//! Answers that may call: the grammar of their calls, and the rules for the arguments.

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use serde_json::{Map, Value, json};

use super::{Formats, Guide, Judge, Proof, compilable, refused};
use crate::job::{Format, JobError, Must, Tool, Tools};
use crate::worker::grammar::{Grammar, Plan, Words};
use crate::worker::manner::{Family, Thinking};
use crate::worker::speech::Rules;

/// What of a job decides on its calls.
pub(in crate::worker) struct Calling<'a> {
    pub(in crate::worker) family: Family,
    pub(in crate::worker) tools: &'a Tools,
    pub(in crate::worker) words: Option<&'a Format>,
    pub(in crate::worker) thinking: Option<Thinking>,
    /// The template has begun to think already.
    pub(in crate::worker) inside: bool,
    pub(in crate::worker) amid_words: bool,
}

impl Formats {
    /// The guide of an answer that may call, and the rules for what it calls.
    ///
    /// # Errors
    /// A schema that cannot be compiled; that of a function that is not strict only where it is none at all.
    pub(in crate::worker) fn calling(&self, calling: &Calling<'_>) -> Result<(Guide, Rules), JobError> {
        let mut functions = Vec::new();
        let mut rules = Rules::new();
        for tool in calling.tools.callable() {
            let schema = schema_of(tool)?;
            let rule = Judge::new(&schema).map_err(|error| named(tool, error))?;
            rules.insert(tool.name.clone(), Arc::new(rule));
            if !is_plain(&tool.name) && !is_json(calling.family) {
                return Err(named(tool, refused(&"the model's calls can't have this name")));
            }
            let schema = self.held(tool, closed(schema), calling.family)?;
            functions.push((tool.name.clone(), schema));
        }
        let (words, proof) = words(calling)?;
        let plan = Plan {
            family: calling.family,
            must: calling.tools.must,
            parallel: calling.tools.parallel,
            functions: &functions,
            words,
            thinking: calling.thinking,
            inside: calling.inside,
            amid_words: calling.amid_words,
        };
        let grammar = TopLevelGrammar::from_lark(Grammar::of(&plan, &self.vocabulary));
        Ok((Guide { matcher: self.matcher(grammar)?, proof, said: Vec::new() }, rules))
    }

    /// The schema as the compiler takes it. Where it cannot, and the function is not strict, any object is taken while
    /// it is written, and judged when it is whole.
    fn held(&self, tool: &Tool, schema: Value, family: Family) -> Result<Value, JobError> {
        if !is_json(family) && !matches!(family, Family::MistralNamed { .. }) {
            return Ok(schema);
        }
        let compiled = compilable(schema).and_then(|schema| {
            self.matcher(TopLevelGrammar::from_json_schema(schema.clone()))?;
            Ok(schema)
        });
        match compiled {
            Err(error) if tool.strict => Err(named(tool, error)),
            Err(_) => compilable(json!({"type": "object"})),
            compiled => compiled,
        }
    }
}

/// The form of the words beside the calls, and how the whole answer is judged.
fn words(calling: &Calling<'_>) -> Result<(Option<Words>, Proof), JobError> {
    if calling.tools.must == Must::Call {
        return Ok((None, Proof::Calls));
    }
    let schema = match calling.words {
        None => return Ok((None, Proof::Matcher)),
        Some(Format::Regex(pattern)) => {
            return Ok((Some(Words::Regex(between_slashes(pattern))), Proof::Matcher));
        }
        Some(Format::JsonObject) => json!({"type": "object"}),
        Some(Format::JsonSchema(schema)) => serde_json::from_str(schema).map_err(|error| refused(&error))?,
    };
    let judge = Judge::new(&schema)?;
    Ok((Some(Words::Json(compilable(schema)?)), Proof::JsonOrCalls(Arc::new(judge))))
}

/// A pattern as the grammar has it: a slash would end it, unless it is escaped already.
fn between_slashes(pattern: &str) -> String {
    let mut is_escaped = false;
    let mut escaped = String::with_capacity(pattern.len());
    for char in pattern.chars() {
        if char == '/' && !is_escaped {
            escaped.push('\\');
        }
        is_escaped = char == '\\' && !is_escaped;
        escaped.push(char);
    }
    escaped
}

fn schema_of(tool: &Tool) -> Result<Value, JobError> {
    let Some(parameters) = &tool.parameters else {
        return Ok(json!({"type": "object", "properties": {}, "additionalProperties": false}));
    };
    let mut schema: Map<String, Value> = serde_json::from_str(parameters).map_err(|error| refused(&error))?;
    // Arguments are an object, also where the schema forgets to say it.
    if !schema.contains_key("type") {
        schema.insert("type".into(), "object".into());
    }
    Ok(schema.into())
}

/// Where a schema names properties and does not say whether there may be others, no model is to invent any.
fn closed(mut schema: Value) -> Value {
    const OPEN: [&str; 8] = [
        "additionalProperties",
        "patternProperties",
        "unevaluatedProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "$ref",
        "if",
    ];
    let Some(object) = schema.as_object_mut() else { return schema };
    if object.contains_key("properties") && !OPEN.iter().any(|key| object.contains_key(*key)) {
        object.insert("additionalProperties".into(), false.into());
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|value| *value = closed(value.take()));
    }
    if let Some(items) = object.get_mut("items") {
        *items = closed(items.take());
    }
    schema
}

fn is_json(family: Family) -> bool {
    matches!(family, Family::Llama | Family::Hermes | Family::MistralList)
}

/// A name that needs no quotes.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Which of the tools is meant.
fn named(tool: &Tool, error: JobError) -> JobError {
    match error {
        JobError::BadFormat(why) => JobError::BadTool(format!("{:?}: {why}", tool.name)),
        error => error,
    }
}

#[cfg(test)]
mod tests;

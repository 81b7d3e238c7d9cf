//! The arguments of a function as Gemma writes them, held to as much of their schema as has an easy grammar.
//!
//! What has none is any value; the validator judges the whole call in the end.

use serde_json::{Map, Value};

use super::{Grammar, literal};
use crate::worker::manner::Gemma;

/// Values inside values are held to their schema down to here.
const MAX_DEPTH: usize = 6;

/// Writes the rules for one function's arguments and gives the name of theirs.
pub(super) fn arguments(grammar: &mut Grammar<'_>, gemma: Gemma, at: usize, schema: &Value) -> String {
    let mut rules = Rules { grammar, gemma, prefix: format!("arguments_{at}"), count: 0 };
    rules.any();
    rules.object(schema, 0)
}

struct Rules<'g, 'a> {
    grammar: &'g mut Grammar<'a>,
    gemma: Gemma,
    prefix: String,
    count: usize,
}

impl Rules<'_, '_> {
    /// Any value, and any text between quotes.
    fn any(&mut self) {
        let Rules { grammar, gemma, prefix, .. } = self;
        let quote = grammar.mark(gemma.quote);
        grammar.until(&format!("{prefix}_rest"), gemma.quote);
        grammar.rule(&format!("{prefix}_text"), &format!("{quote} {prefix}_rest"));
        let number = "/-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,15})?/";
        let value = format!(
            "{prefix}_text | {number} | \"true\" | \"false\" | \"null\" | {prefix}_list | {prefix}_object"
        );
        grammar.rule(&format!("{prefix}_any"), &value);
        grammar
            .rule(&format!("{prefix}_list"), &format!("\"[\" ({prefix}_any (\",\" {prefix}_any)*)? \"]\""));
        let pair = format!("/[A-Za-z_][A-Za-z0-9_.\\-]{{0,63}}/ \":\" {prefix}_any");
        grammar.rule(&format!("{prefix}_pair"), &pair);
        grammar.rule(
            &format!("{prefix}_object"),
            &format!("\"{{\" ({prefix}_pair (\",\" {prefix}_pair)*)? \"}}\""),
        );
    }

    fn rule(&mut self, body: &str) -> String {
        self.count += 1;
        let name = format!("{}_{}", self.prefix, self.count);
        self.grammar.rule(&name, body);
        name
    }

    fn value(&mut self, schema: &Value, depth: usize) -> String {
        let prefix = &self.prefix;
        let choices = schema.get("enum").and_then(Value::as_array).cloned();
        let choices = choices.or_else(|| schema.get("const").map(|value| vec![value.clone()]));
        if let Some(choices) = choices
            && !choices.is_empty()
            && choices.iter().all(|choice| !choice.is_object() && !choice.is_array())
        {
            let quote = self.grammar.mark(self.gemma.quote);
            let choice = |choice: &Value| match choice {
                Value::String(text) => format!("{quote} {} {quote}", literal(text)),
                other => literal(&other.to_string()),
            };
            let body = choices.iter().map(choice).collect::<Vec<_>>().join(" | ");
            return self.rule(&body);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => format!("{prefix}_text"),
            Some("integer") => self.rule("/-?(0|[1-9][0-9]{0,15})/"),
            Some("number") => self.rule("/-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,15})?/"),
            Some("boolean") => self.rule("\"true\" | \"false\""),
            Some("null") => self.rule("\"null\""),
            Some("array") if depth < MAX_DEPTH => {
                let item = schema.get("items").map(|items| self.value(items, depth + 1));
                let item = item.unwrap_or_else(|| format!("{}_any", self.prefix));
                self.rule(&format!("\"[\" ({item} (\",\" {item})*)? \"]\""))
            }
            Some("object") if depth < MAX_DEPTH => self.object(schema, depth + 1),
            _ => format!("{prefix}_any"),
        }
    }

    /// Properties in the order in which the templates sort them, those that are required always.
    fn object(&mut self, schema: &Value, depth: usize) -> String {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return format!("{}_object", self.prefix);
        };
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|list| list.iter().any(|known| known == name));
        let pairs = self.pairs(properties, depth);
        // From the last one to the first: what follows a property is a rule of its own, with and without a comma.
        let (mut after, mut first) = (String::new(), String::new());
        for (name, pair) in pairs.into_iter().rev() {
            let (with, alone) = (format!("\",\" {pair} {after}"), format!("{pair} {after}"));
            let (after_body, first_body) = if is_required(&name) {
                (with, alone)
            } else {
                (format!("{with} | {}", or_nothing(&after)), format!("{alone} | {}", or_nothing(&first)))
            };
            after = self.rule(&after_body);
            first = self.rule(&first_body);
        }
        self.rule(&format!("\"{{\" {first} \"}}\""))
    }

    fn pairs(&mut self, properties: &Map<String, Value>, depth: usize) -> Vec<(String, String)> {
        let is_plain = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let mut names: Vec<&String> = properties.keys().collect();
        names.sort_by_key(|name| (name.to_lowercase(), (*name).clone()));
        names
            .into_iter()
            .map(|name| {
                let value = self.value(&properties[name], depth);
                let quote = self.grammar.mark(self.gemma.quote);
                let key =
                    if is_plain(name) { literal(name) } else { format!("{quote} {} {quote}", literal(name)) };
                (name.clone(), self.rule(&format!("{key} \":\" {value}")))
            })
            .collect()
    }
}

fn or_nothing(rule: &str) -> &str {
    if rule.is_empty() { "\"\"" } else { rule }
}

//! What an answer with tools may be, as a grammar for llguidance in its dialect of Lark.
//!
//! Words are free until a call's mark comes; from there on names, arguments and marks are held. A mark that is a token
//! of its own is named by its number; elsewhere it is spelled out.

mod gemma;

use std::fmt::Write;

use serde_json::Value;

use super::manner::{Family, Gemma, HERMES, MISTRAL_ARGUMENTS, MISTRAL_ID, Thinking};
use super::vocabulary::Vocabulary;
use crate::job::Must;

/// All that decides on the form of one answer.
pub(super) struct Plan<'a> {
    pub(super) family: Family,
    pub(super) must: Must,
    pub(super) parallel: bool,
    /// The names of the functions that may be called, with the schemas of their arguments.
    pub(super) functions: &'a [(String, Value)],
    /// The form of the words, where they have one.
    pub(super) words: Option<Words>,
    pub(super) thinking: Option<Thinking>,
    /// The template has begun to think already.
    pub(super) inside: bool,
    /// The answer goes on from words that are given.
    pub(super) amid_words: bool,
}

/// The form of an answer's words.
#[derive(Clone)]
pub(super) enum Words {
    Json(Value),
    /// The text of a regular expression of Lark.
    Regex(String),
}

/// Any text.
const ANY: &str = "/(.|\\n)*/";

pub(super) struct Grammar<'a> {
    vocabulary: &'a Vocabulary,
    text: String,
}

impl<'a> Grammar<'a> {
    pub(super) fn of(plan: &Plan<'_>, vocabulary: &'a Vocabulary) -> String {
        let mut grammar = Grammar { vocabulary, text: format!("ANY: {ANY}\nSPACE: /[ \\n]{{0,4}}/\n") };
        grammar.write(plan);
        grammar.text
    }

    fn write(&mut self, plan: &Plan<'_>) {
        let think = self.think(plan);
        let words = self.words(plan);
        let calls = plan.must != Must::Not && !plan.functions.is_empty();
        if calls {
            self.calls(plan);
        }
        match plan.must {
            Must::Call if calls => self.rule("start", &format!("{think} calls")),
            Must::May if calls => self.rule("start", &format!("{think} words | {think} calls")),
            _ => self.rule("start", &format!("{think} words")),
        }
        self.rule("words", &words);
    }

    fn rule(&mut self, name: &str, body: &str) {
        let _ = writeln!(self.text, "{name}: {body}");
    }

    /// Thoughts before the answer: with marks that are hidden tokens, or where no words are free, they need a rule.
    fn think(&mut self, plan: &Plan<'_>) -> String {
        let Some(thinking) = plan.thinking else { return String::new() };
        let is_spelled = self.hidden(thinking.open).is_none() && self.hidden(thinking.close).is_none();
        if is_spelled && plan.must != Must::Call && plan.words.is_none() {
            return String::new();
        }
        self.until("thought", thinking.close);
        if plan.inside {
            return "thought SPACE".into();
        }
        let open = self.mark(thinking.open);
        self.rule("think", &format!("{open} thought SPACE"));
        "think?".into()
    }

    /// Words without a call's mark in them.
    fn words(&mut self, plan: &Plan<'_>) -> String {
        match &plan.words {
            Some(Words::Json(schema)) => format!("%json {schema}"),
            Some(Words::Regex(pattern)) => format!("/{pattern}/"),
            None if self.hidden(plan.family.opening()).is_some() && plan.family != Family::Llama => {
                "ANY".into()
            }
            None => {
                let opening = escaped(plan.family.opening());
                let mut plain = format!("/(.|\\n)*/ & ~/(.|\\n)*{opening}(.|\\n)*/");
                if plan.family == Family::Llama && plan.must != Must::Not && !plan.amid_words {
                    plain.push_str(" & ~/[ \\t\\r\\n]*\\{(.|\\n)*/");
                }
                let _ = writeln!(self.text, "PLAIN: {plain}");
                "PLAIN".into()
            }
        }
    }

    fn calls(&mut self, plan: &Plan<'_>) {
        let lead = plan.must == Must::May || plan.amid_words;
        // Beside words that have a form, a call stands alone.
        let lead = lead && plan.words.is_none();
        let opening = plan.family.opening();
        let names: Vec<String> = (0..plan.functions.len()).map(|at| format!("call_{at}")).collect();
        self.rule("call", &names.join(" | "));
        for (at, (name, schema)) in plan.functions.iter().enumerate() {
            let body = self.call(plan.family, at, name, schema);
            self.rule(&format!("call_{at}"), &body);
        }
        if lead && plan.family == Family::Llama && !plan.amid_words {
            // Where a brace may begin a call, it begins no words: a lexer takes the longest that it can.
            let _ = writeln!(self.text, "LEAD: /[ \\t\\r\\n]*([^{{ \\t\\r\\n](.|\\n)*)?/");
            self.text_until("head", "LEAD", opening);
        } else if lead {
            self.until("head", opening);
        } else {
            let mark = self.mark(opening);
            self.rule("head", &mark);
        }
        let body = match plan.family {
            Family::Llama => {
                let next = if plan.parallel { "(\"; \" call)*" } else { "" };
                // A brace at the beginning is a call; after words only the mark can begin one.
                let bare = if plan.amid_words || plan.words.is_some() { "" } else { "| call" };
                self.rule("first", &format!("head call {bare}"));
                format!("first {next}")
            }
            Family::MistralList => {
                let next = if plan.parallel { "(\", \" call)*" } else { "" };
                format!("head \" \"? \"[\" call {next} \"]\"")
            }
            Family::Hermes => {
                let next = self.mark(HERMES[0]);
                let next = if plan.parallel { format!("(\"\\n\" {next} call)*") } else { String::new() };
                format!("head call {next}")
            }
            Family::MistralNamed { .. } | Family::Gemma(_) => {
                let next = self.mark(opening);
                let next = if plan.parallel { format!("({next} call)*") } else { String::new() };
                format!("head call {next}")
            }
        };
        self.rule("calls", &body);
    }

    /// One call behind its mark.
    fn call(&mut self, family: Family, at: usize, name: &str, schema: &Value) -> String {
        if let Family::Gemma(gemma) = family {
            return self.gemma_call(gemma, at, name, schema);
        }
        self.rule(&format!("arguments_{at}"), &format!("%json {schema}"));
        if let Family::MistralNamed { with_id } = family {
            let id =
                if with_id { format!("{} /[a-zA-Z0-9]{{9}}/", self.mark(MISTRAL_ID)) } else { String::new() };
            let mark = self.mark(MISTRAL_ARGUMENTS);
            return format!("{} {id} {mark} arguments_{at}", literal(name));
        }
        let key = family.arguments_key();
        let begin = literal(&format!("{{\"name\": {}, \"{key}\": ", Value::from(name)));
        match family {
            Family::Hermes => {
                let close = self.mark(HERMES[1]);
                format!("\"\\n\" {begin} arguments_{at} \"}}\\n\" {close}")
            }
            Family::MistralList => {
                format!("{begin} arguments_{at} (\", \\\"id\\\": \\\"\" /[a-zA-Z0-9]{{9}}/ \"\\\"\")? \"}}\"")
            }
            _ => format!("{begin} arguments_{at} \"}}\""),
        }
    }

    fn gemma_call(&mut self, gemma: Gemma, at: usize, name: &str, schema: &Value) -> String {
        let close = self.mark(gemma.close);
        let arguments = gemma::arguments(self, gemma, at, schema);
        format!("{} {arguments} {close}", literal(&format!("call:{name}")))
    }

    /// A rule for any text that ends with a mark.
    fn until(&mut self, name: &str, mark: &str) {
        self.text_until(name, "ANY", mark);
    }

    fn text_until(&mut self, name: &str, text: &str, mark: &str) {
        // What is spelled out ends where the mark is first whole.
        let lazy = if self.hidden(mark).is_some() { "" } else { "[lazy]" };
        let mark = self.mark(mark);
        self.rule(&format!("{name}{lazy}"), &format!("{text} {mark}"));
    }

    /// The hidden token that a mark is, or begins with.
    fn hidden(&self, mark: &str) -> Option<i32> {
        self.vocabulary.token_of(mark.trim_end_matches("thought\n"))
    }

    fn mark(&self, mark: &str) -> String {
        let token = mark.trim_end_matches("thought\n");
        match (self.hidden(mark), &mark[token.len()..]) {
            (Some(token), "") => format!("<[{token}]>"),
            (Some(token), rest) => format!("<[{token}]> {}", literal(rest)),
            (None, _) => literal(mark),
        }
    }
}

/// A text that stands for itself: a string of Lark is one of JSON.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// A text that stands for itself in a regular expression of Lark.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if !char.is_ascii_alphanumeric() && char.is_ascii() && char != '_' && char != '<' && char != '>' {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

//! Tools in a chat request: what a model may call, whether it must, and the calls and results so far.

use serde_json::{Map, Value};

use super::fields::{Fields, out_of_range};
use crate::ApiError;

/// A function that a model may call.
#[derive(Clone, PartialEq)]
pub struct Tool {
    pub name: String,
    /// Its arguments must have the form of its schema, whatever the model would rather say.
    pub strict: bool,
    /// A JSON Schema, itself an object; `None` for a function without arguments.
    pub parameters: Option<Value>,
    /// The whole entry as it came, for the model to read.
    pub entry: Value,
}

/// Whether a model may call, and what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolChoice {
    pub must: Must,
    /// The only names that may be called; any where there are none.
    pub only: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Must {
    /// It answers in words.
    Not,
    /// It chooses by itself.
    #[default]
    May,
    /// It calls one tool at least.
    Call,
}

/// A call that an earlier answer made.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// The text of a JSON object, where the model that wrote it kept its word.
    pub arguments: String,
}

/// The tools of a request, and what else of its kind only an upstream knows.
#[derive(Default)]
pub(super) struct Tools {
    pub(super) list: Vec<Tool>,
    pub(super) choice: ToolChoice,
    /// There are tools that are no functions, or functions of the old kind.
    pub(super) others: bool,
}

const MAX_NAME: usize = 256;

impl Tools {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let mut tools = Tools { others: fields.filled("functions"), ..Tools::default() };
        match fields.given("tools") {
            None => {}
            Some(Value::Array(list)) => {
                for (at, entry) in list.iter().enumerate() {
                    match tool(&format!("tools[{at}]"), entry)? {
                        Some(tool) if tools.list.iter().any(|other| other.name == tool.name) => {
                            let message = format!("tools[{at}] has the name of an earlier tool.");
                            return Err(ApiError::invalid("invalid_tools", &format!("tools[{at}]"), message));
                        }
                        Some(tool) => tools.list.push(tool),
                        None => tools.others = true,
                    }
                }
            }
            Some(_) => return Err(wrong("tools", "a list of tools")),
        }
        tools.choice = tools.read_choice(fields.given("tool_choice"))?;
        Ok(tools)
    }

    fn read_choice(&self, choice: Option<&Value>) -> Result<ToolChoice, ApiError> {
        const EXPECTED: &str =
            "\"none\", \"auto\", \"required\", or an object that names a function of \"tools\"";
        let Some(choice) = choice else { return Ok(ToolChoice::default()) };
        if let Value::String(word) = choice {
            let must = mode(word).ok_or_else(|| wrong("tool_choice", EXPECTED))?;
            if must == Must::Call && self.list.is_empty() && !self.others {
                let message = "\"tool_choice\" is \"required\", and there are no \"tools\".";
                return Err(ApiError::invalid("invalid_tools", "tool_choice", message));
            }
            return Ok(ToolChoice { must, only: None });
        }
        match choice.get("type").and_then(Value::as_str) {
            Some("function") => {
                let name = self.known(choice, "tool_choice.function.name")?;
                Ok(ToolChoice { must: Must::Call, only: Some(vec![name]) })
            }
            Some("allowed_tools") => self.allowed(choice.get("allowed_tools")),
            // One of another kind: an upstream knows whether it may be chosen so.
            Some(_) if self.others => Ok(ToolChoice { must: Must::Call, only: None }),
            _ => Err(wrong("tool_choice", EXPECTED)),
        }
    }

    fn allowed(&self, allowed: Option<&Value>) -> Result<ToolChoice, ApiError> {
        let at = "tool_choice.allowed_tools";
        let must = allowed.and_then(|allowed| allowed.get("mode")).and_then(Value::as_str).and_then(mode);
        let list = allowed.and_then(|allowed| allowed.get("tools")).and_then(Value::as_array);
        let (Some(must @ (Must::May | Must::Call)), Some(list)) = (must, list) else {
            return Err(wrong(
                at,
                "an object with a \"mode\" (\"auto\" or \"required\") and a list of \"tools\"",
            ));
        };
        let functions = list.iter().filter(|entry| !self.others || entry.get("function").is_some());
        let only =
            functions.map(|entry| self.known(entry, &format!("{at}.tools"))).collect::<Result<_, _>>()?;
        Ok(ToolChoice { must, only: Some(only) })
    }

    fn known(&self, choice: &Value, param: &str) -> Result<String, ApiError> {
        let name = choice.get("function").and_then(|function| function.get("name")).and_then(Value::as_str);
        let known = name.filter(|name| self.list.iter().any(|tool| tool.name == **name));
        known.map(str::to_owned).ok_or_else(|| wrong(param, "the name of a function of \"tools\""))
    }
}

fn mode(word: &str) -> Option<Must> {
    match word {
        "none" => Some(Must::Not),
        "auto" => Some(Must::May),
        "required" => Some(Must::Call),
        _ => None,
    }
}

/// `None` for a tool that is no function.
fn tool(at: &str, entry: &Value) -> Result<Option<Tool>, ApiError> {
    let kind = entry.get("type").and_then(Value::as_str);
    let kind = kind.ok_or_else(|| wrong(at, "an object with a \"type\", such as \"function\""))?;
    if kind != "function" {
        return Ok(None);
    }
    let at = format!("{at}.function");
    let Some(Value::Object(function)) = entry.get("function") else {
        return Err(wrong(&at, "an object with a \"name\""));
    };
    let parameters = match function.get("parameters") {
        None | Some(Value::Null) => None,
        Some(schema @ Value::Object(_)) => Some(schema.clone()),
        Some(_) => return Err(wrong(&format!("{at}.parameters"), "a JSON Schema, which is an object")),
    };
    let strict = match function.get("strict") {
        None | Some(Value::Null) => false,
        Some(strict) => strict.as_bool().ok_or_else(|| wrong(&format!("{at}.strict"), "true or false"))?,
    };
    Ok(Some(Tool { name: name_of(function, &at)?, strict, parameters, entry: entry.clone() }))
}

fn name_of(function: &Map<String, Value>, at: &str) -> Result<String, ApiError> {
    let is_good = |name: &&str| (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    let name = function.get("name").and_then(Value::as_str).filter(is_good);
    let expected = format!("a name of 1 to {MAX_NAME} bytes");
    name.map(str::to_owned).ok_or_else(|| wrong(&format!("{at}.name"), &expected))
}

/// The calls in a message of an assistant. `others` is set where one is no call of a function.
pub(super) fn calls(at: &str, calls: Option<&Value>, others: &mut bool) -> Result<Vec<ToolCall>, ApiError> {
    let at = format!("{at}.tool_calls");
    let list = match calls {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(wrong(&at, "a list of calls")),
    };
    let mut read = Vec::with_capacity(list.len());
    for (number, entry) in list.iter().enumerate() {
        let at = format!("{at}[{number}]");
        if entry.get("type").is_some_and(|kind| kind != "function") {
            *others = true;
            continue;
        }
        let Some(Value::Object(function)) = entry.get("function") else {
            return Err(wrong(&format!("{at}.function"), "an object with a \"name\" and \"arguments\""));
        };
        let id = entry.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| wrong(&format!("{at}.id"), "the identifier of the call"))?;
        let arguments = arguments(function.get("arguments"));
        let arguments =
            arguments.ok_or_else(|| wrong(&format!("{at}.function.arguments"), "a text of JSON"))?;
        read.push(ToolCall {
            id: id.to_owned(),
            name: name_of(function, &format!("{at}.function"))?,
            arguments,
        });
    }
    Ok(read)
}

/// Some clients leave out the arguments of a function that has none.
fn arguments(value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some("{}".into()),
        Some(Value::String(text)) if text.trim().is_empty() => Some("{}".into()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => None,
    }
}

fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError { code: "invalid_tools".into(), ..out_of_range(name, expected) }
}

#[cfg(test)]
mod tests;

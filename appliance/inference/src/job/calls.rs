//! Tools that a model may call, and the calls that it makes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an answer may call.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tools {
    /// All that the model is told of.
    pub list: Vec<Tool>,
    pub must: Must,
    /// One answer may make several calls.
    pub parallel: bool,
}

/// One function.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    /// The text of the JSON object that the template shows to the model.
    pub entry: String,
    /// The text of a JSON Schema that the arguments have; `None` for a function without arguments.
    pub parameters: Option<String>,
    /// A schema that can't be held word for word refuses the job; of others only the result is checked.
    pub strict: bool,
    /// It may be called; the others are only told of.
    pub callable: bool,
}

/// Whether an answer calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Must {
    Not,
    /// The model chooses by itself.
    May,
    /// One call at least, and nothing else.
    Call,
}

/// A call that an earlier answer made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub id: String,
    pub name: String,
    /// The text of a JSON object.
    pub arguments: String,
}

/// A piece of what a model says, told apart by what it is for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// Words of the answer.
    Text(String),
    /// Words that the model thinks before its answer.
    Reasoning(String),
    /// A call of this function begins.
    Call(String),
    /// A part of the JSON object that the function is called with.
    Arguments(String),
    /// The call is whole, and its arguments have the form that the function wants.
    CallEnded,
}

impl Said {
    /// The bytes of its text.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Said::Text(text) | Said::Reasoning(text) | Said::Call(text) | Said::Arguments(text) => {
                text.len() as u64
            }
            Said::CallEnded => 0,
        }
    }
}

impl Tools {
    pub(super) fn bytes(&self) -> usize {
        let size = |tool: &Tool| {
            tool.name.len() + tool.entry.len() + tool.parameters.as_ref().map_or(0, String::len)
        };
        self.list.iter().map(size).sum()
    }

    pub(crate) fn callable(&self) -> impl Iterator<Item = &Tool> {
        self.list.iter().filter(|tool| tool.callable && self.must != Must::Not)
    }
}

impl Call {
    pub(super) fn bytes(&self) -> usize {
        self.id.len() + self.name.len() + self.arguments.len()
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Said::Reasoning(text) => write!(f, "Reasoning({} bytes)", text.len()),
            Said::Call(_) => f.write_str("Call"),
            Said::Arguments(text) => write!(f, "Arguments({} bytes)", text.len()),
            Said::CallEnded => f.write_str("CallEnded"),
        }
    }
}

use serde_json::{Value, json};

use super::*;
use crate::openai::{ChatRequest, Delivery};

fn with(fields: &Value) -> Value {
    let mut body = json!({"model": "a", "messages": [{"role": "user", "content": "x"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn parse(fields: &Value) -> Result<ChatRequest, ApiError> {
    ChatRequest::parse(with(fields).to_string().as_bytes())
}

fn dose() -> Value {
    json!({"type": "function", "function": {"name": "dose", "description": "용량", "strict": true,
        "parameters": {"type": "object", "properties": {"mg": {"type": "integer"}}}}})
}

fn time() -> Value {
    json!({"type": "function", "function": {"name": "time"}})
}

#[test]
fn tools_are_read_and_pass_to_a_cloud_as_they_came() {
    let fields = json!({"tools": [dose(), time()], "parallel_tool_calls": false, "tool_choice": "required"});
    let request = parse(&fields).unwrap();
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["dose", "time"]);
    assert!(request.tools[0].strict && !request.tools[1].strict);
    assert_eq!(request.tools[0].parameters, Some(dose()["function"]["parameters"].clone()));
    assert_eq!(request.tools[0].entry, dose());
    assert!(!request.parallel_tool_calls && request.needs.tools && !request.needs.other_tools);
    let sent: Value = serde_json::from_slice(&request.body_for("a", Delivery::Whole)).unwrap();
    assert_eq!(sent, with(&fields));
}

#[test]
fn each_choice_is_known() {
    let choice = |choice: Value| {
        parse(&json!({"tools": [dose(), time()], "tool_choice": choice})).unwrap().tool_choice
    };
    let only = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
    assert_eq!(parse(&json!({"tools": [dose()]})).unwrap().tool_choice.must, Must::May);
    assert_eq!(choice(json!("auto")), ToolChoice { must: Must::May, only: None });
    assert_eq!(choice(json!("none")).must, Must::Not);
    assert_eq!(choice(json!("required")), ToolChoice { must: Must::Call, only: None });
    let named = json!({"type": "function", "function": {"name": "time"}});
    assert_eq!(choice(named.clone()), ToolChoice { must: Must::Call, only: only(&["time"]) });
    let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named]}});
    assert_eq!(choice(allowed), ToolChoice { must: Must::May, only: only(&["time"]) });
}

#[test]
fn who_forbids_calls_needs_nothing_that_can_call() {
    assert!(!parse(&json!({"tools": [dose()], "tool_choice": "none"})).unwrap().needs.tools);
    assert!(!parse(&json!({"tools": []})).unwrap().needs.tools);
}

#[test]
fn what_is_no_function_is_another_need() {
    let search = json!({"type": "web_search", "web_search": {}});
    let request = parse(&json!({"tools": [search], "tool_choice": {"type": "web_search"}})).unwrap();
    assert!(request.needs.other_tools && request.tools.is_empty());
    assert!(parse(&json!({"functions": [{"name": "f"}]})).unwrap().needs.other_tools);
}

#[test]
fn calls_and_results_are_read_from_messages() {
    let messages = json!([
        {"role": "user", "content": "When?"},
        {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "time", "arguments": "{\"at\":\"서울\"}"}},
            {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "9시"}]}
    ]);
    let request = parse(&json!({"messages": messages})).unwrap();
    assert!(request.needs.tools);
    let calls = &request.messages[1].calls;
    assert_eq!((calls[0].id.as_str(), calls[0].arguments.as_str()), ("call_1", "{\"at\":\"서울\"}"));
    assert_eq!(calls[1].arguments, "{}");
    assert_eq!(request.messages[1].reasoning.as_deref(), Some("hm"));
    assert_eq!(
        (request.messages[2].text.as_str(), request.messages[2].call_id.as_deref()),
        ("9시", Some("call_1"))
    );
    let size = request.text_bytes();
    assert!(size > 30, "calls count as text: {size}");
}

#[test]
fn what_is_wrong_with_a_tool_is_named_by_its_place() {
    let message = |message: Value| json!({"messages": [message]});
    let called = |call: Value| message(json!({"role": "assistant", "tool_calls": [call]}));
    let table = [
        (json!({"tools": {}}), "tools"),
        (json!({"tools": [{}]}), "tools[0]"),
        (json!({"tools": ["dose"]}), "tools[0]"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].function"),
        (json!({"tools": [{"type": "function", "function": {}}]}), "tools[0].function.name"),
        (json!({"tools": [{"type": "function", "function": {"name": "a\nb"}}]}), "tools[0].function.name"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}),
            "tools[0].function.parameters",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "strict": 1}}]}),
            "tools[0].function.strict",
        ),
        (json!({"tools": [dose(), dose()]}), "tools[1]"),
        (json!({"tools": [dose()], "tool_choice": "any"}), "tool_choice"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (
            json!({"tools": [dose()], "tool_choice": {"type": "function", "function": {"name": "time"}}}),
            "tool_choice.function.name",
        ),
        (json!({"tools": [dose()], "tool_choice": {"type": "allowed_tools"}}), "tool_choice.allowed_tools"),
        (json!({"tools": [dose()], "parallel_tool_calls": "no"}), "parallel_tool_calls"),
        (json!({"chat_template_kwargs": []}), "chat_template_kwargs"),
        (message(json!({"role": "tool", "content": "9"})), "messages[0].tool_call_id"),
        (message(json!({"role": "assistant", "tool_calls": {}})), "messages[0].tool_calls"),
        (called(json!({"id": "1"})), "messages[0].tool_calls[0].function"),
        (called(json!({"function": {"name": "f"}})), "messages[0].tool_calls[0].id"),
        (
            called(json!({"id": "1", "function": {"name": "f", "arguments": {}}})),
            "messages[0].tool_calls[0].function.arguments",
        ),
    ];
    for (fields, param) in table {
        let error = parse(&fields).err().unwrap_or_else(|| panic!("taken: {fields}"));
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{fields}");
    }
}
